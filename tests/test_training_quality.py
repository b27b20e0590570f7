"""How good a model is: denoising loss, and the distance of its samples from real images."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from leakboard.training.quality import denoising_losses, features, kernel_distance


def test_loss_of_a_network_that_predicts_nothing_is_the_variance_of_noise():
    """1 on average, as far as its standard error reaches; the same in any batch size and for any images."""
    from diffusers import DDPMScheduler

    pipeline = SimpleNamespace(
        scheduler=DDPMScheduler(), unet=lambda noisy, timesteps: SimpleNamespace(sample=torch.zeros_like(noisy))
    )
    images = torch.rand(50, 1, 8, 8)

    losses = denoising_losses(pipeline, images, 0)

    assert losses.shape == (50,)
    assert abs(float(losses.mean()) - 1) < 4 * float(losses.std()) / 50**0.5 < 0.06
    assert torch.allclose(denoising_losses(pipeline, images, 0, batch_size=7), losses)
    assert torch.equal(denoising_losses(pipeline, 1 - images, 0), losses)
    assert not torch.equal(denoising_losses(pipeline, images, 1), losses)


def test_loss_asks_once_in_every_part_of_the_schedule():
    from diffusers import DDPMScheduler

    asked = []

    def unet(noisy, timesteps):
        asked.append(timesteps)
        return SimpleNamespace(sample=noisy)

    denoising_losses(SimpleNamespace(scheduler=DDPMScheduler(), unet=unet), torch.rand(6, 1, 8, 8), 0)

    assert torch.equal(torch.stack(asked) // 125, torch.arange(8)[:, None].expand(8, 6))


def test_kernel_distance_is_the_unbiased_estimate_pair_by_pair():
    generated, real = torch.rand(6, 1, 8, 8) ** 2, torch.rand(5, 1, 8, 8)
    mean, spread = features(real).mean(0), features(real).var(0)
    scale = torch.cat([spread[:49].mean().sqrt().repeat(49), spread[49:].mean().sqrt().repeat(128)])
    first, second = (features(generated) - mean) / scale, (features(real) - mean) / scale

    def kernel(one, other):
        return float((one @ other / len(one) + 1) ** 3)

    within = [kernel(one, other) for i, one in enumerate(first) for j, other in enumerate(first) if i != j]
    reals = [kernel(one, other) for i, one in enumerate(second) for j, other in enumerate(second) if i != j]
    across = [kernel(one, other) for one in first for other in second]

    assert kernel_distance(generated, real) == pytest.approx(
        np.mean(within) + np.mean(reals) - 2 * np.mean(across), rel=1e-8
    )


def test_kernel_distance_orders_sets_by_their_likeness():
    generator = torch.Generator().manual_seed(0)
    real = torch.rand(200, 1, 8, 8, generator=generator)
    alike = torch.rand(200, 1, 8, 8, generator=generator)
    darker = alike * 0.9

    distances = [kernel_distance(images, real) for images in (alike, darker, torch.zeros_like(real))]

    assert abs(distances[0]) < distances[1] < distances[2]


def test_edge_features_tell_directions_apart():
    """Upright and lying stripes of the same mean differ in the orientation features alone."""
    noise = torch.rand(24, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    upright = (noise * 0.2 + torch.arange(8) % 2 * 0.8).clamp(0, 1)
    lying = upright.transpose(2, 3)

    difference = (features(upright) - features(lying)).abs().mean(0)

    assert difference[49:].max() > 0.1
