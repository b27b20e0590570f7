"""Which text of a table belongs to which image: names are matched however they are spelt."""

from __future__ import annotations

import posixpath
import unicodedata
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, TypeVar

from leakboard.api import LeakboardError
from leakboard.errors import nearest
from leakboard_plugins.datasets.finding import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

Value = TypeVar("Value")
ENDINGS = 6
"""What follows the last dot is an ending if it is no longer than that."""
COMPARED = 2000
"""So many names of a table are looked through for the one closest to a name that is missing."""
NEXT = "name the files in the table as in the folder: members/a.png, or a.png where only one folder has it"


def spelt(name: str) -> str:
    """A name with forward slashes, in Unicode's composed form, without ``./``, ``../`` and empty parts."""
    path = posixpath.normpath(unicodedata.normalize("NFC", name.strip()).replace("\\", "/"))
    parts = [part for part in path.split("/") if part not in {"", ".", ".."}]
    return "/".join(parts)


def _folded(name: str) -> str:
    return spelt(name).casefold()


def _stem(name: str) -> str:
    """A folded name without its ending; a number with a dot in it keeps what follows, if it is long."""
    name = _folded(name)
    head, dot, ending = name.rpartition(".")
    return head if dot and len(ending) <= ENDINGS and "/" not in ending and head else name


SPELLINGS: tuple[Callable[[str], str], ...] = (spelt, _folded, _stem)
"""From the strictest to the loosest; the next is tried for images that found nothing."""


def assign(
    texts: Mapping[str, str], ids: Sequence[str], paths: Sequence[Path], where: Path
) -> tuple[tuple[str, ...], list[str]]:
    """The text of each sample, and notes on rows that were found under another spelling, or not used.

    A row names an image by its id, by its path inside its own folder, or by any longer part of its whole path; failing
    that, by the end of a longer path that was true elsewhere, or by the name of its file alone. Case, the ending, the
    kind of slash and the form of accented letters make no difference where nothing fits exactly.

    Raises:
        LeakboardError: a sample has no text, or a row fits two.
    """
    found: dict[int, str] = {}
    for spelling in SPELLINGS:
        for keys in (_own, _whole):
            _claim(found, texts, ids, paths, spelling, keys, where)
    for spelling in SPELLINGS:
        _claim_ends(found, texts, ids, spelling)
    missing = [place for place in range(len(ids)) if place not in found]
    if missing:
        raise _unfound(texts, found, ids, missing, where)
    notes = []
    bare = [name.split("/", 1)[-1] for name in ids]
    other = [(found[place], name) for place, name in enumerate(ids) if found[place] not in {name, bare[place]}]
    if other:
        row, name = other[0]
        notes.append(f"{len(other)} images are spelt otherwise in {where.name}: {row} was taken for {name}")
    idle = sorted(texts.keys() - set(found.values()))
    if idle:
        notes.append(f"{len(idle)} rows of {where.name} name no image that could be read: {listed(idle)}")
    return tuple(texts[found[place]] for place in range(len(ids))), notes


def _own(name: str, _path: Path) -> list[str]:
    """Its id, and its path inside its own folder."""
    return [name, name.split("/", 1)[-1]]


def _whole(name: str, path: Path) -> list[str]:
    """The ends of the whole path that are longer than the path inside the folder."""
    parts = path.absolute().as_posix().split("/")
    inside = len(name.split("/")) - 1
    return ["/".join(parts[-length:]) for length in range(len(parts), inside, -1)]


def _claim(
    found: dict[int, str],
    texts: Mapping[str, str],
    ids: Sequence[str],
    paths: Sequence[Path],
    spelling: Callable[[str], str],
    keys: Callable[[str, Path], list[str]],
    where: Path,
) -> None:
    """Let images have the rows that are spelt like one of their keys; the first of its keys that is found counts."""
    if len(found) == len(ids):
        return
    used, claims = set(found.values()), defaultdict[str, list[int]](list)
    rows = _once((spelling(name), name) for name in texts if name not in used)
    for place, (name, path) in enumerate(zip(ids, paths, strict=True)):
        if place not in found:
            row = next((rows[key] for key in map(spelling, keys(name, path)) if key in rows), None)
            if row is not None:
                claims[row].append(place)
    for row, places in claims.items():
        if len(places) > 1:
            fits = " and ".join(ids[place] for place in places[:2])
            raise LeakboardError(
                f"the caption of {row} fits {fits}",
                where=str(where),
                expected=f"a row for {ids[places[0]]} and one for {ids[places[1]]}",
                next=NEXT,
            )
        found[places[0]] = row


def _claim_ends(
    found: dict[int, str], texts: Mapping[str, str], ids: Sequence[str], spelling: Callable[[str], str]
) -> None:
    """Let images have rows that end like their path in the folder, or name their file alone, where only one does so."""
    used = set(found.values())
    free = [name for name in texts if name not in used]
    rows = defaultdict[str, list[str]](list)
    for name in free if len(found) < len(ids) else ():
        parts = spelling(name).split("/")
        for length in range(1, len(parts) + 1):
            rows["/".join(parts[-length:])].append(name)
    bare = {spelling(name): [name] for name in free if "/" not in spelt(name)}
    for there, end in ((rows, 0), (rows, 1), (bare, -1)):
        left = [(place, name.split("/")) for place, name in enumerate(ids) if place not in found]
        wanted = _once((spelling("/".join(parts[end:])), place) for place, parts in left)
        found |= {place: there[key][0] for key, place in wanted.items() if len(there.get(key, ())) == 1}


def _once(pairs: Iterable[tuple[str, Value]]) -> dict[str, Value]:
    """Values by those keys that stand only once."""
    every = list(pairs)
    counts = Counter(key for key, _ in every)
    return {key: value for key, value in every if counts[key] == 1}


def _unfound(
    texts: Mapping[str, str], found: Mapping[int, str], ids: Sequence[str], missing: Sequence[int], where: Path
) -> LeakboardError:
    first, free = ids[missing[0]], [name for name in texts if name not in set(found.values())]
    near = nearest(first, free[:COMPARED]) or next(iter(free), "")
    pair = f"; the folder has {first}, and the table {near}" if near else ""
    return LeakboardError(
        f"{len(missing)} of {len(ids)} images have no caption, the first is {first}{pair}",
        where=str(where),
        expected="one row for every image",
        next=NEXT,
    )
