"""Runs on real workers of other engines: what is killed, lost or started again changes no bit of what comes out."""

import os
import textwrap

import pytest

import leakboard
from helpers.dask_processes import Processes
from helpers.tiny_grids import PLUGIN, numbers, payloads, same, tiny
from leakboard.errors import LeakboardError
from leakboard.runs import clusters
from leakboard.runs.executors import SLURM
from leakboard.runs.slurm import SlurmOptions
from leakboard.runs.source import PlanSource
from leakboard.store import Store
from leakboard.testing.executors import Tray
from leakboard.workers import ExecutorSettings

GRID = {"defense": ["none", "fog"], "observer": ["glance", "peek(noisy=True)"], "run": {"shard": 8}}


@pytest.fixture
def dask(tmp_path):
    processes = Processes(tmp_path / "processes")
    processes.start_scheduler()
    yield processes
    processes.close()


def test_workers_and_scheduler_may_be_killed_and_clocks_may_differ(tmp_path, dask, monkeypatch, capsys):
    whole = Store(tmp_path / "whole.db", create=True)
    assert leakboard.run(tiny(**GRID), whole, threads=1).ok
    settle, settled = PlanSource.settle, []

    def interfere(source, task, outcome):
        settled.append(task)
        if len(settled) == 3:
            dask.workers[0].kill()
        if len(settled) == 7:
            dask.kill_scheduler()
            dask.start_scheduler()
            dask.start_worker()
        settle(source, task, outcome)

    with monkeypatch.context() as changed:
        dask.start_worker()
        dask.start_worker(clock="wrong")
        changed.setattr(PlanSource, "settle", interfere)
        store = Store(tmp_path / "store.db", create=True)
        report = leakboard.run(tiny(**GRID), store, executor=f"dask://{dask.address}", threads=1, progress=False)
    told = capsys.readouterr().err
    assert report.ok, told
    assert "was lost" in told or "is gone" in told
    assert f"the scheduler {dask.address} is gone" in told
    assert numbers(store).equals(numbers(whole))
    assert all(same(payloads(store, kind), payloads(whole, kind)) for kind in ("features", "scores"))
    assert store.failures().empty
    assert dask.tasks() == []

    told = dict(clusters.code_here([PLUGIN])) | {str(PLUGIN): "0" * 64}
    monkeypatch.setattr(clusters, "code_here", lambda _plugins: tuple(told.items()))
    with pytest.raises(
        LeakboardError, match=r"cannot take part: .*tiny.py is [0-9a-f]{12} there and 000000000000 here"
    ):
        leakboard.run(tiny(observer="glance(steps=3)"), store, executor=f"dask://{dask.address}", progress=False)
    assert store.failures().empty
    assert numbers(store).equals(numbers(whole))


DEADLY = """
    import os, signal
    from dataclasses import dataclass
    from typing import ClassVar
    from leakboard import hookimpl
    from leakboard.api import Observer, Pair

    @dataclass(frozen=True, kw_only=True)
    class Deadly(Observer):
        name: ClassVar[str] = "a_deadly"
        access: ClassVar[str] = "black"
        log: str

        def observe(self, oracle):
            with open(self.log, "a") as file:
                file.write("killed\\n")
            os.kill(os.getppid(), signal.SIGKILL)
            signal.pause()
            yield Pair(oracle.originals, oracle.originals)

    @hookimpl
    def leakboard_observers():
        return [Deadly]
    """


def test_a_task_that_kills_three_workers_is_a_failed_row(tmp_path):
    """On a cluster of this machine, whose workers are started again."""
    (tmp_path / "deadly.py").write_text(textwrap.dedent(DEADLY))
    log = tmp_path / "log"
    grid = tiny(observer=f"a_deadly(log={str(log)!r})", run={"shard": 48}, plugins=[tmp_path / "deadly.py"])
    store = Store(tmp_path / "store.db", create=True)
    report = leakboard.run(grid, store, executor="local-cluster", workers=2, threads=1, progress=False)
    assert report.counts == {"failed": 1}
    assert store.failures()["error"][0].endswith("was lost")
    assert log.read_text() == 3 * "killed\n"


@pytest.mark.parametrize("cluster", ["local", "slurm"])
def test_a_job_runs_one_task_on_each_of_its_gpus(tmp_path, cluster):
    """``local`` stands in for SLURM where there is none: the same jobs, started by submitit on this machine."""
    if cluster == "slurm" and not os.environ.get("LEAKBOARD_TEST_SLURM"):
        pytest.skip("set LEAKBOARD_TEST_SLURM where `sbatch` takes jobs")
    tray = Tray(["CUDA_VISIBLE_DEVICES"] * 6)  # the work tells what that is
    # no device is opened; SLURM gives out only GPUs that it knows of
    gpus = {"gpus": 2} if cluster == "local" else {"workers": 2}
    options = SlurmOptions(cluster=cluster, folder=str(tmp_path / "jobs"), minutes=5, **gpus)
    SLURM.run(tray, os.getenv, ExecutorSettings(1, threads=1, options=options))
    assert len(tray.settled) == 6
    assert {outcome for _, outcome in tray.settled} == ({"0", "1"} if cluster == "local" else {None})
    assert [*(tmp_path / "jobs").iterdir()] == []


def test_without_slurm_there_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    options = SlurmOptions(folder=str(tmp_path / "jobs"))
    with pytest.raises(LeakboardError, match=r"no program sbatch(.|\n)*slurm\(cluster='local'"):
        SLURM.run(Tray(["task"]), os.getenv, ExecutorSettings(1, threads=1, options=options))
