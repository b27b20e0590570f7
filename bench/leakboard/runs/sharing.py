"""Several runs on one store: each takes what no other holds, waits for what others do, and learns what became of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from leakboard.errors import LeakboardError
from leakboard.store.leases import Leases, held, is_work
from leakboard.tasks.task import ObserveTask, keys_of, only
from leakboard.texts import discreet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from leakboard.runs.plan import Plan
    from leakboard.runs.schedule import TaskQueue
    from leakboard.store import Store
    from leakboard.store.artifacts import Artifacts
    from leakboard.tasks.task import Task

LOOK = 1.0
"""Seconds between two looks at what other runs do."""


class Sharing:
    """Which tasks of a queue are this run's.

    An observation is leased by what it asks of whom, so that one run asks for all that share its answers; a scoring
    task by its cells.

    Attributes:
        aside: tasks that other runs held when they were last asked for.
    """

    def __init__(self, leases: Leases, artifacts: Artifacts, queue: TaskQueue) -> None:
        self.aside: list[Task] = []
        self._leases, self._artifacts, self._queue = leases, artifacts, queue
        self._pieces: Counter[str] = Counter()
        self._held: frozenset[str] = frozenset()
        self._looked = -LOOK

    def look(self) -> None:
        """Hear, now and then, what other runs hold and found; what they let go of comes up again."""
        if time.monotonic() - self._looked < LOOK:
            return
        self._held, decided = self._leases.look()
        self._looked = time.monotonic()
        self._queue.decided(decided)
        free = [task for task in self.aside if not self._held.issuperset(leases_of(task))]
        self.aside = [task for task in self.aside if self._held.issuperset(leases_of(task))]
        for task in reversed(free):
            self._queue.put(task)

    def wait(self) -> None:
        """Until it is worth looking again."""
        time.sleep(LOOK)

    def claim(self, task: Task) -> Task | None:
        """Of a task that came up what this run is to do now; None when that is nothing."""
        keys = leases_of(task)
        wanted = [key for key in keys if key not in self._held]
        features = keys_of(task) if isinstance(task, ObserveTask) else ()
        claimed = self._leases.claim(wanted, discreet(task.label), features) if wanted else None
        mine = claimed.mine if claimed else frozenset[str]()
        if claimed:
            self._queue.decided(claimed.decided)
        if isinstance(task, ObserveTask):
            if not mine:
                self.aside.append(task)
                return None
            assert claimed is not None
            return self._unmade(task, claimed.made)
        others = only(task, {*keys} - mine)
        kept = self._queue.undecided(only(task, mine))
        if keys_of(others):
            self.aside.append(others)
            self._queue.open += bool(keys_of(kept))
        elif not keys_of(kept):
            self._queue.finish()
        self._leases.release(mine - {*keys_of(kept)})
        return kept if keys_of(kept) else None

    def split(self, task: Task, parts: int) -> None:
        """A task was put back in parts: what it holds is held until the last of them is done."""
        if isinstance(task, ObserveTask):
            self._pieces[leases_of(task)[0]] += parts - 1

    def done(self, task: Task) -> tuple[str, ...]:
        """A task is over. Gives the keys that need not be held any more."""
        keys = leases_of(task)
        if isinstance(task, ObserveTask):
            self._pieces[keys[0]] -= 1
            return () if self._pieces[keys[0]] > 0 else keys
        return keys

    def let_go(self, keys: Sequence[str]) -> None:
        """Release what was held for nothing."""
        self._leases.release(keys)

    def _unmade(self, task: ObserveTask, made: frozenset[str]) -> ObserveTask | None:
        """The features of a task that no other run made meanwhile, and that some cell still waits for."""
        key = leases_of(task)[0]
        there = {each for each in made if self._artifacts.whole(each)}
        for each in there:
            self._queue.arrived(each)
        left = self._queue.needed(replace(task, wanted=tuple(each for each in task.wanted if each.key not in there)))
        if left.wanted:
            self._pieces[key] = max(1, self._pieces[key])
            return left
        self._pieces[key] = max(0, self._pieces[key] - 1)
        if not self._pieces[key]:
            self._leases.release([key])
        self._queue.finish()
        return None


def leases_of(task: Task) -> tuple[str, ...]:
    """What has to be held to run a task."""
    if isinstance(task, ObserveTask):
        place = task.dataset_identity, task.victim_identity, task.query, task.sides, task.start, task.stop
        return (hashlib.sha256(json.dumps(place).encode()).hexdigest(),)
    return keys_of(task)


def told(plan: Plan, store: Store) -> dict[str, int]:
    """How many tasks of a plan other runs hold, by what these are called."""
    if not store.shared:
        return {}
    names = {each.key: f"run {each.run_id} of the grid {each.grid}" for each in held(store) if is_work(each)}
    tasks: tuple[Task, ...] = (*plan.observe, *plan.score)
    holders = (next((names[key] for key in leases_of(task) if key in names), "") for task in tasks)
    return dict(Counter(filter(None, holders)))


@contextlib.contextmanager
def sharing(store: Store, uid: str, run_id: int, artifacts: Artifacts, seen: int) -> Iterator[Leases | None]:
    """The leases of a run while it goes on; None for a store in a file, which one run at a time works on."""
    if not store.shared:
        yield None
        return
    leases = Leases(store, run_id, seen)
    with artifacts.shelf.mark(uid), leases.renewed(uid):
        yield leases


def check_shared(store: Store, artifacts: Artifacts) -> None:
    """Refuse to join runs that keep their payload files elsewhere: theirs would be missing here.

    Raises:
        LeakboardError: one that goes on is not known in this folder or bucket.
    """
    if not store.shared:
        return
    for each in held(store):
        if not is_work(each) and not artifacts.shelf.marked(each.uid):
            raise LeakboardError(
                f"run {each.run_id} of the grid {each.grid} works on this store, and keeps its payload files elsewhere",
                where=f"--artifacts {artifacts.root}",
                expected="one folder or bucket that all runs on a store see",
                next="give all runs the same --artifacts, s3://bucket/prefix or a folder on a shared disk; or give "
                "this one a store of its own, and `leakboard merge` the two later",
            )
