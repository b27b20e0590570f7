"""How good a trained model is: its denoising loss, and how close its samples come to real images.

Everything is drawn from the recipe's seed, so checkpoints are measured with the same noise and can be compared.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from diffusers import DDPMPipeline, DiffusionPipeline

STRATA = 8
"""Equal parts of the noise schedule; every image is noised once in each."""
SAMPLING_STEPS = 25
CELLS = 4
ORIENTATIONS = 8
POOLED = 7


def denoising_losses(
    pipeline: DiffusionPipeline,
    clean: torch.Tensor,
    seed: int,
    batch_size: int = 128,
    *,
    embeddings: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean squared error of the predicted noise of each sample (N,), over the whole schedule.

    Row i gets the same noise and timesteps in every call of one seed, so two sets of samples, or two models,
    differ only in what is asked about.

    Args:
        pipeline: with a ``unet`` and a ``scheduler``.
        clean: samples (N, C, H, W) in the denoiser's own space: images in [-1, 1], or scaled latents.
        seed: of noise and timesteps.
        batch_size: samples at once.
        embeddings: what the text model makes of their captions (N, tokens, width); None for a denoiser without text.
    """
    scheduler, unet = pipeline.scheduler, pipeline.unet
    length = scheduler.config.num_train_timesteps

    def error(rows: slice, noise: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        condition = () if embeddings is None else (embeddings[rows],)
        timesteps = (places * length / STRATA).long().to(clean.device)
        predicted: torch.Tensor = unet(scheduler.add_noise(clean[rows], noise, timesteps), timesteps, *condition).sample
        return predicted - noise

    return _losses(clean, seed, batch_size, error)


def velocity_losses(pipeline: DDPMPipeline, clean: torch.Tensor, seed: int, batch_size: int = 128) -> torch.Tensor:
    """Mean squared error of the predicted velocity of each sample (N,), over all times; drawn as `denoising_losses`.

    Args:
        pipeline: with a ``unet`` that predicts velocities, and a ``scheduler`` of flows.
        clean: images (N, C, H, W) in [-1, 1].
        seed: of noise and times.
        batch_size: samples at once.
    """
    length = pipeline.scheduler.config.num_train_timesteps

    def error(rows: slice, noise: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        times = (places / STRATA).to(clean)
        share = times.view(-1, 1, 1, 1)
        velocity: torch.Tensor = pipeline.unet((1 - share) * clean[rows] + share * noise, times * length).sample
        return velocity - (noise - clean[rows])

    return _losses(clean, seed, batch_size, error)


def _losses(
    clean: torch.Tensor,
    seed: int,
    batch_size: int,
    error: Callable[[slice, torch.Tensor, torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """Mean squares of errors of each sample (N,), which are made of rows, their noise and their places in [0, STRATA).

    Every sample has one place in each stratum.
    """
    import torch

    losses = torch.zeros(len(clean))
    for start in range(0, len(clean), batch_size):
        rows = range(start, min(start + batch_size, len(clean)))
        noise, places = _draws(seed, rows, tuple(clean.shape[1:]))
        noise = noise.to(clean.device)
        for stratum in range(STRATA):
            with torch.inference_mode():
                missed = error(slice(start, rows.stop), noise[:, stratum], stratum + places[:, stratum])
            losses[start : rows.stop] += missed.square().flatten(1).mean(1).cpu() / STRATA
    return losses


def sample_images(pipeline: DDPMPipeline, count: int, seed: int, steps: int = SAMPLING_STEPS) -> torch.Tensor:
    """``count`` generated images (count, C, H, W) in [0, 1], DDIM from seeded noise."""
    import torch
    from diffusers import DDIMPipeline

    sampler = DDIMPipeline(pipeline.unet, pipeline.scheduler)
    sampler.set_progress_bar_config(disable=True)
    images = sampler(
        batch_size=count,
        generator=torch.Generator().manual_seed(seed),
        eta=0.0,
        num_inference_steps=steps,
        output_type="np",
    ).images
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def sample_flow(pipeline: DDPMPipeline, count: int, seed: int) -> torch.Tensor:
    """``count`` generated images (count, C, H, W) in [0, 1], Euler with 25 steps from seeded noise."""
    import torch

    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(seed)
    made = pipeline(count, generator, num_inference_steps=SAMPLING_STEPS, output_type="np").images
    return torch.from_numpy(made).permute(0, 3, 1, 2).contiguous()


def kernel_distance(generated: torch.Tensor, reference: torch.Tensor) -> float:
    """Unbiased squared maximum mean discrepancy between two sets of images, cubic polynomial kernel.

    Formula of the Kernel Inception Distance (Binkowski et al. 1801.01401, equation 4) on features of our own
    instead of Inception's: see `features`. 0 for two samples of one distribution; it may fall below by chance.
    """
    first, second = features(generated), features(reference)
    center, scale = second.mean(0), _scale(second, reference.shape[1])
    first, second = (first - center) / scale, (second - center) / scale
    within = _mean_off_diagonal(_kernel(first, first)) + _mean_off_diagonal(_kernel(second, second))
    return within - 2 * float(_kernel(first, second).mean())


def kernel_distance_error(generated: torch.Tensor, reference: torch.Tensor) -> float:
    """Standard error of `kernel_distance`, by leaving out each image in turn (the jackknife, over both sets).

    The scale of the features is held fixed. Needs three images of each.
    """
    first, second = features(generated), features(reference)
    center, scale = second.mean(0), _scale(second, reference.shape[1])
    first, second = (first - center) / scale, (second - center) / scale
    across = _kernel(first, second)
    variance = 0.0
    for side, sums in ((first, across.sum(1)), (second, across.sum(0))):
        kernel, count, others = _kernel(side, side), len(side), across.numel() // len(side)
        rows = kernel.sum(1) - kernel.diagonal()
        within = (rows.sum() - 2 * rows) / ((count - 1) * (count - 2))
        left_out = within - 2 * (sums.sum() - sums) / ((count - 1) * others)
        variance += float((count - 1) * left_out.var(correction=0))
    return math.sqrt(variance)


def features(images: torch.Tensor) -> torch.Tensor:
    """Fixed features (N, K) of images (N, C, H, W) in [0, 1]: the picture at 7x7 and its edge orientations at 4x4.

    The orientations are histograms of gradient direction weighted by gradient length, in the manner of Dalal and
    Triggs 2005, with unit length a picture.
    """
    import torch
    from torch.nn.functional import adaptive_avg_pool2d, normalize, one_hot

    images = images.double()
    across, down = torch.gradient(images.mean(1), dim=(2, 1))
    direction = (torch.atan2(down, across) % math.pi) / math.pi * ORIENTATIONS
    bins = one_hot(direction.long().clamp(max=ORIENTATIONS - 1), ORIENTATIONS).permute(0, 3, 1, 2)
    weighted = bins * torch.hypot(across, down).unsqueeze(1)
    edges = normalize(adaptive_avg_pool2d(weighted, CELLS).flatten(1))
    return torch.cat([adaptive_avg_pool2d(images, POOLED).flatten(1), edges], 1)


def _draws(seed: int, rows: range, shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise (N, strata, C, H, W) and places within each stratum in [0, 1), each row from its own generator."""
    import torch

    generators = [np.random.default_rng([seed, row]) for row in rows]
    noise = np.stack([generator.standard_normal((STRATA, *shape), np.float32) for generator in generators])
    places = np.stack([generator.random(STRATA) for generator in generators])
    return torch.from_numpy(noise), torch.from_numpy(places)


def _scale(real: torch.Tensor, channels: int) -> torch.Tensor:
    """One scale for all pixel features and one for all edge features, so that both kinds weigh the same.

    A scale for each feature would let those that are nearly constant in real images drown the rest.
    """
    import torch

    pixels, edges = real.var(0).split([channels * POOLED**2, ORIENTATIONS * CELLS**2])  # type: ignore[no-untyped-call]
    return torch.cat([part.mean().sqrt().expand_as(part) for part in (pixels, edges)]).clamp_min(1e-6)


def _kernel(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return (first @ second.T / first.shape[1] + 1) ** 3


def _mean_off_diagonal(kernel: torch.Tensor) -> float:
    count = len(kernel)
    return float(kernel.sum() - kernel.diagonal().sum()) / (count * (count - 1))
