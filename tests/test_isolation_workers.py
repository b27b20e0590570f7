"""Components that crash, fork, hang or leave children in a worker process cost their own cells and little time."""

import os
import textwrap
import time

import psutil
import pytest

import leakboard
from helpers.tiny_grids import numbers, statuses, tiny
from leakboard.store import Store

ROUGH = """
    import ctypes, faulthandler, os, signal, subprocess, sys, time
    from dataclasses import dataclass
    from typing import ClassVar
    from leakboard import hookimpl
    from leakboard.api import Observer, Pair

    @dataclass(frozen=True, kw_only=True)
    class Rough(Observer):
        name: ClassVar[str] = "a_rough"
        access: ClassVar[str] = "black"
        how: str = "segfault"
        log: str = ""

        def observe(self, oracle):
            if self.log:
                with open(self.log, "a") as file:
                    file.write(f"{os.getpid()}\\n")
            if self.how == "segfault":
                os.kill(os.getpid(), signal.SIGSEGV)
            if self.how == "fork":
                os.fork()
            if self.how == "fork and exit" and os.fork() == 0:
                sys.exit(0)
            if self.how == "popen":
                subprocess.Popen(["sleep", "77"])
            if self.how == "popen apart":
                subprocess.Popen(["sleep", "77"], start_new_session=True)
            if self.how == "deaf":
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
                ctypes.PyDLL(None).sleep(60)
            if self.how == "swallow":
                faulthandler.cancel_dump_traceback_later()
                end = time.monotonic() + 60
                while time.monotonic() < end:
                    try:
                        time.sleep(60)
                    except BaseException:
                        pass
            yield Pair(oracle.originals, oracle.originals.flip(-1), "flipped")

    @hookimpl
    def leakboard_observers():
        return [Rough]
    """


@pytest.fixture
def rough(tmp_path):
    path = tmp_path / "rough.py"
    path.write_text(textwrap.dedent(ROUGH))
    return path


def healthy(tmp_path, **axes):
    store = Store(tmp_path / "healthy.db", create=True)
    leakboard.run(tiny(**axes), store)
    return numbers(store)[["cell", "measure", "value"]]


def run(grid, tmp_path, workers=1):
    store = Store(tmp_path / "store.db", create=True)
    # a bar would work out prices in a process of its own, where observers run once more
    return leakboard.run(grid, store, executor="processes", workers=workers, threads=1, progress=False), store


def mine(store):
    frame = numbers(store)
    return frame[~frame["observer"].astype(str).str.startswith("a_rough")].reset_index(drop=True)


def sleepers():
    return [process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"] == ["sleep", "77"]]


def test_a_crashing_observer_in_many_shards_does_not_end_the_run_of_the_healthy_ones(tmp_path, rough):
    grid = tiny(observer=["a_rough", "glance"], defense=["none", "fog"], run={"shard": 8}, plugins=[rough])
    report, store = run(grid, tmp_path)
    assert not report.stopped
    assert statuses(store, "observer") == {"a_rough": {"failed"}, "glance": {"done"}}
    assert "SIGSEGV" in store.failures()["error"][0]
    assert mine(store)[["cell", "measure", "value"]].equals(
        healthy(tmp_path, defense=["none", "fog"], run={"shard": 8})
    )


@pytest.mark.parametrize("how", ["fork", "fork and exit"])
@pytest.mark.parametrize("executor", ["processes", "serial"])
def test_a_forked_child_that_comes_back_leaves_at_once(tmp_path, rough, how, executor):
    grid = tiny(observer=[f"a_rough(how={how!r})", "glance"], plugins=[rough])
    store = Store(tmp_path / "store.db", create=True)
    before = os.getpid()
    report = leakboard.run(grid, store, executor=executor, workers=1, threads=1)
    assert os.getpid() == before
    assert report.ok
    assert len(store.tasks()) == 3 + 2
    assert mine(store)[["cell", "measure", "value"]].equals(healthy(tmp_path))


@pytest.mark.parametrize("how", ["popen", "popen apart"])
def test_children_that_a_plugin_left_behind_end_with_its_worker(tmp_path, rough, how):
    report, _ = run(tiny(observer=[f"a_rough(how={how!r})", "glance"], plugins=[rough]), tmp_path)
    assert report.ok
    assert psutil.wait_procs(sleepers(), timeout=5)[1] == []


def test_a_hanging_observer_costs_its_limit_twice_and_not_in_every_part(tmp_path, rough):
    """Twelve parts: two defenses, three distances, two seeds."""
    log = tmp_path / "log"
    observer = f"a_rough(how='deaf', log={str(log)!r})"
    axes = {"defense": ["none", "fog"], "distance": [f"gap(power={power})" for power in (1.0, 2.0, 3.0)]}
    grid = tiny(observer=[observer, "glance"], plugins=[rough], run={"timeout": 1.0, "seeds": [0, 1]}, **axes)
    report, store = run(grid, tmp_path)
    assert len(log.read_text().split()) == 2
    assert report.counts == {"timeout": 12, "done": 12}
    assert {"took longer than 1 s 2 times, and is not tried again" in error for error in store.failures()["error"]} == {
        True
    }


def test_what_an_alarm_ends_is_given_up_as_well(tmp_path):
    grid = tiny(
        observer=["bad_observer(how='hang')", "glance"],
        defense=["none", *(f"fog(share={share})" for share in (0.1, 0.2, 0.3))],
        run={"timeout": 0.5},
    )
    start = time.perf_counter()
    store = Store(tmp_path / "store.db", create=True)
    leakboard.run(grid, store)
    assert store.tasks()["seconds"].sum() < 4 * 0.5 + 2
    assert statuses(store, "observer") == {"bad_observer(how='hang')": {"timeout"}, "glance": {"done"}}
    assert time.perf_counter() - start < 60


def test_one_that_swallows_the_alarm_is_ended_from_outside(tmp_path, rough, monkeypatch):
    monkeypatch.setattr("leakboard.runs.child.GRACE", 1.0)
    grid = tiny(observer=["a_rough(how='swallow')", "glance"], run={"timeout": 4.0, "shard": 48}, plugins=[rough])
    report, store = run(grid, tmp_path)
    assert report.counts == {"timeout": 1, "done": 1}
    assert "ended from outside" in store.failures()["traceback"][0]
    assert "took longer than 4 s" in store.failures()["error"][0]
