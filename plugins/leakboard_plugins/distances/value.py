"""The numbers themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from leakboard.api import Distance, Space
from leakboard_plugins.distances._tensors import operands, wide

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from leakboard.api import Pair


@dataclass(frozen=True, kw_only=True)
class Value(Distance):
    """The observed numbers less the reference, with their sign: for the blind checks, and whatever is measured already.

    It says nothing of close or far. Features reach the classifier as they are, so only a trained one makes sense.
    """

    name: ClassVar[str] = "value"
    spaces: ClassVar[frozenset[Space]] = frozenset({"statistic", "gradient"})
    larger_is_closer: ClassVar[bool] = True
    declined_checks: ClassVar[Mapping[str, str]] = {"closer measures closer": "its numbers are neither close nor far"}

    def measure(self, pair: Pair) -> torch.Tensor:
        """Float64 (N, ...) like the pair, in the unit of the numbers."""
        reference, observation = operands(pair)
        return wide(observation - reference)
