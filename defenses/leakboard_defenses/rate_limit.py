"""A limit on how fast may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Defense, LeakboardError, Refused

if TYPE_CHECKING:
    import torch

    from leakboard.api import Cost, Noise

HOUR, DAY = 60.0, 24 * 60.0


@dataclass(frozen=True, kw_only=True)
class RateLimit(Defense):
    """Lets so many queries a minute pass, by a simulated clock; images pass as they are, and nobody really waits.

    It refuses nothing by itself. How long the attack takes stands in the note beside its result. With ``minutes``
    what would take longer is refused, and what an attack learnt until then is its result.

    Attributes:
        per_minute: queries that one client may send a minute, all samples together.
        minutes: what an attacker has for a sample; None for no limit.
    """

    name: ClassVar[str] = "rate_limit"
    per_minute: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)] = 10.0
    minutes: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    def __post_init__(self) -> None:
        if self.at == "both":
            raise LeakboardError(f"{self.name}(at='both') counts no question", expected="at='query' or 'output'")
        if self.minutes is not None and self.minutes * self.per_minute < 1:
            raise LeakboardError(
                f"{self.name}(per_minute={self.per_minute:g}, minutes={self.minutes:g}) lets no query pass",
                expected=f"minutes={1 / self.per_minute:g} or more, the time of one query",
            )

    def admit(self, asked: Cost, cost: Cost) -> None:
        """Let pass what the clock has time for.

        Raises:
            Refused: the question would end too late.
        """
        if self.minutes is None or not cost.queries:
            return
        # a share of a query is of a pool: rounding must not refuse the last one
        if (asked.queries + cost.queries) / self.per_minute > self.minutes * (1 + 1e-9):
            passed = counted(asked.queries, "query", "queries")
            spent = f"{passed}, {duration(asked.queries / self.per_minute)} a sample"
            raise Refused(f"{self.name}(minutes={self.minutes:g}) refused more after {spent}")

    def remark(self, asked: Cost, pooled: Cost) -> str:
        """How long the attack takes, for a sample and for a thousand."""
        together = f" and {pooled.queries:g} for all together" if pooled.queries else ""
        one, many = ((count * asked.queries + pooled.queries) / self.per_minute for count in (1, 1000))
        what = f"{counted(asked.queries, 'query', 'queries')} a sample{together}"
        takes = "takes" if asked.queries == 1 and not together else "take"
        told = f"{what} {takes} {duration(one)}, {duration(many)} for 1,000 samples"
        return f"{self.name}(per_minute={self.per_minute:g}): {told}"

    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:  # noqa: ARG002 - the contract's signature
        """The images themselves."""
        return images


def duration(minutes: float) -> str:
    """A time in the unit that suits it, with three digits."""
    for unit, length, least in (("day", DAY, 2 * DAY), ("hour", HOUR, 2 * HOUR), ("minute", 1.0, 1.0)):
        if minutes >= least:
            return counted(float(f"{minutes / length:.3g}"), unit, f"{unit}s")
    return counted(float(f"{60 * minutes:.3g}"), "second", "seconds")


def counted(number: float, one: str, many: str) -> str:
    """A number with its word."""
    return f"{number:g} {one if number == 1 else many}"
