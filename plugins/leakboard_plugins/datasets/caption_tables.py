"""Tables of captions or of class names, in the formats and under the names of columns that people have."""

from __future__ import annotations

import codecs
import csv
import json
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from leakboard.api import LeakboardError
from leakboard.errors import nearest
from leakboard_plugins.datasets.finding import sibling

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FILE = "file file_name filename file_path filepath image image_name image_path image_file path".split()  # noqa: SIM905 - readable
CAPTION = "caption text prompt captions texts prompts description comment raw sentences".split()  # noqa: SIM905 - readable
LABEL = "label labels class class_name category".split()  # noqa: SIM905 - readable
EXPECTED = "CSV, JSON Lines or JSON with file or file_name, and caption or text, for every image"
NEXT = "name the columns file_name,text, or leave prompts out"
ENCODINGS = ("cp1252", "latin-1", "utf-8", "utf-16", "shift_jis", "gb18030", "big5", "euc-kr", "koi8-r", "mac-roman")
BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
DELIMITERS = ",\t;|"

Row = tuple[str, dict[str, Any]]
"""Where a row stands, and its cells by column."""


class Table(NamedTuple):
    """Texts by the names of files as the table spells them; whether they are class names; notes on what was chosen."""

    texts: dict[str, str]
    labels: bool
    notes: list[str]


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
            next="prompts='path of a table', 'beside', 'metadata' or 'folders', or leave prompts out",
        ) from error
    except (OSError, ValueError) as error:
        raise LeakboardError(
            f"the prompts file cannot be opened: {error}", where=str(path), expected=EXPECTED
        ) from error


def misread(path: Path, encoding: str) -> LeakboardError:
    """The error for a file that is no text in the encoding it was read with."""
    read_as = "UTF-8, which it is taken for as it has no byte order mark" if encoding == "auto" else encoding
    return LeakboardError(
        f"the prompts file is not text in {read_as}",
        where=str(path),
        expected=EXPECTED,
        next="encoding='cp1252' if Excel on Windows wrote it, or save it as UTF-8",
    )


def read_captions(path: Path, encoding: str = "auto") -> Table:
    """The captions of a table, or the class names of one that has no captions; further columns are not looked at.

    ``.jsonl`` and ``.ndjson`` are JSON Lines, ``.json`` is a list of rows, captions by file name, or what COCO has;
    all else is CSV. Where a file has several captions, as a list or in several rows, the first is taken.

    Raises:
        LeakboardError: the file is missing, is not of its format or not text in that encoding, lacks the columns, or
            has an incomplete row.
    """
    try:
        with open_captions(path, encoding) as file:
            ending = path.suffix.lower()
            if ending in {".jsonl", ".ndjson"}:
                return _table(path, _lines(path, file))
            return _table(path, _json(path, file) if ending == ".json" else _csv(path, encoding, file))
    except UnicodeError as error:
        raise misread(path, encoding) from error
    except csv.Error as error:
        raise _wrong(f"the prompts file is not CSV: {error}", path) from error
    except (ValueError, RecursionError) as error:
        raise _wrong(f"the prompts file is not JSON: {error}", path) from error


def _wrong(what: str, path: Path, place: str = "") -> LeakboardError:
    return LeakboardError(what, where=place or str(path), expected=EXPECTED, next=NEXT)


def _csv(path: Path, encoding: str, file: TextIO) -> Iterator[Row]:
    head = file.readline()
    if "\0" in head:
        raise misread(path, encoding)
    file.seek(0)
    cells = {mark: {cell.strip(' "\r\n').lower() for cell in head.split(mark)} for mark in DELIMITERS}
    delimiter = next((mark for mark in DELIMITERS if cells[mark] & set(FILE) and len(cells[mark]) > 1), ",")
    rows = csv.DictReader(file, strict=True, delimiter=delimiter, skipinitialspace=True)
    _columns(path, rows.fieldnames or ())
    for row in rows:
        # DictReader puts surplus cells under the key None and gives None for absent ones
        if None in row:
            raise _wrong("a row has more cells than columns", path, f"{path}, line {rows.line_num}")
        yield f"{path}, line {rows.line_num}", row


def _lines(path: Path, file: TextIO) -> Iterator[Row]:
    for number, line in enumerate(file, 1):
        if line.strip():
            row = json.loads(line)
            if not isinstance(row, dict):
                raise _wrong("a row is not a file and a caption", path, f"{path}, line {number}")
            yield f"{path}, line {number}", row


def _json(path: Path, file: TextIO) -> Iterator[Row]:
    content = json.load(file)
    if isinstance(content, dict) and isinstance(content.get("annotations"), list):
        try:
            names = {image["id"]: image["file_name"] for image in content["images"]}
            content = [{"file": names[each["image_id"]], "caption": each["caption"]} for each in content["annotations"]]
        except (KeyError, TypeError) as error:
            raise _wrong(f"an image or a caption lacks {error}", path) from error
    elif isinstance(content, dict):
        content = [
            {"file": name, **(each if isinstance(each, dict) else {"caption": each})} for name, each in content.items()
        ]
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise _wrong("the prompts file is neither a list of rows nor captions by file name", path)
    return ((f"{path}, row {number}", row) for number, row in enumerate(content, 1))


def _columns(path: Path, there: Iterable[str]) -> tuple[str, str, bool, list[str]]:
    """The columns of files and of texts, whether these are class names, and a note if others would do as well.

    Raises:
        LeakboardError: there are none.
    """
    given = {name.strip().lower(): name for name in there}
    files, texts = ([given[name] for name in names if name in given] for names in (FILE, CAPTION))
    labels = [] if texts else [given[name] for name in LABEL if name in given]
    chosen = texts or labels
    if not files or not chosen:
        raise _wrong(f"the prompts file has the columns {', '.join(given.values()) or '(none)'}", path)
    kinds = ((files, "files"), (chosen, "captions" if texts else "labels"))
    notes = [
        f"{what} are in the column {names[0]} of {path.name}, {' and '.join(names[1:])} left alone"
        for names, what in kinds
        if len(names) > 1
    ]
    return files[0], chosen[0], not texts, notes


def _table(path: Path, rows: Iterable[Row]) -> Table:
    texts, several, columns = dict[str, str](), set[str](), None
    for place, row in rows:
        columns = columns or _columns(path, row)
        name, text = row.get(columns[0]), _texts(row.get(columns[1]))
        if not isinstance(name, str) or not name or text is None:
            raise _wrong("a row is not a file and a caption", path, place)
        if name in texts or len(text) > 1:
            several.add(name)
        if text and name not in texts:
            texts[name] = text[0]
    notes = columns[3] if columns else []
    if several:
        notes.append(f"{len(several)} files of {path.name} have several captions: the first is taken")
    return Table(texts, bool(columns and columns[2]), notes)


def _texts(cell: Any) -> list[str] | None:
    """The captions of a cell, which is a text, a whole number, or a list of texts, also as JSON; None for others."""
    if isinstance(cell, str) and cell.startswith('["'):
        try:
            cell = json.loads(cell)
        except ValueError:
            return [cell]
    if isinstance(cell, int) and not isinstance(cell, bool):
        return [str(cell)]
    if isinstance(cell, list):
        return cell if all(isinstance(each, str) for each in cell) else None
    return [cell] if isinstance(cell, str) else None
