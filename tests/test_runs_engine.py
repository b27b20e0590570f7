"""Who gets which task, and who is blamed for what was lost: on a scheduler that only pretends."""

import asyncio
import contextlib
from collections import Counter

import pytest
from distributed.client import FutureCancelledError
from distributed.scheduler import KilledWorker, WorkerState

from leakboard.errors import LeakboardError
from leakboard.runs import engine
from leakboard.runs.agreement import CALL, HERE, Refused
from leakboard.runs.engine import Engine, SchedulerLost
from leakboard.runs.hosted import Answer
from leakboard.tasks.task import TaskOutcome


class Tray:
    """Tasks, and what came of them; a lost one comes up again."""

    def __init__(self, *tasks):
        self.tasks = list(tasks)
        self.settled, self.lost = [], Counter()

    def take(self):
        return self.tasks.pop(0) if self.tasks else None

    def settle(self, task, outcome):
        if isinstance(outcome, TaskOutcome) and outcome.lost:
            self.lost[task] += 1
            self.tasks.insert(0, task)
        else:
            self.settled.append(task)


class Future(asyncio.Future):
    """One that a scheduler would give."""

    def release(self):
        self.cancel()


class Pretended:
    """A client whose workers do what ``act`` says: an outcome, an exception, or None for a task that never ends."""

    status, id = "running", "client"

    def __init__(self, act, **slots):
        self.act, self.given = act, []
        self.workers = {address: {"name": f"worker-{address}", "nthreads": count} for address, count in slots.items()}
        self.scheduler = self

    async def identity(self):
        return {"workers": dict(self.workers)}

    def submit(self, _perform, _terms, task, *, workers, **_):
        future = Future()
        self.given.append((workers[0], task))
        result = HERE if task == CALL else self.act(self, workers[0], task)
        if isinstance(self.act, Liar) and task == CALL:
            result = self.act.first(workers[0])
        if isinstance(result, BaseException):
            future.set_exception(result)
        elif result is not None:
            future.set_result(result if isinstance(result, Answer) else Answer(result, 5.0))
        return future


class Slow(Pretended):
    """Answers after a moment, so that there is time to look around; it counts what is under way."""

    def __init__(self, act, **slots):
        super().__init__(act, **slots)
        self.under_way = self.most = 0

    def submit(self, perform, terms, task, **more):
        future, later = super().submit(perform, terms, task, **more), Future()
        self.under_way += task != CALL
        self.most = max(self.most, self.under_way)

        def end():
            self.under_way -= task != CALL
            if not later.done():
                later.set_result(future.result())

        asyncio.get_running_loop().call_later(0.02, end)
        return later


class Liar:
    """Workers some of which refuse to take part."""

    def __init__(self, *addresses):
        self.addresses = addresses

    def first(self, address):
        return Refused("it is another") if address in self.addresses else HERE

    def __call__(self, client, address, task):
        return "done"


class Cluster:
    address, connect, wait, security, ours = "host:1", 1.0, 0.1, None, False

    def look(self, settled):
        pass


@pytest.fixture
def run(monkeypatch):
    """Run tasks on clients, one after the other as connections are lost."""
    monkeypatch.setattr(engine, "LOOK", 0.01)

    def run_on(tray, *clients, most=0, cluster=Cluster):
        driven = Engine(tray, tray.take(), b"", cluster(), most)
        ahead = iter(clients)

        @contextlib.asynccontextmanager
        async def connected(_wait):
            yield next(ahead)

        driven._connected = connected
        asyncio.run(asyncio.wait_for(driven.run(), 30))

    return run_on


def test_every_task_is_done_once_and_workers_are_called_first(run):
    tray, client = Tray("a", "b", "c"), Pretended(lambda *_: "done", one=1, two=1)
    run(tray, client)
    assert sorted(tray.settled) == ["a", "b", "c"]
    assert [task for _, task in client.given[:2]] == [CALL, CALL]
    assert len(client.given) == 5


def test_a_lost_worker_is_held_against_what_it_ran_and_not_against_what_waited_there(run):
    def act(client, address, task):
        if address == "one" and task in ("a", "b"):
            if task == "b":
                client.workers = {"two": {"name": "second", "nthreads": 1}}
            return None
        return Answer("done", 0.01)

    tray, client = Tray("warm", "hot", "glowing", "a", "b"), Pretended(act, one=1)
    run(tray, client)
    assert tray.lost == {"a": 1}
    assert sorted(tray.settled) == ["a", "b", "glowing", "hot", "warm"]


@pytest.mark.parametrize(("seconds", "most"), [(0.01, 2), (5.0, 1)])
def test_brief_tasks_wait_at_their_worker_and_long_ones_do_not(run, seconds, most):
    client = Slow(lambda *_: Answer("done", seconds), one=1)
    run(Tray(*range(12)), client)
    assert client.most == most


@pytest.mark.parametrize(("asked", "most"), [(0, 4), (3, 3)])
def test_no_more_run_at_once_than_asked_for(run, asked, most):
    client = Slow(lambda *_: "done", one=2, two=2)
    run(Tray(*range(12)), client, most=asked)
    assert client.most == most


@pytest.mark.parametrize("how", ["cancelled", "status"])
def test_a_scheduler_that_comes_back_gets_all_that_was_under_way_and_nobody_is_blamed(run, how, capsys):
    def act(client, address, task):
        if task == "b":
            client.status = "connecting" if how == "status" else "running"
            return FutureCancelledError("key", "scheduler-connection-lost") if how == "cancelled" else None
        return None if task == "a" else "done"

    tray = Tray("a", "b", "c")
    run(tray, Pretended(act, one=2), Pretended(lambda *_: "done", two=2))
    assert sorted(tray.settled) == ["a", "b", "c"]
    assert not tray.lost
    assert "the scheduler host:1 is gone" in capsys.readouterr().err


def test_a_worker_that_differs_at_the_start_ends_the_run(run):
    with pytest.raises(LeakboardError, match="worker-two cannot take part: it is another"):
        run(Tray(*"abc"), Pretended(Liar("two"), one=1, two=1))


def test_a_worker_that_differs_and_comes_later_gets_no_task(run, capsys):
    class Late(Liar):
        def __call__(self, client, address, task):
            client.workers["two"] = {"name": "late", "nthreads": 1}
            return "done"

    tray, client = Tray(*"abcdefgh"), Slow(Late("two"), one=1)
    run(tray, client)
    assert len(tray.settled) == 8
    assert {address for address, task in client.given if task != CALL} == {"one"}
    assert ("two", CALL) in client.given
    assert "the worker late is refused: it is another" in capsys.readouterr().err


def test_one_that_the_run_started_itself_ends_it_whenever_it_comes(run):
    class Own(Cluster):
        ours = True

    class Late(Liar):
        def __call__(self, client, address, task):
            client.workers["two"] = {"name": "late", "nthreads": 1}
            return "done"

    with pytest.raises(LeakboardError, match="the worker late cannot take part: it is another"):
        run(Tray(*range(99)), Slow(Late("two"), one=1), cluster=Own)


def test_without_a_worker_the_run_waits_no_longer_than_it_says(run):
    with pytest.raises(LeakboardError, match=r"host:1 had no worker for 0.1 s(.|\n)*dask worker host:1"):
        run(Tray("a"), Pretended(lambda *_: "done"))


def test_a_task_that_the_scheduler_gives_up_is_a_loss(run):
    def act(client, address, task):
        first = [task for _, task in client.given].count("a") == 1
        return KilledWorker("key", WorkerState.__new__(WorkerState), 3) if first else "done"

    tray = Tray("a")
    run(tray, Pretended(act, one=1))
    assert (tray.lost, tray.settled) == ({"a": 1}, ["a"])


def test_a_worker_where_nothing_runs_is_refused_with_what_it_raised(run):
    with pytest.raises(LeakboardError, match="worker-one cannot take part: ModuleNotFoundError: no leakboard"):
        run(Tray("a"), Pretended(lambda *_: ModuleNotFoundError("no leakboard"), one=1))


def test_what_settle_raises_ends_the_run(run):
    class Full(Tray):
        def settle(self, task, outcome):
            raise LeakboardError("the disk is full")

    with pytest.raises(LeakboardError, match="the disk is full"):
        run(Full("a", "b"), Pretended(lambda client, address, task: "done" if task == "a" else None, one=2))


def test_a_scheduler_that_is_not_there_is_told_in_time():
    class Nobody(Cluster):
        address, connect = "127.0.0.1:1", 0.2

    with pytest.raises(LeakboardError, match=r"no dask scheduler answers at 127.0.0.1:1(.|\n)*dask scheduler"):
        asyncio.run(Engine(Tray(), "a", b"", Nobody(), 0).run())


def test_losing_a_scheduler_is_no_error_of_a_task():
    assert not issubclass(SchedulerLost, LeakboardError)


def test_a_notebook_whose_loop_runs_already_may_drive_an_engine():
    came = []

    async def work():
        came.append("work")

    async def notebook():
        engine.complete(work())

    asyncio.run(notebook())
    engine.complete(work())
    assert came == ["work", "work"]
