"""What a victim owes: to answer each sample by itself, in the shapes that observers count on."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from leakboard.api import Unsupported
from leakboard.asking import ACCESS
from leakboard.oracle.fitting import Fitting
from leakboard.testing import checks
from leakboard.testing.checks import COUNT, Check, Declined, Subject, agree, unchanged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from leakboard.api import Access, Model, Samples, Victim

STEPS = 2
STRENGTH = 0.2
TIME = 0.5
ROUND_TRIP = 2 / 255


def _opened(subject: Subject, needed: Access) -> tuple[Model, Samples]:
    """The model and what to ask it about, with images that fit it and the prompts it takes by itself.

    Raises:
        Declined: there is nothing to ask, or the victim does not declare the access that the question needs.
    """
    if subject.samples is None:
        raise Declined("nothing to ask it about: give samples of its size")
    if not _answers(subject, needed):
        raise Declined(f"it answers {subject.made.access} access, and this question needs {needed}")
    samples, model = subject.samples.take(range(COUNT)), subject.model
    fitting = Fitting(samples.image_shape, model.image_shape, subject.made.fit)
    fitting.check()
    prompts = subject.made.prompts_for(samples)
    return model, replace(samples, images=fitting.to_victim(samples.images), prompts=prompts)


def _answers(subject: Subject, needed: Access) -> bool:
    return ACCESS.index(needed) <= ACCESS.index(subject.made.access)


def _output(model: Model, samples: Samples) -> torch.Tensor:
    """What the victim returns of images, in its own space: all that there is of it behind an API."""
    seeds = range(len(samples.ids))
    try:
        *_, last = model.reconstruct(samples.images, seeds, STRENGTH, STEPS, samples.prompts)
    except Unsupported:
        return model.generate(seeds, STEPS, samples.prompts)
    return last.clean


def _members(subject: Subject) -> None:
    victim: Victim = subject.made
    ids = (subject.samples or checks.samples()).ids[:COUNT]
    found = victim.members(ids)
    if found is None:
        return
    assert isinstance(found, np.ndarray), f"members gives a {type(found).__name__}, expected an array or None"
    assert found.dtype == np.bool_, f"members gives {found.dtype}, expected bool"
    assert found.shape == (len(ids),), f"members gives shape {found.shape} for {len(ids)} ids"
    for part in (slice(0, 3), slice(None, None, -1)):
        again = victim.members(ids[part])
        assert again is not None, "members tells some ids apart and others not"
        assert again.tolist() == found[part].tolist(), "members depends on which other ids are asked about"


def _prompts(subject: Subject) -> None:
    victim: Victim = subject.made
    samples = (subject.samples or checks.samples()).take(range(COUNT))
    prompts = victim.prompts_for(samples)
    if prompts is None:
        return
    assert all(isinstance(text, str) for text in prompts), "prompts_for gives other things than texts"
    assert len(prompts) == COUNT, f"prompts_for gives {len(prompts)} prompts for {COUNT} samples"
    few = victim.prompts_for(samples.take(range(3)))
    assert few is not None, "prompts_for gives prompts for some samples and none for others"
    assert tuple(few) == tuple(prompts[:3]), "prompts_for depends on which other samples there are"


def _noise(like: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.randn(like.shape, generator=torch.Generator().manual_seed(0))


def _schedule(subject: Subject) -> None:
    schedule = _opened(subject, "gray")[0].alphas_cumprod
    assert schedule.ndim == 1, f"alphas_cumprod has shape {tuple(schedule.shape)}"
    assert bool(((schedule >= 0) & (schedule <= 1)).all()), "alphas_cumprod leaves [0, 1]"
    assert bool((schedule[1:] <= schedule[:-1]).all()), "alphas_cumprod rises: index 0 is the least noisy step"


def _round_trip(subject: Subject) -> None:
    model, samples = _opened(subject, "gray")
    back = model.decode(model.encode(samples.images))
    if not model.round_trip_error:
        agree(back, samples.images, "images after encode and decode", ROUND_TRIP)
        return
    error = float((back - samples.images).square().mean().sqrt())
    assert error <= model.round_trip_error, f"encode and decode lose {error:.3f}, declared {model.round_trip_error}"


def _decode(subject: Subject) -> None:
    model, samples = _opened(subject, "black")
    inner = model.encode(samples.images) if _answers(subject, "gray") else _output(model, samples)
    images = model.decode(inner + 3 * _noise(inner))
    assert images.shape == samples.images.shape, f"decode gives {tuple(images.shape)}"
    assert bool(((images >= 0) & (images <= 1)).all()), "decode leaves [0, 1]"


def _predict(subject: Subject) -> None:
    model, samples = _opened(subject, "gray")
    timestep = len(model.alphas_cumprod) // 5

    def ask(model: Model, state: torch.Tensor, prompts: Sequence[str] | None) -> torch.Tensor:
        return model.predict_noise(state, timestep, prompts)

    _predicted("noise", ask, subject, model, samples)


def _velocity(subject: Subject) -> None:
    model, samples = _opened(subject, "gray")

    def ask(model: Model, state: torch.Tensor, prompts: Sequence[str] | None) -> torch.Tensor:
        return model.predict_velocity(state, TIME, prompts)

    _predicted("velocity", ask, subject, model, samples)


def _predicted(
    what: str,
    ask: Callable[[Model, torch.Tensor, Sequence[str] | None], torch.Tensor],
    subject: Subject,
    model: Model,
    samples: Samples,
) -> None:
    state, seeds = model.encode(samples.images), range(COUNT)
    whole = ask(model.seeded(seeds), state, samples.prompts)
    assert whole.shape == state.shape, f"predicted {what} of shape {tuple(whole.shape)} for states {tuple(state.shape)}"
    assert bool(whole.isfinite().all()), f"predicted {what} is not finite"
    for row in range(COUNT):
        prompts = samples.prompts[row : row + 1] if samples.prompts else None
        alone = ask(model.seeded(seeds[row : row + 1]), state[row : row + 1], prompts)
        agree(alone, whole[row : row + 1], f"{what} predicted for sample {row} alone and in its batch")
    other = ask(model.seeded(range(COUNT, 2 * COUNT)), state, samples.prompts)
    same = bool((other == whole).all())
    assert same != subject.made.draws, (
        "it says that its predictions are random, and other seeds give the same"
        if same
        else "its predictions depend on the seeds, and it does not say that it draws"
    )


def _reconstruct(subject: Subject) -> None:
    model, samples = _opened(subject, "black")
    seeds = range(len(samples.ids))
    walks = [list(model.reconstruct(samples.images, seeds, STRENGTH, STEPS, samples.prompts)) for _ in range(2)]
    one = list(model.reconstruct(samples.images, seeds, STRENGTH, 1, samples.prompts))
    for walk, steps in ((walks[0], STEPS), (one, 1)):
        output_alone = len(walk) == 1 and not _answers(subject, "gray")
        assert len(walk) == steps or output_alone, f"{len(walk)} steps of a reconstruction, expected {steps}"
    images = model.decode(walks[0][-1].clean)
    assert images.shape == samples.images.shape, f"the output is decoded to {tuple(images.shape)}"
    shape = (model.encode(samples.images) if _answers(subject, "gray") else walks[0][-1].clean).shape
    for place, step in enumerate(walks[0]):
        for name, part in (("clean", step.clean), ("state", step.state)):
            assert part.shape == shape, f"{name} of step {place} has shape {tuple(part.shape)}"
            assert bool(part.isfinite().all()), f"{name} of step {place} is not finite"
    agree(walks[0][-1].clean, walks[1][-1].clean, "the same reconstruction twice", 1e-6)
    prompts = samples.prompts[:1] if samples.prompts else None
    *_, last = model.reconstruct(samples.images[:1], seeds[:1], STRENGTH, STEPS, prompts)
    agree(last.clean, walks[0][-1].clean[:1], "a sample reconstructed alone and in its batch")


def _generate(subject: Subject) -> None:
    model, samples = _opened(subject, "black")
    made = model.generate(range(COUNT), STEPS, samples.prompts)
    if _answers(subject, "gray"):
        inner = model.encode(samples.images)
        assert made.shape == inner.shape, f"generate gives {tuple(made.shape)}, encode {tuple(inner.shape)}"
    assert bool(made.isfinite().all()), "what it generates is not finite"
    images = model.decode(made)
    assert images.shape == samples.images.shape, f"what it generates is decoded to {tuple(images.shape)}"


def _gradients(subject: Subject) -> None:
    model, samples = _opened(subject, "white")
    two = samples.take(range(2))
    inner = model.encode(two.images)
    norms = model.gradients(inner, _noise(inner), [len(model.alphas_cumprod) // 5], two.prompts)
    assert norms.ndim == 2, f"gradients give shape {tuple(norms.shape)}, expected (samples, parameter tensors)"
    assert len(norms) == 2, f"gradients give {len(norms)} rows for 2 samples"
    assert bool((norms.isfinite() & (norms >= 0)).all()), "gradient norms are not all finite and at least 0"


def _base(subject: Subject) -> None:
    """Both sides answer in turn, each as if the other were never asked."""
    model, samples = _opened(subject, "black")
    offers = subject.made.offers
    try:
        base = model.base()
    except Unsupported:
        assert "base" not in (offers or ()), "it offers base, and base() is Unsupported"
        raise
    assert offers is None or "base" in offers, "base() answers, and is not among what it offers"
    before, aside, after = (_output(each, samples) for each in (model, base, model))
    assert aside.shape == before.shape, (
        f"without its adapter it answers {tuple(aside.shape)}, not {tuple(before.shape)}"
    )
    agree(after, before, "what it answers before and after its base was asked", 1e-6)
    agree(_output(base, samples), aside, "what its base answers before and after it was asked", 1e-6)


def _untouched(subject: Subject) -> None:
    model, samples = _opened(subject, "black")
    seeds, prompts, images = range(COUNT), samples.prompts, samples.images
    inside = _answers(subject, "gray")
    own = replace(samples, images=images.clone())
    inner = model.encode(own.images) if inside else _output(model, own)
    timestep = 0
    if inside:
        with contextlib.suppress(Unsupported):  # one that matches flows has none, and answers all the rest
            timestep = len(model.alphas_cumprod) // 5
    asked: dict[str, tuple[Access, Callable[..., Any], tuple[torch.Tensor, ...]]] = {
        "encode": ("gray", model.encode, (images,)),
        "decode": ("black", model.decode, (inner,)),
        "reconstruct": (
            "black",
            lambda sent: list(model.reconstruct(sent, seeds, STRENGTH, STEPS, prompts)),
            (images,),
        ),
        "predict_noise": ("gray", lambda state: model.predict_noise(state, timestep, prompts), (inner,)),
        "predict_velocity": ("gray", lambda state: model.predict_velocity(state, TIME, prompts), (inner,)),
        "gradients": (
            "white",
            lambda clean, noise: model.gradients(clean, noise, [timestep], prompts),
            (inner, _noise(inner)),
        ),
    }
    for question, (needed, ask, tensors) in asked.items():
        given = [tensor.clone() for tensor in tensors]
        if _answers(subject, needed):
            with contextlib.suppress(Unsupported):
                ask(*given)
        for before, after in zip(tensors, given, strict=True):
            unchanged(before, after, f"what it was given by {question}")


CHECKS = (
    Check("members among given ids", _members),
    Check("prompts fit the samples", _prompts),
    Check("noise schedule", _schedule),
    Check("encode and decode lead there and back", _round_trip),
    Check("decode stays in range", _decode),
    Check("predicted noise, independent of the batch", _predict),
    Check("predicted velocity, independent of the batch", _velocity),
    Check("reconstructions", _reconstruct),
    Check("generation", _generate),
    Check("gradients", _gradients),
    Check("the base under an adapter", _base),
    Check("what it is given, untouched", _untouched),
)
