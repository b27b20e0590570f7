"""Where the access level leads past a defense: image defenses act on images alone.

The rule, from what a store knows: an attack with gray or white access whose pairs are no images works in the victim's
own space. A query defense changes the image that it sends first and nothing that it makes of it; an output defense
changes nothing of what it compares. Pairs of images are images that the victim gave back, and these are defended.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from leakboard_reports.reading import is_none

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import pandas as pd

    from leakboard_reports.reading import Cell

_QUERY = (
    "the query defense changes the image once, on its way in: the states, latents and noise that the attack makes of it"
    " in the victim's own space are no images and pass as they are (noise predictions, decoding, gradients)"
)
_OUTPUT = (
    "the output defense changes images only: what the attack compares lies in noise, state, latent or gradient space,"
    " and no image that was given back is part of it"
)
MARKS = {"query": ("\N{SECTION SIGN}", _QUERY), "output": ("\N{PILCROW SIGN}", _OUTPUT)}
"""The mark of each place at which a defense is passed by, and what it means."""


def marked(cells: Iterable[Cell], components: pd.DataFrame) -> list[Cell]:
    """The cells, each with the places at which its defense is passed by."""
    described = components.to_dict("records")
    spaces = {c["label"]: (c["info"] or {}).get("space", "image") for c in described if c["kind"] == "observer"}
    defenses = {
        c["label"]: (str(c["spec"]), (c["info"] or {}).get("counts", ())) for c in described if c["kind"] == "defense"
    }
    return [
        replace(cell, bypass=passed_by(cell.access, spaces.get(cell.observer, "image"), *defenses[cell.defense]))
        for cell in cells
    ]


def passed_by(access: str, space: str, defense: str, counts: Collection[str] = ()) -> tuple[str, ...]:
    """The places at which a defense of this canonical spelling does not act on all that an attack asks or compares.

    ``counts`` names the links that count questions of every kind: nobody passes these by.
    """
    if access not in ("gray", "white") or space == "image":
        return ()
    links = [link for link in defense.split(" + ") if not is_none(link) and link.partition("(")[0] not in counts]
    found = {_place(link) for link in links}
    return tuple(place for place in MARKS if place in found)


def legend(cells: Iterable[Cell]) -> list[tuple[str, str]]:
    """The marks that these cells bear, each with what it means."""
    found = {place for cell in cells for place in cell.bypass}
    return [mark for place, mark in MARKS.items() if place in found]


def _place(link: str) -> str:
    named = re.search(r"\bat='(\w+)'", link)
    return named.group(1) if named else "query"
