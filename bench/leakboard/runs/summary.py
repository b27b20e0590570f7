"""What a run found, in a few lines for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from leakboard.keys import scores_key
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
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pandas as pd

    from leakboard.runs.runner import RunReport
    from leakboard.statistics.nulls import Family
    from leakboard.store import Store

TOLD_AXES = (*(axis for axis in AXES if axis != "dataset"), "labels")
"""What names a null check that is not at chance; datasets are told in a line of their own."""


def summary(report: RunReport, store: Store, page: Path | None = None) -> str:
    """Best attack per victim, defense, attacker and access level, null checks, failures, cost, where the report is.

    Datasets say what a reader must know: files that were skipped, say.
    """
    results = mine(report, store)
    lines = [*_best(results[results["role"] == "attack"]), *_nulls(results[results["role"] == "null"], store)]
    lines += _notes(report, store)
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


def mine(report: RunReport, store: Store) -> pd.DataFrame:
    """The AUCs of the cells of a run's grid, as `Store.results` has them."""
    from leakboard.store import frames

    results = frames.results(store, "auc")  # which may be none where measuring failed, and that is told elsewhere
    keys = {cell.key for cell in report.plan.cells}
    return results[results["cell"].isin(keys)]


def best_attacks(results: pd.DataFrame) -> pd.DataFrame:
    """Of some AUCs the one to report per dataset, victim, defense, attacker and access.

    It is that of the attack with the highest AUC on calibration samples, between equals the cheapest. Where a store is
    older than that choice it is the highest AUC, which flatters: ``calibration_auc`` is missing in such a row.
    """
    unknown = results["calibration_auc"].isna()
    order = results.assign(highest=results["value"].where(unknown, 0.0)).sort_values(
        ["calibration_auc", "highest", "nfe", "observer", "distance", "classifier"],
        ascending=[False, False, True, True, True, True],
        kind="stable",
    )
    groups = ["dataset", "victim", "defense", "attacker", "access"]
    best = order.drop(columns="highest").groupby(groups, sort=True, observed=True).head(1)
    return best.sort_values(groups, kind="stable")


def _best(results: pd.DataFrame) -> Iterator[str]:
    if results.empty:
        return
    best = best_attacks(results)
    wide = max(len(text) for text in best["defense"])
    for place, rows in best.groupby(["victim", "dataset"], observed=True):
        target = " on ".join(map(str, place))
        yield f"{target}: best attack per defense, attacker and access level, {_chosen(rows)}"
        yield from (f"  fitted: {fit}" for fit in sorted(set(rows["fit"]) - {"", "exact"}))
        for row in rows_of(rows):
            attack = row["attack"] or f"{row['observer']} + {row['distance']} + {row['classifier']}"
            attack += f" (chose {row['chosen']})" if row["chosen"] else ""
            yield (
                f"  {row['defense']:<{wide}}  {row['attacker']:<8}  {row['access']:<5}  AUC {row['value']:.3f} "
                f"[{row['low']:.3f}, {row['high']:.3f}]  n={row['n_member']}+{row['n_nonmember']}  {attack}"
                f"{_past(row)}"
            )


def _chosen(rows: pd.DataFrame) -> str:
    """How the attacks of some rows were chosen."""
    if rows["calibration_auc"].isna().any():
        return "the highest AUC where calibration samples did not choose (the maximum flatters)"
    return "chosen on calibration samples"


def _past(row: dict[str, Any]) -> str:
    """Which questions went past the defense, where there is one and any did, or nobody knows."""
    if row["bypass"] == NOTHING or row["defense"] == NO_DEFENSE:
        return ""
    return f"  past the defense: {row['bypass'] or 'unknown'}"


class Checked(NamedTuple):
    """One distinct null check: its kind, its row of results, its verdict, and what AUC would have been found."""

    kind: str
    row: dict[str, Any]
    verdict: str
    detectable: float | None

    @property
    def alarms(self) -> bool:
        """Whether it is not at chance."""
        return bool(self.verdict == NOT_AT_CHANCE)


class NullChecks(NamedTuple):
    """The distinct null checks of a grid, and what is said of each kind of them together."""

    checks: tuple[Checked, ...]
    families: Mapping[str, Family]


def judged(results: pd.DataFrame, store: Store) -> NullChecks:
    """The verdicts on the null checks among some AUCs."""
    # a file is read for distinct checks alone: blind ones are the same beside every victim
    distinct = {check.identity: (check, row) for row in rows_of(results) for check in [_check(row)]}
    checks = [check._replace(scores=_scores(store, row["cell"])) for check, row in distinct.values()]
    judgement = judge(checks)
    told = (
        Checked(check.family, row, single.verdict, single.detectable)
        for (check, row), single in zip(distinct.values(), judgement.singles, strict=True)
    )
    return NullChecks(tuple(told), {str(kind): family for kind, family in judgement.families.items()})


def _nulls(results: pd.DataFrame, store: Store) -> Iterator[str]:
    """The verdicts of the report: of each kind of null check, of its mean, and the checks that are not at chance."""
    if results.empty:
        yield "null checks: none in this grid"
        return
    found = judged(results, store)
    yield f"null checks: {len(found.checks)} distinct, family-wise error {FAMILY_ERROR:.0%} a kind"
    blind = []
    for kind, family in found.families.items():
        singles = [each for each in found.checks if each.kind == kind]
        values = [each.row["value"] for each in singles]
        alarms = [each.row for each in singles if each.alarms]
        few = sum(each.verdict == TOO_FEW for each in singles)
        blind += alarms if kind == "blind check" else []
        verdict = (
            f"{len(alarms)} NOT AT CHANCE" if alarms else "too few to tell" if few == len(singles) else "at chance"
        )
        more = f", {few} too few to tell" if 0 < few < len(singles) else ""
        yield f"  {kind}: {family.checks}, AUC {min(values):.3f} to {max(values):.3f}, {verdict}{more}"
        shared = "NOT AT CHANCE: they share a fault" if family.verdict == NOT_AT_CHANCE else family.verdict
        reach = _reach([each.detectable for each in singles], family.detectable)
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


def _check(row: dict[str, Any]) -> NullCheck:
    """A null check without its scores."""
    what = tuple(row[axis] for axis in CHECKED_AXES)
    counts = row["n_member"], row["n_nonmember"]
    return NullCheck(row["labels"], row["access"], row["victim"], what, row["value"], *counts)


def _scores(store: Store, cell: str) -> Scores | None:
    """Scores of a cell, None where their file cannot be read."""
    found = store.scores_of(scores_key(cell))
    return None if found is None else Scores(*found)


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame, by the names of its columns."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _notes(report: RunReport, store: Store) -> Iterator[str]:
    """What the datasets of a run's cells say of themselves."""
    datasets = {cell.dataset.identity for cell in report.plan.cells}
    components = store.components()
    for row in rows_of(components[(components["kind"] == "dataset") & components["identity"].isin(datasets)]):
        yield from (f"note on {row['label']}: {note}" for note in row["info"].get("notes", ()))
