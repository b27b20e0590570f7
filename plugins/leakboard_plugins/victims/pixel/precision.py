"""The type that pixel victims compute in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Precision:
    """What the classes of all pixel victims have for a parameter."""

    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of the network's weights and of what it computes with; what it answers is float32."""
