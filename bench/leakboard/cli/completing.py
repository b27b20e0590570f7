"""What the shell offers after TAB where the name of a plugin is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import click

    from leakboard.kinds import Kind


def names_of(*kinds: Kind) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Completes the names of plugins of some kinds, or of all; those of files given with ``--plugin`` too."""

    def complete(context: click.Context, _parameter: click.Parameter, start: str) -> list[str]:
        from leakboard.faults import contained
        from leakboard.registry.find import shared

        # a shell that completes shows nothing of what went wrong: the command itself will
        with contained():
            registry = shared(tuple(context.params.get("plugins") or ()))
            known = registry.classes | registry.values
            return sorted({name for kind in kinds or known for name in known[kind] if name.startswith(start)})
        return []

    return complete


def patterns(_context: click.Context, _parameter: click.Parameter, start: str) -> list[str]:
    """Completes ``axis=`` of ``--only`` and ``--skip``."""
    from leakboard.kinds import AXES

    return [f"{axis}=" for axis in (*AXES, "attack", "attacker") if f"{axis}=".startswith(start)]


def settings(_context: click.Context, _parameter: click.Parameter, start: str) -> list[str]:
    """Completes ``table.key=`` of ``--set``."""
    from leakboard.grid.tables import TABLES

    keys = (f"{table}.{key}=" for table, model in TABLES.items() for key in model.model_fields)
    return [key for key in keys if key.startswith(start)]
