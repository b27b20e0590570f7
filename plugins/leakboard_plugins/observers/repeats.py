"""Another observer's pairs, asked for many times and averaged: against defenses and queries that draw noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

from pydantic import Field

from leakboard.api import Oracle, Pair, Reconstruction, Refused
from leakboard_plugins.observers.around import Around

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

STRIDE = 1 << 20
"""How far apart the draws of two askings lie: an observer's own stay below it."""


@dataclass(frozen=True, kw_only=True)
class Repeats(Around):
    """Another observer asked ``n`` times, both sides of its pairs averaged before the distance.

    Each time with other noise of the observer, of the query and of the defense, as from another request: what a random
    defense adds averages out, and what the victim remembers stays. The first asking is that of the observer alone, and
    of fewer repeats, so these answers are paid once. ``oracle.images`` are those of the first.

    Attributes:
        of: the observer, as a spec.
        n: how often it is asked.
    """

    name: ClassVar[str] = "repeats"
    n: Annotated[int, Field(ge=2, le=1000)] = 8

    @property
    def null(self) -> bool:
        """As the observer: whoever asks nothing still asks nothing."""
        return self.of.null

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """As many pairs as the observer yields, pair by pair in all askings.

        Where a defense refuses more, the pair that it cut off is the mean of those that were answered, and the last.
        """
        askings = [iter(self.of.observe(cast("Oracle", _Again(oracle, number)))) for number in range(self.n)]
        while True:
            total: Pair | None = None
            count, refused = 0, False
            for asking in askings:
                try:
                    pair = next(asking, None)
                except Refused:
                    refused = True
                    break
                if pair is None:
                    break
                total, count = pair if total is None else _sum(total, pair), count + 1
            if total is None:
                if refused:
                    raise Refused("no asking was answered")
                return
            if count < self.n and not refused:
                raise ValueError(f"{self.of.name} yielded a pair {total.label!r} in {count} of {self.n} askings only")
            yield replace(total, reference=total.reference / count, observation=total.observation / count)
            if refused:
                return


def _sum(total: Pair, pair: Pair) -> Pair:
    return replace(total, reference=total.reference + pair.reference, observation=total.observation + pair.observation)


class _Again:
    """An oracle whose draws are those of a later asking; all else it answers as it is."""

    def __init__(self, oracle: Oracle, number: int) -> None:
        self._oracle, self._first = oracle, number * STRIDE

    def __getattr__(self, name: str) -> Any:
        return getattr(self._oracle, name)

    def noise(self, query: str, like: torch.Tensor, draw: int = 0) -> torch.Tensor:
        return self._oracle.noise(query, like, self._first + draw)

    def reconstruct(
        self, images: torch.Tensor, strength: float, steps: int, draw: int = 0, prompts: Sequence[str] | None = None
    ) -> Reconstruction:
        return self._oracle.reconstruct(images, strength, steps, self._first + draw, prompts)

    def generate(self, steps: int, draw: int = 0, prompts: Sequence[str] | None = None) -> torch.Tensor:
        return self._oracle.generate(steps, self._first + draw, prompts)

    def pool(self, count: int, steps: int, draw: int = 0, prompts: Sequence[str] | None = None) -> torch.Tensor:
        return self._oracle.pool(count, steps, self._first + draw, prompts)

    def encode(self, images: torch.Tensor, draw: int = 0) -> torch.Tensor:
        return self._oracle.encode(images, self._first + draw)

    def decoder_gain(self, inner: torch.Tensor, probes: int, draw: int = 0) -> torch.Tensor:
        return self._oracle.decoder_gain(inner, probes, self._first + draw)
