"""A lock among machines that share no more than a bucket: a file that only one of them can make.

Its owner writes it anew now and then. Whoever waits takes a lock away that did not change for long enough by his own
watch, so no two clocks are compared, and one whose owner was killed keeps nobody waiting for ever.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from leakboard.errors import LeakboardError
from leakboard.store.bucket_faults import told

if TYPE_CHECKING:
    from collections.abc import Iterator

BEAT = 10.0
"""Seconds between two signs of life of an owner."""
STALE = 60.0
"""Seconds without one after which a lock is nobody's."""
LOOK = 1.0
"""Seconds between two looks of who waits."""


@contextlib.contextmanager
def held(files: Any, place: str) -> Iterator[None]:
    """Hold the lock that stands at a place of a file system of fsspec, while the block lasts.

    Raises:
        OutOfReach: the bucket cannot be used.
    """
    mine = uuid.uuid4().hex
    seen, since = b"", time.monotonic()
    while not _made(files, place, mine):
        there = _there(files, place)
        if there != seen:
            seen, since = there, time.monotonic()
        elif time.monotonic() - since > STALE:
            _remove(files, place)
            continue
        time.sleep(LOOK)
    over = threading.Event()
    beating = threading.Thread(target=_beat, args=(files, place, mine, over), daemon=True)
    beating.start()
    try:
        yield
    finally:
        over.set()
        beating.join()
        with contextlib.suppress(LeakboardError):  # it goes stale
            if _there(files, place).startswith(mine.encode()):
                _remove(files, place)


def _made(files: Any, place: str, mine: str) -> bool:
    """Make the file, if nobody else's is there."""
    try:
        with told(place):
            files.pipe_file(place, f"{mine} 0".encode(), mode="create")
    except FileExistsError:
        return False
    return True


def _beat(files: Any, place: str, mine: str, over: threading.Event) -> None:
    beats = 0
    while not over.wait(BEAT):
        beats += 1
        with contextlib.suppress(LeakboardError):  # the next one may get through
            if not _there(files, place).startswith(mine.encode()):
                return  # it was taken away
            with told(place):
                files.pipe_file(place, f"{mine} {beats}".encode())


def _there(files: Any, place: str) -> bytes:
    try:
        with told(place):
            content: bytes = files.cat_file(place)
    except FileNotFoundError:
        return b""
    return content


def _remove(files: Any, place: str) -> None:
    with contextlib.suppress(FileNotFoundError), told(place):
        files.rm_file(place)
