"""A second run of the same grid waits for the first, and pays nothing that the first has paid."""

import os
import signal
import subprocess
import sys

import pytest

from helpers.tiny_grids import PLUGIN, toml
from leakboard.store import Store


def start(folder):
    command = [sys.executable, "-m", "leakboard", "run", "grid.toml", "--store", "store.db", "--executor", "serial"]
    return subprocess.Popen(
        [*command, "--plugin", str(PLUGIN), "--threads", "1"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TINY_LOG": str(folder / "log")},
    )


def wait_for(folder, first):
    while not (folder / "log").exists():
        assert first.poll() is None


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "grid.toml").write_text(toml(victim=["linear(nap=0.3)"], classifier=["mean"], run={"shard": 4}))
    return tmp_path


def test_the_second_of_two_runs_waits_and_pays_nothing(folder):
    first = start(folder)
    wait_for(folder, first)
    second = start(folder)
    first.communicate(timeout=120)
    assert first.returncode == 0
    _, errors = second.communicate(timeout=120)
    assert second.returncode == 0
    assert "another run of grid goes on" in errors
    asked = (folder / "log").read_text().split()
    assert len(asked) == len(set(asked))
    assert len(Store(folder / "store.db").runs()) == 1


def test_a_run_that_was_killed_keeps_nobody_waiting(folder):
    first = start(folder)
    wait_for(folder, first)
    second = start(folder)
    assert "another run" in second.stderr.readline()
    os.kill(first.pid, signal.SIGKILL)
    with second:
        second.wait(timeout=120)
    first.communicate(timeout=10)
    assert second.returncode == 0
    assert list(Store(folder / "store.db").runs()["status"]) == ["interrupted", "done"]
