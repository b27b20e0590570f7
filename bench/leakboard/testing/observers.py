"""What an observer owes: the same pairs in the same order for any batch, within its access, blind to the labels.

It is tried on the counting twin, which stands in for any victim.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, cast

from leakboard.api import Defense
from leakboard.oracle.door import Door
from leakboard.oracle.memo import Memo, digest
from leakboard.oracle.provider import Provider
from leakboard.oracle.twin import CountingTwin
from leakboard.testing import sent
from leakboard.testing.checks import COUNT, Check, Subject, agree, samples, unchanged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from leakboard.api import Noise, Observer, Oracle, Pair, Samples, Step


def _asked(observer: Observer, shown: Samples, batch: int = COUNT) -> tuple[list[Pair], Door]:
    memo = Memo(CountingTwin(), batch)
    door = Door(memo, shown, 0, observer.access, default_prompts=shown.prompts)
    return list(observer.observe(cast("Oracle", door))), door


def _pairs(subject: Subject) -> None:
    pairs, _ = _asked(subject.made, samples())
    assert pairs, "it yields no pair"
    for pair in pairs:
        shapes = tuple(pair.reference.shape), tuple(pair.observation.shape)
        assert shapes[0] == shapes[1], f"pair {pair.label!r} has two shapes: {shapes[0]} and {shapes[1]}"
        assert shapes[0][0] == COUNT, f"pair {pair.label!r} has {shapes[0][0]} rows for {COUNT} samples"
        assert pair.space == subject.made.space, (
            f"pair {pair.label!r} is {pair.space}, declared is {subject.made.space}"
        )
        finite = pair.reference.isfinite().all() and pair.observation.isfinite().all()
        assert bool(finite), f"pair {pair.label!r} is not finite"
    labels = [pair.label for pair in pairs]
    assert len(set(labels)) == len(labels), f"labels are not unique: {labels}"


def _order(subject: Subject) -> None:
    whole, door = _asked(subject.made, samples())
    alone, single = _asked(subject.made, samples().take([3]))
    labels = [pair.label for pair in whole]
    assert [pair.label for pair in alone] == labels, f"{len(whole)} pairs for a batch and {len(alone)} for one sample"
    costs = [
        (each.asked.queries, each.asked.evaluations, each.pooled.queries, each.pooled.evaluations)
        for each in (door, single)
    ]
    assert costs[0] == costs[1], f"queries and evaluations a sample depend on the batch: {costs}"


def _batch(subject: Subject) -> None:
    whole, _ = _asked(subject.made, samples())
    for row in (0, COUNT - 1):
        alone, _ = _asked(subject.made, samples().take([row]))
        for one, many in zip(alone, whole, strict=True):
            agree(
                one.reference,
                many.reference[row : row + 1],
                f"reference {one.label!r} of a sample alone and in a batch",
            )
            agree(one.observation, many.observation[row : row + 1], f"observation {one.label!r} alone and in a batch")


def _repeatable(subject: Subject) -> None:
    shown = samples()
    first, door = _asked(subject.made, shown)
    unchanged(shown.images, door.originals, "oracle.originals")
    unchanged(shown.images, door.images, "oracle.images")
    second, _ = _asked(subject.made, shown, batch=2)
    for one, other in zip(first, second, strict=True):
        same = (one.observation == other.observation).all() and (one.reference == other.reference).all()
        assert bool(same), f"pair {one.label!r} differs the second time: take noise from the oracle alone"


def _access(subject: Subject) -> None:
    # the door raises AccessDenied for more than is declared
    _, door = _asked(subject.made, samples())
    asks = door.asked.queries > 0
    assert not (subject.made.null and asks), "null observers ask nothing, but it asked"


def _labels(subject: Subject) -> None:
    shown = samples()
    first, _ = _asked(subject.made, shown)
    second, _ = _asked(subject.made, replace(shown, member=~shown.member))
    for one, other in zip(first, second, strict=True):
        same = (one.observation == other.observation).all() and (one.reference == other.reference).all()
        assert bool(same), f"pair {one.label!r} depends on who is a member"


@dataclass(frozen=True, kw_only=True)
class _Marking(Defense):
    """Squeezes images towards grey, and notes what it was given and what it made of it."""

    name: ClassVar[str] = "marking"
    given: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)

    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:  # noqa: ARG002 - the contract's signature
        """Squeezed, and another time squeezed more."""
        squeezed = _squeezed(images)
        self.given.update(map(digest, images))
        self.made.update(map(digest, squeezed))
        return squeezed


class _Listening(CountingTwin):
    """Notes which images reach it."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: set[str] = set()

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """As the twin."""
        self.heard.update(map(digest, images))
        return super().encode(images)

    def reconstruct(
        self, images: torch.Tensor, seeds: Sequence[int], strength: float, steps: int, prompts: Sequence[str] | None
    ) -> Iterator[Step]:
        """As the twin."""
        self.heard.update(map(digest, images))
        return super().reconstruct(images, seeds, strength, steps, prompts)


def _defended(subject: Subject) -> None:
    shown, marking, model = samples(), _Marking(), _Listening()
    door = Door(Memo(model, COUNT), shown, 0, subject.made.access, Provider((marking,)), shown.prompts)
    list(subject.made.observe(cast("Oracle", door)))
    assert model.heard <= marking.made, "an image reached the victim that its query defense never saw"
    assert not marking.made & marking.given, (
        "it sends what was defended already, oracle.images say, which the door defends again: send oracle.originals "
        "or what you made of them"
    )
    _whatever_is_sent(shown)


def _whatever_is_sent(shown: Samples) -> None:
    """The door defends once what an observer might send another time: every image, in every question that takes any."""
    for question, ask in sent.QUESTIONS.items():
        for how, make in sent.MADE.items():
            marking, model = _Marking(), _Listening()
            door = Door(Memo(model, COUNT), shown, 0, "white", Provider((marking,)), shown.prompts)
            images = make(door.originals)
            ask(cast("Oracle", door), images)
            assert model.heard == set(map(digest, _squeezed(images))), (
                f"an image that is {how} is not defended once on its way to {question}: the door has a hole"
            )


def _squeezed(images: torch.Tensor) -> torch.Tensor:
    return images / 2 + 0.2


CHECKS = (
    Check("pairs fit each other and the declared space", _pairs),
    Check("same pairs and cost for any batch size", _order),
    Check("independent of the batch", _batch),
    Check("repeatable, images untouched", _repeatable),
    Check("within the declared access", _access),
    Check("blind to membership", _labels),
    Check("sends no image that was defended already", _defended),
)
