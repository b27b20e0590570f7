"""What is known of the datasets: how many samples of which size, and what a reader must know of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leakboard_reports.formats import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from leakboard_reports.payloads import ContactSheet

TOLD = ("members", "nonmembers", "notes", "public")
"""Facts that the table of datasets shows, and what decides whether there are pictures."""


@dataclass(frozen=True)
class DatasetRow:
    """One dataset: counts and image size as texts, and its notes (licence, duplicates, files that were skipped)."""

    label: str
    members: str
    nonmembers: str
    size: str
    notes: tuple[str, ...]


def rows(datasets: Iterable[tuple[str, Mapping[str, Any]]], sheets: Sequence[ContactSheet]) -> list[DatasetRow]:
    """From labels and the facts that the store keeps of each dataset, and the size of the pictures kept of it."""
    sizes = {sheet.dataset: size_of(sheet) for sheet in sheets}
    return [
        DatasetRow(
            label,
            _count(facts.get("members")),
            _count(facts.get("nonmembers")),
            sizes.get(label, ABSENT),
            tuple(map(str, notes)) if isinstance(notes := facts.get("notes"), list) else (),
        )
        for label, facts in datasets
    ]


def size_of(sheet: ContactSheet) -> str:
    """Height, width and colour of the images."""
    channels, height, width = sheet.shape
    colour = {1: "grey", 3: "RGB"}.get(channels, f"of {channels} channels")
    return f"{height} x {width} {colour}"


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else ABSENT
