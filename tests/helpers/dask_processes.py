"""A dask scheduler and workers of it in processes of their own, to be killed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from pathlib import Path

OFF_BY_A_DAY = "import time\n_true = time.time\ntime.time = lambda: _true() + 86400.0\n"
"""A start of Python after which the clock on the wall is another one."""


@dataclass
class Processes:
    """A scheduler on a port of its own and its workers; without nannies, so that one that is killed stays so."""

    folder: Path
    port: int = 0
    scheduler: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = self.port or free.getsockname()[1]
        (self.folder / "clock").mkdir(parents=True)
        (self.folder / "clock" / "sitecustomize.py").write_text(OFF_BY_A_DAY)

    @property
    def address(self) -> str:
        """Where the scheduler is."""
        return f"127.0.0.1:{self.port}"

    def start_scheduler(self) -> None:
        """Start it, on the same port every time."""
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", str(self.port))

    def start_worker(self, *, clock: str = "right") -> subprocess.Popen[bytes]:
        """Start one more worker, perhaps with a clock that is wrong."""
        more = {"PYTHONPATH": f"{self.folder / 'clock'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
        self.workers.append(
            self._start(
                "worker",
                *(self.address, "--no-nanny", "--nthreads", "1", "--local-directory", str(self.folder / "dask")),
                env=more if clock == "wrong" else {},
            )
        )
        return self.workers[-1]

    def _start(self, what: str, *options: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *options, "--no-dashboard"]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **(env or {})})

    def kill_scheduler(self) -> None:
        """Kill it at once."""
        assert self.scheduler
        self.scheduler.kill()
        self.scheduler.wait()

    def tasks(self) -> list[psutil.Process]:
        """The child processes of living workers, in which tasks run."""
        alive = [psutil.Process(worker.pid) for worker in self.workers if worker.poll() is None]
        return [child for worker in alive for child in worker.children() if "spawn_main" in " ".join(child.cmdline())]

    def close(self) -> None:
        """Kill all that is left."""
        for process in (*self.workers, *([self.scheduler] if self.scheduler else [])):
            process.kill()
            process.wait()

    def wait_for_end(self, worker: subprocess.Popen[bytes], seconds: float = 60.0) -> None:
        """Wait until a worker ends by itself."""
        end = time.monotonic() + seconds
        while worker.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        assert worker.poll() is not None
