"""The scoring task: shards of features to scores and what is measured of them. It never touches a victim.

Nor does it touch torch, unless a classifier asks for a device.
"""

from __future__ import annotations

import contextlib
import functools
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from leakboard.faults import contained
from leakboard.keys import scores_key
from leakboard.statistics.thresholds import choose_threshold
from leakboard.store.artifacts import Artifacts, Damaged, Missing
from leakboard.tasks.feature_tables import Table, Tables, alike
from leakboard.tasks.measure import measure, registered
from leakboard.tasks.members import members_of, refuse_telltale, refuse_vote
from leakboard.tasks.sample_lists import get as population_of
from leakboard.tasks.splits import calibration, permuted
from leakboard.tasks.task import PartOutcome, TaskOutcome
from leakboard.tasks.time_limits import Allowance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from leakboard.api import Array, Classifier, Mask, Scorer
    from leakboard.kinds import Sides
    from leakboard.registry.find import Registry
    from leakboard.tasks.sample_lists import Population
    from leakboard.tasks.task import CellWork, ScoreTask


class Labelled(NamedTuple):
    """Features (N, ...), and who is a member (N,)."""

    features: npt.NDArray[Any]
    member: Mask


class Fitted(NamedTuple):
    """What became of a classifier: the scores (M,) of the evaluation samples, and a threshold, None without labels."""

    scores: Array
    threshold: float | None


class Judged(NamedTuple):
    """What became of one cell.

    Attributes:
        table: the features that were scored.
        ids, scores, member: of the evaluation samples (M,).
        threshold: what was chosen on calibration samples; None without labels.
        used: labelled samples that the classifier saw; those of several shadow victims count together.
        seconds: what the cell would take alone. Queries and denoiser evaluations are those of the victim under attack.
    """

    table: Table
    ids: list[str]
    scores: Array
    member: Mask
    threshold: float | None
    used: int
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
    population = _population(artifacts, task.dataset_identity, task.sides)
    scoring = _Scoring(task, registry, population, Tables(artifacts, population.ids))
    measures = registered(registry)
    found = []
    for cell in task.cells:
        allowance = Allowance(task.settings.timeout)
        with contained(Missing, Damaged) as caught:
            judged = scoring.judge(cell, allowance)
        if caught.fault:
            found.append(PartOutcome(cell.key, *caught.fault, seconds=allowance.spent))
            continue
        stored = _store(cell, artifacts, judged)
        measured = measure(measures, judged.scores, judged.member, judged.threshold, task.settings.timeout)
        note = "\n".join(filter(None, (judged.table.refusal, measured.note)))
        found.append(replace(stored, results=measured.results, note=note, measured_by=measured.measured_by))
    return TaskOutcome(tuple(found), time.perf_counter() - start)


class _Scoring:
    """What the cells of a task share: the samples, their features, and who is a member of which victim."""

    def __init__(self, task: ScoreTask, registry: Registry, population: Population, tables: Tables) -> None:
        self.task, self.registry, self.population, self.tables = task, registry, population, tables
        self.members = functools.cache(self._members)

    def judge(self, cell: CellWork, allowance: Allowance) -> Judged:
        """Fit and score one cell.

        Raises:
            BaseException: whatever the classifier raises, or why it was not let at the features.
        """
        ids, member = self.population.ids, self.members(self.task.victim)
        known = calibration(ids, member, cell.seed, cell.calibration)
        if cell.labels == "permuted":
            member = permuted(ids, member, cell.key)
        classifier = self.registry.one("classifier", cell.classifier).only
        table = self.tables.get(cell.evaluate_on, maps=classifier.maps)
        # the victim was asked about all samples, and what was said of the evaluated ones is used here
        seconds = float((~known).mean()) * table.seconds
        fit: Callable[[], Fitted]
        if cell.shadows:
            shadows, table, more = self._shadows(cell, member, known, table, maps=classifier.maps)
            used, seconds = sum(len(shadow.member) for shadow in shadows), seconds + more
            fit = functools.partial(by_shadows, classifier, shadows, table.values, ~known, table.columns)
        elif cell.calibrate_on:
            before = self.tables.get(cell.calibrate_on, maps=classifier.maps)
            before, table = alike(before, table)
            used, seconds = int(known.sum()), float(known.mean()) * before.seconds + seconds
            fit = functools.partial(by_own, classifier, (before.values, table.values), member, known, table.columns)
        else:
            used = 0
            fit = functools.partial(without_labels, classifier, table.values[~known], table.columns)
        with allowance, _device(classifier, self.task.settings.device):
            scores, threshold = fit()
        truth = member[~known]
        evaluated = [sample for sample, seen in zip(ids, known, strict=True) if not seen]
        return Judged(table, evaluated, scores, truth, threshold, used, seconds + allowance.spent)

    def _shadows(
        self, cell: CellWork, member: Mask, known: Mask, table: Table, *, maps: bool
    ) -> tuple[list[Labelled], Table, float]:
        """What the shadow victims of a cell said of all samples, the table like it, and the seconds that this took."""
        flags = [self.members(shadow.victim) for shadow in cell.shadows]
        for shadow, theirs in zip(cell.shadows, flags, strict=True):
            refuse_telltale(self.task.victim, member[~known], shadow.victim, theirs[~known])
        refuse_vote(self.task.victim, member[~known], [theirs[~known] for theirs in flags])
        *seen, table = alike(*(self.tables.get(shadow.features, maps=maps) for shadow in cell.shadows), table)
        shadows = [Labelled(theirs.values, labels) for theirs, labels in zip(seen, flags, strict=True)]
        return shadows, table, sum(theirs.seconds for theirs in seen)

    def _members(self, victim: str) -> Mask:
        """What a victim says of the samples in use, or else the dataset."""
        flags = members_of(self.registry.one("victim", victim), self.population.ids)
        return self.population.member if flags is None else flags


def by_own(
    classifier: Classifier,
    features: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    member: Mask,
    known: Mask,
    columns: Sequence[str],
) -> Fitted:
    """Fit a classifier and choose a threshold on samples of the victim under attack, and score the others.

    Args:
        classifier: what turns features into scores.
        features: those (N, ...) that are calibrated on, of which only the known rows are used, and those that are
            scored, of which only the other rows are used.
        member: labels (N,).
        known: the samples (N,) whose labels the attacker has.
        columns: names of the numbers, or of the pairs.

    Raises:
        TypeError: there is no scorer.
        ValueError: scores of a wrong shape, or such that are not finite.
    """
    before, after = features
    # a mask copies: the classifier may spoil what it is given, and the threshold needs it whole
    scorer = _checked(classifier, classifier.fit(before[known], member[known], columns))
    threshold = choose_threshold(scorer(before[known]), member[known])
    return Fitted(scorer(after[~known]), threshold)


def by_shadows(
    classifier: Classifier,
    shadows: Sequence[Labelled],
    features: npt.NDArray[Any],
    evaluated: Mask,
    columns: Sequence[str],
) -> Fitted:
    """Fit a classifier on all samples of shadow victims, and score the ``evaluated`` ones (N,) of another victim.

    The threshold is the best one for the shadow victims: each is scored as if it were under attack, by the very scorer
    that was fitted on it among others. So it is the threshold of a classifier that has seen what it judges, and what
    it costs the balanced accuracy grows with what the classifier remembers of single samples; AUC and TPR need none.

    Raises:
        TypeError, ValueError: as `by_own`.
    """
    together = np.stack([shadow.features for shadow in shadows])
    labels = np.stack([shadow.member for shadow in shadows])
    scorer = classifier.fit_shadows(together, labels, columns)
    by_sample = scorer is not None
    if scorer is None:
        rows = together.reshape(-1, *features.shape[1:])
        scorer = classifier.fit(rows, labels.reshape(-1), columns)
    del together
    checked = _checked(classifier, scorer)
    seen = np.concatenate([checked(shadow.features.copy()) for shadow in shadows])
    threshold = choose_threshold(seen, np.concatenate([shadow.member for shadow in shadows]))
    # a scorer that knows every sample by its place gets them all, whichever are evaluated
    scores = checked(features.copy())[evaluated] if by_sample else checked(features[evaluated])
    return Fitted(scores, threshold)


def without_labels(classifier: Classifier, features: npt.NDArray[Any], columns: Sequence[str]) -> Fitted:
    """Score samples by a classifier that trains nothing: it is fitted on an empty table. There is no threshold.

    Raises:
        TypeError, ValueError: as `by_own`.
    """
    nothing = np.empty((0, *features.shape[1:]), features.dtype)
    scorer = _checked(classifier, classifier.fit(nothing, np.empty(0, np.bool_), columns))
    return Fitted(scorer(features), None)


def _checked(classifier: Classifier, scorer: Scorer) -> Scorer:
    """The scorer, its scores looked at."""
    if not callable(scorer):
        raise TypeError(f"{classifier.name} returned {scorer!r:.80} from fit(), expected a scorer")

    def checked(features: npt.NDArray[Any]) -> Array:
        scores = np.asarray(scorer(features), np.float64)
        if scores.shape != (len(features),):
            raise ValueError(f"{classifier.name} returned scores of shape {scores.shape}, expected ({len(features)},)")
        if not np.isfinite(scores).all():
            bad = int((~np.isfinite(scores)).sum())
            raise ValueError(f"{classifier.name} returned {bad} of {len(scores)} scores that are not finite")
        return scores

    return checked


def _device(classifier: Classifier, device: str) -> AbstractContextManager[Any]:
    """Around what a classifier computes: the grid's device by default, for one that asks for it."""
    if not classifier.on_device:
        return contextlib.nullcontext()
    import torch

    return torch.device(device)


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
        queries=judged.table.queries,
        nfe=judged.table.nfe,
        n_calibration=judged.used,
        n_evaluation=len(judged.scores),
        scores_key=key,
        stored=(row,),
        fit=judged.table.fit,
        bypass=judged.table.bypass,
    )
