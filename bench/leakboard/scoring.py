"""The scoring task: shards of features to scores and measures. It never touches a victim, nor torch."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from leakboard.api import Classifier
from leakboard.artifacts import Artifacts, Damaged, Missing
from leakboard.keys import content_key
from leakboard.limits import TimedOut, fault, time_limit
from leakboard.measures import choose_threshold, evaluate
from leakboard.population import Population
from leakboard.population import get as population_of
from leakboard.registry import Registry
from leakboard.sampling import calibration, permuted
from leakboard.tasks import Answer, CellWork, Outcome, ScoreTask

Array = npt.NDArray[np.float64]


class Table(NamedTuple):
    """Features of all samples, oriented so that larger means closer, and what one sample's answers cost."""

    values: Array
    queries: float
    nfe: float
    seconds: float


def score(task: ScoreTask, registry: Registry) -> Outcome:
    """Fit and measure every cell of a task; a classifier that fails takes only its own cell along."""
    start = time.perf_counter()
    artifacts = Artifacts(Path(task.settings.artifacts))
    population = population_of(artifacts, task.dataset_identity).chosen(task.per_side)
    features = functools.cache(functools.partial(_load, artifacts))
    found = []
    for cell in task.cells:
        begun = time.perf_counter()
        try:
            with time_limit(task.settings.timeout):
                found.append(_score(cell, task, registry, population, features, artifacts))
        except (Missing, Damaged):
            raise
        except (Exception, TimedOut) as error:
            found.append(Answer(cell.key, *fault(error), seconds=time.perf_counter() - begun))
    return Outcome(tuple(found), time.perf_counter() - start)


def _load(artifacts: Artifacts, keys: tuple[str, ...]) -> Table:
    parts = []
    columns: set[str] = set()
    queries = nfe = seconds = 0.0
    for key in keys:
        tensors, meta = artifacts.get(key)
        sign = 1.0 if json.loads(meta["larger_is_closer"]) else -1.0
        parts.append(sign * tensors["values"])
        columns.add(meta["columns"])
        queries, nfe = float(meta["queries"]), float(meta["nfe"])
        seconds += float(meta["seconds"])
    if len(columns) > 1:
        raise ValueError(f"the observer yielded other pairs for other samples: {' / '.join(sorted(columns))}")
    return Table(np.concatenate(parts), queries, nfe, seconds)


def _score(
    cell: CellWork,
    task: ScoreTask,
    registry: Registry,
    population: Population,
    features: Callable[[tuple[str, ...]], Table],
    artifacts: Artifacts,
) -> Answer:
    begun = time.perf_counter()
    ids, member, _ = population
    table = features(cell.evaluate_on)
    known = calibration(ids, member, cell.seed, cell.calibration)
    if cell.labels == "permuted":
        member = permuted(member, cell.key)
    classifier: Classifier = registry.one("classifier", cell.classifier).only
    calibration_features = features(cell.calibrate_on).values[known]
    scorer = classifier.fit(calibration_features, member[known])
    threshold = choose_threshold(_scores(cell, scorer, calibration_features), member[known])
    scores = _scores(cell, scorer, table.values[~known])
    measures = evaluate(scores, member[~known], threshold=threshold, level=task.settings.level)
    meta = {"ids": json.dumps([sample for sample, used in zip(ids, known, strict=True) if not used])}
    key = content_key("scores", cell.key)
    tensors = {"score": scores, "member": member[~known].astype(np.uint8)}
    row = artifacts.put(key, tensors, meta, "scores")
    return Answer(
        cell.key,
        "done",
        seconds=table.seconds + time.perf_counter() - begun,
        queries=table.queries,
        nfe=table.nfe,
        measures=measures,
        n_calibration=int(known.sum()),
        n_evaluation=len(scores),
        scores_key=key,
        stored=(row,),
    )


def _scores(cell: CellWork, scorer: Callable[[Array], Array], features: Array) -> Array:
    scores = np.asarray(scorer(features), np.float64)
    if scores.shape != (len(features),):
        raise ValueError(f"{cell.classifier} returned scores of shape {scores.shape}, expected ({len(features)},)")
    if not np.isfinite(scores).all():
        bad = int((~np.isfinite(scores)).sum())
        raise ValueError(f"{cell.classifier} returned {bad} of {len(scores)} scores that are not finite")
    return scores
