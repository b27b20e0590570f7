"""Two drivers on one PostgreSQL store, one of them killed, the other with a wrong clock: see test_store_postgresql.py."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

import leakboard
from helpers.tiny_grids import PLUGIN, numbers, payloads, same, toml
from leakboard.grid.grid import Grid
from leakboard.runs.verify import verify
from leakboard.store import Store
from leakboard.store.leases import held, is_work
from test_store_postgresql import URL, url

pytestmark = pytest.mark.skipif(not URL, reason="LEAKBOARD_TEST_POSTGRESQL names no database")
assert url

COMMAND = """
import datetime, pathlib, sys, time
name, hours = sys.argv.pop(1), float(sys.argv.pop(1))
import torch, leakboard.runs.runner
import leakboard.store.artifacts, leakboard.store.leases, leakboard.store.rows
from leakboard.cli import main

class Wrong(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.datetime.now(tz) + datetime.timedelta(hours=hours)

right = time.time
time.time = lambda: right() + hours * 3600
leakboard.store.artifacts.datetime = leakboard.store.rows.datetime = Wrong
leakboard.store.leases.EXPIRY = 6.0
pathlib.Path(name).touch()
while not pathlib.Path("go").exists():
    time.sleep(0.05)
main()
"""


def start(folder, url, name, hours=0):
    command = ["run", "grid.toml", "--store", url, "--artifacts", "files", "--executor", "serial", "--threads", "1"]
    with (folder / name).open("w") as errors:
        return subprocess.Popen(
            [sys.executable, "-c", COMMAND, f"{name}.ready", str(hours), *command, "--plugin", str(PLUGIN)],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=os.environ | {"TINY_LOG": str(folder / "log")},
        )


@pytest.mark.timeout(600)
def test_drivers_share_a_grid_and_lose_nothing_when_one_is_killed(url, tmp_path):
    text = toml(victim=["linear(nap={nap})"], defense=["none", "fog"], classifier=["mean"], run={"shard": 6})
    (tmp_path / "grid.toml").write_text(text.format(nap=0.3))
    with contextlib.ExitStack() as stack:
        hours = {"victim": 0, "wrong": 30}
        drivers = {name: stack.enter_context(start(tmp_path, url, name, hours[name])) for name in hours}
        for driver in drivers.values():
            stack.callback(driver.kill)

        def until(reached):
            while not reached():
                for name, driver in drivers.items():
                    assert driver.poll() is None, (tmp_path / name).read_text()
                time.sleep(0.1)

        until(lambda: len([*tmp_path.glob("*.ready")]) == 2)
        (tmp_path / "go").touch()
        until(lambda: len({each.uid for each in held(Store(url, create=True)) if is_work(each)}) == 2)
        until(lambda: len(Store(url, read_only=True).tasks()) > 3)
        drivers["victim"].send_signal(signal.SIGKILL)
        assert drivers["victim"].wait() == -signal.SIGKILL
        assert drivers["wrong"].wait(timeout=500) == 0, (tmp_path / "wrong").read_text()

    store = Store(url, artifacts=tmp_path / "files")
    assert Counter(store.runs()["status"]) == {"running": 1, "done": 1}  # the next run takes note of the dead
    assert held(store) == []
    tasks = store.tasks()
    assert not tasks["label"].duplicated().any()
    (tmp_path / "alone").mkdir()
    alone = Store(tmp_path / "alone" / "alone.db", create=True)
    report = leakboard.run(Grid.load(tmp_path / "grid.toml", [str(PLUGIN)], ()), alone)
    paid = Counter((tmp_path / "log").read_text().split())
    assert set(paid.values()) <= {1, 2}
    assert report.evaluations <= paid.total() <= report.evaluations + 6 * 20  # the task that was killed, and no other
    assert numbers(store).equals(numbers(alone))
    for kind in ("features", "scores"):
        assert same(payloads(store, kind), payloads(alone, kind))
    assert verify(store).wrong == ()
