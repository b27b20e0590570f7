"""Where tasks run makes no difference to what comes of them."""

import contextlib
import os
import time

import psutil
import pytest

import leakboard
from helpers.tiny_grids import numbers, payloads, same, tiny
from leakboard.errors import LeakboardError
from leakboard.runs.executors import Processes, Serial, make_executor
from leakboard.store import Store


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("serail", 0, 0), "did you mean: serial"),
        (("processes", -1, 0), "--workers"),
        (("serial", 0, -2), "--threads"),
    ],
)
def test_bad_choices_are_explained(arguments, message):
    with pytest.raises(LeakboardError, match=message):
        make_executor(*arguments)


def test_threads_are_an_equal_share_of_the_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    chosen = [make_executor("processes", workers, threads) for workers, threads in ((0, 0), (2, 0), (2, 3), (20, 0))]
    assert [(one.workers, one.threads) for one in chosen] == [(8, 1), (2, 4), (2, 3), (20, 1)]


def test_an_accelerator_gets_one_worker_unless_told_otherwise():
    assert make_executor("processes", 0, 0, "cuda").workers == 1
    assert make_executor("processes", 3, 0, "cuda").workers == 3


def test_a_run_in_this_process_leaves_its_threads_as_they_were(tmp_path):
    import torch

    before = torch.get_num_threads()
    leakboard.run(tiny(), tmp_path / "store.db", threads=3)
    assert torch.get_num_threads() == before


GRID = {
    "defense": ["none", "fog", "fog(at='both')"],
    "observer": ["glance", "peek(noisy=True)"],
    "classifier": ["mean", "centred"],
    "run": {"shard": 10, "seeds": [0, 1]},
}


def test_executor_order_and_workers_change_no_bit(tmp_path):
    """The same features and scores, to the last bit; ``reversed`` runs the tasks in another order."""
    stores = {name: Store(tmp_path / f"{name}.db") for name in ("serial", "processes", "reversed")}
    leakboard.run(tiny(**GRID), stores["serial"], threads=1)
    leakboard.run(tiny(**GRID), stores["processes"], executor="processes", workers=2, threads=1)
    back = {key: value[::-1] if isinstance(value, list) else value for key, value in GRID.items()}
    leakboard.run(tiny(**back), stores["reversed"], threads=1)
    for other in ("processes", "reversed"):
        assert numbers(stores["serial"]).equals(numbers(stores[other]))
        for kind in ("features", "scores"):
            assert same(payloads(stores["serial"], kind), payloads(stores[other], kind))


def workers():
    """The worker processes of this process; one that is just ending is none any more."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if child.status() != psutil.STATUS_ZOMBIE and "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
    return found


def test_a_worker_killed_from_outside_costs_nothing(tmp_path, monkeypatch):
    killed = []
    settle = leakboard.runs.source.PlanSource.settle

    def kill_once(ledger, task, outcome):
        if not killed:
            worker = workers()[0]
            killed.append(worker.pid)
            worker.kill()
        settle(ledger, task, outcome)

    monkeypatch.setattr(leakboard.runs.source.PlanSource, "settle", kill_once)
    store = Store(tmp_path / "store.db")
    grid = tiny(victim="linear(nap=0.2)", run={"shard": 8})
    assert leakboard.run(grid, store, executor="processes", workers=1, threads=1).ok
    assert killed


def test_no_worker_outlives_a_run(tmp_path):
    class Broken:
        """What came of a quick task cannot be taken in, while another worker is still busy with a long one."""

        def __init__(self):
            naps = (leakboard.plan(tiny(victim=f"linear(nap={nap})"), artifacts=tmp_path) for nap in (0.0, 60.0))
            self.tasks = [plan.observe[0] for plan in naps]

        def take(self):
            return self.tasks.pop() if self.tasks else None

        def settle(self, task, outcome):
            raise KeyboardInterrupt

    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        Processes(2, 1)(Broken())
    assert time.perf_counter() - start < 60
    assert workers() == []


def test_a_dry_source_starts_no_worker():
    class Dry:
        def take(self):
            return None

    Serial(0)(Dry())
    Processes(2, 1)(Dry())
