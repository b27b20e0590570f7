"""What one component changes for all is put back before the next, or told."""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import leakboard
from helpers.command_line import really
from helpers.tiny_grids import numbers, statuses, tiny
from leakboard.store import Store
from leakboard.surroundings import kept

CHANGES = {
    "folder": lambda: os.chdir("/"),
    "recursion": lambda: sys.setrecursionlimit(5000),
    "path": lambda: sys.path.insert(0, "/nowhere"),
    "path emptied": lambda: sys.path.__setitem__(slice(None), []),
    "environment": lambda: os.environ.update(LEAKY="1"),
    "alarm": lambda: signal.signal(signal.SIGALRM, signal.SIG_IGN),
    "interrupt": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    "mask": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM}),
    "umask": lambda: os.umask(0o777),
    "numpy": lambda: np.seterr(all="raise"),
    "threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "device": lambda: torch.set_default_device("meta"),
    "type": lambda: torch.set_default_dtype(torch.float64),
    "gradients": lambda: torch.set_grad_enabled(not torch.is_grad_enabled()),
    "autocast": lambda: torch.set_autocast_enabled("cpu", True),
    "mkldnn": lambda: setattr(torch.backends.mkldnn, "enabled", False),
    "output": lambda: os.close(1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_can_be_put_back_is(change, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    with kept() as first, kept() as second:
        CHANGES[change]()
    assert len(second.reset + second.lost) == 1
    assert (first.reset, first.lost) == ([], [])
    assert os.fstat(1)


def leave():
    os.chdir("/")
    raise KeyError


def test_it_is_put_back_after_an_exception_too():
    here = Path.cwd()
    with pytest.raises(KeyError), kept():
        leave()
    assert Path.cwd() == here


LEAKY = """
    import os, sys
    from dataclasses import dataclass
    from typing import ClassVar
    from leakboard import hookimpl
    from leakboard.api import Observer, Pair

    @dataclass(frozen=True, kw_only=True)
    class Leaky(Observer):
        name: ClassVar[str] = "a_leaky"
        access: ClassVar[str] = "black"
        how: str = "reset"

        def __post_init__(self):
            if self.how == "refuse later" and os.environ.get("LEAKY_RUNS") not in (None, str(os.getpid())):
                raise RuntimeError("not today")

        def observe(self, oracle):
            import torch
            if self.how == "reset":
                torch.set_default_dtype(torch.float64)
                torch.set_grad_enabled(True)
                os.chdir("/")
                sys.setrecursionlimit(200)
            if self.how == "lost":
                torch.set_num_interop_threads(torch.get_num_interop_threads() + 1)
            yield Pair(oracle.originals, oracle.originals.flip(-1), "flipped")

    @hookimpl
    def leakboard_observers():
        return [Leaky]
    """


def healthy(store):
    frame = numbers(store)
    return frame[frame["observer"].astype(str) == "glance"].reset_index(drop=True)[["cell", "measure", "value"]]


def both(tmp_path, write, how, executor):
    alone, store = Store(tmp_path / "alone.db", create=True), Store(tmp_path / "store.db", create=True)
    leakboard.run(tiny(), alone)
    plugin = write("leaky.py", LEAKY)
    grid = tiny(observer=[f"a_leaky(how={how!r})", "glance"], plugins=[plugin])
    report = leakboard.run(grid, store, executor=executor, workers=1, threads=1)
    assert healthy(store).equals(healthy(alone))
    return report, store


def test_a_component_that_changes_what_all_share_changes_no_number_of_another(tmp_path, write):
    report, _ = both(tmp_path, write, "reset", "serial")
    assert report.ok


def test_what_cannot_be_put_back_is_told_and_the_next_task_has_a_fresh_worker(tmp_path, write, capfd):
    report, _ = both(tmp_path, write, "lost", "processes")
    assert report.ok
    told = capfd.readouterr().err
    assert "observer a_leaky(how='lost'): torch's threads between operations" in told


def test_a_plugin_that_fails_to_be_made_in_the_middle_of_a_run_costs_its_own_cells(tmp_path, write, monkeypatch):
    monkeypatch.setenv("LEAKY_RUNS", str(os.getpid()))
    report, store = both(tmp_path, write, "refuse later", "processes")
    assert not report.stopped
    assert statuses(store, "observer") == {"a_leaky(how='refuse later')": {"failed"}, "glance": {"done"}}
    assert "not today" in store.failures()["error"][0]


@pytest.mark.parametrize(
    ("text", "told", "code"),
    [
        ("import sys; sys.stdout.close()", "it closed sys.stdout", 2),
        ("import os; os.close(1)", "it closed standard output", 2),
        ("raise KeyboardInterrupt", "interrupted while the plugin", 130),
    ],
)
def test_a_plugin_that_closes_output_or_interrupts_at_its_import_is_named(write, text, told, code):
    done = really("list", "--plugin", write("mean_plugin.py", text), code=code)
    assert told in done.stderr
    assert "mean_plugin.py" in done.stderr
