"""Whether the process that began a run still lives."""

from __future__ import annotations

import functools
import hashlib
import socket
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_CLOCK_SLACK = 2.0
"""Seconds by which a process's start time, counted in clock ticks since boot, may miss the wall clock."""


@functools.cache
def machine() -> str:
    """What tells this machine from others without its name, which is nobody else's business."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:16]


@functools.cache
def boot_id() -> str:
    """A text that changes with every boot of this machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        import psutil

        return str(int(psutil.boot_time()))


def is_dead(pid: int, boot: str, started: datetime) -> bool:
    """Whether a process of this machine that wrote down ``pid`` and ``boot`` at ``started`` is gone.

    A process id is handed out again after a while: one that is younger than the run is another process.
    """
    import psutil

    if boot != boot_id():
        return True
    try:
        process = psutil.Process(pid)
        ended = process.status() == psutil.STATUS_ZOMBIE  # killed, and not yet taken note of by whoever began it
        return ended or process.create_time() > started.timestamp() + _CLOCK_SLACK
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
