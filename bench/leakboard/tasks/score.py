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

from leakboard.api import Unsupported
from leakboard.faults import contained
from leakboard.keys import scores_key
from leakboard.store.artifacts import Artifacts, Damaged, Missing
from leakboard.surroundings import kept
from leakboard.tasks.feature_tables import Table, Tables, alike
from leakboard.tasks.fit import Fitted, Labelled, by_own, by_shadows, without_labels
from leakboard.tasks.measure import measure, registered
from leakboard.tasks.members import members_of, refuse_telltale, refuse_vote
from leakboard.tasks.sample_lists import get as population_of
from leakboard.tasks.selection import calibration_auc
from leakboard.tasks.splits import calibration, permuted, told_groups
from leakboard.tasks.task import PartOutcome, TaskOutcome, who
from leakboard.tasks.time_limits import Allowance

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from leakboard.api import Array, Classifier, Mask
    from leakboard.kinds import Sides
    from leakboard.registry.find import Registry
    from leakboard.tasks.sample_lists import Population
    from leakboard.tasks.task import CellWork, ScoreTask


class Judged(NamedTuple):
    """What became of one cell.

    Attributes:
        table: the features that were scored.
        ids, scores, member: of the evaluation samples (M,).
        threshold: what was chosen on calibration samples; None without labels.
        used: labelled samples that the classifier saw; those of several shadow victims count together.
        seconds: what the cell would take alone. Queries and denoiser evaluations are those of the victim under attack.
        note: in how many groups of near-duplicates the evaluation samples are, where there are any.
        calibration_auc: see `AttemptRow`.
    """

    table: Table
    ids: list[str]
    scores: Array
    member: Mask
    threshold: float | None
    used: int
    seconds: float
    note: str
    calibration_auc: float | None


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
        allowance = Allowance(task.settings.timeout, who("classifier", cell.classifier))
        with contained(Missing, Damaged) as caught:
            judged = scoring.judge(cell, allowance)
        if caught.fault:
            found.append(PartOutcome(cell.key, *caught.fault, seconds=allowance.spent))
            continue
        stored = _store(cell, artifacts, judged)
        measured = measure(measures, judged.scores, judged.member, judged.threshold, task.settings.timeout)
        note = "\n".join(filter(None, (judged.table.refusal, judged.note, measured.note)))
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
        known = calibration(ids, member, cell.seed, cell.calibration, self.population.groups)
        flags = self._flags(cell, member, known)
        if cell.labels == "permuted":
            # One dealing for all victims: nobody's flags fit the features, but each sample keeps the victims it shares,
            # so that a shadow attack that only reads flags is found too.
            member, *flags = (permuted(ids, each, cell.key) for each in (member, *flags))
        classifier = self.registry.one("classifier", cell.classifier).only
        seen = table = self.tables.get(cell.evaluate_on, maps=classifier.maps)
        if cell.null and not np.ptp(table.values, axis=0).any():
            raise Unsupported("the null check cannot look: what it measures is the same for all samples")
        # the victim was asked about all samples, and what was said of the evaluated ones is used here
        seconds = float((~known).mean()) * table.seconds
        # Only what is called in the end is timed and limited: reading and comparing tables is no part of an attack.
        fit: Callable[[], Fitted]
        if cell.shadows:
            shadows, table, more = self._shadows(cell, flags, table, maps=classifier.maps)
            used, seconds = sum(len(shadow.member) for shadow in shadows), seconds + more
            fit = functools.partial(by_shadows, classifier, shadows, table.values, ~known, table.columns)
        elif cell.calibrate_on:
            seen, table = alike(self.tables.get(cell.calibrate_on, maps=classifier.maps), table)
            used, seconds = int(known.sum()), float(known.mean()) * seen.seconds + seconds
            fit = functools.partial(by_own, classifier, (seen.values, table.values), member, known, table.columns)
        else:
            used = 0
            fit = functools.partial(without_labels, classifier, table.values, ~known, table.columns)
        with kept(), allowance, _device(classifier, self.task.settings.device):
            fitted = fit()
        truth, groups = member[~known], self.population.groups
        evaluated = [sample for sample, its in zip(ids, known, strict=True) if not its]
        notes = [] if groups is None else [told_groups(groups[~known], truth)]
        chosen_by = None
        if cell.competes:
            limit = Allowance(self.task.settings.timeout, allowance.who)
            with contained() as caught, kept(), limit, _device(classifier, self.task.settings.device):
                labelled = Labelled(seen.values[known], member[known])
                mine = [sample for sample, its in zip(ids, known, strict=True) if its]
                theirs = None if groups is None else groups[known]
                chosen_by = calibration_auc(classifier, fitted, labelled, table.columns, mine, cell.seed, theirs)
            if caught.fault:  # it is no part of the attack: neither its price nor its fate depends on it
                notes.append(f"not cross-validated on calibration samples: {caught.fault.error}")
        note, seconds = "\n".join(filter(None, notes)), seconds + allowance.spent
        return Judged(table, evaluated, fitted.scores, truth, fitted.threshold, used, seconds, note, chosen_by)

    def _flags(self, cell: CellWork, member: Mask, known: Mask) -> list[Mask]:
        """Who is a member of each of the shadow victims of a cell.

        Raises:
            LeakboardError: they tell who is a member of the victim under attack, whose members ``member`` has.
        """
        flags = [self.members(shadow.victim) for shadow in cell.shadows]
        for shadow, theirs in zip(cell.shadows, flags, strict=True):
            refuse_telltale(self.task.victim, member[~known], shadow.victim, theirs[~known])
        if flags:
            refuse_vote(self.task.victim, member[~known], [theirs[~known] for theirs in flags])
        return flags

    def _shadows(
        self, cell: CellWork, flags: list[Mask], table: Table, *, maps: bool
    ) -> tuple[list[Labelled], Table, float]:
        """What the shadow victims of a cell said of all samples, the table like it, and the seconds that this took."""
        *seen, table = alike(*(self.tables.get(shadow.features, maps=maps) for shadow in cell.shadows), table)
        shadows = [Labelled(theirs.values, labels) for theirs, labels in zip(seen, flags, strict=True)]
        return shadows, table, sum(theirs.seconds for theirs in seen)

    def _members(self, victim: str) -> Mask:
        """What a victim says of the samples in use, or else the dataset."""
        flags = members_of(self.registry.one("victim", victim), self.population.ids)
        return self.population.member if flags is None else flags


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
        evaluations=judged.table.evaluations,
        n_calibration=judged.used,
        n_evaluation=len(judged.scores),
        scores_key=key,
        stored=(row,),
        fit=judged.table.fit,
        bypass=judged.table.bypass,
        calibration_auc=judged.calibration_auc,
    )
