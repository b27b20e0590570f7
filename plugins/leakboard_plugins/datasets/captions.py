"""Captions from a CSV file with the columns ``file`` and ``caption``."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, TextIO

from leakboard.api import LeakboardError
from leakboard_plugins.datasets.image_files import sibling

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

EXPECTED = "UTF-8 text whose first line is file,caption"
NEXT = "write a row for every image below the line file,caption, or leave prompts out"


def open_captions(path: Path) -> TextIO:
    """The prompts file, ready to be read.

    Raises:
        LeakboardError: it is missing or cannot be opened.
    """
    try:
        return path.open(encoding="utf-8-sig", newline="")
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


def read_captions(path: Path) -> dict[str, str]:
    """Captions by file name.

    Raises:
        LeakboardError: the file is missing, is not UTF-8 CSV, has other columns, an incomplete row or a file twice.
    """
    captions: dict[str, str] = {}
    try:
        with open_captions(path) as file:
            rows = csv.DictReader(file, strict=True)
            columns = list(rows.fieldnames or ())
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
    except UnicodeDecodeError as error:
        raise LeakboardError(
            "the prompts file is not UTF-8 text", where=str(path), expected=EXPECTED, next=NEXT
        ) from error
    except csv.Error as error:
        raise LeakboardError(
            f"the prompts file is not CSV: {error}", where=str(path), expected=EXPECTED, next=NEXT
        ) from error
    return captions


def assign_captions(captions: dict[str, str], ids: Sequence[str], path: Path) -> tuple[str, ...]:
    """The caption of each sample, found by its id or by its path inside its own folder.

    Raises:
        LeakboardError: a sample has no caption, or a bare path fits a file in both folders.
    """
    bare = [name.split("/", 1)[1] for name in ids]
    twice = {name for name in bare if bare.count(name) > 1} if len(set(bare)) < len(bare) else set()
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
    return tuple(captions.get(name, captions.get(short, "")) for name, short in zip(ids, bare, strict=True))
