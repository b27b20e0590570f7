"""Content-addressed payload files: one safetensors file per key, checked when it is read, never a pickle.

The file's single metadata entry is a JSON text of the caller's ``meta`` and the payload's digest: one entry,
because safetensors writes several in random order, and equal payloads must give equal files.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from leakboard.store.buckets import Bucket, locate_files
from leakboard.store.file_faults import CannotWrite, Damaged, Missing, OutOfReach
from leakboard.store.folders import ABANDONED_AFTER, SUFFIX, Entry, Folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

__all__ = [
    "ABANDONED_AFTER",
    "SUFFIX",
    "ArtifactRow",
    "Artifacts",
    "CannotWrite",
    "Damaged",
    "Entry",
    "Missing",
    "OutOfReach",
    "Pruned",
]

_ENTRY = "leakboard"


@dataclass(frozen=True, kw_only=True)
class ArtifactRow:
    """What the store keeps about one artifact file.

    Attributes:
        key: its content address.
        kind: ``samples``, ``pool``, ``features``, ``scores``, ``preview`` (a contact sheet), ``fidelity`` (numbers in
            the place of one), ``quality`` (how good a victim is), ``answer`` (an image that an API was paid for) or
            ``api`` (whose answers they are).
        digest: sha256 of the whole file.
        bytes: size of the file.
        created: when it was written.
    """

    key: str
    kind: str
    digest: str
    bytes: int
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


class Pruned(NamedTuple):
    """How many files went and how many bytes that freed."""

    files: int
    bytes: int


@dataclass(frozen=True)
class Artifacts:
    """The payload files in one place: a folder, or a bucket."""

    root: Path | Bucket

    @classmethod
    def at(cls, place: str) -> Artifacts:
        """The files in a folder or bucket as `str` spells it.

        Raises:
            LeakboardError: as `locate_files`.
        """
        return cls(locate_files(place))

    @property
    def shelf(self) -> Folder | Bucket:
        """Where the files lie, as bytes."""
        return Folder(self.root) if isinstance(self.root, Path) else self.root

    def path(self, key: str) -> Path:
        """Where in a folder the file of a key is or would be."""
        if not isinstance(self.root, Path):
            raise TypeError(f"{self.root} is no folder")
        return Folder(self.root).path(key)

    def shown(self, key: str) -> str:
        """Where the file of a key is or would be, for people."""
        return self.shelf.shown(key)

    def has(self, key: str) -> bool:
        """Whether the file is there; `whole` tells more, and takes longer.

        Raises:
            OutOfReach: the bucket cannot be asked.
        """
        try:
            return self.shelf.entry(key) is not None
        except Damaged:
            return False

    def whole(self, key: str) -> bool:
        """Whether the file is there and is what was written. Copies on this machine are not believed.

        Raises:
            OutOfReach: the bucket cannot be asked.
        """
        try:
            self._checked(key, self.shelf.read(key, fresh=True))
        except (Missing, Damaged):
            return False
        return True

    def put(
        self, key: str, tensors: dict[str, np.ndarray], meta: dict[str, str], kind: str, *, durable: bool = True
    ) -> ArtifactRow:
        """Write one artifact in one step: another process sees the old file, none, or the whole new one.

        With ``durable`` false the file is not forced onto the disk: for what is cheap to make again after a power cut.

        Raises:
            CannotWrite: there is no room, or the folder or bucket cannot be written.
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
            CannotWrite: there is no room, or the folder or bucket cannot be written.
        """
        self.shelf.write(key, payload, durable=durable)

    def read(self, key: str) -> bytes:
        """All bytes of a file as it lies there, unchecked.

        Raises:
            Missing, Damaged, OutOfReach: it cannot be read.
        """
        return self.shelf.read(key, fresh=True)

    def get(self, key: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Tensors and meta of one artifact, verified against the digest inside the file.

        Raises:
            Missing: there is no such file.
            Damaged: the file is not what was written under this key, or cannot be read.
            OutOfReach: the bucket cannot be asked.
        """
        try:
            return self._checked(key, self.shelf.read(key))
        except Damaged:
            if isinstance(self.root, Path):
                raise
        return self._checked(key, self.shelf.read(key, fresh=True))  # a copy on this machine may be what is damaged

    def row(self, key: str, kind: str) -> ArtifactRow:
        """What a store keeps of a file that lies here already, after a look at whether it is whole.

        Raises:
            Missing, Damaged, OutOfReach: as `get`.
        """
        payload, entry = self.read(key), self.shelf.entry(key)
        self._checked(key, payload)
        if entry is None:
            raise Missing(key, self.shown(key))
        written = datetime.fromtimestamp(entry.mtime, UTC)
        digest = hashlib.sha256(payload).hexdigest()
        return ArtifactRow(key=key, kind=kind, digest=digest, bytes=len(payload), created=written)

    def _checked(self, key: str, payload: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Tensors and meta of a file, once they are what was written."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            tensors: dict[str, np.ndarray] = load(payload)
            entry = json.loads(_header(payload)["__metadata__"][_ENTRY])
            meta, digest = dict(entry["meta"]), entry["sha256"]
        except (SafetensorError, ValueError, LookupError, TypeError) as error:
            raise Damaged(key, self.shown(key), f"not a whole artifact file ({error})") from error
        if _digest(key, tensors, meta) != digest:
            raise Damaged(key, self.shown(key), "its content does not match its digest and its name")
        return tensors, meta

    def drop(self, key: str) -> None:
        """Remove one artifact, if it is there.

        Raises:
            LeakboardError: it cannot be removed.
        """
        self.shelf.drop(key)

    def lock(self, key: str) -> AbstractContextManager[None]:
        """One process at a time makes the file of a key, whatever the machine; the others wait.

        Raises:
            OSError, CannotWrite: there can be no lock.
        """
        return self.shelf.lock(key)

    def list(self) -> Iterator[Entry]:
        """All artifacts, sorted by key.

        Raises:
            LeakboardError: they cannot be listed.
        """
        return self.shelf.list()

    def survey(self) -> Callable[[str], Entry | None]:
        """What lies there under a key, for many keys: a bucket is listed once, at this moment.

        Raises:
            Damaged: when called, a file cannot be looked at.
            OutOfReach: the bucket cannot be asked.
        """
        return self.shelf.survey()

    def prune(self, keep: set[str]) -> Pruned:
        """Remove every artifact whose key is not in ``keep``, and what killed writers left behind.

        Raises:
            LeakboardError: one cannot be removed.
        """
        gone = [entry for entry in self.list() if entry.key not in keep]
        for entry in gone:
            self.drop(entry.key)
        self.shelf.sweep()
        return Pruned(len(gone), sum(entry.bytes for entry in gone))


def _plain(array: np.ndarray) -> np.ndarray:
    """The array as one piece of memory in this machine's byte order, which safetensors takes for granted."""
    return np.asarray(array, dtype=np.asarray(array).dtype.newbyteorder("="), order="C")


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
