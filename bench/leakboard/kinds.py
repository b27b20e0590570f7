"""What a grid varies, and what plugins bring beside it: names alone, for whoever needs no more."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

Axis = Literal["dataset", "victim", "defense", "observer", "distance", "classifier"]
"""What a grid varies."""
Extension = Literal["attack", "measure", "executor", "recipe", "page"]
"""What plugins bring beside the axes."""
Kind = Axis | Extension
"""What a plugin is."""
AXES: tuple[Axis, ...] = get_args(Axis)
FEATURE_AXES = tuple(axis for axis in AXES if axis != "classifier")
"""What features depend on: a classifier only reads them."""
EXTENSIONS: tuple[Extension, ...] = get_args(Extension)


class Sides(NamedTuple):
    """How many members and non-members are in use; 0 takes all there are of that side."""

    members: int = 0
    nonmembers: int = 0
