"""One run of a grid at a time: a second would pay for everything that the first is about to find out."""

from __future__ import annotations

import contextlib
import hashlib
import sys
from typing import TYPE_CHECKING

from leakboard.texts import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from filelock import BaseFileLock

    from leakboard.grid.grid import Grid
    from leakboard.store.artifacts import Artifacts


@contextlib.contextmanager
def alone(grid: Grid, artifacts: Artifacts) -> Iterator[bool]:
    """Wait until no other run of the same cells beside the same files goes on, and say so. Tells whether it had to.

    The lock ends with its process, however that ends. Where no lock can be had nobody waits.
    """
    from filelock import FileLock, Timeout

    name = hashlib.sha256("".join(sorted(cell.key for cell in grid.cells)).encode()).hexdigest()
    place = artifacts.shelf.here / "runs" / f"{name}.lock"
    lock: BaseFileLock | None = None
    waited = False
    with contextlib.suppress(OSError, NotImplementedError):
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            waited = True
            line = f"another run of {grid.name} goes on: waiting for it, to pay nothing twice (Ctrl-C ends the wait)"
            sys.stderr.write(f"{escaped(line)}\n")
            lock.acquire()
    try:
        yield waited
    finally:
        if lock is not None and lock.is_locked:
            # while it is held: who waits for this very file sees that it is gone, and locks the next one
            with contextlib.suppress(OSError):
                place.unlink(missing_ok=True)
                place.parent.rmdir()
            lock.release()
