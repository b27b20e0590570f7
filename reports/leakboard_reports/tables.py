"""Tables of the report, as pure functions from cells to what the templates and the CSV files show."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leakboard.statistics.measures import Spread, seed_spread
from leakboard_reports import attackers
from leakboard_reports.reading import ACCESS_ORDER, Cell, attacks_of, best, defense_order, headline, places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MAX_ROWS = 30
"""A heatmap with more rows than this merges the distances of an observer."""


@dataclass(frozen=True)
class HeatRow:
    """One attack under every defense: its best cell, and that cell's difference to no defense.

    ``chosen`` names what was chosen as the best (a classifier; a distance too where distances are merged), if the row
    stands for several.
    """

    title: str
    access: str
    chosen: tuple[str, ...]
    cells: tuple[Cell | None, ...]
    changes: tuple[float | None, ...]


@dataclass(frozen=True)
class Heatmap:
    """Attacks by defenses for one victim and one attacker."""

    dataset: str
    victim: str
    attacker: str
    defenses: tuple[str, ...]
    rows: tuple[HeatRow, ...]

    @property
    def title(self) -> str:
        """Who attacks, as a heading calls it."""
        return attackers.called(self.attacker)

    @property
    def levels(self) -> list[tuple[str, list[HeatRow]]]:
        """Rows apart by access level."""
        apart = ((access, [row for row in self.rows if row.access == access]) for access in ACCESS_ORDER)
        return [(access, rows) for access, rows in apart if rows]


@dataclass(frozen=True)
class SeedRow:
    """One attack's AUC over seeds, beside the interval over samples that a single seed has."""

    dataset: str
    victim: str
    defense: str
    title: str
    attacker: str
    spread: Spread
    half_width: float | None


def ranks(cells: Iterable[Cell]) -> dict[str, int]:
    """Rank by AUC among attacks on the same victim under the same defense, attacker, seed and access level.

    Equal AUCs share a rank. Null checks have none.
    """
    groups: dict[tuple[Any, ...], list[Cell]] = defaultdict(list)
    for cell in attacks_of(cells):
        groups[*cell.place, cell.defense, cell.attacker, cell.labels, cell.seed, cell.sides, cell.access].append(cell)
    ranked: dict[str, int] = {}
    for group in groups.values():
        ordered = sorted(group, key=lambda c: -c.auc.value)
        for position, cell in enumerate(ordered):
            tied = position and abs(cell.auc.value - ordered[position - 1].auc.value) < 1e-12
            ranked[cell.key] = ranked[ordered[position - 1].key] if tied else position + 1
    return ranked


def leaderboard(cells: Sequence[Cell], measures: Sequence[str]) -> list[dict[str, Any]]:
    """One flat row a cell with its numbers of ``measures``, highest AUC first: for the CSV file and for the page."""
    ranked = ranks(cells)
    ordered = sorted(cells, key=lambda c: (-c.auc.value, ACCESS_ORDER.index(c.access), c.nfe or 0, c.title))
    return [_flat(cell, ranked.get(cell.key), measures) for cell in ordered]


def _flat(cell: Cell, rank: int | None, measures: Sequence[str]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "rank": rank,
        "attack": cell.attack,
        **{axis: getattr(cell, axis) for axis in ("observer", "distance", "classifier", "victim", "defense")},
        **{
            axis: getattr(cell, axis)
            for axis in ("attacker", "access", "role", "labels", "dataset", "seed", "members", "nonmembers")
        },
    }
    for name in measures:
        found = cell.measures.get(name)
        row[name] = found and found.value
        row[f"{name}_low"] = found and found.low
        row[f"{name}_high"] = found and found.high
        row[f"{name}_flag"] = found.flag if found else ""
    told = ("queries", "nfe", "seconds", "peak_mb", "fit", "note", "bypass", "chosen")
    others = {name: getattr(cell, name) for name in told}
    sizes = {"n_member": cell.auc.n_member, "n_nonmember": cell.auc.n_nonmember}
    return {**row, **sizes, **others, "cell": cell.key}


def heatmaps(cells: Iterable[Cell]) -> list[Heatmap]:
    """One map per victim and attacker. A row is a published attack, or an observer and a distance at their best."""
    shown = [cell for cell in headline(attacks_of(cells)) if cell.labels == "true"]
    maps = []
    for place in places(shown):
        mine = [cell for cell in shown if cell.place == place]
        defenses = tuple(sorted({cell.defense for cell in mine}, key=defense_order))
        known = sorted({cell.attacker for cell in mine}, key=attackers.order)
        maps += [Heatmap(*place, attacker, defenses, _heat_rows(mine, attacker, defenses)) for attacker in known]
    return maps


def _heat_rows(cells: Sequence[Cell], attacker: str, defenses: Sequence[str]) -> tuple[HeatRow, ...]:
    # Without a defense there is nothing to adapt to: adaptive and naive attackers share those cells.
    alike = attackers.OWN if attacker in attackers.OWN else (attacker,)
    pool = [cell for cell in cells if cell.attacker == attacker or (cell.undefended and cell.attacker in alike)]
    fine = _grouped(pool, lambda cell: f"{cell.observer} · {cell.distance}")
    groups = fine if len(fine) <= MAX_ROWS else _grouped(pool, lambda cell: cell.observer)
    rows = [_heat_row(title, group, defenses) for (title, _), group in groups.items()]
    return tuple(sorted(rows, key=lambda row: (-_first(row), row.title)))


def _grouped(cells: Sequence[Cell], called: Callable[[Cell], str]) -> dict[tuple[str, str], list[Cell]]:
    """By title and access: published attacks under their names, and whatever ``called`` puts together.

    A published attack stands with the others too, as one choice of a classifier among several; alone it has its own
    row only.
    """
    groups: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    together = {(called(cell), cell.access) for cell in cells if not cell.attack}
    for cell in cells:
        if cell.attack:
            groups[cell.attack, cell.access].append(cell)
        if (key := (called(cell), cell.access)) in together:
            groups[key].append(cell)
    return groups


def _first(row: HeatRow) -> float:
    """Without a defense; a row that was never tried so comes last."""
    return next((cell.auc.value for cell in row.cells if cell and cell.undefended), -1.0)


def _heat_row(title: str, cells: Sequence[Cell], defenses: Sequence[str]) -> HeatRow:
    tops = tuple(best(cell for cell in cells if cell.defense == defense) for defense in defenses)
    base = next((top for top in tops if top and top.undefended), None)
    changes = tuple(top.auc.value - base.auc.value if top and base and not top.undefended else None for top in tops)
    return HeatRow(title, cells[0].access, _chosen(cells, tops), tops, changes)


def _chosen(cells: Sequence[Cell], tops: Sequence[Cell | None]) -> tuple[str, ...]:
    """What tells the best cells from the others of their row, without repeats."""
    if len({cell.triple for cell in cells}) == 1:
        return ()
    merged = len({cell.distance for cell in cells}) > 1
    words = (f"{top.distance} · {top.classifier}" if merged else top.classifier for top in tops if top)
    return tuple(dict.fromkeys(words))


def seed_rows(cells: Iterable[Cell]) -> list[SeedRow]:
    """Attacks that ran with two seeds or more, no defense first, highest mean first."""
    groups: dict[tuple[str, ...], dict[int, Cell]] = defaultdict(dict)
    for cell in attacks_of(cells):
        key = (*cell.place, cell.defense, cell.title, cell.attacker, cell.labels, str(cell.sides))
        groups[key][cell.seed] = cell
    rows = []
    for (dataset, victim, defense, title, attacker, *_), seeds in groups.items():
        if len(seeds) > 1:
            auc = seeds[min(seeds)].auc
            half = None if auc.low is None or auc.high is None else (auc.high - auc.low) / 2
            spread = seed_spread(cell.auc.value for cell in seeds.values())
            rows.append(SeedRow(dataset, victim, defense, title, attacker, spread, half))
    return sorted(rows, key=lambda row: (row.dataset, row.victim, *defense_order(row.defense), -row.spread.mean))
