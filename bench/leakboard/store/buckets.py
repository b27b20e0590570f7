"""Payload files in a bucket of an object store, through fsspec: every file is put whole, or not at all."""

from __future__ import annotations

import contextlib
import functools
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from leakboard.errors import LeakboardError, nearest
from leakboard.store.bucket_faults import told
from leakboard.store.bucket_locks import held
from leakboard.store.file_cache import cache_of
from leakboard.store.file_faults import Missing
from leakboard.store.folders import ABANDONED_AFTER, SUFFIX, Entry, file_lock, file_name
from leakboard.texts import home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

LIBRARIES = {"s3": ("s3fs", "leakboard[s3]"), "gs": ("gcsfs", "gcsfs")}
"""By scheme the package that opens it, and what pip installs it by. Both put an object in one step."""
RUNS = "runs"


def locate_files(given: str | Path | Bucket) -> Path | Bucket:
    """The folder or bucket that a user's ``--artifacts`` means: a path, ``file:///...``, ``s3://...`` or ``gs://...``.

    Raises:
        LeakboardError: a URL of something else, one without a bucket, or one that holds more than a place.
    """
    if isinstance(given, Bucket):
        return given
    scheme, mark, rest = str(given).partition("://")
    if not mark:
        return Path(home(given))
    if scheme == "file":
        if not rest.startswith("/"):
            raise LeakboardError("no folder can be read from the URL", where=str(given), expected="file:///path")
        return Path(unquote(rest))
    expected = "a folder, file:///path, s3://bucket/prefix or gs://bucket/prefix"
    if scheme not in LIBRARIES:
        raise LeakboardError(
            f"no payload files on {scheme}",
            where="--artifacts",
            expected=expected,
            nearest=nearest(scheme, (*LIBRARIES, "file")),
        )
    if "@" in rest:  # never shown: it may be a password
        raise LeakboardError(
            "credentials do not belong into the URL of a bucket",
            where="--artifacts",
            expected=expected,
            next="give them in the environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    place = "/".join(part for part in rest.split("/") if part)
    if not place or {*place} & {*"?#*"}:
        raise LeakboardError("the URL names no place in a bucket", where=str(given), expected=expected)
    return Bucket(f"{scheme}://{place}")


@dataclass(frozen=True)
class Bucket:
    """A bucket, or what begins with a prefix there, as `locate_files` reads its URL.

    Files that were read or written lie on this machine as well, see `leakboard.store.file_cache`. Credentials, region
    and endpoint are those that the library finds in the environment; nothing of them is kept.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def shown(self, key: str) -> str:
        """Where the file of a key is or would be."""
        return f"{self.url}/{file_name(key)}"

    def read(self, key: str, *, fresh: bool = False) -> bytes:
        """All bytes of a file; with ``fresh`` those in the bucket, else of a copy on this machine if there is one.

        Raises:
            Missing: there is none.
            OutOfReach: the bucket cannot be asked.
        """
        cache = cache_of(self.url)
        copy = cache.get(key)
        if copy is not None and not fresh:
            return copy
        payload = self._payload(file_name(key))
        if payload is None:
            raise Missing(key, self.shown(key))
        if not fresh or copy is not None:  # what is looked at once, file by file, need not push out what is used
            cache.put(key, payload)
        return payload

    def write(self, key: str, payload: bytes, *, durable: bool) -> None:  # noqa: ARG002 - what was put stays put
        """Put a file in place in one step.

        Raises:
            OutOfReach: the bucket cannot be written.
        """
        with told(self.shown(key)):
            self._files.pipe_file(self._at(file_name(key)), payload)
        cache_of(self.url).put(key, payload)

    def drop(self, key: str) -> None:
        """Remove a file, if it is there.

        Raises:
            OutOfReach: it cannot be removed.
        """
        cache_of(self.url).drop(key)
        self._remove(file_name(key))

    def entry(self, key: str) -> Entry | None:
        """What lies there under a key.

        Raises:
            OutOfReach: the bucket cannot be asked.
        """
        facts = self._facts(file_name(key))
        return None if facts is None else Entry(key, *_looks(facts))

    def believed(self, entry: Entry, size: int, recorded: float) -> bool:  # noqa: ARG002 - clocks of servers differ
        """Whether a file may pass for the one that was recorded, by its looks: no half file is ever put."""
        return entry.bytes == size

    def survey(self) -> Callable[[str], Entry | None]:
        """`entry` for many keys, as it is at this moment.

        Raises:
            OutOfReach: the bucket cannot be listed.
        """
        return {entry.key: entry for entry in self.list()}.get

    def list(self) -> Iterator[Entry]:
        """All files, sorted by key.

        Raises:
            OutOfReach: the bucket cannot be listed.
        """
        for name, facts in self._found():
            key = name.rpartition("/")[2].removesuffix(SUFFIX)
            if name == f"{key[:2]}/{key}{SUFFIX}":
                yield Entry(key, *_looks(facts))

    def sweep(self) -> None:
        """Remove what killed writers left behind: locks, and marks of runs."""
        for name, facts in self._found():
            leftover = name.endswith(".lock") or name.startswith(f"{RUNS}/")
            if leftover and time.time() - _looks(facts)[1] > ABANDONED_AFTER:
                self._remove(name)

    @contextlib.contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """One process at a time makes the file of a key; the others wait, on whatever machine they are.

        Raises:
            OutOfReach: the bucket cannot be used.
        """
        place = file_name(key).removesuffix(SUFFIX) + ".lock"
        with file_lock(self.here / place), held(self._files, self._at(place)):
            yield

    @property
    def here(self) -> Path:
        """A folder of this machine that belongs to the bucket: copies of its files, and locks among processes."""
        return cache_of(self.url).root

    def check(self, option: str) -> None:
        """Refuse a bucket that cannot be written and read; a small file is put and removed.

        Raises:
            LeakboardError: the package that opens it is missing, or there are no rights, no bucket, no network.
        """
        name = f"{RUNS}/check-{uuid.uuid4().hex}"
        with told(f"{self.url}, given as {option}"):
            self._files.pipe_file(self._at(name), b"")
            self._files.cat_file(self._at(name))
            self._files.rm_file(self._at(name))

    def mark(self, name: str) -> AbstractContextManager[None]:
        """A file that others who use this bucket can see while the block lasts."""
        return self._marked(f"{RUNS}/{name}")

    def marked(self, name: str) -> bool:
        """Whether such a file is there."""
        return self._facts(f"{RUNS}/{name}") is not None

    @contextlib.contextmanager
    def _marked(self, name: str) -> Iterator[None]:
        with told(f"{self.url}/{name}"):
            self._files.pipe_file(self._at(name), b"")
        try:
            yield
        finally:
            with contextlib.suppress(LeakboardError):
                self._remove(name)

    @property
    def _files(self) -> Any:
        return _file_system(self.url.partition("://")[0])

    def _at(self, name: str = "") -> str:
        return "/".join(filter(None, (self.url.partition("://")[2], name)))

    def _payload(self, name: str) -> bytes | None:
        # one request: asked for its size first, a server cannot say that the bucket is what is missing
        options = {"max_concurrency": 1} if self.url.startswith("s3:") else {}
        try:
            with told(f"{self.url}/{name}"):
                payload: bytes = self._files.cat_file(self._at(name), **options)
        except FileNotFoundError:
            return None
        return payload

    def _facts(self, name: str) -> dict[str, Any] | None:
        try:
            with told(f"{self.url}/{name}"):
                facts: dict[str, Any] = self._files.info(self._at(name))
        except FileNotFoundError:
            return None
        return facts if facts.get("type") == "file" else None

    def _remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError), told(f"{self.url}/{name}"):
            self._files.rm_file(self._at(name))

    def _found(self) -> Sequence[tuple[str, dict[str, Any]]]:
        """Names below the root, sorted, with what the server says of each."""
        root = self._at()
        try:
            with told(self.url):
                found: dict[str, dict[str, Any]] = self._files.find(root, detail=True)
        except FileNotFoundError:
            return []
        return [(path.removeprefix(f"{root}/"), facts) for path, facts in sorted(found.items())]


@functools.cache
def _file_system(scheme: str) -> Any:
    """What opens buckets of a scheme, once a process. What it lists is asked anew each time.

    Raises:
        LeakboardError: its package is not installed.
    """
    import fsspec

    package, extra = LIBRARIES[scheme]
    try:
        return fsspec.filesystem(scheme, use_listings_cache=False)
    except ImportError as error:
        raise LeakboardError(
            f"payload files on {scheme}://... need the package {package}",
            where="--artifacts",
            next=f"pip install '{extra}'",
        ) from error


def _looks(facts: dict[str, Any]) -> tuple[int, float]:
    """Size in bytes, and when it was written by the server's clock."""
    written: datetime | None = facts.get("LastModified") or facts.get("mtime") or facts.get("created")
    return int(facts["size"]), written.timestamp() if written else 0.0
