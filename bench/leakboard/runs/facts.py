"""What a run found, for programs: the same that `leakboard.runs.summary` tells people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from leakboard.runs.summary import best_attacks, judged, mine, rows_of

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from leakboard.runs.runner import RunReport
    from leakboard.store import Store

OF_A_RESULT = (
    "dataset", "victim", "defense", "attacker", "access", "attack", "observer", "distance", "classifier", "seed",
    "value", "low", "high", "calibration_auc", "chosen", "n_member", "n_nonmember", "queries", "nfe", "note",
    "bypass",
)  # fmt: skip
"""What is told of a best attack and of a null check that is not at chance; ``value`` is the AUC."""


def facts(report: RunReport, store: Store, page: Path | None = None) -> dict[str, Any]:
    """JSON facts about a run.

    Returns:
        ``ok``, ``stopped`` (why it ended early, or empty), ``cells`` (counts by status), ``denoiser_evaluations``
        (paid in this run), ``store``, ``report`` (the page, or null), ``best`` (per dataset, victim, defense, attacker
        and access the attack that was chosen on calibration samples) and ``null_checks`` (per kind its verdicts).
    """
    results = mine(report, store)
    return {
        "ok": report.ok,
        "stopped": report.stopped,
        "cells": dict(sorted(report.counts.items())),
        "measured_again": len(report.plan.outdated),
        "denoiser_evaluations": report.evaluations,
        "store": store.url,
        "report": str(page) if page else None,
        "best": [_told(row) for row in rows_of(best_attacks(results[results["role"] == "attack"]))],
        "null_checks": _null_checks(results[results["role"] == "null"], store),
    }


def _null_checks(results: pd.DataFrame, store: Store) -> list[dict[str, Any]]:
    found = judged(results, store)
    kinds = []
    for kind, family in found.families.items():
        singles = [each for each in found.checks if each.kind == kind]
        kinds.append(
            {
                "kind": kind,
                "distinct": family.checks,
                "lowest_auc": min(each.row["value"] for each in singles),
                "highest_auc": max(each.row["value"] for each in singles),
                "mean_auc": family.mean,
                "mean_verdict": family.verdict,
                "verdicts": {
                    verdict: sum(each.verdict == verdict for each in singles)
                    for verdict in sorted({each.verdict for each in singles})
                },
                "not_at_chance": [_told(each.row) for each in singles if each.alarms],
            }
        )
    return kinds


def _told(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON has it: what is missing or no number is null."""
    return {name: _plain(row[name]) for name in OF_A_RESULT}


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
