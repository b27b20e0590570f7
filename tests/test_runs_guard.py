"""Whatever an executor does, the run ends with a sentence that names it, and nothing finished is lost."""

import pytest

import leakboard
from helpers.tiny_grids import numbers, tiny
from leakboard.api import Executor
from leakboard.errors import LeakboardError
from leakboard.registry.find import Registry, shared
from leakboard.runs.guard import run_tasks
from leakboard.runs.stop import Stopped
from leakboard.store import Store
from leakboard.tasks.task import TaskOutcome
from leakboard.workers import ExecutorSettings

SETTINGS = ExecutorSettings(workers=1, threads=1)


class Tasks:
    """A source of three tasks; `settle` may raise."""

    def __init__(self, raising=None):
        self.left, self.settled, self.raising = ["c", "b", "a"], [], raising

    def take(self):
        return self.left.pop() if self.left else None

    def settle(self, task, outcome):
        self.settled.append(task)
        if self.raising:
            raise self.raising


def run(body, source):
    run_tasks(Executor("odd", body), source, SETTINGS)


def raises(source, work, settings):
    source.settle(source.take(), TaskOutcome())
    raise OSError("no such cluster")


def quits(source, work, settings):
    source.settle(source.take(), TaskOutcome())
    raise SystemExit(3)


def returns_early(source, work, settings):
    source.settle(source.take(), TaskOutcome())


def keeps_a_task(source, work, settings):
    while source.take() is not None:
        pass


def settles_twice(source, work, settings):
    task = source.take()
    source.settle(task, TaskOutcome())
    source.settle(task, TaskOutcome())


def settles_nothing(source, work, settings):
    source.settle(source.take(), None)


@pytest.mark.parametrize(
    ("body", "message", "kept"),
    [
        (raises, r"the executor odd: run\(\) failed: OSError: no such cluster", 1),
        (quits, r"the executor odd: run\(\) failed: SystemExit: 3", 1),
        (returns_early, "the executor odd ended and left tasks that could run", 1),
        (keeps_a_task, "the executor odd ended and left 3 tasks unsettled", 0),
        (settles_twice, "the executor odd settled a task that it did not hold", 1),
        (settles_nothing, "the executor odd settled a task with None", 0),
    ],
)
def test_a_broken_promise_is_told_with_the_name_of_the_executor(body, message, kept):
    source = Tasks()
    with pytest.raises(LeakboardError, match=message):
        run(body, source)
    assert len(source.settled) == kept


def test_an_error_of_its_own_is_passed_on_as_it_is():
    def body(source, work, settings):
        raise LeakboardError("there is no scheduler at this address")

    with pytest.raises(LeakboardError, match=r"^there is no scheduler at this address$"):
        run(body, Tasks())


@pytest.mark.parametrize("error", [Stopped("enough"), LeakboardError("disk full"), KeyboardInterrupt()])
def test_what_settle_raises_ends_the_run_though_the_executor_hides_it(error):
    def hides(source, work, settings):
        while (task := source.take()) is not None:
            try:
                source.settle(task, TaskOutcome())
            except BaseException:  # noqa: BLE001 - that is what it does wrong
                continue

    def wraps(source, work, settings):
        try:
            source.settle(source.take(), TaskOutcome())
        except BaseException as cause:
            raise RuntimeError("a task failed") from cause

    for body in (hides, wraps):
        source = Tasks(raising=error)
        with pytest.raises(type(error)) as raised:
            run(body, source)
        assert raised.value is error
        assert source.settled == ["a"]


def test_an_interrupt_from_the_keyboard_is_nobodys_fault():
    def body(source, work, settings):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(body, Tasks())


def gives_up(source, work, settings):
    """Runs one task, then fails."""
    task = source.take()
    source.settle(task, work(task))
    raise OSError("the cluster is gone")


def leaves(source, work, settings):
    """Runs one task, then ends."""
    task = source.take()
    source.settle(task, work(task))


@pytest.mark.parametrize(
    ("body", "message"), [(gives_up, "the cluster is gone"), (leaves, "left tasks that could run")]
)
def test_what_was_finished_stays_and_another_executor_goes_on(tmp_path, monkeypatch, body, message):
    grid = tiny(classifier=["mean", "centred"], run={"shard": 16})
    monkeypatch.setitem(shared(grid.plugins).values["executor"], "odd", Executor("odd", body))
    store = Store(tmp_path / "store.db", create=True)
    with pytest.raises(LeakboardError, match=f"the executor odd.*{message}"):
        leakboard.run(grid, store, executor="odd")
    assert list(store.runs()["status"]) == ["failed"]
    assert len(store.tasks()) == 1
    assert leakboard.run(grid, store).ok
    assert len(store.tasks()) == 3 + 1
    assert leakboard.run(grid, tmp_path / "whole.db").ok
    assert numbers(store).equals(numbers(Store(tmp_path / "whole.db", create=True)))


def test_the_executors_that_come_with_the_harness_are_offered_by_its_hook():
    assert list(Registry.load().values["executor"]) == ["serial", "processes", "local-cluster", "dask", "slurm"]
