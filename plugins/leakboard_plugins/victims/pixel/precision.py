"""The type that pixel victims compute in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Dtype = Literal["float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class Precision:
    """What pixel victims that ship with the package have for a parameter, as those in folders have."""

    dtype: Dtype = "float32"
    """Type of the network's weights and of what it computes with; what it answers is float32."""
