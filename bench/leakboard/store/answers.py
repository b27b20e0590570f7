"""Answers that cost money, kept as artifacts by what was asked: no run, task or grid pays for one twice.

Beside them stands whose they are, so that they can be replayed without the API. A victim writes an answer as soon as
it has it, and not when its task is over: a killed run has paid for those as well.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import uuid
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from leakboard.errors import LeakboardError
from leakboard.keys import paid_key, paid_kind
from leakboard.store.artifacts import Artifacts, Damaged, Missing
from leakboard.store.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakboard.store.artifacts import ArtifactRow
    from leakboard.store.buckets import Bucket


class Api(NamedTuple):
    """Whose answers lie in a folder: a name of its own, what it is in JSON, and the file that says so."""

    name: str
    told: str
    file: Path


@dataclass
class Answers:
    """See `leakboard.asking.Answers`. Threads and processes may share the folder.

    Attributes:
        artifacts: where answers are kept.
        stored: those that were added here.
    """

    artifacts: Artifacts
    stored: list[ArtifactRow] = field(default_factory=list)

    def get(self, question: str, ask: Callable[[], bytes]) -> bytes:
        """The answer to a question; whoever asks the same meanwhile waits for it.

        Raises:
            LeakboardError: there is no room for it.
        """
        key = paid_key("answer", question)
        kept = self._kept(key)
        if kept is not None:
            return kept
        with self.artifacts.lock(key):
            kept = self._kept(key)
            if kept is None:
                kept = ask()
                received = np.frombuffer(kept, np.uint8)
                self.stored.append(self.artifacts.put(key, {"received": received}, {}, "answer"))
        return kept

    def find(self, question: str) -> bytes | None:
        """The answer to a question, if it is kept; nothing is written."""
        return self._kept(paid_key("answer", question))

    def introduce(self, api: str) -> None:
        """Say whose answers will be kept. The name that it is given tells these answers from others it may give later.

        Raises:
            LeakboardError: there is no room for it.
        """
        key = paid_key("api", api)
        if self.artifacts.has(key):
            return
        with self.artifacts.lock(key):
            if not self.artifacts.whole(key):
                meta = {"api": api, "name": uuid.uuid4().hex[:12]}
                self.stored.append(self.artifacts.put(key, {}, meta, "api"))

    def apis(self) -> list[Api]:
        """Whose answers lie here, by name; damaged files tell of none."""
        found = []
        for entry in self.artifacts.list():
            if paid_kind(entry.key) == "api":
                with contextlib.suppress(Damaged, Missing):
                    meta = self.artifacts.get(entry.key)[1]
                    found.append(Api(meta["name"], meta["api"], self.artifacts.path(entry.key)))
        return sorted(found)

    def ledger(self, account: str) -> Ledger:
        """What was spent on an account by all who keep their answers here.

        Raises:
            LeakboardError: the answers lie in a bucket, where nothing can be written down before it is spent.
        """
        _folder(self.artifacts.root)
        return Ledger(self.artifacts.path(paid_key("account", account)).with_suffix(".json"))

    def _kept(self, key: str) -> bytes | None:
        try:
            return self.artifacts.get(key)[0]["received"].tobytes()
        except (Missing, Damaged):
            return None


def answers_in(place: Path | Bucket) -> Answers:
    """The answers that are kept in a folder of artifacts.

    Raises:
        LeakboardError: the artifacts lie in a bucket.
    """
    return Answers(Artifacts(_folder(place)))


def _folder(place: Path | Bucket) -> Path:
    if isinstance(place, Path):
        return place
    raise LeakboardError(
        "answers that cost money are kept in a folder, where what is spent is written down first",
        where=str(place),
        expected="a folder of payload files",
        next="--artifacts FOLDER with a store of its own",
    )


def temporary(owner: object) -> Answers:
    """Where answers are kept as long as their owner lives."""
    folder = tempfile.TemporaryDirectory(prefix="leakboard-answers-", ignore_cleanup_errors=True)
    weakref.finalize(owner, folder.cleanup)
    return answers_in(Path(folder.name))


def told(api: Api) -> str:
    """Whose answers these are, in one line."""
    facts = json.loads(api.told)
    return f"{api.name}: " + ", ".join(f"{name}={value!r}" for name, value in facts.items() if value not in ("", None))
