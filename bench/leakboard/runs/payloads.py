"""What lies on disk of the payload files that a grid rests on, beside what the store knows of them.

A run that was killed leaves files that nobody wrote down, and a store may be deleted while its files stay. What is
found whole is recorded as if it had been made now; what was spoilt after it was recorded is made again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from leakboard.keys import contact_sheet_key, fidelity_key, paid_kind, samples_key
from leakboard.store.artifacts import Damaged, Missing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leakboard.grid.cells import Cell
    from leakboard.store import ArtifactRow, Store
    from leakboard.store.artifacts import Artifacts
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

    def _look(self, key: str, kind: str) -> State:
        try:
            stat = self._artifacts.path(key).stat()
        except FileNotFoundError:
            return "missing"
        except OSError:
            return "damaged"
        known = self._known.get(key)
        changed = datetime.fromtimestamp(stat.st_mtime, UTC)
        if known and stat.st_size == known.bytes and changed <= known.created:
            return "whole"
        if not self._recording:
            return "whole" if self._artifacts.has(key) else "damaged"
        try:
            row = self._artifacts.row(key, kind)
        except (Missing, Damaged):
            return "damaged"
        if known is None or known.digest != row.digest:
            self.found[key] = row
        return "whole"
