"""SecMI: how far one deterministic step up and down again misses the state it started from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Need, Observer, Oracle, Pair, Space
from leakboard_plugins.observers.diffusion import check_strides, inverted, moved, signal

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, kw_only=True)
class SecMi(Observer):
    """SecMI: one DDIM step up and down again against the state it started from (Duan et al. 2023, arXiv 2302.01316).

    The paper states its statistic at timestep 100; the released code takes it at 90, and so do we by default.

    Attributes:
        t: timestep of the statistic, a multiple of ``k``.
        k: stride of the deterministic walk.
    """

    name: ClassVar[str] = "secmi"
    access = "gray"
    space: ClassVar[Space] = "state"
    needs: ClassVar[frozenset[Need]] = frozenset({"noise"})
    t: Annotated[int, Field(ge=1)] = 90
    k: Annotated[int, Field(ge=1)] = 10

    def __post_init__(self) -> None:
        check_strides(self.name, self.t, self.k)

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair in state space; ``t / k`` + 2 denoiser evaluations."""
        above = self.t + self.k
        signal(oracle, above)
        state = inverted(oracle, self.t, self.k)
        up = moved(oracle, state, oracle.predict_noise(state, self.t), self.t, above)
        down = moved(oracle, up, oracle.predict_noise(up, above), above, self.t)
        yield Pair(state, down, f"t={self.t}", "state")
