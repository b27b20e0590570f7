"""The scoring task: shards of features to scores and what is measured of them. It never touches a victim.

Nor does it touch torch, unless a classifier asks for a device.
"""

from __future__ import annotations

import functools
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leakboard.faults import contained
from leakboard.keys import scores_key
from leakboard.store.artifacts import Artifacts, CannotWrite, Damaged, Missing
from leakboard.tasks.feature_tables import Tables
from leakboard.tasks.judge import Judge
from leakboard.tasks.measure import measure, registered
from leakboard.tasks.sample_lists import get as population_of
from leakboard.tasks.task import PartOutcome, TaskOutcome
from leakboard.tasks.time_limits import Allowance

if TYPE_CHECKING:
    from leakboard.kinds import Sides
    from leakboard.registry.find import Registry
    from leakboard.tasks.judge import Judged
    from leakboard.tasks.sample_lists import Population
    from leakboard.tasks.task import CellWork, ScoreTask


def score(task: ScoreTask, registry: Registry) -> TaskOutcome:
    """Fit and measure every cell of a task; a classifier that fails takes only its own cell along.

    Raises:
        Missing, Damaged: features or the list of samples have to be made again.
        LeakboardError: no space left.
    """
    from threadpoolctl import threadpool_limits

    # Matrices are small here: more threads only wait for each other, and their number could change last digits.
    with threadpool_limits(1, user_api="blas"):
        return _score(task, registry)


def _score(task: ScoreTask, registry: Registry) -> TaskOutcome:
    start = time.perf_counter()
    artifacts = Artifacts.at(task.settings.artifacts)
    population = _population(artifacts, task.dataset_identity, task.sides)
    judging = Judge(task, registry, population, Tables(artifacts, population.ids))
    measures = registered(registry)
    found = []
    for cell in task.cells:
        allowance = Allowance(task.settings.timeout * len(cell.ways), cell.who)
        with contained(Missing, Damaged, CannotWrite) as caught:
            judged = judging.judge(cell, allowance)
        if caught.fault:
            found.append(PartOutcome(cell.key, *caught.fault, seconds=allowance.spent))
            continue
        stored = _store(cell, artifacts, judged)
        measured = measure(measures, judged.scores, judged.member, judged.threshold, task.settings.timeout)
        note = "\n".join(filter(None, (judged.table.refusal, judged.table.remarks, judged.note, measured.note)))
        found.append(replace(stored, results=measured.results, note=note, measured_by=measured.measured_by))
    return TaskOutcome(tuple(found), time.perf_counter() - start)


@functools.lru_cache(maxsize=1)
def _population(artifacts: Artifacts, dataset: str, sides: Sides) -> Population:
    return population_of(artifacts, dataset).chosen(sides)


def _store(cell: CellWork, artifacts: Artifacts, judged: Judged) -> PartOutcome:
    key = scores_key(cell.key)
    tensors: dict[str, npt.NDArray[Any]] = {"score": judged.scores, "member": judged.member.astype(np.uint8)}
    threshold = "" if judged.threshold is None else repr(judged.threshold)
    meta = {"ids": json.dumps(judged.ids), "threshold": threshold}
    row = artifacts.put(key, tensors, meta, "scores", durable=False)
    return PartOutcome(
        cell.key,
        "done",
        seconds=judged.seconds,
        queries=judged.queries,
        evaluations=judged.evaluations,
        n_calibration=judged.used,
        n_evaluation=len(judged.scores),
        scores_key=key,
        stored=(row,),
        fit=judged.table.fit,
        bypass=judged.table.bypass,
        calibration_auc=judged.calibration_auc,
        chosen=judged.chosen,
    )
