"""SecMI's statistic beside numbers that describe the image: for classifiers that weigh one by the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Need, Observer, Oracle, Pair, Space
from leakboard_plugins.observers.blind_numbers import in_chunks, pair_of
from leakboard_plugins.observers.blind_statistics import colours, moments
from leakboard_plugins.observers.blind_traces import traces
from leakboard_plugins.observers.secmi import SecMi

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch


@dataclass(frozen=True, kw_only=True)
class SecMiBesideImage(Observer):
    """SecMI's summed squared error, negative so that larger is closer, and then the statistics of the attacker's image.

    What quantile regression is fitted on (Tang et al. 2024, arXiv 2312.05140). The answers are shared with ``secmi``.

    Attributes:
        t: timestep of the statistic, a multiple of ``k``.
        k: stride of the deterministic walk.
    """

    name: ClassVar[str] = "secmi_beside_image"
    access = "gray"
    space: ClassVar[Space] = "statistic"
    needs: ClassVar[frozenset[Need]] = frozenset({"noise"})
    t: Annotated[int, Field(ge=1)] = 90
    k: Annotated[int, Field(ge=1)] = 10

    def __post_init__(self) -> None:
        SecMi(t=self.t, k=self.k)  # refuses what does not fit

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair of named numbers, the negative error first; ``t / k`` + 2 denoiser evaluations."""
        (pair,) = SecMi(t=self.t, k=self.k).observe(oracle)
        error = (pair.reference - pair.observation).double().square().flatten(1).sum(1).cpu()
        yield pair_of(pair.label, {"closeness": -error} | in_chunks(_described, oracle.originals))


def _described(images: torch.Tensor) -> dict[str, torch.Tensor]:
    return moments(images) | colours(images) | traces(images)
