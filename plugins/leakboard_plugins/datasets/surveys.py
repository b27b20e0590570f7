"""Which images of a dataset are whole: each is decoded once, and the finding is kept from process to process."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from leakboard.api import LeakboardError
from leakboard_plugins.datasets.finding import listed
from leakboard_plugins.datasets.image_files import grey_or_colour, remarks, upright
from leakboard_plugins.datasets.metadata import FileFacts, facts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

FORMAT = "2"
SLOW = 1.0
"""Findings that took so many seconds are kept on disk."""
NOTES = 16
"""So many findings are kept; after that, the oldest go."""


class Surveyed(NamedTuple):
    """An image that can be decoded.

    Attributes:
        digest: of its content.
        transparent: whether parts are.
        facts: what its file is like.
        remark: what Pillow remarked first, of metadata that it cannot read, say; mostly nothing.
    """

    digest: str
    transparent: bool
    facts: FileFacts
    remark: str = ""

    @property
    def mode(self) -> str:
        """What it becomes, ``L`` or ``RGB``."""
        return grey_or_colour(self.facts.mode)


def look(source: Path | bytes) -> Surveyed | str:
    """What an image file, or the content of one, is, decoded to be sure; or why it cannot be read."""
    from PIL import Image, UnidentifiedImageError

    try:
        content = source if isinstance(source, bytes) else source.read_bytes()
        with remarks() as told, Image.open(io.BytesIO(content)) as opened:
            facts, transparent = facts_of(opened, len(content)), opened.has_transparency_data
            opened.draft(None, (1, 1))  # an eighth of a JPEG's size shows whether it is whole
            upright(opened)
        return Surveyed(hashlib.sha256(content).hexdigest(), transparent, facts, (told or [""])[0])
    except UnidentifiedImageError:
        return "it is no image"
    except OSError as error:
        return error.strerror or str(error)
    except Exception as error:  # noqa: BLE001 - decoders of damaged files raise anything
        return str(error) or type(error).__name__


def survey(paths: Sequence[Path]) -> list[Surveyed | str]:
    """What each image file is, or why it cannot be read; unchanged files are not read again."""
    return remembered([state(path) for path in paths], len(paths), lambda rows: (look(paths[row]) for row in rows))


def state(path: Path) -> str:
    """A file's path and what changes with its content, without reading it."""
    try:
        stat = path.stat()
    except OSError as error:
        return f"{path.absolute()} {error.strerror}"
    return f"{path.absolute()} {stat.st_size} {stat.st_mtime_ns} {stat.st_ino} {stat.st_ctime_ns}"


def remembered(
    question: Iterable[str], count: int, ask: Callable[[Sequence[int]], Iterable[Surveyed | str]]
) -> list[Surveyed | str]:
    """What ``ask`` finds of rows out of ``count``; kept on disk under the question if it took long.

    Images that could not be read are looked at again each time: the cause may have been somewhere else.
    """
    note = _note(question)
    seen: dict[int, Surveyed | str] = dict(_kept(note, count))
    rows = [row for row in range(count) if row not in seen]
    began = time.perf_counter()
    seen.update(zip(rows, ask(rows), strict=True))
    found = [seen[row] for row in range(count)]
    if time.perf_counter() - began > SLOW:
        _keep(note, found)
    return found


def _note(question: Iterable[str]) -> Path | None:
    """Where the answer is kept; another version of Pillow may be able to read more."""
    from PIL import __version__

    digest = hashlib.sha256("\n".join((FORMAT, __version__, *question)).encode(errors="surrogateescape"))
    with contextlib.suppress(RuntimeError):  # a user without a home
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cache / "leakboard" / "surveys" / f"{digest.hexdigest()}.json"
    return None


def _kept(note: Path | None, count: int) -> dict[int, Surveyed]:
    if note is None:
        return {}
    try:
        rows = json.loads(note.read_bytes())
        seen = {
            row: Surveyed(kept[0], kept[1], FileFacts(*kept[2]), str(kept[3]))
            for row, kept in enumerate(rows)
            if kept is not None
        }
    except (OSError, ValueError, TypeError, LookupError):
        return {}
    sound = len(rows) == count and all(isinstance(each.facts.mode, str) for each in seen.values())
    return seen if sound else {}


def _keep(note: Path | None, found: Sequence[Surveyed | str]) -> None:
    if note is None:
        return
    part = note.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps([None if isinstance(each, str) else each for each in found]), encoding="ascii")
        part.replace(note)
        kept = sorted(note.parent.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for old in kept[:-NOTES]:
            old.unlink()


def whole(
    names: Sequence[str], results: Sequence[Surveyed | str], what: str, where: str
) -> tuple[dict[int, Surveyed], list[str]]:
    """The findings on images that can be read, by row, and notes: on the others, and on what Pillow remarks.

    Raises:
        LeakboardError: none can be read.
    """
    good = {row: result for row, result in enumerate(results) if isinstance(result, Surveyed)}
    broken = [f"{names[row]} ({result})" for row, result in enumerate(results) if isinstance(result, str)]
    if not good:
        raise LeakboardError(
            f"none of the {len(broken)} images can be read" + (f", the first is {broken[0]}" if broken else ""),
            where=where,
            expected="image files that can be read and decoded",
            next="put other files there, or give another folder",
        )
    odd = [f"{names[row]} ({result.remark})" for row, result in good.items() if result.remark]
    remarked = [f"{len(odd)} of {len(names)} {what} read with a remark: {listed(odd)}"] if odd else []
    return good, [*skipped(broken, len(names), what, "cannot be read"), *remarked]


def skipped(left_out: Sequence[str], count: int, what: str, why: str) -> list[str]:
    """A note that names the first of those that were left out, if any were."""
    return [f"{len(left_out)} of {count} {what} skipped, they {why}: {listed(left_out)}"] if left_out else []
