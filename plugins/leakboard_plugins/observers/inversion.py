"""Deterministic inversion: an image carried up along the victim's own predictions, and looked at there or back down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Need, Observer, Oracle, Pair
from leakboard_plugins.observers.diffusion import check_strides, inverted, moved, signal

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch


@dataclass(frozen=True, kw_only=True)
class _Inversion(Observer):
    """What both share: a walk up to ``t`` in strides of ``k``.

    Attributes:
        t: timestep that the walk ends at, a multiple of ``k``.
        k: stride of the deterministic walk.
    """

    access = "gray"
    needs: ClassVar[frozenset[Need]] = frozenset({"noise"})
    t: Annotated[int, Field(ge=1)] = 100
    k: Annotated[int, Field(ge=1)] = 50

    def __post_init__(self) -> None:
        check_strides(self.name, self.t, self.k)

    def inverted(self, oracle: Oracle) -> torch.Tensor:
        """The state at ``t`` that the image is carried to; ``t / k`` denoiser evaluations."""
        signal(oracle, self.t)
        return inverted(oracle, self.t, self.k)


@dataclass(frozen=True, kw_only=True)
class Inverted(_Inversion):
    """Structural attack: the image against the decoded state that it is inverted to (arXiv 2407.13252).

    Attributes:
        t: timestep that the walk ends at, a multiple of ``k``.
        k: stride of the deterministic walk.
    """

    name: ClassVar[str] = "inverted"

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair of images; ``t / k`` denoiser evaluations."""
        yield Pair(oracle.originals, oracle.decode(self.inverted(oracle)), f"t={self.t}")


@dataclass(frozen=True, kw_only=True)
class NoiseProbe(_Inversion):
    """Noise as a probe: the image against what is made of the noise that it is inverted to.

    Attributes:
        t: timestep that the walk ends at, a multiple of ``k``; the noise is taken there.
        k: stride of the deterministic walk up, and down again.
    """

    name: ClassVar[str] = "noise_probe"
    t: Annotated[int, Field(ge=1)] = 900
    k: Annotated[int, Field(ge=1)] = 100

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair of images; twice ``t / k`` denoiser evaluations."""
        state = self.inverted(oracle)
        for level in range(self.t, 0, -self.k):
            state = moved(oracle, state, oracle.predict_noise(state, level), level, level - self.k)
        yield Pair(oracle.originals, oracle.decode(state), f"t={self.t}")
