"""The defenses that come with Leakboard, announced through the same hook as anybody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.hookspecs import hookimpl
from leakboard_defenses import DEFENSES

if TYPE_CHECKING:
    from leakboard.api import Defense


@hookimpl
def leakboard_defenses() -> list[type[Defense]]:
    """The built-in defenses."""
    return DEFENSES
