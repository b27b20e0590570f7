"""The two kinds of task and what comes back from them: plain values made of specs, fit to travel to another process."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from leakboard.faults import Status
    from leakboard.kinds import Sides
    from leakboard.store.artifacts import ArtifactRow
    from leakboard.store.rows import ResultRow


@dataclass(frozen=True)
class Settings:
    """What a worker must know besides the specs."""

    artifacts: str
    plugins: tuple[str, ...]
    device: str
    batch: int
    timeout: float


@dataclass(frozen=True)
class Wanted:
    """One shard of features to be made."""

    key: str
    seed: int
    defense: str
    observer: str
    distance: str


@dataclass(frozen=True)
class ObserveTask:
    """Ask one victim, behind one query defense, about samples ``start`` to ``stop``, for everything that is wanted.

    Attributes:
        title: what a person calls the victim.
        pictures: keep images of the dataset, to show them.
        quality: images that the victim generates to have its quality measured; 0 where it is not.
    """

    dataset: str
    dataset_identity: str
    victim: str
    victim_identity: str
    query: str
    sides: Sides
    start: int
    stop: int
    wanted: tuple[Wanted, ...]
    settings: Settings
    title: str = ""
    pictures: bool = False
    quality: int = 0

    @property
    def label(self) -> str:
        """What a person calls it."""
        return f"{self.title or self.victim} | {self.query} | samples {self.start}-{self.stop}"


@dataclass(frozen=True)
class Shadow:
    """A shadow victim, and the keys of the feature shards that it gave, in order."""

    victim: str
    features: tuple[str, ...]


@dataclass(frozen=True)
class Way:
    """One way to make the scores of a cell: a classifier, and what it is fitted on.

    Attributes:
        classifier: its spec.
        calibrate_on: keys of the feature shards, in order, of the victim under attack that the classifier may see;
            none for an attacker who has shadow victims, or no labels at all.
        evaluate_on: keys of the feature shards that are scored.
        shadows: what it may see of other victims.
        observer: whose questions the features cost; those of two ways with one observer are the same.
        label: what a person calls it, where it is one of several.
    """

    classifier: str
    calibrate_on: tuple[str, ...]
    evaluate_on: tuple[str, ...]
    shadows: tuple[Shadow, ...] = ()
    observer: str = ""
    label: str = ""

    @property
    def needs(self) -> frozenset[str]:
        """The feature shards that must exist first."""
        return frozenset(
            (*self.calibrate_on, *self.evaluate_on, *(key for each in self.shadows for key in each.features))
        )


@dataclass(frozen=True)
class CellWork:
    """One classifier to be fitted and measured.

    Attributes:
        ways: how its scores may be made: one way, or several of which calibration samples choose one.
        null: whether it is a null check, whose numbers have to differ to show anything.
        competes: whether it may be the attack that is reported: no null check of any kind.
    """

    key: str
    labels: str
    seed: int
    calibration: float
    ways: tuple[Way, ...]
    null: bool = False
    competes: bool = True

    @property
    def needs(self) -> frozenset[str]:
        """The feature shards that must exist first."""
        return frozenset().union(*(way.needs for way in self.ways))

    @property
    def who(self) -> str:
        """Whose time it is while the cell is fitted."""
        return who("classifier", self.ways[0].classifier)


@dataclass(frozen=True)
class ScoreTask:
    """Fit and measure cells that share an observer and a distance."""

    label: str
    dataset_identity: str
    victim: str
    victim_identity: str
    sides: Sides
    cells: tuple[CellWork, ...]
    settings: Settings

    @property
    def needs(self) -> frozenset[str]:
        """The feature shards that must exist first."""
        return frozenset().union(*(cell.needs for cell in self.cells))


Task = ObserveTask | ScoreTask


@dataclass(frozen=True)
class PartOutcome:
    """What became of one part of a task: one shard of features, or one cell.

    What it shares with `leakboard.store.rows.AttemptRow` is explained there; ``evaluations`` is ``nfe`` in stores, and
    ``who`` is the component whose time was over, if that is what became of it.
    """

    key: str
    status: Status
    error: str = ""
    traceback: str = ""
    who: str = ""
    seconds: float = 0.0
    queries: float = 0.0
    evaluations: float = 0.0
    results: tuple[ResultRow, ...] = ()
    n_calibration: int = 0
    n_evaluation: int = 0
    scores_key: str | None = None
    fit: str = ""
    note: str = ""
    measured_by: Mapping[str, str] = field(default_factory=dict)
    bypass: str = ""
    calibration_auc: float | None = None
    chosen: str = ""
    stored: tuple[ArtifactRow, ...] = ()


@dataclass(frozen=True)
class TaskOutcome:
    """What became of all parts of one task, and what the whole task cost; or why there are none.

    Attributes:
        evaluations: of the denoiser, paid, over all samples.
        peak_mb: the largest memory of the process so far.
        batch: samples a denoiser call, after any halving for want of memory.
        damaged: artifacts that must be made again before the task can run.
        fatal: a fault of the machine, not of a component (disk full): the run stops.
        died: how the worker died; the task is split to find the component to blame.
        trace: where the worker hung, outside the reach of signals, when that is why it died.
        who: the component that it hung in.
        lost: what died is a worker of another engine, with all that it held and perhaps its machine: the task may be
            innocent, and goes to another one.
        changed: components that changed what all share and what cannot be put back: the next task needs a new process.
    """

    parts: tuple[PartOutcome, ...] = ()
    seconds: float = 0.0
    evaluations: float = 0
    peak_mb: float = 0.0
    batch: int | None = None
    stored: tuple[ArtifactRow, ...] = ()
    damaged: tuple[str, ...] = ()
    fatal: str = ""
    died: str = ""
    trace: str = ""
    who: str = ""
    lost: bool = False
    changed: tuple[str, ...] = ()


def who(kind: str, spec: str, victim: str = "") -> str:
    """How a component is called whose time is over; an observer may be quick with one victim and slow with another."""
    return f"{kind} {spec} at {victim}" if victim else f"{kind} {spec}"


def components(task: Task, key: str) -> frozenset[str]:
    """Who could use up the time of one part of a task, given by its key."""
    if isinstance(task, ScoreTask):
        return frozenset(cell.who for cell in task.cells if cell.key == key)
    places = {who("victim", task.victim), who("dataset", task.dataset)}
    for each in task.wanted:
        if each.key == key:
            places |= {who("observer", each.observer, task.victim), who("distance", each.distance)}
            places |= {who("defense", each.defense)}
    return frozenset(places)


def keys_of(task: Task) -> tuple[str, ...]:
    """The keys of the parts of a task."""
    return tuple(part.key for part in (task.wanted if isinstance(task, ObserveTask) else task.cells))


def only(task: Task, keys: AbstractSet[str]) -> Task:
    """A task without the parts whose keys are not among those given."""
    if isinstance(task, ScoreTask):
        return replace(task, cells=tuple(cell for cell in task.cells if cell.key in keys))
    return replace(task, wanted=tuple(wanted for wanted in task.wanted if wanted.key in keys))


def split(task: Task) -> list[Task]:
    """The same work in smaller tasks: one observer each, or one cell each; a single one when it cannot be split."""
    if isinstance(task, ScoreTask):
        return [replace(task, cells=(cell,)) for cell in task.cells]
    groups: dict[tuple[int, str, str], list[Wanted]] = {}
    for wanted in task.wanted:
        groups.setdefault((wanted.seed, wanted.defense, wanted.observer), []).append(wanted)
    if len(groups) == 1:
        return [replace(task, wanted=(wanted,)) for wanted in task.wanted]
    return [replace(task, wanted=tuple(group)) for group in groups.values()]
