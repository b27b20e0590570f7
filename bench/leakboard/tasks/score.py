"""The scoring task: shards of features to scores and what is measured of them. It never touches a victim, nor torch."""

from __future__ import annotations

import functools
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from leakboard.faults import FAULTS, Allowance, fault
from leakboard.keys import scores_key
from leakboard.statistics.thresholds import choose_threshold
from leakboard.store.artifacts import Artifacts, Damaged, Missing
from leakboard.tasks.measure import key_of, measure, registered
from leakboard.tasks.sample_lists import Population
from leakboard.tasks.sample_lists import get as population_of
from leakboard.tasks.splits import calibration, permuted
from leakboard.tasks.task import PartOutcome, TaskOutcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard.api import Classifier, Scorer
    from leakboard.registry.find import Registry
    from leakboard.tasks.task import CellWork, ScoreTask

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Table(NamedTuple):
    """Features of all samples, oriented so that larger means closer, and what the answers behind them cost.

    ``queries`` and ``nfe`` are those of one sample, ``seconds`` those of all; ``fit`` is as in `Answer`.
    """

    values: Array
    columns: str
    queries: float
    nfe: float
    seconds: float
    fit: str


class Half(NamedTuple):
    """Which samples calibrate (N,), and the ids of the others, which are evaluated."""

    known: Mask
    evaluated: list[str]


class Judged(NamedTuple):
    """What became of one cell: scores and labels of the evaluation samples, and the threshold chosen on the others."""

    scores: Array
    member: Mask
    threshold: float | None


class Price(NamedTuple):
    """What a cell would cost alone: queries and denoiser evaluations of one sample, seconds of all."""

    queries: float
    nfe: float
    seconds: float


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
    artifacts = Artifacts(Path(task.settings.artifacts))
    population = _population(artifacts, task.dataset_identity, task.per_side)
    table = functools.cache(functools.partial(_load, artifacts, population.ids))
    halves = functools.cache(functools.partial(_halves, population))
    measures = registered(registry)
    found = []
    for cell in task.cells:
        allowance = Allowance(task.settings.timeout)
        try:
            half, member = halves(cell.seed, cell.calibration), population.member
            before, after = table(cell.calibrate_on), table(cell.evaluate_on)
            if before.columns != after.columns:
                raise ValueError(f"calibrated on the pairs {before.columns}, evaluated on {after.columns}")
            if cell.labels == "permuted":
                member = permuted(population.ids, member, cell.key)
            classifier = registry.one("classifier", cell.classifier).only
            with allowance:
                judged = judge(
                    classifier, (before.values, after.values), member, half.known, json.loads(before.columns)
                )
        except (Missing, Damaged):
            raise
        except FAULTS as error:
            found.append(PartOutcome(cell.key, *fault(error), seconds=allowance.spent))
            continue
        share = float(half.known.mean())
        seconds = share * before.seconds + (1 - share) * after.seconds + allowance.spent
        price = Price(after.queries, after.nfe, seconds)
        stored = _store(cell, artifacts, half, judged, price, after.fit)
        measured = measure(measures, judged.scores, judged.member, judged.threshold, task.settings.timeout)
        found.append(replace(stored, **measured._asdict(), measures_key=key_of(measures)))
    return TaskOutcome(tuple(found), time.perf_counter() - start)


def judge(
    classifier: Classifier, features: tuple[Array, Array], member: Mask, known: Mask, columns: Sequence[str]
) -> Judged:
    """Fit a classifier and a threshold on the known samples, and score the others.

    Args:
        classifier: what turns features into scores.
        features: those (N, K) that are calibrated on, of which only the known rows are used, and those that are
            evaluated, of which only the other rows are used.
        member: labels (N,).
        known: the samples (N,) whose labels the attacker has.
        columns: names of the K columns.

    Raises:
        ValueError: the classifier gave scores of a wrong shape, or such that are not finite.
    """
    calibrating, evaluated = features[0][known], features[1][~known]
    scorer = classifier.fit(calibrating.copy(), member[known], columns)
    if not callable(scorer):
        raise TypeError(f"{classifier.name} returned {scorer!r:.80} from fit(), expected a scorer")
    threshold = choose_threshold(_scores(classifier.name, scorer, calibrating), member[known])
    scores = _scores(classifier.name, scorer, evaluated)
    return Judged(scores, member[~known], threshold)


def _scores(name: str, scorer: Scorer, features: Array) -> Array:
    scores = np.asarray(scorer(features), np.float64)
    if scores.shape != (len(features),):
        raise ValueError(f"{name} returned scores of shape {scores.shape}, expected ({len(features)},)")
    if not np.isfinite(scores).all():
        bad = int((~np.isfinite(scores)).sum())
        raise ValueError(f"{name} returned {bad} of {len(scores)} scores that are not finite")
    return scores


@functools.lru_cache(maxsize=1)
def _population(artifacts: Artifacts, dataset: str, per_side: int) -> Population:
    return population_of(artifacts, dataset).chosen(per_side)


def _halves(population: Population, seed: int, share: float) -> Half:
    known = calibration(population.ids, population.member, seed, share)
    return Half(known, [sample for sample, used in zip(population.ids, known, strict=True) if not used])


def _load(artifacts: Artifacts, ids: tuple[str, ...], keys: tuple[str, ...]) -> Table:
    """Shards of features, one below the other: a row for each of ``ids``, in their order."""
    parts = []
    told: list[str] = []
    columns: set[str] = set()
    fit = ""
    queries = nfe = seconds = 0.0
    for key in keys:
        tensors, meta = artifacts.get(key)
        sign = 1.0 if json.loads(meta["larger_is_closer"]) else -1.0
        parts.append(sign * tensors["values"])
        told += json.loads(meta["ids"])
        columns.add(meta["columns"])
        queries, nfe = float(meta["queries"]), float(meta["nfe"])
        seconds += float(meta["seconds"])
        fit = meta["fit"] or "exact" if "fit" in meta else ""
    if len(columns) > 1:
        raise ValueError(f"the observer yielded other pairs for other samples: {' / '.join(sorted(columns))}")
    if tuple(told) != ids:
        raise ValueError("the features are of other samples than those listed: the dataset does not load alike twice")
    return Table(np.concatenate(parts), columns.pop(), queries, nfe, seconds, fit)


def _store(cell: CellWork, artifacts: Artifacts, half: Half, judged: Judged, price: Price, fit: str) -> PartOutcome:
    key = scores_key(cell.key)
    tensors: dict[str, npt.NDArray[Any]] = {"score": judged.scores, "member": judged.member.astype(np.uint8)}
    threshold = "" if judged.threshold is None else repr(judged.threshold)
    meta = {"ids": json.dumps(half.evaluated), "threshold": threshold}
    row = artifacts.put(key, tensors, meta, "scores", durable=False)
    return PartOutcome(
        cell.key,
        "done",
        seconds=price.seconds,
        queries=price.queries,
        nfe=price.nfe,
        n_calibration=int(half.known.sum()),
        n_evaluation=len(judged.scores),
        scores_key=key,
        stored=(row,),
        fit=fit,
    )
