"""Drives the workers of a dask scheduler, wherever they are: who is there, what each holds, what was lost."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import sys
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from leakboard.errors import LeakboardError
from leakboard.runs.agreement import CALL, HERE, Refused
from leakboard.runs.hosted import Answer, dismiss, perform
from leakboard.tasks.task import TaskOutcome
from leakboard.texts import escaped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator

    from distributed import Client

    from leakboard.api import Source
    from leakboard.runs.clusters import Cluster

LOOK = 1.0
"""Seconds between two looks at who is there."""
ANSWER = 300.0
"""Seconds that a worker has to start a process and to compare what it has."""
BRIEF = 1.0
"""Seconds below which a task is so short that the next one waits for it at the same worker: the way there and back
would cost more than what an uneven end costs."""


class SchedulerLost(Exception):
    """The connection to the scheduler is gone, and with it all that was under way."""


@dataclass
class Worker:
    """A worker of the engine, as the run sees it.

    Attributes:
        address: where it is, which no later one has.
        name: what the engine calls it.
        slots: tasks that it runs at once.
        first: whether it was there when the run began.
        ready: whether it may get tasks; None until it has answered.
        since: when it was seen first.
        held: what it was given, in this order, by the numbers of the tasks.
        pace: seconds that its tasks take.
    """

    address: str
    name: str
    slots: int
    first: bool
    ready: bool | None = None
    since: float = field(default_factory=time.monotonic)
    held: dict[int, Any] = field(default_factory=dict)
    pace: float = 2 * BRIEF

    @property
    def room(self) -> bool:
        """Whether it may get another task."""
        return bool(self.ready) and len(self.held) < self.slots * (2 if self.pace < BRIEF else 1)


class Engine:
    """One run on one scheduler, which may be gone for a while.

    Args:
        source: of the tasks.
        first: the first task, which was taken to see whether there is any.
        terms: a pickled `leakboard.runs.agreement.Terms`.
        cluster: the scheduler, and who starts its workers.
        most: tasks at once, or 0 for as many as there are slots.
    """

    def __init__(self, source: Source, first: Any, terms: bytes, cluster: Cluster, most: int) -> None:
        self._source, self._terms, self._cluster, self._most = source, terms, cluster, most
        self._waiting: deque[Any] = deque([first])
        self._workers: dict[str, Worker] = {}
        self._refused: dict[str, str] = {}
        self._numbers = itertools.count()
        self._news: asyncio.Queue[tuple[Worker, int, Any]] = asyncio.Queue()
        self._followers: dict[int, tuple[asyncio.Task[None], Any]] = {}
        self._seen_worker, self._settled = time.monotonic(), 0

    async def run(self) -> None:
        """Run tasks until the source is dry.

        Raises:
            LeakboardError: the scheduler or its workers are not there or do not come back, or a worker is refused.
        """
        wait, lost = self._cluster.connect, False
        while True:
            try:
                async with self._connected(wait) as client:
                    await self._serve(client, begins=not lost)
                    return
            except SchedulerLost:
                lost = True
                say(f"the scheduler {self._cluster.address} is gone: waiting {self._cluster.wait:g} s for it")
                self._take_back()
            finally:
                self._drop_followers()
            wait = self._cluster.wait if lost else wait

    @contextlib.asynccontextmanager
    async def _connected(self, wait: float) -> AsyncIterator[Client]:
        from distributed import Client

        address, client = self._cluster.address, None
        end = time.monotonic() + wait
        while client is None:
            try:
                left = max(end - time.monotonic(), 0.1)
                client = await Client(
                    address,
                    asynchronous=True,
                    timeout=left,
                    set_as_default=False,
                    security=self._cluster.security,
                )
            except (OSError, ValueError) as error:
                if isinstance(error, ValueError) or time.monotonic() >= end:
                    raise LeakboardError(
                        f"no dask scheduler answers at {address}: {error}",
                        where="--executor",
                        expected="HOST:PORT as `dask scheduler` prints it",
                        next="dask scheduler, then dask worker HOST:PORT on each machine; finished results are kept",
                    ) from None
                await asyncio.sleep(0.2)
        try:
            yield client
        finally:
            with contextlib.suppress(Exception):  # the scheduler may be gone, and what is lost with it is nothing
                await asyncio.wait_for(client.run(dismiss, self._terms), 5)
            with contextlib.suppress(Exception):
                await client.close(timeout=2)

    async def _serve(self, client: Client, *, begins: bool) -> None:
        """Hand out tasks and take in what comes of them, until the source is dry."""
        self._workers, looked, self._seen_worker = {}, 0.0, time.monotonic()
        while True:
            if time.monotonic() - looked >= LOOK:
                await self._look(client, first=begins and not looked)
                looked = time.monotonic()
            if not self._hand_out(client):
                return
            with contextlib.suppress(TimeoutError):
                self._take_in(await asyncio.wait_for(self._news.get(), LOOK))
                while not self._news.empty():
                    self._take_in(self._news.get_nowait())

    async def _look(self, client: Client, *, first: bool) -> None:
        """See who has come and who has gone."""
        if client.status != "running":
            raise SchedulerLost
        try:
            told = await asyncio.wait_for(client.scheduler.identity(), max(10.0, 10 * LOOK))
        except (OSError, TimeoutError) as error:
            raise SchedulerLost from error
        for address, facts in told["workers"].items():
            if address not in self._workers:
                worker = Worker(address, str(facts["name"]), int(facts["nthreads"]), first)
                self._workers[address] = worker
                self._submit(client, worker, CALL)
        for address in self._workers.keys() - told["workers"].keys():
            self._lose(self._workers.pop(address))
        self._check_crew()

    def _check_crew(self) -> None:
        """Refuse to wait for ever for workers that do not come, or that do not answer."""
        now, wait = time.monotonic(), self._cluster.wait
        for worker in self._workers.values():
            if worker.ready is None and now - worker.since > ANSWER:
                self._refuse(worker, f"it did not answer in {ANSWER:g} s")
        if any(worker.ready is not False for worker in self._workers.values()):
            self._seen_worker = now
        self._cluster.look(self._settled)
        if now - self._seen_worker > wait:
            told = "".join(f"; {name}: {reason}" for name, reason in self._refused.items())
            raise LeakboardError(
                f"the scheduler {self._cluster.address} had no worker for {wait:g} s{told}",
                where="--executor",
                expected="workers that run the same Leakboard",
                next=f"dask worker {self._cluster.address} --nthreads 1; the same command continues",
            )

    def _hand_out(self, client: Client) -> bool:
        """Give tasks to who has room. Tells whether there is anything to wait for."""
        held = sum(len(worker.held) for worker in self._workers.values())
        while not self._most or held < self._most:
            free = [worker for worker in self._workers.values() if worker.room]
            if not free and held:
                break
            task = self._waiting.popleft() if self._waiting else self._source.take()
            if task is None:
                break
            if not free:
                self._waiting.appendleft(task)
                break
            self._submit(client, min(free, key=lambda worker: len(worker.held) / worker.slots), task)
            held += 1
        return bool(held or self._waiting)

    def _submit(self, client: Client, worker: Worker, task: Any) -> None:
        number = next(self._numbers)
        if task != CALL:
            worker.held[number] = task
        future = client.submit(
            perform,
            self._terms,
            task,
            key=f"leakboard-{client.id}-{number}",
            workers=[worker.address],
            allow_other_workers=False,
            pure=False,
        )
        self._followers[number] = asyncio.create_task(self._follow(worker, number, future)), future

    async def _follow(self, worker: Worker, number: int, future: Any) -> None:
        """Wait for what comes of one task."""
        from distributed.client import FutureCancelledError

        try:
            came: Any = await future
        except FutureCancelledError:
            came = SchedulerLost()
        except Exception as error:  # noqa: BLE001 - whatever it was happened in a worker, outside of its child
            came = error
        await self._news.put((worker, number, came))

    def _take_in(self, news: tuple[Worker, int, Any]) -> None:
        """Settle what came of a task, or note what is wrong with its worker."""
        from distributed.scheduler import KilledWorker

        worker, number, came = news
        if self._followers.pop(number, None) is None:
            return  # its worker was given up meanwhile
        if isinstance(came, SchedulerLost):
            raise came
        task = worker.held.pop(number, CALL)
        if isinstance(came, KilledWorker) and task != CALL:
            self._settle_lost(worker, task)
            return
        outcome = came.outcome if isinstance(came, Answer) else Refused(f"{type(came).__name__}: {came}")
        if task == CALL:
            worker.ready = outcome == HERE or worker.ready
        elif not isinstance(outcome, Refused):
            worker.pace = (worker.pace + came.seconds) / 2
            self._settled += 1
            self._source.settle(task, outcome)
            return
        else:
            self._waiting.appendleft(task)
        if outcome != HERE:
            self._refuse(worker, outcome.reason if isinstance(outcome, Refused) else outcome.died)

    def _refuse(self, worker: Worker, reason: str) -> None:
        """Give no more tasks to a worker.

        Raises:
            LeakboardError: it was there from the start, when whoever started the run is still looking; or the run
                started it itself, and would start no other.
        """
        worker.ready = False
        self._refused[worker.name] = reason
        if worker.first or self._cluster.ours:
            raise LeakboardError(
                f"the worker {worker.name} cannot take part: {reason}",
                where=f"--executor, {self._cluster.address}",
                expected="workers with the same Leakboard, plugins and folders as the run",
                next="start that worker again from the same installation; the same command continues",
            )
        say(f"the worker {worker.name} is refused: {reason}")

    def _lose(self, worker: Worker) -> None:
        """A worker is gone. What it ran may be to blame; what only waited there is not."""
        for place, (number, task) in enumerate(worker.held.items()):
            self._drop(number)
            if place < worker.slots:
                self._settle_lost(worker, task)
            else:
                self._waiting.append(task)
        worker.held = {}

    def _settle_lost(self, worker: Worker, task: Any) -> None:
        self._source.settle(task, TaskOutcome(died=f"the worker {worker.name} was lost", lost=True))

    def _take_back(self) -> None:
        """All that was given out is given out again: nobody is to blame."""
        for worker in self._workers.values():
            self._waiting.extend(worker.held.values())
            worker.held = {}

    def _drop(self, number: int) -> None:
        follower, future = self._followers.pop(number)
        follower.cancel()
        future.release()

    def _drop_followers(self) -> None:
        for number in [*self._followers]:
            self._drop(number)


def complete(work: Coroutine[Any, Any, None]) -> None:
    """Run it to its end, from a notebook too, whose thread has a loop of its own that is busy with us."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(work)
        return
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


def say(line: str) -> None:
    """Show a line that stays, above a bar if there is one."""
    from tqdm import tqdm

    tqdm.write(escaped(line), file=sys.stderr)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """What engines log of connections that break is said here in one line."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado.application", "asyncio", "submitit")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
