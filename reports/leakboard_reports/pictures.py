"""The contact sheet: what went in, what the victim saw, what came out, as strips of pixels."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakboard_reports.reading import defense_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from leakboard_reports.payloads import ContactSheet, Pixels

SHOWN = 4
"""Images of each side in a strip."""
LONGEST = 128
"""Longest side of a picture in the sheet; larger images are reduced by a whole factor, each area to its mean."""
WIDE = 256
"""Pixels from which a strip is shown at about its own size, not enlarged."""


@dataclass(frozen=True)
class Strip:
    """A row of images in one PNG file. ``file`` names it by content, so equal strips are one file."""

    file: str
    payload: bytes
    width: int
    height: int
    alt: str

    @property
    def wide(self) -> bool:
        """Whether it has more pixels than strips of small images."""
        return self.width > WIDE


@dataclass(frozen=True)
class SheetRow:
    """One stage (original, seen, returned) for members and non-members."""

    title: str
    members: Strip | None
    nonmembers: Strip | None


@dataclass(frozen=True)
class Sheet:
    """The stages of one victim behind one defense, and how the images were fitted to it, if they were."""

    defense: str
    rows: tuple[SheetRow, ...]
    fit: str = ""

    @property
    def strips(self) -> list[Strip]:
        """Every strip it shows."""
        return [strip for row in self.rows for strip in (row.members, row.nonmembers) if strip]


def sheets(contact_sheets: Iterable[ContactSheet]) -> dict[tuple[str, str], list[Sheet]]:
    """By dataset and victim: a sheet per defense, of the lowest seed."""
    chosen: dict[tuple[str, str, str], ContactSheet] = {}
    for kept in sorted(contact_sheets, key=lambda p: (p.dataset, p.victim, defense_order(p.defense), p.seed)):
        chosen.setdefault((kept.dataset, kept.victim, kept.defense), kept)
    found: dict[tuple[str, str], list[Sheet]] = {}
    for kept in chosen.values():
        if kept.original is None:
            continue
        found.setdefault(kept.place, []).append(_sheet(kept))
    return found


def lost(contact_sheets: pd.DataFrame) -> dict[tuple[str, str], list[str]]:
    """Of `Store.lost_contact_sheets`: by dataset and victim, the defenses whose pictures are not all there."""
    found: dict[tuple[str, str], set[str]] = {}
    for row in contact_sheets.itertuples():
        found.setdefault((str(row.dataset), str(row.victim)), set()).add(str(row.defense))
    return {place: sorted(defenses, key=defense_order) for place, defenses in sorted(found.items())}


def _sheet(kept: ContactSheet) -> Sheet:
    members = np.flatnonzero(kept.member)[:SHOWN].tolist()
    others = np.flatnonzero(~kept.member)[:SHOWN].tolist()
    stages = (
        ("Original", kept.original, "as the attacker has them"),
        ("Seen by the victim", kept.seen, f"as the victim sees them behind {kept.defense}"),
        ("Returned", kept.returned, f"as {kept.victim} returned them behind {kept.defense}"),
    )
    return Sheet(
        kept.defense,
        tuple(
            SheetRow(title, strip(pixels, members, f"members {words}"), strip(pixels, others, f"non-members {words}"))
            for title, pixels, words in stages
            if pixels is not None
        ),
        kept.fit,
    )


def strip(pixels: Pixels, rows: Sequence[int], words: str) -> Strip | None:
    """The chosen images side by side with a transparent gap, or None without any."""
    from PIL import Image

    if not rows:
        return None
    step = max(1, -(-max(pixels.shape[2:]) // LONGEST))
    colours = slice(0, 3 if pixels.shape[1] >= 3 else 1)
    chosen = [_reduced(pixels[row, colours].transpose(1, 2, 0), step) for row in rows]
    count, (height, width, _) = len(chosen), chosen[0].shape
    gap = max(1, width // 14)
    canvas = np.zeros((height, count * (width + gap) - gap, 4), dtype=np.uint8)
    for place, image in enumerate(chosen):
        left = place * (width + gap)
        canvas[:, left : left + width, :3] = image
        canvas[:, left : left + width, 3] = 255
    file = io.BytesIO()
    Image.fromarray(canvas, "RGBA").save(file, "PNG", optimize=True)
    payload = file.getvalue()
    name = f"strip-{hashlib.sha256(payload).hexdigest()[:16]}.png"
    return Strip(name, payload, canvas.shape[1], canvas.shape[0], f"{count} {words}")


def _reduced(image: Pixels, step: int) -> Pixels:
    """An image (H, W, C) with each area of ``step`` x ``step`` pixels turned into its mean."""
    from PIL import Image

    if step == 1:
        return image
    made = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).reduce(step)
    return np.asarray(made).reshape(made.height, made.width, -1)
