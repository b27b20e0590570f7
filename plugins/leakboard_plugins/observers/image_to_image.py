"""The seed paper's observers: image-to-image queries, and their intermediate images, as a series of pairs.

Source: Cilloni, Fleming, Walter 2023 (arXiv 2311.09355). The paper names one-shot, progressive and complete
observers; which pairs each makes is our reading of it: progressive compares each step with the one before, complete
compares each step with the reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from leakboard.api import Observer, Oracle, Pair, Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import torch


def complete(reference: torch.Tensor, images: Iterable[torch.Tensor]) -> Iterator[Pair]:
    """Every image against the reference."""
    for step, image in enumerate(images, 1):
        yield Pair(reference, image, f"complete {step}")


def progressive(reference: torch.Tensor, images: Iterable[torch.Tensor]) -> Iterator[Pair]:
    """Every image against the one before, the first against the reference."""
    before = reference
    for step, image in enumerate(images, 1):
        yield Pair(before, image, f"progressive {step}")
        before = image


@dataclass(frozen=True, kw_only=True)
class ImageToImage(Observer):
    """What the four observers share.

    Attributes:
        strength: how much noise is added, as a share of the schedule, in (0, 1].
        steps: denoiser evaluations of one query; also the number of intermediates.
        access: ``gray`` reads the intermediates of one query; ``black`` asks ``steps`` queries and reads their outputs.
        requery: what grows from query to query under black access: ``strength`` (up to ``strength``) or ``steps``.
        intermediates: ``clean`` predicted clean images, or ``noisy`` states; gray access only.
        reference: ``raw`` compares with the attacker's image, ``defended`` with the image after the query defense,
            ``autoencoder`` with what the victim's encoder and decoder alone make of that (gray access only), so that
            a latent victim's own loss of detail is not held against its memory.
    """

    strength: Annotated[float, Field(gt=0, le=1)] = 0.2
    steps: Annotated[int, Field(ge=1, le=1000)] = 10
    access: Literal["black", "gray"] = "gray"
    requery: Literal["strength", "steps"] = "strength"
    intermediates: Literal["clean", "noisy"] = "clean"
    reference: Literal["raw", "defended", "autoencoder"] = "raw"

    def compared_with(self, oracle: Oracle) -> torch.Tensor:
        """The images that observations are compared with.

        Raises:
            Unsupported: the autoencoder is wanted from outside.
        """
        if self.reference == "raw":
            return oracle.originals
        if self.reference == "defended":
            return oracle.images
        if self.access == "black":
            raise Unsupported("black access gives no autoencoder to compare with, access='gray' does")
        return oracle.decode(oracle.encode(oracle.originals))

    def series(self, oracle: Oracle) -> Iterator[torch.Tensor]:
        """``steps`` images a sample, from the first step (or weakest query) to the last.

        Raises:
            Unsupported: noisy states are wanted from outside.
        """
        if self.access == "gray":
            answer = oracle.reconstruct(oracle.originals, self.strength, self.steps)
            yield from answer.intermediates() if self.intermediates == "clean" else answer.states()
            return
        if self.intermediates == "noisy":
            raise Unsupported("black access gives no noisy states")
        for query in range(1, self.steps + 1):
            if self.requery == "strength":
                # the last share is exactly 1, so that the last query is the one that gray access asks
                share = query / self.steps
                yield oracle.reconstruct(oracle.originals, self.strength * share, self.steps).output()
            else:
                yield oracle.reconstruct(oracle.originals, self.strength, query).output()


@dataclass(frozen=True, kw_only=True)
class OneShot(ImageToImage):
    """Seed paper: the image against the victim's one reconstruction of it; both access levels ask the same."""

    name: ClassVar[str] = "one_shot"
    access: Literal["black", "gray"] = "black"

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair."""
        output = oracle.reconstruct(oracle.originals, self.strength, self.steps).output()
        yield Pair(self.compared_with(oracle), output, "output")


@dataclass(frozen=True, kw_only=True)
class Progressive(ImageToImage):
    """Seed paper: each intermediate image against the one before it."""

    name: ClassVar[str] = "progressive"

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """``steps`` pairs."""
        return progressive(self.compared_with(oracle), self.series(oracle))


@dataclass(frozen=True, kw_only=True)
class Complete(ImageToImage):
    """Seed paper: each intermediate image against the original."""

    name: ClassVar[str] = "complete"

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """``steps`` pairs."""
        return complete(self.compared_with(oracle), self.series(oracle))


@dataclass(frozen=True, kw_only=True)
class CompleteProgressive(ImageToImage):
    """Both readings at once: each intermediate image against the original and against the one before it."""

    name: ClassVar[str] = "complete_progressive"

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """2 x ``steps`` pairs."""
        images: list[torch.Tensor] = []
        # pair by pair, so that a defense that refuses more does not take along what was answered before
        for image in self.series(oracle):
            images.append(image)
            yield Pair(self.compared_with(oracle), image, f"complete {len(images)}")
        yield from progressive(self.compared_with(oracle), images)
