"""What a run found, in a few lines for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leakboard.kinds import AXES
from leakboard.oracle.bypass import NOTHING
from leakboard.registry.bind import NO_DEFENSE
from leakboard.statistics.nulls import (
    CHECKED_AXES,
    FAMILY_ERROR,
    NOT_AT_CHANCE,
    POWER,
    TOO_FEW,
    NullCheck,
    judge,
)
from leakboard.statistics.permutation import Scores
from leakboard.texts import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd

    from leakboard.runs.runner import RunReport
    from leakboard.store import Store

TOLD_AXES = (*(axis for axis in AXES if axis != "dataset"), "labels")
"""What names a null check that is not at chance; datasets are told in a line of their own."""


def summary(report: RunReport, store: Store, page: Path | None = None) -> str:
    """Best attack per victim, defense, attacker and access level, null checks, failures, cost, where the report is.

    Datasets say what a reader must know: files that were skipped, say.
    """
    results, tried = store.results(), store.cells()
    keys = {cell.key for cell in report.plan.cells}
    mine = results[results["cell"].isin(keys) & (results["measure"] == "auc")]
    lines = [*_best(mine[mine["role"] == "attack"]), *_nulls(mine[mine["role"] == "null"], tried, store)]
    lines += _notes(tried, store.components(), keys)
    counts = ", ".join(f"{count} {status}" for status, count in sorted(report.counts.items()))
    lines.append(f"cells: {counts}; {report.evaluations:,.0f} denoiser evaluations paid in this run")
    if report.plan.outdated:
        lines.append(f"measured again from their scores: {len(report.plan.outdated)} cells")
    if report.plan.absent:
        lines.append(f"files of features that are not on disk: {report.plan.absent} (run --features makes them again)")
    if report.stopped:
        lines.append(f"stopped early: {report.stopped}")
    if not report.ok:
        lines.append(f"what went wrong: leakboard failures {store.url}")
    lines.append(f"report: {page}" if page else f"report: leakboard report {store.url} --out report")
    return escaped("\n".join(lines))


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


def _nulls(results: pd.DataFrame, tried: pd.DataFrame, store: Store) -> Iterator[str]:
    """The verdicts of the report: of each kind of null check, of its mean, and the checks that are not at chance."""
    if results.empty:
        yield "null checks: none in this grid"
        return
    with_scores = tried[tried["scores_key"].notna()]
    keys = dict(zip(with_scores["cell"], with_scores["scores_key"], strict=True))
    rows = _rows(results)
    checks = [_check(row, store, keys.get(row["cell"])) for row in rows]
    judgement = judge(checks)
    distinct = {
        check.identity: (row, check, single) for check, row, single in zip(checks, rows, judgement.singles, strict=True)
    }
    yield f"null checks: {len(distinct)} distinct, family-wise error {FAMILY_ERROR:.0%} a kind"
    blind = []
    for kind, family in judgement.families.items():
        mine = [(row, single) for row, check, single in distinct.values() if check.family == kind]
        values = [row["value"] for row, _ in mine]
        alarms = [row for row, single in mine if single.verdict == NOT_AT_CHANCE]
        few = sum(single.verdict == TOO_FEW for _, single in mine)
        blind += alarms if kind == "blind check" else []
        verdict = f"{len(alarms)} NOT AT CHANCE" if alarms else "too few to tell" if few == len(mine) else "at chance"
        more = f", {few} too few to tell" if 0 < few < len(mine) else ""
        yield f"  {kind}: {family.checks}, AUC {min(values):.3f} to {max(values):.3f}, {verdict}{more}"
        shared = "NOT AT CHANCE: they share a fault" if family.verdict == NOT_AT_CHANCE else family.verdict
        reach = _reach([single.detectable for _, single in mine], family.detectable)
        yield f"    mean {family.mean:.4f}, {shared}{reach}"
        for row in alarms[:5]:
            yield f"    {' | '.join(str(row[axis]) for axis in TOLD_AXES)}: {row['value']:.3f}"
    for dataset in sorted({row["dataset"] for row in blind}):
        yield f"  members of {dataset} can be told apart without the victim: every attack on it is suspect"


def _reach(singles: list[float | None], mean: float | None) -> str:
    """What would have been found, in words."""
    found = [reach for reach in singles if reach is not None]
    if not found or mean is None:
        return ""
    return f" ({POWER:.0%} would have found {0.5 + max(found):.3f} in one of them, {0.5 + mean:.4f} in the mean)"


def _check(row: dict[str, Any], store: Store, scores_key: str | None) -> NullCheck:
    what = tuple(row[axis] for axis in CHECKED_AXES)
    found = store.scores_of(scores_key) if scores_key else None
    scores = None if found is None else Scores(*found)
    counts = row["n_member"], row["n_nonmember"]
    return NullCheck(row["labels"], row["access"], row["victim"], what, row["value"], *counts, scores)


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _notes(tried: pd.DataFrame, components: pd.DataFrame, cells: set[str]) -> Iterator[str]:
    """What the datasets of some cells say of themselves."""
    datasets = set(tried[tried["cell"].isin(cells)]["dataset"])
    for row in _rows(components[(components["kind"] == "dataset") & components["label"].isin(datasets)]):
        yield from (f"note on {row['label']}: {note}" for note in row["info"].get("notes", ()))
