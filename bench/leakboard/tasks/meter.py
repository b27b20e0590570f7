"""Counts the denoiser evaluations of tasks that are still running, so that whoever waits can see them go on."""

from __future__ import annotations

import contextlib
import os
import struct
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_TOTAL = struct.Struct("d")


class Meter:
    """What one task has paid so far, in a small file of its own: tasks may run in any process, and die in it.

    Args:
        folder: where the file is made. A folder that is gone or full stops the counting, and nothing else.
    """

    def __init__(self, folder: str) -> None:
        self._file, self._total = -1, 0.0
        with contextlib.suppress(OSError):
            self._file, _ = tempfile.mkstemp(dir=folder)

    def add(self, evaluations: float) -> None:
        """So many denoiser evaluations more."""
        self._total += evaluations
        with contextlib.suppress(OSError):
            os.pwrite(self._file, _TOTAL.pack(self._total), 0)

    def close(self) -> None:
        """The task is over; what it paid stays written down."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def metered(folder: Path) -> float:
    """Denoiser evaluations that all tasks with a meter in this folder have paid."""
    total = 0.0
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            written = path.read_bytes()
            total += _TOTAL.unpack(written)[0] if len(written) == _TOTAL.size else 0.0
    return total
