"""What the pages need from artifact files: scores of chosen cells, and contact sheets. A lost file leaves a gap."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leakboard.errors import LeakboardError
from leakboard.statistics.permutation import Scores
from leakboard.store.artifacts import Artifacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from leakboard.store import Store
    from leakboard_reports.reading import Cell

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ContactSheet:
    """Some images of one victim behind one defense, uint8 (n, C, H, W), or what is known of them where none were kept.

    ``returned`` are its answers to ``question``, None if it was never asked; ``fit`` tells how images were fitted to
    it, if they were. ``squared_error`` (n,) is how far the defense moves each, ``shape`` theirs (C, H, W).
    """

    dataset: str
    victim: str
    defense: str
    seed: int
    ids: tuple[str, ...]
    squared_error: npt.NDArray[np.float64]
    shape: tuple[int, int, int]
    member: npt.NDArray[np.bool_]
    original: Pixels | None
    seen: Pixels | None
    returned: Pixels | None
    question: str
    fit: str = ""

    @property
    def place(self) -> tuple[str, str]:
        """Dataset and victim."""
        return self.dataset, self.victim


class ScoreReader:
    """Scores by cell, sorted by sample id so that two cells can be paired; each file is read at most once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Scores | None] = {}

    def __call__(self, cell: Cell) -> Scores | None:
        """The cell's scores, or None when its file is gone or damaged."""
        if cell.scores_key is None:
            return None
        if cell.scores_key not in self._known:
            self._known[cell.scores_key] = self._read(cell.scores_key)
        return self._known[cell.scores_key]

    def _read(self, key: str) -> Scores | None:
        found = self._store.scores_of(key)
        if found is None:
            return None
        ids, score, member = found
        order = sorted(range(len(ids)), key=ids.__getitem__)
        return Scores(tuple(ids[row] for row in order), score[order], member[order])


def read_contact_sheets(store: Store, components: pd.DataFrame) -> list[ContactSheet]:
    """The newest contact sheet of every dataset, victim, defense and seed, under the labels that cells have."""
    rows = components.to_dict("records")
    labels = {(row["kind"], text): str(row["label"]) for row in rows for text in (row["spec"], row["identity"])}
    artifacts = Artifacts(store.artifacts)
    found: dict[tuple[str, str, str, int], ContactSheet] = {}
    kept = [key for kind in ("fidelity", "preview") for key in store.artifact_digests(kind)]
    for key in kept:
        try:
            tensors, meta = artifacts.get(key)
        except LeakboardError:
            continue
        dataset, victim, defense = (_called(labels, meta, kind) for kind in ("dataset", "victim", "defense"))
        found[dataset, victim, defense, int(meta["seed"])] = ContactSheet(
            dataset,
            victim,
            defense,
            int(meta["seed"]),
            tuple(json.loads(meta["ids"])),
            *_change(tensors, meta),
            tensors.get("member", np.empty(0)).astype(np.bool_),
            tensors.get("original"),
            tensors.get("seen"),
            tensors.get("returned"),
            meta.get("question", ""),
            meta.get("fit", ""),
        )
    return list(found.values())


def _called(labels: Mapping[tuple[str, str], str], meta: Mapping[str, str], kind: str) -> str:
    """What a component is called that the meta of a file names, by identity if it does."""
    spec = meta[kind]
    return labels.get((kind, meta.get(f"{kind}_identity", "")), labels.get((kind, spec), spec))


def _change(
    tensors: Mapping[str, npt.NDArray[Any]], meta: Mapping[str, str]
) -> tuple[npt.NDArray[np.float64], tuple[int, int, int]]:
    """How far each image was moved, and the shape of all."""
    if "original" not in tensors:
        channels, height, width = json.loads(meta["shape"])
        return tensors["squared_error"], (channels, height, width)
    channels, height, width = tensors["original"].shape[1:]
    error = (tensors["seen"].astype(np.float64) - tensors["original"]) ** 2
    return error.mean(axis=(1, 2, 3)), (channels, height, width)


def decibels(squared_error: npt.NDArray[np.float64]) -> float:
    """Peak signal-to-noise ratio in dB over all images together; infinite when none was moved."""
    error = float(np.mean(squared_error))
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def psnr(first: Pixels, second: Pixels) -> float:
    """`decibels` of two stacks of images; infinite when they are identical."""
    return decibels((first.astype(np.float64) - second.astype(np.float64)) ** 2)


def shared(first: ContactSheet, second: ContactSheet) -> tuple[list[int], list[int]]:
    """Rows of the images that both contact sheets show."""
    where = {name: row for row, name in enumerate(second.ids)}
    rows = [(row, where[name]) for row, name in enumerate(first.ids) if name in where]
    return [mine for mine, _ in rows], [theirs for _, theirs in rows]
