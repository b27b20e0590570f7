"""What a victim owes: to answer each sample by itself, in the shapes that observers count on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from leakboard.oracle.fitting import Fitting
from leakboard.testing.checks import COUNT, Check, Declined, Subject, agree

if TYPE_CHECKING:
    import torch

    from leakboard.api import Model, Samples

STEPS = 2
ROUND_TRIP = 2 / 255


def _opened(subject: Subject) -> tuple[Model, Samples]:
    if subject.samples is None:
        raise Declined("nothing to ask it about: give samples of its size")
    samples, model = subject.samples.take(range(COUNT)), subject.model
    fitting = Fitting(samples.image_shape, model.image_shape, subject.made.fit)
    fitting.check()
    return model, replace(samples, images=fitting.to_victim(samples.images))


def _noise(like: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.randn(like.shape, generator=torch.Generator().manual_seed(0))


def _schedule(subject: Subject) -> None:
    schedule = _opened(subject)[0].alphas_cumprod
    assert schedule.ndim == 1, f"alphas_cumprod has shape {tuple(schedule.shape)}"
    assert bool(((schedule >= 0) & (schedule <= 1)).all()), "alphas_cumprod leaves [0, 1]"
    assert bool((schedule[1:] <= schedule[:-1]).all()), "alphas_cumprod rises: index 0 is the least noisy step"


def _round_trip(subject: Subject) -> None:
    model, samples = _opened(subject)
    back = model.decode(model.encode(samples.images))
    if not model.round_trip_error:
        agree(back, samples.images, "images after encode and decode", ROUND_TRIP)
        return
    error = float((back - samples.images).square().mean().sqrt())
    assert error <= model.round_trip_error, f"encode and decode lose {error:.3f}, declared {model.round_trip_error}"


def _decode(subject: Subject) -> None:
    model, samples = _opened(subject)
    inner = model.encode(samples.images)
    images = model.decode(inner + 3 * _noise(inner))
    assert images.shape == samples.images.shape, f"decode gives {tuple(images.shape)}"
    assert bool(((images >= 0) & (images <= 1)).all()), "decode leaves [0, 1]"


def _predict(subject: Subject) -> None:
    model, samples = _opened(subject)
    state = model.encode(samples.images)
    before = state.clone()
    timestep = len(model.alphas_cumprod) // 5
    whole = model.predict_noise(state, timestep, samples.prompts)
    assert whole.shape == state.shape, f"predicted noise of shape {tuple(whole.shape)} for states {tuple(state.shape)}"
    assert bool(whole.isfinite().all()), "predicted noise is not finite"
    assert bool((before == state).all()), "it changed the state in place"
    for row in range(COUNT):
        prompts = samples.prompts[row : row + 1] if samples.prompts else None
        alone = model.predict_noise(state[row : row + 1], timestep, prompts)
        agree(alone, whole[row : row + 1], f"noise predicted for sample {row} alone and in its batch")


def _reconstruct(subject: Subject) -> None:
    model, samples = _opened(subject)
    inner = model.encode(samples.images)
    seeds = range(len(samples.ids))
    walks = [list(model.reconstruct(samples.images, seeds, 0.2, STEPS, samples.prompts)) for _ in range(2)]
    assert len(walks[0]) == STEPS, f"{len(walks[0])} steps of a reconstruction, expected {STEPS}"
    for place, step in enumerate(walks[0]):
        for name, part in (("clean", step.clean), ("state", step.state)):
            assert part.shape == inner.shape, f"{name} of step {place} has shape {tuple(part.shape)}"
            assert bool(part.isfinite().all()), f"{name} of step {place} is not finite"
    agree(walks[0][-1].clean, walks[1][-1].clean, "the same reconstruction twice", 1e-6)
    prompts = samples.prompts[:1] if samples.prompts else None
    *_, last = model.reconstruct(samples.images[:1], seeds[:1], 0.2, STEPS, prompts)
    agree(last.clean, walks[0][-1].clean[:1], "a sample reconstructed alone and in its batch")


def _generate(subject: Subject) -> None:
    model, samples = _opened(subject)
    inner = model.encode(samples.images)
    made = model.generate(range(len(inner)), STEPS, samples.prompts)
    assert made.shape == inner.shape, f"generate gives {tuple(made.shape)}, encode {tuple(inner.shape)}"
    assert bool(made.isfinite().all()), "what it generates is not finite"


def _gradients(subject: Subject) -> None:
    model, samples = _opened(subject)
    two = samples.take(range(2))
    inner = model.encode(two.images)
    norms = model.gradients(inner, _noise(inner), len(model.alphas_cumprod) // 5, two.prompts)
    assert norms.ndim == 2, f"gradients give shape {tuple(norms.shape)}, expected (samples, parameter tensors)"
    assert len(norms) == 2, f"gradients give {len(norms)} rows for 2 samples"
    assert bool((norms.isfinite() & (norms >= 0)).all()), "gradient norms are not all finite and at least 0"


CHECKS = (
    Check("noise schedule", _schedule),
    Check("encode and decode lead there and back", _round_trip),
    Check("decode stays in range", _decode),
    Check("predicted noise, independent of the batch", _predict),
    Check("reconstructions", _reconstruct),
    Check("generation", _generate),
    Check("gradients", _gradients),
)
