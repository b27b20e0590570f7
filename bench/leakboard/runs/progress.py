"""How far a run is, counted in denoiser evaluations, and a line that says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from leakboard.tasks.task import ObserveTask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard.tasks.task import Task

Place = tuple[str, str, str, int]
"""Which observation task of a plan: dataset, victim, query defense and first sample. It stays when a task is split."""


def place(task: ObserveTask) -> Place:
    """Where a task stands in its plan."""
    return task.dataset_identity, task.victim_identity, task.query, task.start


@dataclass
class Progress:
    """What is done and what is left. Tasks differ a thousandfold in price, so evaluations tell and tasks do not.

    Attributes:
        tasks: tasks that are settled.
        open: tasks that are not.
        settled: denoiser evaluations that settled tasks paid.
        running: those that all tasks paid so far, unfinished ones included.
        prices: what each observation task that is not settled will pay; None before that is known.
    """

    tasks: int = 0
    open: int = 0
    settled: float = 0.0
    running: float = 0.0
    prices: dict[Place, float] | None = None
    _over: set[Place] = field(default_factory=set)

    def priced(self, tasks: Sequence[ObserveTask], prices: Sequence[float]) -> None:
        """What each task of the plan will pay is known now."""
        known = dict(zip(map(place, tasks), prices, strict=True))
        self.prices = {key: price for key, price in known.items() if key not in self._over}

    def settle(self, task: Task, evaluations: float) -> None:
        """A task is over and paid so much. One that failed will not pay the rest of its price any more."""
        self.tasks += 1
        self.settled += evaluations
        if isinstance(task, ObserveTask):
            self._over.add(place(task))
            if self.prices is not None:
                self.prices.pop(place(task), None)

    @property
    def planned(self) -> float | None:
        """Denoiser evaluations of the whole run, paid and to be paid; None before that is known."""
        return None if self.prices is None else self.settled + sum(self.prices.values())

    @property
    def paid(self) -> float:
        """Denoiser evaluations paid, never more than planned: a worker that died paid for nothing."""
        paid = max(self.settled, self.running)
        return paid if self.planned is None else min(paid, self.planned)

    @property
    def share(self) -> float:
        """How much is done, in [0, 1]: of the evaluations, or of the tasks where there is nothing to be asked."""
        if self.planned:
            return self.paid / self.planned
        return self.tasks / max(1, self.tasks + self.open)

    def left(self, seconds: float) -> float | None:
        """Seconds until all evaluations are paid, at the pace of the ``seconds`` so far; None when nobody can tell."""
        if not self.planned or not self.paid or self.paid >= self.planned:
            return None
        return seconds * (self.planned - self.paid) / self.paid

    def line(self, seconds: float) -> str:
        """All of it in words, ``seconds`` after the beginning."""
        of = "" if self.planned is None else f" of {self.planned:,.0f}"
        words = [
            f"{self.paid:,.0f}{of} denoiser evaluations",
            f"{self.tasks} of {self.tasks + self.open} tasks",
            duration(seconds),
        ]
        left = self.left(seconds)
        return ", ".join(words if left is None else [*words, f"about {duration(left)} left"])


def duration(seconds: float) -> str:
    """Seconds as people say them, to two units."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
