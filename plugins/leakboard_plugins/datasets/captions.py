"""Captions from a CSV file with the columns ``file`` and ``caption``, or made of a label."""

from __future__ import annotations

import codecs
import csv
from collections import Counter
from typing import TYPE_CHECKING, TextIO

from leakboard.api import LeakboardError
from leakboard.errors import nearest
from leakboard_plugins.datasets.image_files import listed, sibling

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

EXPECTED = "text whose first line is file,caption"
NEXT = "write a row for every image below the line file,caption, or leave prompts out"
ENCODINGS = ("cp1252", "latin-1", "utf-8", "utf-16", "shift_jis", "gb18030", "big5", "euc-kr", "koi8-r", "mac-roman")
BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def photo_of(label: str) -> str:
    """The prompt for an image of which only the class is known."""
    return f"a photo of {'an' if label[:1].lower() in set('aeiou') else 'a'} {label}"


def check_encoding(encoding: str) -> None:
    """Refuse an encoding that Python does not know.

    Raises:
        LeakboardError: with the nearest name of those in common use.
    """
    try:
        if encoding != "auto":
            "".encode(encoding)
    except (LookupError, ValueError) as error:
        raise LeakboardError(
            f"there is no text encoding {encoding!r}",
            expected="auto, or a name that Python knows, such as " + ", ".join(ENCODINGS),
            nearest=nearest(encoding, ENCODINGS),
        ) from error


def open_captions(path: Path, encoding: str = "auto") -> TextIO:
    """The prompts file, ready to be read; ``auto`` goes by its byte order mark, and is UTF-8 without one.

    Raises:
        LeakboardError: it is missing or cannot be opened.
    """
    try:
        if encoding == "auto":
            with path.open("rb") as file:
                start = file.read(3)
            encoding = next((name for mark, name in BYTE_ORDER_MARKS.items() if start.startswith(mark)), "utf-8")
        return path.open(encoding=encoding, newline="")
    except FileNotFoundError as error:
        raise LeakboardError(
            "there is no such prompts file",
            where=str(path),
            expected=EXPECTED,
            nearest=sibling(path),
            next="prompts='path of a CSV file', or leave prompts out",
        ) from error
    except (OSError, ValueError) as error:
        raise LeakboardError(
            f"the prompts file cannot be opened: {error}", where=str(path), expected=EXPECTED
        ) from error


def read_captions(path: Path, encoding: str = "auto") -> dict[str, str]:
    """Captions by file name.

    Raises:
        LeakboardError: the file is missing, is not CSV in that encoding, has other columns, an incomplete row or a
            file twice.
    """
    captions: dict[str, str] = {}
    try:
        with open_captions(path, encoding) as file:
            rows = csv.DictReader(file, strict=True)
            columns = list(rows.fieldnames or ())
            if any("\0" in column for column in columns):
                raise _misread(path, encoding)
            if sorted(columns) != ["caption", "file"]:
                raise LeakboardError(
                    f"the prompts file has the columns {', '.join(columns) or '(none)'}",
                    where=str(path),
                    expected=EXPECTED,
                    next=NEXT,
                )
            for row in rows:
                place = f"{path}, line {rows.line_num}"
                # DictReader puts surplus cells under the key None and gives None for absent ones
                if None in row or None in row.values() or not row["file"]:
                    raise LeakboardError("a row is not a file and a caption", where=place, expected=EXPECTED, next=NEXT)
                if row["file"] in captions:
                    raise LeakboardError(
                        f"{row['file']} has two captions", where=place, expected="one row a file", next=NEXT
                    )
                captions[row["file"]] = row["caption"]
    except UnicodeError as error:
        raise _misread(path, encoding) from error
    except csv.Error as error:
        raise LeakboardError(
            f"the prompts file is not CSV: {error}", where=str(path), expected=EXPECTED, next=NEXT
        ) from error
    return captions


def _misread(path: Path, encoding: str) -> LeakboardError:
    read_as = "UTF-8, which it is taken for as it has no byte order mark" if encoding == "auto" else encoding
    return LeakboardError(
        f"the prompts file is not text in {read_as}",
        where=str(path),
        expected=EXPECTED,
        next="encoding='cp1252' if Excel on Windows wrote it, or save it as UTF-8",
    )


def assign_captions(captions: dict[str, str], ids: Sequence[str], path: Path) -> tuple[tuple[str, ...], list[str]]:
    """The caption of each sample, found by its id or by its path inside its own folder, and a note on unused rows.

    Raises:
        LeakboardError: a sample has no caption, or a bare path fits a file in both folders.
    """
    bare = [name.split("/", 1)[1] for name in ids]
    twice = {name for name, count in Counter(bare).items() if count > 1}
    for name in sorted(twice & captions.keys()):
        raise LeakboardError(
            f"the caption of {name} fits a member and a non-member",
            where=str(path),
            expected=f"members/{name} or nonmembers/{name}",
            next=NEXT,
        )
    missing = [name for name, short in zip(ids, bare, strict=True) if name not in captions and short not in captions]
    if missing:
        raise LeakboardError(
            f"{len(missing)} of {len(ids)} images have no caption, the first is {missing[0]}",
            where=str(path),
            expected="one row for every image",
            next=NEXT,
        )
    idle = sorted(captions.keys() - set(ids) - set(bare))
    notes = [f"{len(idle)} rows of {path.name} name no image that could be read: {listed(idle)}"] if idle else []
    return tuple(captions.get(name, captions.get(short, "")) for name, short in zip(ids, bare, strict=True)), notes
