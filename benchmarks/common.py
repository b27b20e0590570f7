"""What the benchmarks share: the paper grid made smaller, a run in this process, and one line of output."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
import tomllib
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from leakboard.runs.child import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STARTED_WITH = {name: value for name, value in ENVIRONMENT.items() if name != "PYTHONSAFEPATH"}
"""As workers are, but a script here finds the modules beside it."""
if any(name not in os.environ for name in STARTED_WITH):
    # These are read when a process begins, so this one begins again, as workers do; the bare loops run in it as well.
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **STARTED_WITH})

HERE = Path(__file__).parent
GRIDS = HERE.parent / "grids"
RECORDING = HERE / "recording.py"


def paper_grid(**changes: Any) -> dict[str, Any]:
    """The tables of ``grids/paper.toml``; ``run`` is updated, axes are replaced."""
    tables = tomllib.loads((GRIDS / "paper.toml").read_text(encoding="utf-8"))
    run = {**tables["run"], **changes.pop("run", {})}
    return {"run": run, **tables["grid"], **changes}


@contextlib.contextmanager
def new_store() -> Iterator[Path]:
    """A store file in a folder of its own that goes afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "bench.db"


def run_here(tables: dict[str, Any], store: Path, threads: int = 0) -> tuple[float, Any]:
    """Run a grid in this process, on so many threads or what torch likes; seconds and the run's report."""
    import leakboard

    grid = leakboard.Grid.of(plugins=[RECORDING], **tables)
    start = time.perf_counter()
    report = leakboard.run(grid, store, executor="serial", threads=threads, progress=False)
    seconds = time.perf_counter() - start
    if not report.ok:
        raise SystemExit(f"the grid did not finish: {report.counts}")
    return seconds, report


@contextlib.contextmanager
def processor_clock() -> Iterator[None]:
    """For this long, whatever is timed in this process takes the seconds of the processor, of all its threads."""
    with mock.patch.object(time, "perf_counter", time.process_time):
        yield


def timed(run: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def warm_up() -> None:
    """Import and start what the first run would otherwise pay for."""
    with new_store() as store:
        run_here(
            {"dataset": "pool(per_side=8)", "victim": "recorded", "attack": ["pia", "cilloni_complete"]}
            | {"observer": "one_shot", "distance": ["dssim", "features(net='hog')"], "classifier": ["svm", "knn"]},
            store,
        )


def calls(*, keep: bool = True) -> Any:
    """The recorded denoiser calls; with ``keep`` false nothing more is recorded."""
    import leakboard.registry.find

    module: Any = next(
        plugin
        for name, plugin in leakboard.registry.find.shared((str(RECORDING),)).manager.list_name_plugin()
        if name == str(RECORDING)
    )
    if not keep:
        module.CALLS = deque(maxlen=0)
    return module.CALLS


def replay() -> float:
    """Make every recorded denoiser call again, in a bare loop; seconds."""
    import torch

    start = time.perf_counter()
    with torch.no_grad():
        for call in calls():
            call()
    return time.perf_counter() - start
