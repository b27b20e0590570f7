"""What a distance owes: finite numbers of each sample, whatever the batch, and smaller for what is closer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.api import Pair
from leakboard.testing.checks import COUNT, Check, Subject, agree, images, unchanged

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from leakboard.api import Distance, Space


def _references(distance: Distance) -> Iterator[tuple[Space, torch.Tensor]]:
    """A reference in every space that the distance measures."""
    import torch

    for space in sorted(distance.spaces):
        generator = torch.Generator().manual_seed(1)
        if space == "image":
            yield space, images()
        elif space == "gradient":
            yield space, torch.rand((COUNT, 8), generator=generator)
        else:
            yield space, torch.randn((COUNT, 4, 8, 8), generator=generator)


def _moved(reference: torch.Tensor, space: Space, amount: float) -> torch.Tensor:
    """The reference with noise of a given size."""
    import torch

    noise = torch.randn(reference.shape, generator=torch.Generator().manual_seed(2))
    moved = reference + amount * noise
    return moved.clamp(0, 1) if space == "image" else moved


def _measured(distance: Distance, reference: torch.Tensor, observation: torch.Tensor, space: Space) -> torch.Tensor:
    import torch

    values = distance.measure(Pair(reference, observation, "a pair", space))
    assert isinstance(values, torch.Tensor), f"measure returned {type(values).__name__}, expected a tensor"
    assert values.is_floating_point(), f"measure returned {values.dtype}"
    assert values.ndim >= 1, f"one number for all samples in {space} space, expected (N, ...)"
    assert len(values) == len(reference), f"{len(values)} rows for {len(reference)} samples in {space} space"
    assert values[0].numel(), f"shape {tuple(values.shape)} in {space} space: no number a sample"
    assert bool(values.isfinite().all()), f"not finite in {space} space: {values.flatten().tolist()[:20]}"
    return values.detach()


def _numbers(subject: Subject) -> None:
    for space, reference in _references(subject.made):
        _measured(subject.made, reference, _moved(reference, space, 0.1), space)
        _measured(subject.made, reference[:1], _moved(reference, space, 0.1)[:1], space)


def _identical(subject: Subject) -> None:
    for space, reference in _references(subject.made):
        _measured(subject.made, reference, reference.clone(), space)


def _order(subject: Subject) -> None:
    distance = subject.made
    sign = -1 if distance.larger_is_closer else 1
    for space, reference in _references(distance):
        series = [_moved(reference, space, amount) for amount in (0.0, 0.02, 0.1, 0.3)]
        far = [sign * float(_measured(distance, reference, moved, space).mean()) for moved in series]
        assert far == sorted(set(far)), (
            f"rising noise in {space} space measures {[f'{sign * value:.4g}' for value in far]} on average, "
            f"but larger_is_closer is {distance.larger_is_closer}"
        )


def _batch(subject: Subject) -> None:
    for space, reference in _references(subject.made):
        observation = _moved(reference, space, 0.1)
        whole = _measured(subject.made, reference, observation, space)
        for row in range(COUNT):
            alone = _measured(subject.made, reference[row : row + 1], observation[row : row + 1], space)
            agree(alone, whole[row : row + 1], f"sample {row} alone and in its batch")


def _kept(subject: Subject) -> None:
    import torch

    for space, reference in _references(subject.made):
        values = _measured(subject.made, reference, _moved(reference, space, 0.3), space)
        kept = values.to(getattr(torch, subject.made.stored_as))
        assert bool(kept.isfinite().all()), (
            f"values up to {float(values.abs().max()):.3g} in {space} space are too large for {subject.made.stored_as}"
        )


def _repeatable(subject: Subject) -> None:
    for space, reference in _references(subject.made):
        observation = _moved(reference, space, 0.1)
        before = reference.clone(), observation.clone()
        first = _measured(subject.made, reference, observation, space)
        unchanged(before[0], reference, "the reference")
        unchanged(before[1], observation, "the observation")
        second = _measured(subject.made, reference, observation, space)
        assert bool((first == second).all()), "the same pair measures differently the second time"


CHECKS = (
    Check("finite numbers of each sample", _numbers),
    Check("finite for identical samples", _identical),
    Check("closer measures closer", _order),
    Check("numbers fit how they are stored", _kept),
    Check("independent of the batch", _batch),
    Check("repeatable, inputs untouched", _repeatable),
)
