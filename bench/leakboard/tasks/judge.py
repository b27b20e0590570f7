"""From the features of one cell to its scores: which way to fit, what the classifier may see, and what it costs."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from leakboard.api import Unsupported
from leakboard.faults import contained
from leakboard.surroundings import kept
from leakboard.tasks.feature_tables import Table, Tables, alike
from leakboard.tasks.fit import Fitted, Labelled, by_own, by_shadows, without_labels
from leakboard.tasks.members import members_of, refuse_telltale, refuse_vote
from leakboard.tasks.selection import calibration_auc, shadow_auc
from leakboard.tasks.splits import calibration, permuted, told_groups
from leakboard.tasks.task import who
from leakboard.tasks.time_limits import Allowance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    import numpy.typing as npt

    from leakboard.api import Array, Classifier, Mask
    from leakboard.registry.find import Registry
    from leakboard.tasks.sample_lists import Population
    from leakboard.tasks.task import CellWork, ScoreTask, Way


class Judged(NamedTuple):
    """What became of one cell.

    Attributes:
        table: the features that were scored.
        ids, scores, member: of the evaluation samples (M,).
        threshold: what was chosen on calibration samples; None without labels.
        used: labelled samples that the classifier saw; those of several shadow victims count together.
        queries, evaluations, seconds, chosen: see `leakboard.store.rows.AttemptRow`. What was asked to choose between
            several observers counts for the calibration samples alone.
        note: in how many groups of near-duplicates the evaluation samples are, where there are any.
        calibration_auc: see `AttemptRow`.
    """

    table: Table
    ids: list[str]
    scores: Array
    member: Mask
    threshold: float | None
    used: int
    queries: float
    evaluations: float
    seconds: float
    note: str
    calibration_auc: float | None
    chosen: str


class _Tried(NamedTuple):
    """One way of a cell, fitted.

    Attributes:
        way: which.
        classifier: what was fitted.
        table: the features of all samples that were scored.
        seen: the features of all samples that an attacker who is fitted on calibration samples sees.
        shadows: what the shadow victims said.
        fitted: what became of the classifier.
        used: labelled samples that it saw.
        asked: seconds of questions about the samples that it calibrates on.
        answers: seconds of questions about the samples that are evaluated.
    """

    way: Way
    classifier: Classifier
    table: Table
    seen: npt.NDArray[Any]
    shadows: list[Labelled]
    fitted: Fitted
    used: int
    asked: float
    answers: float


class Judge:
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
        tried = [self._try(cell, way, member, flags, known, allowance) for way in cell.ways]
        truth, groups = member[~known], self.population.groups
        notes = [] if groups is None else [told_groups(groups[~known], truth)]
        best, chosen_by, choosing = tried[0], None, 0.0
        if len(tried) > 1:
            best, chosen_by, choosing = self._choose(cell, tried, member, known)
        if not cell.competes:
            chosen_by = None
        elif chosen_by is None:
            # it is no part of the attack: neither its price nor its fate depends on it
            with contained() as caught:
                chosen_by, _ = self._calibration_auc(cell, best, member, known)
            if caught.fault:
                notes.append(f"not cross-validated on calibration samples: {caught.fault.error}")
        queries, evaluations, seconds = _price(tried, best, float(known.mean()))
        return Judged(
            table=best.table,
            ids=[sample for sample, its in zip(ids, known, strict=True) if not its],
            scores=best.fitted.scores,
            member=truth,
            threshold=best.fitted.threshold,
            used=best.used,
            queries=queries,
            evaluations=evaluations,
            seconds=seconds + allowance.spent + choosing,
            note="\n".join(filter(None, notes)),
            calibration_auc=chosen_by,
            chosen=best.way.label,
        )

    def _try(
        self, cell: CellWork, way: Way, member: Mask, flags: list[Mask], known: Mask, allowance: Allowance
    ) -> _Tried:
        """Fit a cell in one way."""
        classifier = self.registry.one("classifier", way.classifier).only
        seen = table = self.tables.get(way.evaluate_on, maps=classifier.maps)
        if cell.null and not np.ptp(table.values, axis=0).any():
            raise Unsupported("the null check cannot look: what it measures is the same for all samples")
        # the victim was asked about all samples, and what was said of the evaluated ones is used here
        answers, asked, used = float((~known).mean()) * table.seconds, 0.0, 0
        shadows: list[Labelled] = []
        # Only what is called in the end is timed and limited: reading and comparing tables is no part of an attack.
        fit: Callable[[], Fitted]
        if way.shadows:
            shadows, table, asked = self._shadows(way, flags, table, maps=classifier.maps)
            used = sum(len(shadow.member) for shadow in shadows)
            fit = functools.partial(by_shadows, classifier, shadows, table.values, ~known, table.columns)
        elif way.calibrate_on:
            seen, table = alike(self.tables.get(way.calibrate_on, maps=classifier.maps), table)
            used, asked = int(known.sum()), float(known.mean()) * seen.seconds
            fit = functools.partial(by_own, classifier, (seen.values, table.values), member, known, table.columns)
        else:
            fit = functools.partial(without_labels, classifier, table.values, ~known, table.columns)
        with kept(), allowance, _device(classifier, self.task.settings.device):
            fitted = fit()
        return _Tried(way, classifier, table, seen.values, shadows, fitted, used, asked, answers)

    def _choose(
        self, cell: CellWork, tried: Sequence[_Tried], member: Mask, known: Mask
    ) -> tuple[_Tried, float | None, float]:
        """The way that does best where evaluation labels are not looked at, and the seconds that it took to know.

        Between them its AUC on calibration samples, where that decided; None where shadow victims did.

        Raises:
            Unsupported: there are too few samples to tell.
        """
        figures, spent = [], 0.0
        for each in tried:
            if each.shadows:
                limit = self._allowance(each)
                with kept(), limit, _device(each.classifier, self.task.settings.device):
                    figure: float | None = shadow_auc(each.classifier, each.shadows, each.table.columns)
                seconds = limit.spent
            else:
                figure, seconds = self._calibration_auc(cell, each, member, known)
            spent += seconds
            if figure is None:
                raise Unsupported("tune cannot choose: a side has too few calibration samples for two folds")
            figures.append(figure)
        place = int(np.argmax(figures))
        return tried[place], None if tried[place].shadows else figures[place], spent

    def _calibration_auc(self, cell: CellWork, tried: _Tried, member: Mask, known: Mask) -> tuple[float | None, float]:
        """How well a way does on calibration samples, and the seconds that it took to know."""
        ids = [sample for sample, its in zip(self.population.ids, known, strict=True) if its]
        groups = None if self.population.groups is None else self.population.groups[known]
        limit, labelled = self._allowance(tried), Labelled(tried.seen[known], member[known])
        with kept(), limit, _device(tried.classifier, self.task.settings.device):
            found = calibration_auc(
                tried.classifier, tried.fitted, labelled, tried.table.columns, ids, cell.seed, groups
            )
        return found, limit.spent

    def _allowance(self, tried: _Tried) -> Allowance:
        return Allowance(self.task.settings.timeout, who("classifier", tried.way.classifier))

    def _flags(self, cell: CellWork, member: Mask, known: Mask) -> list[Mask]:
        """Who is a member of each of the shadow victims of a cell, whichever way it is fitted.

        Raises:
            LeakboardError: they tell who is a member of the victim under attack, whose members ``member`` has.
        """
        shadows = cell.ways[0].shadows
        flags = [self.members(shadow.victim) for shadow in shadows]
        for shadow, theirs in zip(shadows, flags, strict=True):
            refuse_telltale(self.task.victim, member[~known], shadow.victim, theirs[~known])
        if flags:
            refuse_vote(self.task.victim, member[~known], [theirs[~known] for theirs in flags])
        return flags

    def _shadows(self, way: Way, flags: list[Mask], table: Table, *, maps: bool) -> tuple[list[Labelled], Table, float]:
        """What the shadow victims of a way said of all samples, the table like it, and the seconds that this took."""
        *seen, table = alike(*(self.tables.get(shadow.features, maps=maps) for shadow in way.shadows), table)
        shadows = [Labelled(theirs.values, labels) for theirs, labels in zip(seen, flags, strict=True)]
        return shadows, table, sum(theirs.seconds for theirs in seen)

    def _members(self, victim: str) -> Mask:
        """What a victim says of the samples in use, or else the dataset."""
        flags = members_of(self.registry.one("victim", victim), self.population.ids)
        return self.population.member if flags is None else flags


def _price(tried: Sequence[_Tried], best: _Tried, calibrating: float) -> tuple[float, float, float]:
    """Queries and denoiser evaluations a sample, and seconds of all questions.

    Of the victim under attack all samples are asked about by the observer that was chosen, and the calibration samples,
    a share of ``calibrating``, by the others too. Shadow victims are asked about everything, and their seconds alone
    count.
    """
    queries, evaluations = best.table.queries, best.table.evaluations
    seconds = best.asked + best.answers
    others = {each.way.observer: each for each in tried if each.way.observer != best.way.observer}
    for each in others.values():
        seconds += each.asked
        if not each.shadows:
            queries += calibrating * each.table.queries
            evaluations += calibrating * each.table.evaluations
    return queries, evaluations, seconds


def _device(classifier: Classifier, device: str) -> AbstractContextManager[Any]:
    """Around what a classifier computes: the grid's device by default, for one that asks for it."""
    if not classifier.on_device:
        return contextlib.nullcontext()
    import torch

    return torch.device(device)
