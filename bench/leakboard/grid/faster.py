"""``[run] compile``: the victims of a grid, each compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.registry.specs import spell

if TYPE_CHECKING:
    from leakboard.registry.bind import Bound
    from leakboard.registry.find import Registry

COMPILED = "compiled"
"""Name of the victim that is another one, compiled."""


def compiled(registry: Registry, victim: Bound) -> Bound:
    """A victim compiled; one that is already stays as it is, and a name that the grid gave stays its name.

    Raises:
        LeakboardError: no plugin brings ``compiled``.
    """
    if victim.only.name == COMPILED:
        return victim
    name = {"name": victim.name} if victim.name else {}
    return registry.one("victim", spell(COMPILED, {"of": victim.spec, **name}), "[run] compile")
