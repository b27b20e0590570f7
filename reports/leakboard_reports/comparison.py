"""The page that says which attacks are tied: on the same samples of a victim, and over victims and seeds."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from string import ascii_lowercase
from typing import TYPE_CHECKING

import numpy as np

from leakboard.api import Page
from leakboard.statistics import mean_ranks as ranking
from leakboard.statistics.ties import LEVEL, ties
from leakboard_reports import attackers
from leakboard_reports.panels import comparable, panels
from leakboard_reports.reading import ACCESS_NAMES, ACCESS_ORDER
from leakboard_reports.templating import environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from leakboard.statistics.auc import Difference
    from leakboard.statistics.mean_ranks import MeanRanks
    from leakboard.store import Store
    from leakboard_reports.panels import Panel
    from leakboard_reports.reading import Cell


@dataclass(frozen=True)
class Row:
    """One attack: the letters of the groups that it is in, and how far it is from the first."""

    cell: Cell
    letters: str
    difference: Difference | None
    p_value: float


@dataclass(frozen=True)
class Comparison:
    """The attacks of one panel, the first of each group before the others of it."""

    panel: Panel
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Ranked:
    """Attacks of one access level over blocks, best first, with what the critical difference reaches to either side."""

    title: str
    blocks: tuple[str, ...]
    attacks: tuple[str, ...]
    found: MeanRanks
    left_out: int

    @property
    def rows(self) -> list[tuple[str, float, str, str, str]]:
        """Name and mean rank of each attack, and in percent of the strip its place and both ends of its line."""
        last = len(self.attacks)

        def at(rank: float) -> str:
            return f"{4 + 92 * (min(max(rank, 1), last) - 1) / (last - 1):.2f}%"

        order = np.argsort(self.found.ranks, kind="stable")
        half = self.found.critical / 2
        ranks = [(self.attacks[number], float(self.found.ranks[number])) for number in order]
        return [(name, rank, at(rank), at(rank - half), at(rank + half)) for name, rank in ranks]

    @property
    def tied(self) -> list[list[str]]:
        """The names of the largest sets of attacks that are not told apart."""
        return [[self.attacks[number] for number in clique] for clique in self.found.cliques()]


def letters(number: int) -> str:
    """a, b, ... z, aa, ab, ..."""
    whole, rest = divmod(number, len(ascii_lowercase))
    return (letters(whole - 1) if whole else "") + ascii_lowercase[rest]


def compared(panel: Panel) -> Comparison:
    """The attacks of a panel with the groups that they are in."""
    found = ties(panel.scores, panel.member)
    rows = [
        Row(cell, " ".join(map(letters, found.of(number))), found.differences[number], found.p_values[number])
        for number, cell in enumerate(panel.cells)
    ]
    first, *others = rows
    return Comparison(panel, (first, *sorted(others, key=lambda row: (found_first(row), -row.cell.auc.value))))


def found_first(row: Row) -> tuple[int, str]:
    """Sorts by the first letter, longer ones last."""
    first = row.letters.split(" ")[0]
    return len(first), first


def over_blocks(cells: Iterable[Cell]) -> list[Ranked]:
    """Mean ranks for each knowledge of attackers and access level that has two blocks, and two attacks in all of them.

    A block is a dataset, a victim and a seed, with the most samples that were used there.
    """
    groups: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for known in attackers.by_knowledge(cells):
        for cell in known:
            groups[attackers.told(known), cell.access].append(cell)
    found = []
    for told, access in sorted(groups, key=lambda key: (key[0], ACCESS_ORDER.index(key[1]))):
        ranked = _ranked(", ".join(part for part in (ACCESS_NAMES[access], told) if part), groups[told, access])
        found += [ranked] if ranked else []
    return found


def _ranked(title: str, cells: Sequence[Cell]) -> Ranked | None:
    most: dict[tuple[str, str], tuple[float, ...]] = {}
    for cell in cells:
        most[cell.place] = max(most.get(cell.place, _sizes(cell)), _sizes(cell))
    blocks: dict[str, dict[str, float]] = defaultdict(dict)
    for cell in cells:
        if _sizes(cell) == most[cell.place]:
            blocks[f"{cell.victim} on {cell.dataset}, seed {cell.seed}"][cell.title] = cell.auc.value
    names = {name for block in blocks.values() for name in block}
    common = tuple(sorted(name for name in names if all(name in block for block in blocks.values())))
    if min(len(blocks), len(common)) < 2:
        return None
    values = np.array([[block[name] for name in common] for block in blocks.values()])
    return Ranked(title, tuple(blocks), common, ranking.mean_ranks(values), len(names) - len(common))


def _sizes(cell: Cell) -> tuple[float, ...]:
    """0 samples of a side stand for all there are."""
    return sum(side or np.inf for side in cell.sides), *cell.sides


def body(store: Store) -> str:
    """The page as HTML."""
    cells, scores = comparable(store)
    found = [compared(panel) for panel in panels(cells, scores) if len(panel.cells) > 1]
    template = environment().get_template("comparison.html.j2")
    return template.render(comparisons=found, rankings=over_blocks(cells), level=LEVEL)


PAGE = Page("comparison", "Which attacks are tied", body)
