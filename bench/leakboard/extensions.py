"""What plugins bring beside the axes: plain values with a name, which no grid varies. Recipes: `leakboard.recipe`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from leakboard.asking import Array, Mask, WorksIn

Flag = Literal["", "uncalibrated", "hidden"]


@dataclass(frozen=True)
class Attack:
    """A published attack: one observer, one distance, one classifier, written as specs, and its source.

    Attributes:
        name: what grids call it.
        observer, distance, classifier: of a victim that works in pixels.
        title: what it is, in a few words.
        source: the paper.
        equation: where in the paper, or in the published code, the statistic is defined.
        latents: observer, distance or classifier in their place where the victim works in latents.
        published: figures that papers report of it, for context and not for comparison.
        notes: what a reader must know beside.
        bibtex: entries of the papers to cite, with an empty line between two of them.
    """

    name: str
    observer: str
    distance: str
    classifier: str
    title: str = ""
    source: str = ""
    equation: str = field(default="", compare=False)
    latents: Mapping[str, str] = field(default_factory=dict)
    published: tuple[str, ...] = field(default=(), compare=False)
    notes: str = field(default="", compare=False)
    bibtex: str = field(default="", compare=False)

    def part(self, axis: str, works_in: WorksIn) -> str:
        """Its spec on the axis of observers, distances or classifiers, for a victim that works in pixels or latents."""
        spec: str = getattr(self, axis)
        return self.latents.get(axis, spec) if works_in == "latents" else spec


class Estimate(NamedTuple):
    """One number computed from evaluation scores; low and high are None where there is no interval."""

    value: float
    low: float | None
    high: float | None
    method: str
    flag: Flag = ""


@dataclass(frozen=True)
class Measure:
    """A number that is computed from the evaluation scores of every cell.

    Attributes:
        name: what the store calls it.
        function: scores (N,), member flags (N,) and the threshold chosen on calibration samples, None without labels;
            None where the number cannot be told.
        title: what people call it.
        format: how it is written, a format spec.
        bounds: the lowest and highest value it can have.
    """

    name: str
    function: Callable[[Array, Mask, float | None], Estimate | None]
    title: str = ""
    format: str = ".3f"
    bounds: tuple[float, float] = (0.0, 1.0)


class Source(Protocol):
    """Where an executor gets its tasks from, and where what came of them goes; one thread at a time uses it."""

    def take(self) -> Any:
        """A task that can run now, or None; there may be more after the next `settle`."""
        ...

    def settle(self, task: Any, outcome: Any) -> None:
        """Take in what came of a task; whatever it raises ends the run."""
        ...


@dataclass(frozen=True)
class Executor:
    """A way to run tasks.

    Attributes:
        name: what ``--executor`` calls it.
        run: runs tasks until the source is dry: (source, work, settings). ``work(task)`` gives the outcome, never
            raises, and may be sent to another process; ``settings`` is a `leakboard.workers.ExecutorSettings`.
        summary: one line for ``leakboard list``.
        options: a frozen dataclass whose fields are its parameters, ``--executor 'NAME(key=value)'``; what was given
            is ``settings.options``. ``NAME://PLACE`` is short for ``NAME(address='PLACE')``.
        here: whether tasks run on this machine, so that it must have the device that they use.
    """

    name: str
    run: Callable[[Source, Callable[[Any], Any], Any], None]
    summary: str = ""
    options: type[Any] | None = None
    here: bool = True


@dataclass(frozen=True)
class Page:
    """A page that joins the report.

    Attributes:
        name: stem of its file.
        title: its heading, and its name in the navigation.
        body: from the store to the HTML below the heading; the report puts it into its own base template. Text that
            is not meant as HTML is the page's to escape, see `leakboard_reports.table` and ``html.escape``.
    """

    name: str
    title: str
    body: Callable[[Any], str]
