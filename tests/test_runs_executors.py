"""Where tasks run makes no difference to what comes of them."""

import contextlib
import pickle
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import leakboard
from helpers.tiny_grids import PLUGIN, numbers, payloads, same, tiny, toml
from leakboard.api import Executor
from leakboard.errors import LeakboardError
from leakboard.runs.executors import PROCESSES, SERIAL
from leakboard.runs.guard import run_tasks
from leakboard.store import Store
from leakboard.workers import ExecutorSettings

POOL = Path(__file__).parent / "plugins" / "pool_executor.py"
SETTINGS = ExecutorSettings(workers=2, threads=3)


class Dry:
    """A source without tasks."""

    def take(self):
        return None

    def settle(self, task, outcome):
        raise AssertionError("there was no task")


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"executor": "serail"}, "did you mean: serial"),
        ({"executor": "serail"}, "one of dask, local-cluster, processes, serial, slurm"),
        ({"executor": "processes", "workers": -1}, "--workers"),
        ({"executor": "serial", "threads": -2}, "--threads"),
    ],
)
def test_bad_choices_are_explained_before_anything_is_written(tmp_path, choice, message):
    with pytest.raises(LeakboardError, match=message):
        leakboard.run(tiny(), tmp_path / "store.db", **choice)
    assert list(tmp_path.iterdir()) == []


def test_the_work_can_be_sent_to_another_process():
    given = []
    run_tasks(Executor("noting", lambda source, work, settings: given.append((work, settings))), Dry(), SETTINGS)
    ((work, settings),) = given
    assert pickle.loads(pickle.dumps(work)).keywords == {"threads": 3, "meter": ""}
    assert pickle.loads(pickle.dumps(settings)) == SETTINGS


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
    """To the last bit; ``reversed`` runs the tasks in another order, ``pool`` is an executor of a third party."""
    stores = {name: Store(tmp_path / f"{name}.db", create=True) for name in ("serial", "processes", "reversed", "pool")}
    leakboard.run(tiny(**GRID), stores["serial"], threads=1)
    leakboard.run(tiny(**GRID), stores["processes"], executor="processes", workers=2, threads=1)
    back = {key: value[::-1] if isinstance(value, list) else value for key, value in GRID.items()}
    leakboard.run(tiny(**back), stores["reversed"], threads=1)
    leakboard.run(tiny(**GRID, plugins=[POOL]), stores["pool"], executor="pool", workers=2, threads=1)
    for other in ("processes", "reversed", "pool"):
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

    def kill_once(source, task, outcome):
        if not killed:
            worker = workers()[0]
            killed.append(worker.pid)
            worker.kill()
        settle(source, task, outcome)

    monkeypatch.setattr(leakboard.runs.source.PlanSource, "settle", kill_once)
    store = Store(tmp_path / "store.db", create=True)
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
        run_tasks(PROCESSES, Broken(), ExecutorSettings(workers=2, threads=1))
    assert time.perf_counter() - start < 60
    assert workers() == []


@pytest.mark.parametrize("executor", [SERIAL, PROCESSES], ids=lambda executor: executor.name)
def test_a_dry_source_starts_no_worker(executor, monkeypatch):
    monkeypatch.setattr("leakboard.runs.processes.Child", lambda *_: pytest.fail("a worker was started"))
    run_tasks(executor, Dry(), SETTINGS)


def test_files_of_the_working_folder_do_not_stand_in_for_the_standard_library(here, write):
    """Workers are started by ``python -c``, which looks there first."""
    for name in ("types", "signal", "struct", "selectors"):
        (here / f"{name}.py").write_text(f"open({str(here / 'ran')!r}, 'w')", encoding="utf-8")
    options = ["--plugin", PLUGIN, "--store", here / "s.db", "--executor", "processes", "--workers", "1"]
    program = Path(sys.executable).with_name("leakboard")  # the program itself never looks there
    command = [program, "run", write("g.toml", toml(classifier=["mean"])), *options]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 done" in done.stdout
    assert not (here / "ran").exists()
