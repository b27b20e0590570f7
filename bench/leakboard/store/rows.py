"""What callers hand to the store: plain values, free of database types."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from leakboard.store.processes import boot_id, machine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leakboard.extensions import Flag
    from leakboard.faults import Status

RunStatus = Literal["running", "done", "failed", "interrupted"]
Labels = Literal["true", "permuted"]
Role = Literal["attack", "null"]


def now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """One invocation of a grid: what was asked, by which process, on what machine.

    Attributes:
        grid_name: name of the grid.
        grid_text: the grid as it was written: TOML, or JSON for one built in a notebook.
        command: the command line.
        provenance: JSON facts (git, packages, hardware, platform).
        started: UTC.
        host: tells machines apart, and is not their name.
        pid: process id.
        boot_id: tells one boot of the machine from the next, since process ids start over.
        uid: the run's name across stores.
    """

    grid_name: str
    grid_text: str = ""
    command: str = ""
    provenance: dict[str, Any] = field(default_factory=dict)
    started: datetime = field(default_factory=now)
    host: str = field(default_factory=machine)
    pid: int = field(default_factory=os.getpid)
    boot_id: str = field(default_factory=boot_id)
    uid: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True, kw_only=True)
class ComponentRow:
    """One plugin with its parameters; a defense chain is one component.

    Attributes:
        kind: dataset, victim, defense, observer, distance or classifier.
        spec: canonical spelling with every parameter.
        label: short spelling with the non-default parameters only.
        identity: sha256 hex of spec, code and files.
        info: JSON facts to show (access, doc, manifest, notes, ...).
    """

    kind: str
    spec: str
    label: str
    identity: str
    info: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CellRow:
    """One point of the grid. Each axis holds the identity of a component that is in the store or in the same record.

    Attributes:
        key: sha256 hex, the cell's content address.
        dataset, victim, defense, observer, distance, classifier: component identities.
        attacker: what the classifier is calibrated on: ``adaptive``, ``naive``, ``none`` or ``shadow(victims=[...])``.
        labels: ``true`` or ``permuted``.
        seed: of the split and of all noise.
        members, nonmembers: that were to be in use, half of them to calibrate on; 0 for all there are.
        attack: name of the published attack, or empty.
        role: ``attack``, or ``null`` for a null check.
        access: black, gray, white or none.
    """

    key: str
    dataset: str
    victim: str
    defense: str
    observer: str
    distance: str
    classifier: str
    attacker: str = "adaptive"
    labels: Labels = "true"
    seed: int
    members: int
    nonmembers: int
    attack: str = ""
    role: Role = "attack"
    access: str


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """One number.

    Attributes:
        measure: its name, such as ``auc``.
        value: the number; NaN when it is undefined.
        low, high: its interval, None without one.
        n_member, n_nonmember: evaluation samples behind it.
        method: how the interval was made.
        flag: ``uncalibrated``, ``hidden`` or empty.
    """

    measure: str
    value: float
    low: float | None = None
    high: float | None = None
    n_member: int
    n_nonmember: int
    method: str = ""
    flag: Flag = ""


@dataclass(frozen=True, kw_only=True)
class AttemptRow:
    """One try at a cell; never altered afterwards.

    Attributes:
        cell_key: the cell.
        status: how it ended.
        error: one line, empty when there was none.
        traceback: text.
        queries, nfe: requests and denoiser evaluations, per sample.
        seconds: what the attack would take alone: its questions, whoever asked them first, its part of a pool that the
            samples share, whoever made it, and its fit.
        peak_mb: peak memory in MB.
        n_calibration: labelled samples that the classifier saw; those of shadow victims count together.
        n_evaluation: samples that were evaluated.
        scores_key: artifact that holds the scores.
        batch_size: samples asked about at once.
        fit: how images were fitted to the victim: ``exact``, the rule in words, or empty when nobody knows.
        note: what a reader must know of the numbers, one line each: a measure that failed, questions that were refused.
        bypass: which questions went past a defense, by where it stands (``query: predict_noise; output: decode``),
            ``nothing``, or empty when nobody knows.
        calibration_auc: AUC of calibration samples whose labels the classifier had not seen, cross-validated where it
            is fitted on them: the attack that is reported is chosen by it. None for null checks, and where none could
            be had.
        chosen: what calibration samples chose of an attack with ``tune``; empty where nothing was to be chosen.
        measured_by: what made the numbers: `leakboard.keys.measure_key` by the name of each measure that came to an
            end, also of one that could tell no number.
        created: UTC; a cell's newest attempt is the one that counts. The store sets it right where a clock went back.
        results: the numbers, when it is done.
    """

    cell_key: str
    status: Status
    error: str = ""
    traceback: str = ""
    queries: float | None = None
    nfe: float | None = None
    seconds: float | None = None
    peak_mb: float | None = None
    n_calibration: int = 0
    n_evaluation: int = 0
    scores_key: str | None = None
    batch_size: int | None = None
    fit: str = ""
    note: str = ""
    measured_by: Mapping[str, str] = field(default_factory=dict)
    bypass: str = ""
    calibration_auc: float | None = None
    chosen: str = ""
    created: datetime = field(default_factory=now)
    results: tuple[ResultRow, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TaskRow:
    """One finished piece of a run, kept for telling how long the next will take.

    Attributes:
        kind: ``observe`` or ``score``.
        label: for people.
        victim, dataset: component identities.
        status: how it ended.
        seconds: wall time.
        nfe: denoiser evaluations paid, in total.
        samples: samples asked about.
        cells: cells it gave results for.
        error: one line.
        created: UTC.
    """

    kind: Literal["observe", "score"]
    label: str
    victim: str
    dataset: str
    status: Status
    seconds: float
    nfe: float = 0.0
    samples: int = 0
    cells: int = 0
    error: str = ""
    created: datetime = field(default_factory=now)
