"""The executors that come with the harness: this process, and worker processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leakboard.api import Executor
from leakboard.runs.processes import run_in_processes

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakboard.api import Source
    from leakboard.workers import ExecutorSettings


def run_here(source: Source, work: Callable[[Any], Any], _settings: ExecutorSettings) -> None:
    """Run tasks one after the other in this process."""
    while (task := source.take()) is not None:
        source.settle(task, work(task))


SERIAL = Executor("serial", run_here, "one task after the other in this process: simple, and easy to debug")
PROCESSES = Executor(
    "processes", run_in_processes, "worker processes, which may hang, crash or be killed without harm to the run"
)
