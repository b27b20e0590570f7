"""What attackers know. Numbers of attackers who know different things stand side by side and are no ranking."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from leakboard_reports.reading import Cell

OWN = ("adaptive", "naive")
"""Attackers who know the membership of some samples of the very victim they attack."""
MEANINGS = {
    "adaptive": "knows who is a member among the calibration samples of this victim, and calibrates on what it says of"
    " them under the defense",
    "naive": "knows as much, and calibrates without the defense",
    "shadow": "knows no member of this victim: calibrates on the named victims, which were trained on other members",
    "none": "knows no member of any victim: nothing is trained and no threshold is chosen",
}
"""What each kind of attacker knows; a reader of the page gets those that its store has."""


def kind_of(attacker: str) -> str:
    """``shadow`` of ``shadow(victims=[...])``."""
    return attacker.partition("(")[0].strip()


def called(attacker: str) -> str:
    """What headings call an attacker."""
    return "attacker without labels" if attacker == "none" else f"{attacker} attacker"


def legend(cells: Iterable[Cell]) -> list[tuple[str, str]]:
    """The kinds of attackers that there are, each with what it knows."""
    kinds = {kind_of(cell.attacker) for cell in cells}
    return [(kind, meaning) for kind, meaning in MEANINGS.items() if kind in kinds]


def order(attacker: str) -> tuple[int, str]:
    """Those who know most first; one of a kind that nobody has described comes last."""
    kind, kinds = kind_of(attacker), list(MEANINGS)
    return kinds.index(kind) if kind in kinds else len(kinds), attacker


def by_knowledge(cells: Iterable[Cell]) -> list[list[Cell]]:
    """Cells in groups within which they may be ranked, those of attackers who know most first.

    Adaptive and naive attackers are one group: without a defense there is nothing to adapt to.
    """
    groups: dict[tuple[int, str], list[Cell]] = {}
    for cell in sorted(cells, key=lambda cell: order(cell.attacker)):
        groups.setdefault((0, "") if cell.attacker in OWN else order(cell.attacker), []).append(cell)
    return list(groups.values())


def told(cells: Sequence[Cell]) -> str:
    """How a heading calls the attackers of one group; empty for those who know members of the victim."""
    return "" if cells[0].attacker in OWN else called(cells[0].attacker)
