"""Which questions went past a defense, as one text that features, attempts and reports hold.

It names the questions by where the defense stands: ``query: predict_noise; output: decode, encode``. ``nothing`` means
that no question did; an empty text that nobody noted it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

PLACES = ("query", "output")
NOTHING = "nothing"


def told(past: Mapping[str, Collection[str]]) -> str:
    """The text, from the questions that went past each place."""
    return "; ".join(f"{place}: {', '.join(sorted(past[place]))}" for place in PLACES if past.get(place)) or NOTHING


def together(texts: Iterable[str]) -> str:
    """What several shards tell; empty where one of them does not tell."""
    past: dict[str, set[str]] = {place: set() for place in PLACES}
    for text in texts:
        if not text:
            return ""
        for part in text.split("; ") if text != NOTHING else ():
            place, _, questions = part.partition(": ")
            past[place].update(questions.split(", "))
    return told(past)
