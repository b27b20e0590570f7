"""Which questions of an attack went past the defense, as its run noted it at the door, and how the pages mark it.

A query defense changes images that are sent: what gray access makes of them in the victim's own space passes as it is.
An output defense changes images that a request returns: nothing that is given out in the victim's own space, and no
image that the attack decodes itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard_reports.reading import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leakboard_reports.reading import Cell

_QUERY = (
    "the query defense changes the image once, on its way in: the states, latents and noise that the attack makes of it"
    " in the victim's own space are no images and pass as they are"
)
_OUTPUT = (
    "the output defense changes images only, and those that a request returns: what the attack is given in the victim's"
    " own space (latents, predicted noise, gradients) and what it decodes itself come past it"
)
_UNKNOWN = "an older version ran this and did not note which questions went past the defense: some may have, or all"
MARKS = {
    "query": ("\N{SECTION SIGN}", _QUERY),
    "output": ("\N{PILCROW SIGN}", _OUTPUT),
    UNKNOWN: ("?", _UNKNOWN),
}
"""The mark of each place at which questions go past a defense, or may have, and what it means."""


def marks(bypass: str) -> list[tuple[str, str]]:
    """The marks of a cell's `Cell.bypass`, each with what it means here: the questions, by name."""
    parts = (part.partition(": ") for part in bypass.split("; "))
    return [
        (MARKS[place][0], f"past the {place} defense: {questions}" if questions else MARKS[place][1])
        for place, _, questions in parts
        if place in MARKS
    ]


def legend(cells: Iterable[Cell]) -> list[tuple[str, str]]:
    """The marks that these cells bear, each with what it means."""
    found = {part.partition(": ")[0] for cell in cells for part in cell.bypass.split("; ")}
    return [mark for place, mark in MARKS.items() if place in found]
