"""Copies of a bucket's files on this machine, up to a size; what was not used for longest leaves first."""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from leakboard.errors import LeakboardError
from leakboard.store.folders import SUFFIX, file_name, replace

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "LEAKBOARD_CACHE"
LIMIT = "LEAKBOARD_CACHE_MB"
"""Variables of the environment, for workers inherit them: where copies lie, and how many MB (2**20 bytes) they take."""
MOST = 4096
"""MB where nothing else is said."""
SPARE = 0.9
"""What share of the limit is left when files had to leave: so that not every file that comes makes one go."""

_held: dict[Path, int] = {}
"""Bytes in each cache as far as this process knows; others write as well, so it is counted again when it is full."""


@dataclass(frozen=True)
class FileCache:
    """The copies of one bucket. Several processes may use it at once; nothing is lost with it.

    Attributes:
        root: its folder.
        most: bytes that its files may take; 0 keeps none.
    """

    root: Path
    most: int

    def get(self, key: str) -> bytes | None:
        """The bytes of a copy, which is then the last to leave; None where there is none."""
        path = self.root / file_name(key)
        with contextlib.suppress(OSError):
            payload = path.read_bytes()
            os.utime(path)
            return payload
        return None

    def put(self, key: str, payload: bytes) -> None:
        """Keep a copy, and let others leave that there is no room for. A disk that is full keeps none."""
        if len(payload) > self.most:
            return
        path = self.root / file_name(key)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            held = _held[self.root] if self.root in _held else sum(size for _, size, _ in self._files())
            replace(path, payload, durable=False)
            _held[self.root] = held + len(payload)
            if _held[self.root] > self.most:
                self._thin_out()

    def drop(self, key: str) -> None:
        """Forget a copy."""
        with contextlib.suppress(OSError):
            (self.root / file_name(key)).unlink(missing_ok=True)

    def _thin_out(self) -> None:
        """Remove what was not used for longest, until there is some room."""
        files = sorted(self._files())
        held = sum(size for _, size, _ in files)
        for _, size, path in files:
            if held <= self.most * SPARE:
                break
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
                held -= size
        _held[self.root] = held

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """When each copy was last used, its size and its place; what killed writers left counts as well, and leaves."""
        for path in self.root.glob("??/*"):
            with contextlib.suppress(OSError):
                stat = path.stat()
                if path.name.endswith((SUFFIX, ".tmp")):
                    yield stat.st_mtime, stat.st_size, path


def cache_of(url: str) -> FileCache:
    """The cache of a bucket's files.

    Raises:
        LeakboardError: the limit in the environment is no number.
    """
    given = os.environ.get(LIMIT, str(MOST))
    if not given.isdecimal():
        raise LeakboardError(f"{given!r} is no number of MB", where=f"{LIMIT} in the environment", expected="0 or more")
    base = os.environ.get(FOLDER) or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leakboard"
    return FileCache(Path(base) / "files" / hashlib.sha256(url.encode()).hexdigest()[:16], int(given) * 2**20)
