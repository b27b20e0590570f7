"""Which cells of a grid are wanted: ``[[exclude]]`` rules, and the patterns of ``--only`` and ``--skip``."""

from __future__ import annotations

import fnmatch
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from leakboard.errors import LeakboardError, nearest
from leakboard.grid.cells import SELECTABLE, Cell
from leakboard.kinds import AXES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LISTED = (*AXES, "attack")
"""Axes whose points ``leakboard list`` shows."""


def excluded(cells: Sequence[Cell], rules: Sequence[Mapping[str, Any]], where: str) -> tuple[Cell, ...]:
    """The cells that no rule describes; a rule describes a cell when all its axes match, of a list any pattern.

    Raises:
        LeakboardError: a rule names no axis or describes no cell, or no cell is left.
    """
    gone: set[str] = set()
    for number, rule in enumerate(rules, 1):
        place = f"{where}, [[exclude]] number {number}"
        described = set.intersection(*(_described(cells, axis, value, place) for axis, value in rule.items()))
        if not described:
            raise LeakboardError(
                "no cell matches all patterns of the rule", where=place, expected="patterns that some cell matches"
            )
        gone |= described
    return _left((cell for cell in cells if cell.key not in gone), where)


def selected(cells: Sequence[Cell], only: Sequence[str], skip: Sequence[str]) -> tuple[Cell, ...]:
    """The cells that match an ``only`` pattern of every axis that has one, and no ``skip`` pattern.

    Raises:
        LeakboardError: a pattern cannot be read, names no axis or matches no cell, or no cell is left.
    """
    kept: dict[str, set[str]] = defaultdict(set)
    for text in only:
        axis, pattern = _read(text, "--only")
        kept[axis] |= _matching(cells, axis, pattern, f"--only {text!r}")
    gone: set[str] = set()
    for text in skip:
        gone |= _matching(cells, *_read(text, "--skip"), f"--skip {text!r}")
    left = (cell for cell in cells if cell.key not in gone and all(cell.key in keys for keys in kept.values()))
    return _left(left, "--only and --skip")


def _described(cells: Sequence[Cell], axis: str, value: Any, where: str) -> set[str]:
    patterns = value if isinstance(value, list) and value else [value]
    return set().union(*(_matching(cells, axis, _pattern(axis, pattern, where), where) for pattern in patterns))


def _pattern(axis: str, value: Any, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise LeakboardError(
            f"bad value {value!r:.80}",
            where=f"{where}, {axis}",
            expected="a pattern in quotes, the number of a seed, or a list of such",
        )
    return str(value)


def _read(text: str, option: str) -> tuple[str, str]:
    axis, found, pattern = text.partition("=")
    if not found:
        raise LeakboardError(
            f"cannot read the pattern {text!r}",
            where=option,
            expected=f"axis=pattern, like {option} 'defense=gaussian_*', with one of the axes {', '.join(SELECTABLE)}",
            nearest=f"{close}=*" if (close := nearest(text, SELECTABLE)) else "",
            next="leakboard list",
        )
    return axis.strip(), pattern.strip()


def _matching(cells: Sequence[Cell], axis: str, pattern: str, where: str) -> set[str]:
    """Keys of the cells whose spelling of one axis matches; a spelling always matches itself, brackets or not."""
    if axis not in SELECTABLE:
        raise LeakboardError(
            f"there is no axis {axis!r}",
            where=where,
            expected=f"one of {', '.join(SELECTABLE)}",
            nearest=nearest(axis, SELECTABLE),
            next=f"one of these axes before the =, like 'defense={pattern}'",
        )
    spellings = {text for cell in cells for text in cell.axis(axis)}
    hits = {text for text in spellings if text == pattern or fnmatch.fnmatchcase(text, pattern)}
    if not hits:
        labels = sorted({cell.axis(axis)[-1] for cell in cells})
        raise LeakboardError(
            f"the pattern {axis}={pattern} matches no cell",
            where=where,
            expected=f"a pattern that matches one of {', '.join(labels)}",
            nearest=nearest(pattern, spellings),
            next=f"leakboard list {axis}s" if axis in LISTED else "",
        )
    return {cell.key for cell in cells if hits.intersection(cell.axis(axis))}


def _left(cells: Iterable[Cell], where: str) -> tuple[Cell, ...]:
    left = tuple(cells)
    if not left:
        raise LeakboardError(
            "no cell of the grid is left",
            where=where,
            expected="patterns that leave some cells",
            next="fewer patterns; those of different axes must all match",
        )
    return left
