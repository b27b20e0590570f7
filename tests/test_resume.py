"""A run that was killed or interrupted goes on where it stopped, and nothing in its results tells."""

import functools
import os
import signal
import sqlite3
import subprocess
import sys
import time

import psutil
import pytest

import leakboard
from helpers.tiny_grids import PLUGIN, numbers, payloads, same
from leakboard.grid.grid import Grid
from leakboard.store import Store

GRID = """
[run]
shard = 8
[grid]
dataset = ["tiny"]
victim = ["linear(nap=0.06)"]
defense = ["none", "fog"]
observer = ["glance", "glance(steps=3)"]
distance = ["gap"]
classifier = ["mean", "centred"]
"""
TASKS = 12 + 2


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The store of a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    store = Store(folder / "store.db", create=True)
    assert leakboard.run(Grid.parse(GRID, plugins=[PLUGIN]), store, threads=1).ok
    return store


def start(folder, executor):
    """The command line, in a process of its own and ready to be killed."""
    (folder / "grid.toml").write_text(GRID)
    command = [sys.executable, "-m", "leakboard", "run", "grid.toml", "--store", "store.db", "--plugin", str(PLUGIN)]
    more = ["--executor", executor, "--workers", "2", "--threads", "1"]
    return subprocess.Popen(
        [*command, *more],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"TINY_LOG": str(folder / "log")},
        # whoever runs the tests in the background hands an ignored Ctrl-C down to them
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - no threads
    )


def finished(folder):
    """Tasks committed so far, and the status of the last run."""
    try:
        with sqlite3.connect(f"file:{folder / 'store.db'}?mode=ro", uri=True) as connection:
            tasks = connection.execute("select count(*) from task").fetchone()[0]
            return tasks, connection.execute("select status from run order by id desc").fetchone()[0]
    except (sqlite3.OperationalError, TypeError):
        return 0, ""


def wait_for(folder, tasks, process):
    deadline = time.monotonic() + 120
    while finished(folder)[0] < tasks:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def asked(folder):
    return (folder / "log").read_text().split()


def resumed_like(folder, whole):
    """Run to the end, and compare with the run that nobody disturbed."""
    process = start(folder, "serial")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    store = Store(folder / "store.db", create=True)
    assert numbers(store).equals(numbers(whole))
    for kind in ("features", "scores"):
        assert same(payloads(store, kind), payloads(whole, kind))
    return store


@pytest.mark.parametrize(("executor", "after"), [("serial", 1), ("serial", 7), ("processes", 4)])
def test_killed_at_any_moment_the_same_command_continues(tmp_path, whole, executor, after):
    process = start(tmp_path, executor)
    wait_for(tmp_path, after, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    before, status = finished(tmp_path)
    assert after <= before < TASKS
    assert status == "running"
    store = resumed_like(tmp_path, whole)
    assert list(store.runs()["status"]) == ["interrupted", "done"]
    tasks = store.tasks()
    done = tasks[(tasks["kind"] == "observe") & (tasks["status"] == "done")]
    assert len(tasks) <= TASKS
    assert not done["label"].duplicated().any()
    # what was asked twice is at most what the workers held when they were killed: one shard each, of two and three steps
    held = {"serial": 1, "processes": 2}[executor]
    assert len(asked(tmp_path)) - len(set(asked(tmp_path))) <= held * 8 * 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_from_the_keyboard_or_asked_to_end(tmp_path, whole, number):
    """The signal goes to the whole process group, as a terminal or a cluster sends it."""
    process = start(tmp_path, "processes")
    wait_for(tmp_path, 2, process)
    workers = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "the same command continues" in errors
    assert finished(tmp_path)[1] == "interrupted"
    assert psutil.wait_procs(workers, timeout=10)[1] == []
    resumed_like(tmp_path, whole)
