"""What a run found, in a few lines for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leakboard.oracle.bypass import NOTHING
from leakboard.registry.bind import NO_DEFENSE
from leakboard.statistics.nulls import (
    CHECKED_AXES,
    FAMILY_ERROR,
    NullCheck,
    beyond_chance,
    chance_p_value,
    null_kind,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd

    from leakboard.runs.runner import RunReport
    from leakboard.store import Store


def summary(report: RunReport, store: Store, page: Path | None = None) -> str:
    """Best attack per victim, defense, attacker and access level, null checks, failures, cost, where the report is.

    Datasets say what a reader must know: files that were skipped, say.
    """
    results = store.results()
    keys = {cell.key for cell in report.plan.cells}
    mine = results[results["cell"].isin(keys) & (results["measure"] == "auc")]
    lines = [*_best(mine[mine["role"] == "attack"]), *_nulls(mine[mine["role"] == "null"])]
    lines += _notes(store, keys)
    counts = ", ".join(f"{count} {status}" for status, count in sorted(report.counts.items()))
    lines.append(f"cells: {counts}; {report.nfe:,.0f} denoiser evaluations paid in this run")
    if report.plan.outdated:
        lines.append(f"measured again from their scores: {len(report.plan.outdated)} cells")
    if report.stopped:
        lines.append(f"stopped early: {report.stopped}")
    if not report.ok:
        lines.append(f"what went wrong: leakboard failures {store.url}")
    lines.append(f"report: {page}" if page else f"report: leakboard report {store.url} --out report")
    return "\n".join(lines)


def _best(results: pd.DataFrame) -> Iterator[str]:
    if results.empty:
        return
    order = results.sort_values("value", ascending=False, kind="stable")
    groups = ["dataset", "victim", "defense", "attacker", "access"]
    best = order.groupby(groups, sort=True, observed=True).head(1).sort_values(groups, kind="stable")
    wide = max(len(text) for text in best["defense"])
    for place, rows in best.groupby(["victim", "dataset"], observed=True):
        target = " on ".join(map(str, place))
        yield f"{target}: best attack per defense, attacker and access level (the maximum flatters)"
        yield from (f"  fitted: {fit}" for fit in sorted(set(rows["fit"]) - {"", "exact"}))
        for row in _rows(rows):
            attack = row["attack"] or f"{row['observer']} + {row['distance']} + {row['classifier']}"
            yield (
                f"  {row['defense']:<{wide}}  {row['attacker']:<8}  {row['access']:<5}  AUC {row['value']:.3f} "
                f"[{row['low']:.3f}, {row['high']:.3f}]  n={row['n_member']}+{row['n_nonmember']}  {attack}"
                f"{_past(row)}"
            )


def _past(row: dict[str, Any]) -> str:
    """Which questions went past the defense, where there is one and any did, or nobody knows."""
    if row["bypass"] == NOTHING or row["defense"] == NO_DEFENSE:
        return ""
    return f"  past the defense: {row['bypass'] or 'unknown'}"


def _nulls(results: pd.DataFrame) -> Iterator[str]:
    if results.empty:
        yield "null checks: none in this grid"
        return
    rows = _rows(results)
    checks = [_check(row) for row in rows]
    judged = zip(checks, rows, beyond_chance(checks), strict=True)
    alarms = [*{check.identity: row for check, row, beyond in judged if beyond}.values()]
    count = len({check.identity for check in checks})
    low, high = results["value"].min(), results["value"].max()
    verdict = f"{len(alarms)} NOT AT CHANCE" if alarms else "all at chance"
    yield f"null checks: {count}, AUC {low:.3f} to {high:.3f}, {verdict} (family-wise {FAMILY_ERROR:.0%} a kind)"
    for row in alarms[:5]:
        axes = ("victim", "defense", "observer", "distance", "classifier", "labels")
        yield f"  {' | '.join(str(row[axis]) for axis in axes)}: {row['value']:.3f}"
    blind = [row for row in alarms if null_kind(row["labels"], row["access"]) == "blind check"]
    for dataset in sorted({row["dataset"] for row in blind}):
        yield f"  members of {dataset} can be told apart without the victim: every attack on it is suspect"


def _check(row: dict[str, Any]) -> NullCheck:
    what = tuple(row[axis] for axis in CHECKED_AXES)
    p_value = chance_p_value(row["value"], row["low"], row["high"])
    return NullCheck(row["labels"], row["access"], row["victim"], what, p_value)


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _notes(store: Store, cells: set[str]) -> Iterator[str]:
    """What the datasets of some cells say of themselves."""
    tried, components = store.cells(), store.components()
    datasets = set(tried[tried["cell"].isin(cells)]["dataset"])
    for row in _rows(components[(components["kind"] == "dataset") & components["label"].isin(datasets)]):
        yield from (f"note on {row['label']}: {note}" for note in row["info"].get("notes", ()))
