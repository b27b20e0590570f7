"""The page that says who is caught: whether attacks find the same members, and whether they do so again."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakboard.api import Page
from leakboard.statistics.exposure import RATE, agreement, by_how_many, caught, exposure, overlap
from leakboard.statistics.roc import flag_of
from leakboard_reports import attackers
from leakboard_reports.classes import ByClass, by_class
from leakboard_reports.panels import comparable, panel_of
from leakboard_reports.rarity import ByRarity, by_rarity
from leakboard_reports.reading import by_choice, headline, places
from leakboard_reports.templating import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from leakboard.api import Array
    from leakboard.statistics.permutation import Scores
    from leakboard.store import Store
    from leakboard_reports.panels import Panel
    from leakboard_reports.reading import Cell

MOST = 10
"""Attacks that are compared on one victim, and members that are named, at most."""


@dataclass(frozen=True)
class Exposed:
    """A member: its name, or a number where images are not public; by how many attacks it is caught, its exposure."""

    name: str
    times: int
    exposure: float


@dataclass(frozen=True)
class Again:
    """How well an attack agrees with itself over seeds: rank correlation, pairs of seeds, fewest members of a pair."""

    title: str
    correlation: float
    pairs: int
    members: int


@dataclass(frozen=True)
class Who:
    """Who is caught of one victim.

    Attributes:
        panel: its attacks, one an observer.
        correlations: of their exposures of members (K, K).
        overlaps: of those they catch (K, K).
        shares: number of attacks, share of members that so many catch at least, and what it were by chance.
        tprs: the share of members that each catches.
        flag: why the rate may not be trusted, see `leakboard.statistics.roc.flag_of`.
        exposed: the members with the highest mean exposure.
        again: over seeds.
        classes: AUC by class; None where the store tells none.
        rarity: AUC by how rare images are; None where the store does not tell.
    """

    panel: Panel
    correlations: Array
    overlaps: Array
    shares: tuple[tuple[int, float, float], ...]
    tprs: tuple[float, ...]
    flag: str
    exposed: tuple[Exposed, ...]
    again: tuple[Again, ...]
    classes: ByClass | None
    rarity: ByRarity | None


def who(panel: Panel, again: Sequence[Again], classes: ByClass | None, rarity: ByRarity | None, *, public: bool) -> Who:
    """What the attacks of a panel say of its members."""
    exposures = np.stack([exposure(row, panel.member) for row in panel.scores])
    found = np.stack([caught(row, panel.member) for row in panel.scores])
    share, chance = by_how_many(found)
    return Who(
        panel,
        agreement(exposures),
        overlap(found),
        tuple((number + 1, float(share[number]), float(chance[number])) for number in range(len(share))),
        tuple(float(each) for each in found.mean(1)),
        flag_of(int((~panel.member).sum()), RATE),
        tuple(_exposed(panel, exposures.mean(0), found.sum(0), public=public)),
        tuple(again),
        classes,
        rarity,
    )


def _exposed(panel: Panel, mean: Array, times: Array, *, public: bool) -> Iterable[Exposed]:
    names = [name for name, flag in zip(panel.ids, panel.member, strict=True) if flag]
    for number, row in enumerate(np.argsort(-mean, kind="stable")[:MOST], 1):
        yield Exposed(names[row] if public else f"member {number}", int(times[row]), float(mean[row]))


def one_an_observer(cells: Iterable[Cell]) -> list[Cell]:
    """Of each observer the attack that calibration samples chose: others of it look at the same answers."""
    chosen: dict[str, Cell] = {}
    for cell in sorted(cells, key=by_choice):
        chosen.setdefault(cell.observer, cell)
    return list(chosen.values())[:MOST]


def over_seeds(chosen: Sequence[Cell], cells: Iterable[Cell], scores: Callable[[Cell], Scores | None]) -> list[Again]:
    """For each of some attacks the mean rank correlation of exposures of members that two seeds evaluate."""
    same: dict[str, list[Cell]] = defaultdict(list)
    place, sides, attacker = chosen[0].place, chosen[0].sides, chosen[0].attacker
    for cell in cells:
        if (cell.place, cell.sides, cell.attacker) == (place, sides, attacker):
            same[cell.title].append(cell)
    found = []
    for attack in chosen:
        read = [of for cell in same[attack.title] if (of := scores(cell))]
        tables = [
            dict(zip(np.array(each.ids)[each.member], exposure(each.score, each.member), strict=True)) for each in read
        ]
        pairs = []
        for one, other in itertools.combinations(tables, 2):
            names = sorted(one.keys() & other.keys())
            if len(names) > 2:
                rows = np.array([[table[name] for name in names] for table in (one, other)])
                pairs.append((float(agreement(rows)[0, 1]), len(names)))
        told = [pair for pair in pairs if np.isfinite(pair[0])]
        if told:
            mean = float(np.mean([value for value, _ in told]))
            found.append(Again(attack.title, mean, len(told), min(count for _, count in told)))
    return found


def body(store: Store) -> str:
    """The page as HTML."""
    cells, scores = comparable(store)
    private = store.private_datasets()
    shown, found = headline(cells), []
    for place in places(shown):
        known = attackers.by_knowledge(cell for cell in shown if cell.place == place)[0]
        chosen = one_an_observer(known)
        panel = panel_of(chosen, scores, attackers.told(known), chosen[0].access)
        if panel and len(panel.cells) > 1:
            public = panel.dataset not in private
            classes = by_class(store, panel, public=public)
            again = over_seeds(panel.cells, cells, scores)
            found.append(who(panel, again, classes, by_rarity(store, panel), public=public))
    return environment().get_template("caught.html.j2").render(victims=found, most=MOST, private=private)


PAGE = Page("caught", "Who is caught", body)
