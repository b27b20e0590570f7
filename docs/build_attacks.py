"""Write the tables of ``docs/attacks.md``, which say what every named attack does on the embedded victims.

leakboard run grids/attacks.toml --store attacks.db
leakboard run grids/shadows.toml --store shadows.db
python docs/build_attacks.py attacks=attacks.db shadows=shadows.db

A table whose store is not given stays as it is, and so does all text beside the tables.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from leakboard.grid.grid import TRIPLE
from leakboard.statistics.nulls import FAMILY_ERROR
from leakboard.store import Store
from leakboard_reports.comparison import compared
from leakboard_reports.panels import comparable, panels
from leakboard_reports.reading import ACCESS_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakboard_reports.comparison import Row
    from leakboard_reports.reading import Estimate

PAGE = Path(__file__).with_name("attacks.md")
BLOCK = re.compile(r"(<!-- table: (?P<name>\w+) -->\n).*?(<!-- end -->\n)", re.DOTALL)
RATE = "tpr_at_1pct_fpr"
ABSENT = "-"


def shown(estimate: Estimate | None) -> str:
    """A number with its interval, marked where too few non-members calibrate it."""
    if estimate is None or estimate.flag == "hidden":
        return ABSENT
    limits = "" if estimate.low is None else f" [{estimate.low:.3f}, {estimate.high:.3f}]"
    return f"{estimate.value:.3f}{limits}{' †' if estimate.flag else ''}"


def amount(value: float | None) -> str:
    """A count a sample, or seconds a hundred samples."""
    return ABSENT if value is None else f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def calibrated(attacker: str) -> str:
    """What the classifiers are fitted on, in words."""
    shadows = attacker.count("level=") or attacker.count("model=")
    words = {"adaptive": "on this victim", "naive": "on this victim without a defense", "none": "on nothing"}
    return words.get(attacker, f"on {shadows} shadow victims")


def line(row: Row) -> str:
    """One attack of a table."""
    cell = row.cell
    seconds = None if cell.seconds is None else 100 * cell.seconds / (cell.auc.n_member + cell.auc.n_nonmember)
    what = [f"`{cell.title}`" + (f" ({cell.chosen})" if cell.chosen else ""), shown(cell.auc)]
    what += [shown(cell.measures.get(RATE)), row.letters, amount(cell.queries), amount(cell.nfe), amount(seconds)]
    return f"| {' | '.join(what)} |"


def tables(store: Store) -> Iterator[str]:
    """For each victim and access level its attacks, the one that calibration samples chose first."""
    cells, scores = comparable(store)
    for panel in panels(cells, scores):
        first = panel.cells[0]
        access = ACCESS_NAMES[panel.access]
        yield (
            f"**{panel.victim}, {access}**, calibration {calibrated(first.attacker)}, evaluated on "
            f"{first.auc.n_member:,} members and {first.auc.n_nonmember:,} non-members:\n"
        )
        yield "| attack | AUC | TPR at 1 % FPR | tied | queries | NFE | s per 100 |\n|---|---|---|---|---|---|---|"
        yield from map(line, compared(panel).rows)
        yield ""


def checks(store: Store) -> Iterator[str]:
    """How the null checks came out, by kind."""
    from leakboard.runs.summary import judged

    results = store.results("auc")
    found = judged(results[results["role"] == "null"], store)
    yield f"| null check | number | AUC | mean | verdict of all (family error {FAMILY_ERROR:.0%}) |"
    yield "|---|---|---|---|---|"
    for kind, family in found.families.items():
        mine = [each for each in found.checks if each.kind == kind]
        values = [each.row["value"] for each in mine]
        alarms = [each for each in mine if each.alarms]
        verdict = f"{len(alarms)} not at chance" if alarms else family.verdict
        span = f"{min(values):.3f} to {max(values):.3f}"
        yield f"| {kind} | {len(mine)} | {span} | {family.mean:.4f} | {verdict} |"
    yield ""


LACKS = re.compile(r"(?P<observer>.+) needs (?P<need>.+), which (?P<victim>.+?)(\(.*)? does not give")
"""The reason of `leakboard plan` for an observer that a victim does not answer."""


def skipped(store: Store) -> Iterator[str]:
    """What could not be asked of which victim, and why: what it does not give, or else the reason as it was told."""
    frame = store.cells()
    frame = frame[(frame["status"] == "skipped") & (frame["labels"] == "true")]
    found: dict[str, set[str]] = {}
    for name, reason in zip(frame["attack"], frame["error"], strict=True):
        lacks = LACKS.fullmatch(reason)
        told = f"{lacks['victim']} does not give {lacks['need']}" if lacks else reason
        found.setdefault(told, set()).add(f"`{name}`")
    yield from (f"- {told}: {', '.join(sorted(names))}" for told, names in sorted(found.items()))
    yield ""


def needs() -> Iterator[str]:
    """What each attack asks for, from the attacks themselves."""
    from leakboard.registry.find import shared

    registry = shared()
    yield "| attack | what it is | access | what the victim must give | fitted on |\n|---|---|---|---|---|"
    for name, attack in sorted(registry.attacks.items()):
        points = {kind: registry.one(kind, attack.part(kind, "pixels")) for kind in TRIPLE}
        observer, classifier = points["observer"].only, points["classifier"].only
        if observer.null:
            continue
        fitted = "shadow victims" if classifier.needs_shadows else "labels" if classifier.trains else "nothing"
        if any(len(point.choices) > 1 for point in points.values()):
            fitted = "labels, to choose"
        asked = ", ".join(sorted(observer.needs)) or ABSENT
        yield f"| `{name}` | {attack.title} | {observer.access} | {asked} | {fitted} |"
    yield ""


MADE = {"tables": tables, "checks": checks, "skipped": skipped}


def main(*given: str) -> None:
    """Write the tables: those of stores that are given as ``name=store``, and what is known without any.

    ``tables_attacks`` is what `tables` makes of the store ``attacks``.
    """
    stores = {name: Store(path, read_only=True) for name, _, path in (pair.partition("=") for pair in given)}

    def made(match: re.Match[str]) -> str:
        what, _, store = match["name"].partition("_")
        if what == "needs":
            lines = needs()
        elif store in stores:
            lines = MADE[what](stores[store])
        else:
            return match[0]
        return match[1] + "\n" + "\n".join(lines) + "\n" + match[3]

    PAGE.write_text(BLOCK.sub(made, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
