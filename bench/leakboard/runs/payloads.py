"""What lies on disk of the payload files that a grid rests on, beside what the store knows of them.

A run that was killed leaves files that nobody wrote down, and a store may be deleted while its files stay. What is
found whole is recorded as if it had been made now; what was spoilt after it was recorded is made again.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from leakboard.keys import contact_sheet_key, fidelity_key, paid_kind, samples_key
from leakboard.store.artifacts import Damaged, Missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from leakboard.grid.cells import Cell
    from leakboard.store import ArtifactRow, Store
    from leakboard.store.artifacts import Artifacts, Entry
    from leakboard.tasks.sample_lists import Populations

State = Literal["whole", "missing", "damaged"]


class Payloads:
    """Looks at each file once.

    Attributes:
        found: rows of files that are whole and that the store does not know, or knows with other bytes.
    """

    def __init__(self, artifacts: Artifacts, store: Store | None = None) -> None:
        self.found: dict[str, ArtifactRow] = {}
        self._artifacts, self._states = artifacts, dict[str, State]()
        self._known = store.artifact_rows() if store else {}
        self._recording = store is not None

    def state(self, key: str, kind: str) -> State:
        """Whether a file is there, and what was written. One of its row's size, and no younger, is believed."""
        if key not in self._states:
            self._states[key] = self._look(key, kind)
        return self._states[key]

    def as_recorded(self, key: str) -> bool:
        """Whether a file is the one that was recorded: in a folder by its digest, in a bucket by its size.

        A bucket holds no half files. One there is checked whenever it is read, and by `leakboard.runs.verify`.
        """
        known = self._known.get(key)
        try:
            if known is None:
                return False
            if isinstance(self._artifacts.root, Path):
                return hashlib.sha256(self._artifacts.read(key)).hexdigest() == known.digest
            entry = self._entry(key)
        except (Missing, Damaged):
            return False
        return entry is not None and entry.bytes == known.bytes

    def look_around(self, cells: Iterable[Cell], populations: Populations) -> None:
        """Find what else belongs to some cells: the lists of their samples, pictures, and answers that were paid."""
        for identity in populations.known.keys() - populations.unsaved:
            self.state(samples_key(identity), "samples")
        pictures = {
            (cell.dataset.identity, victim.identity, defense.identity, cell.seed)
            for cell in cells
            for victim, defense in ((cell.victim, cell.defense), *cell.attacker.calibrates_on)
        }
        for kind, key_of in (("preview", contact_sheet_key), ("fidelity", fidelity_key)):
            for key in sorted({key_of(*place) for place in pictures} - self._known.keys()):
                self.state(key, kind)
        if any(cell.victim.only.bill for cell in cells):
            for entry in self._artifacts.list():
                if entry.key not in self._known and (paid := paid_kind(entry.key)):
                    self.state(entry.key, paid)

    @functools.cached_property
    def _entry(self) -> Callable[[str], Entry | None]:
        return self._artifacts.survey()

    def _look(self, key: str, kind: str) -> State:
        try:
            entry = self._entry(key)
        except Damaged:
            return "damaged"
        if entry is None:
            return "missing"
        known = self._known.get(key)
        if known and self._artifacts.shelf.believed(entry, known.bytes, known.created.timestamp()):
            return "whole"
        if not self._recording:
            return "whole"
        try:
            row = self._artifacts.row(key, kind)
        except (Missing, Damaged):
            return "damaged"
        if known is None or known.digest != row.digest:
            self.found[key] = row
        return "whole"
