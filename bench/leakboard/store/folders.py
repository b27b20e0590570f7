"""Payload files in a folder of this machine: ``<key[:2]>/<key>.safetensors``, made when first written to."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from leakboard.errors import LeakboardError
from leakboard.store.file_faults import CannotWrite, Damaged, Missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

SUFFIX = ".safetensors"
ABANDONED_AFTER = 3600.0
"""Seconds after which a temporary file belongs to no living writer."""

_KEY = re.compile(r"[0-9A-Za-z_-]{3,128}")
_FULL = {errno.ENOSPC, errno.EDQUOT}


class Entry(NamedTuple):
    """One file that lies there: its key, size in bytes and modification time (seconds since the epoch)."""

    key: str
    bytes: int
    mtime: float


def file_name(key: str) -> str:
    """Where the file of a key lies, from the root of its folder or bucket."""
    if not _KEY.fullmatch(key):
        raise ValueError(f"not an artifact key: {key!r}")
    return f"{key[:2]}/{key}{SUFFIX}"


@dataclass(frozen=True)
class Folder:
    """A folder of payload files."""

    root: Path

    def path(self, key: str) -> Path:
        """Where the file of a key is or would be."""
        return self.root / file_name(key)

    def shown(self, key: str) -> str:
        """The same for people."""
        return str(self.path(key))

    def read(self, key: str, *, fresh: bool = False) -> bytes:  # noqa: ARG002 - a folder keeps no copies
        """All bytes of a file.

        Raises:
            Missing: there is none.
            Damaged: it cannot be read.
        """
        path = self.path(key)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise Missing(key, str(path)) from None
        except OSError as error:
            raise Damaged(key, str(path), f"it cannot be read ({error.strerror or error})") from error

    def write(self, key: str, payload: bytes, *, durable: bool) -> None:
        """Put a file in place in one step.

        Raises:
            CannotWrite: there is no room, or the folder cannot be written.
        """
        target = self.path(key)
        try:
            _set_aside(target.parent, wanted=Path.is_dir)
            target.parent.mkdir(parents=True, exist_ok=True)
            _set_aside(target, wanted=Path.is_file)
            replace(target, payload, durable=durable)
        except OSError as error:
            raise _cannot_write(error, target, len(payload)) from error

    def drop(self, key: str) -> None:
        """Remove a file, if it is there.

        Raises:
            LeakboardError: it cannot be removed.
        """
        path = self.path(key)
        try:
            _set_aside(path, wanted=Path.is_file)
            path.unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise LeakboardError(
                f"cannot remove an artifact: {error.strerror or error}", where=str(path), next="remove it by hand"
            ) from error

    def entry(self, key: str) -> Entry | None:
        """What lies there under a key.

        Raises:
            Damaged: it cannot be looked at.
        """
        path = self.path(key)
        try:
            stat = path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Damaged(key, str(path), f"it cannot be read ({error.strerror or error})") from error
        if not path.is_file():
            raise Damaged(key, str(path), "something else stands in its place")
        return Entry(key, stat.st_size, stat.st_mtime)

    def believed(self, entry: Entry, size: int, recorded: float) -> bool:
        """Whether a file may pass for the one that was recorded, by its looks: of that size, and no younger."""
        return entry.bytes == size and entry.mtime <= recorded

    def survey(self) -> Callable[[str], Entry | None]:
        """`entry` for many keys."""
        return self.entry

    def list(self) -> Iterator[Entry]:
        """All files, sorted by key."""
        for path in self._files(f"*{SUFFIX}"):
            with contextlib.suppress(OSError):
                stat = path.stat()
                yield Entry(path.name.removesuffix(SUFFIX), stat.st_size, stat.st_mtime)

    def sweep(self) -> None:
        """Remove what killed writers left behind."""
        for leftover in self._files(".*.tmp"):
            with contextlib.suppress(OSError):
                if time.time() - leftover.stat().st_mtime > ABANDONED_AFTER:
                    leftover.unlink()

    @contextlib.contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """One process at a time makes the file of a key; the others wait. The lock ends with its process."""
        with file_lock(self.path(key).with_suffix(".lock")):
            yield

    @property
    def here(self) -> Path:
        """A folder of this machine that belongs to it: the folder itself."""
        return self.root

    def check(self, option: str) -> None:
        """Refuse a folder that can neither be written nor made.

        Raises:
            LeakboardError: it is not a folder, lies below a file, or is not ours to write.
        """
        check_folder(self.root, option)

    def mark(self, name: str) -> AbstractContextManager[None]:
        """A file that others who use this folder can see while the block lasts."""
        return _marked(self.root / "runs" / name)

    def marked(self, name: str) -> bool:
        """Whether such a file is there."""
        return (self.root / "runs" / name).exists()

    def _files(self, pattern: str) -> Sequence[Path]:
        try:
            return sorted(self.root.glob(f"??/{pattern}"))
        except OSError as error:
            raise LeakboardError(
                f"cannot list the artifacts: {error.strerror or error}", where=str(self.root)
            ) from error


@contextlib.contextmanager
def file_lock(place: Path) -> Iterator[None]:
    """Wait for a lock that ends with its process, and remove its file."""
    from filelock import FileLock

    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place):
        try:
            yield
        finally:
            # While it is held: who waits for this very file sees that it is gone, and locks the next one.
            place.unlink(missing_ok=True)


def check_folder(folder: Path, option: str) -> None:
    """Refuse a folder that can neither be written nor made.

    Raises:
        LeakboardError: it is not a folder, lies below a file, or is not ours to write.
    """
    there = next((place for place in (folder, *folder.absolute().parents) if place.exists()), Path.cwd())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        what = "is not a folder" if not there.is_dir() else "cannot be written"
        raise LeakboardError(
            f"cannot use the folder {folder}: {there} {what}",
            where=option,
            expected="a folder that can be written or made",
        )


def replace(target: Path, payload: bytes, *, durable: bool) -> None:
    """Write a file in one step: it is the old one, none, or the whole new one."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem[:16]}-", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(payload)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


@contextlib.contextmanager
def _marked(place: Path) -> Iterator[None]:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            place.unlink(missing_ok=True)
            place.parent.rmdir()


def _set_aside(path: Path, wanted: Callable[[Path], bool]) -> None:
    """Move what stands in a file's or folder's place and is none of ours to a name beside it: it may be somebody's."""
    if (path.exists() or path.is_symlink()) and not wanted(path):
        free = (path.with_name(f"{path.name}.aside{number or ''}") for number in itertools.count())
        path.rename(next(place for place in free if not place.exists()))


def _cannot_write(error: OSError, target: Path, size: int) -> CannotWrite:
    if error.errno in _FULL:
        return CannotWrite(
            f"no space left for an artifact of {size:,} bytes",
            where=str(target.parent),
            next="free some space (`leakboard cache prune`) or give another folder with --artifacts, then run again",
        )
    return CannotWrite(f"cannot write an artifact: {error.strerror or error}", where=str(target))
