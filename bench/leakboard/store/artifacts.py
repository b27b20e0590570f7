"""Content-addressed payload files: one safetensors file per key, checked when it is read, never a pickle.

The file's single metadata entry is a JSON text of the caller's ``meta`` and the payload's digest: one entry,
because safetensors writes several in random order, and equal payloads must give equal files.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import json
import os
import re
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from leakboard.errors import LeakboardError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SUFFIX = ".safetensors"
ABANDONED_AFTER = 3600.0
"""Seconds after which a temporary file belongs to no living writer."""

_KEY = re.compile(r"[0-9A-Za-z_-]{3,128}")
_ENTRY = "leakboard"
_FULL = {errno.ENOSPC, errno.EDQUOT}


class Missing(LeakboardError):
    """The artifact is not there: never made, or pruned.

    Attributes:
        key: the artifact's key.
    """

    def __init__(self, key: str, where: str = "") -> None:
        self.key = key
        super().__init__(f"artifact {key} is missing", where=where, next="run the same grid again to make it")


class Damaged(LeakboardError):
    """The artifact's file was cut short or altered since it was written.

    Attributes:
        key: the artifact's key.
        path: its file.
        why: what does not fit.
    """

    def __init__(self, key: str, path: Path, why: str) -> None:
        self.key, self.path, self.why = key, path, why
        super().__init__(
            f"artifact {key} is damaged: {why}", where=str(path), next="run the same grid again to make it anew"
        )


class CannotWrite(LeakboardError):
    """There is no room for an artifact, or its folder cannot be written: the machine's fault, and no component's."""


@dataclass(frozen=True, kw_only=True)
class ArtifactRow:
    """What the store keeps about one artifact file.

    Attributes:
        key: its content address.
        kind: ``samples``, ``pool``, ``features``, ``scores``, ``preview`` (a contact sheet), ``fidelity`` (numbers in
            the place of one), ``answer`` (an image that an API was paid for) or ``api`` (whose answers they are).
        digest: sha256 of the whole file.
        bytes: size of the file.
        created: when it was written.
    """

    key: str
    kind: str
    digest: str
    bytes: int
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


class Entry(NamedTuple):
    """One file in the folder: its key, size in bytes and modification time (seconds since the epoch)."""

    key: str
    bytes: int
    mtime: float


class Pruned(NamedTuple):
    """How many files went and how many bytes that freed."""

    files: int
    bytes: int


@dataclass(frozen=True)
class Artifacts:
    """The folder of artifact files, ``<key[:2]>/<key>.safetensors``; made when first written to."""

    root: Path

    def path(self, key: str) -> Path:
        """Where the file of a key is or would be."""
        if not _KEY.fullmatch(key):
            raise ValueError(f"not an artifact key: {key!r}")
        return self.root / key[:2] / f"{key}{SUFFIX}"

    def has(self, key: str) -> bool:
        """Whether the file is there; `whole` tells more, and takes longer."""
        try:
            return self.path(key).is_file()
        except OSError:
            return False

    def whole(self, key: str) -> bool:
        """Whether the file is there and is what was written."""
        try:
            self.get(key)
        except (Missing, Damaged):
            return False
        return True

    def put(
        self, key: str, tensors: dict[str, np.ndarray], meta: dict[str, str], kind: str, *, durable: bool = True
    ) -> ArtifactRow:
        """Write one artifact in one step: another process sees the old file, none, or the whole new one.

        With ``durable`` false the file is not forced onto the disk: for what is cheap to make again after a power cut.

        Raises:
            LeakboardError: there is no room, or the folder cannot be written.
        """
        from safetensors.numpy import save

        plain = {name: _plain(array) for name, array in tensors.items()}
        entry = json.dumps({"meta": meta, "sha256": _digest(key, plain, meta)}, sort_keys=True)
        payload = save(plain, metadata={_ENTRY: entry})
        self.write(key, payload, durable=durable)
        return ArtifactRow(key=key, kind=kind, digest=hashlib.sha256(payload).hexdigest(), bytes=len(payload))

    def write(self, key: str, payload: bytes, *, durable: bool = True) -> None:
        """Put the bytes of a whole artifact file in place.

        Raises:
            LeakboardError: there is no room, or the folder cannot be written.
        """
        target = self.path(key)
        try:
            _set_aside(target.parent, wanted=Path.is_dir)
            target.parent.mkdir(parents=True, exist_ok=True)
            _set_aside(target, wanted=Path.is_file)
            _replace(target, payload, durable=durable)
        except OSError as error:
            raise _cannot_write(error, target, len(payload)) from error

    def get(self, key: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Tensors and meta of one artifact, verified against the digest inside the file.

        Raises:
            Missing: there is no such file.
            Damaged: the file is not what was written under this key, or cannot be read.
        """
        tensors, meta, _ = self._read(key)
        return tensors, meta

    def row(self, key: str, kind: str) -> ArtifactRow:
        """What a store keeps of a file that lies here already, after a look at whether it is whole.

        Raises:
            Missing, Damaged: as `get`.
        """
        *_, payload = self._read(key)
        written = datetime.fromtimestamp(self.path(key).stat().st_mtime, UTC)
        digest = hashlib.sha256(payload).hexdigest()
        return ArtifactRow(key=key, kind=kind, digest=digest, bytes=len(payload), created=written)

    def _read(self, key: str) -> tuple[dict[str, np.ndarray], dict[str, str], bytes]:
        """Tensors, meta and all bytes of a file, once the first two are what was written."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        path = self.path(key)
        try:
            payload = path.read_bytes()
        except FileNotFoundError:
            raise Missing(key, str(path)) from None
        except OSError as error:
            raise Damaged(key, path, f"it cannot be read ({error.strerror or error})") from error
        try:
            tensors: dict[str, np.ndarray] = load(payload)
            entry = json.loads(_header(payload)["__metadata__"][_ENTRY])
            meta, digest = dict(entry["meta"]), entry["sha256"]
        except (SafetensorError, ValueError, LookupError, TypeError) as error:
            raise Damaged(key, path, f"not a whole artifact file ({error})") from error
        if _digest(key, tensors, meta) != digest:
            raise Damaged(key, path, "its content does not match its digest and its name")
        return tensors, meta, payload

    def drop(self, key: str) -> None:
        """Remove one artifact, if it is there.

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

    def list(self) -> Iterator[Entry]:
        """All artifacts, sorted by key."""
        for path in self._files(f"*{SUFFIX}"):
            with contextlib.suppress(OSError):
                stat = path.stat()
                yield Entry(path.name.removesuffix(SUFFIX), stat.st_size, stat.st_mtime)

    def prune(self, keep: set[str]) -> Pruned:
        """Remove every artifact whose key is not in ``keep``, and what killed writers left behind.

        Raises:
            LeakboardError: one cannot be removed.
        """
        gone = [entry for entry in self.list() if entry.key not in keep]
        for entry in gone:
            self.drop(entry.key)
        for leftover in self._files(".*.tmp"):
            with contextlib.suppress(OSError):
                if time.time() - leftover.stat().st_mtime > ABANDONED_AFTER:
                    leftover.unlink()
        return Pruned(len(gone), sum(entry.bytes for entry in gone))

    def _files(self, pattern: str) -> Sequence[Path]:
        try:
            return sorted(self.root.glob(f"??/{pattern}"))
        except OSError as error:
            raise LeakboardError(
                f"cannot list the artifacts: {error.strerror or error}", where=str(self.root)
            ) from error


def _plain(array: np.ndarray) -> np.ndarray:
    """The array as one piece of memory in this machine's byte order, which safetensors takes for granted."""
    return np.asarray(array, dtype=np.asarray(array).dtype.newbyteorder("="), order="C")


def _set_aside(path: Path, wanted: Callable[[Path], bool]) -> None:
    """Move what stands in a file's or folder's place and is none of ours to a name beside it: it may be somebody's."""
    if (path.exists() or path.is_symlink()) and not wanted(path):
        free = (path.with_name(f"{path.name}.aside{number or ''}") for number in itertools.count())
        path.rename(next(place for place in free if not place.exists()))


def _replace(target: Path, payload: bytes, *, durable: bool) -> None:
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


def _cannot_write(error: OSError, target: Path, size: int) -> CannotWrite:
    if error.errno in _FULL:
        return CannotWrite(
            f"no space left for an artifact of {size:,} bytes",
            where=str(target.parent),
            next="free some space (`leakboard cache prune`) or give another folder with --artifacts, then run again",
        )
    return CannotWrite(f"cannot write an artifact: {error.strerror or error}", where=str(target))


def _header(payload: bytes) -> dict[str, Any]:
    """The JSON that a safetensors file begins with, after its length (8 bytes, little-endian)."""
    length = int.from_bytes(payload[:8], "little")
    header: dict[str, Any] = json.loads(payload[8 : 8 + length])
    return header


def _digest(key: str, tensors: dict[str, np.ndarray], meta: dict[str, str]) -> str:
    """sha256 over the key, for a whole file may lie in the wrong place, meta, and all of every tensor."""
    shapes = [(name, tensors[name].dtype.name, tensors[name].shape) for name in sorted(tensors)]
    digest = hashlib.sha256(json.dumps([key, meta, shapes], sort_keys=True).encode())
    for name, _, _ in shapes:
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()
