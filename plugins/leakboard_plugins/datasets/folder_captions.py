"""Where captions and class names of a folder dataset come from: a table, files beside the images, or its folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from leakboard.api import LeakboardError
from leakboard.errors import nearest
from leakboard_plugins.datasets.caption_names import assign
from leakboard_plugins.datasets.caption_tables import misread, open_captions, read_captions
from leakboard_plugins.datasets.captions import photos_of
from leakboard_plugins.datasets.finding import listed, local

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

BESIDE, METADATA, FOLDERS = "beside", "metadata", "folders"
TEXTS = (".txt", ".caption")
TABLES = ("metadata.csv", "metadata.jsonl")


class Texts(NamedTuple):
    """Prompts and labels of N samples, each or None, and notes."""

    prompts: tuple[str, ...] | None
    labels: tuple[str, ...] | None
    notes: list[str]


def texts_of(
    prompts: str, encoding: str, ids: Sequence[str], paths: Sequence[Path], sides: Mapping[str, Path]
) -> Texts:
    """What the parameter ``prompts`` of `Folder` says of N images.

    Args:
        prompts: a path, or one of the words ``beside``, ``metadata``, ``folders``, or nothing.
        encoding: of text files.
        ids: N ids, ``members/...`` or ``nonmembers/...``.
        paths: their N files.
        sides: the two folders by name.

    Raises:
        LeakboardError: there are none, they cannot be read, or they do not fit.
    """
    labels, notes = _folders(ids)
    if prompts == FOLDERS:
        if labels is None:
            raise LeakboardError(
                "not every image lies in a folder of its class",
                where=str(sides["members"]),
                expected="cat/1.png and the like below both folders",
                next="prompts='path of a table', or leave prompts out",
            )
        return Texts(photos_of(labels), labels, notes)
    if not prompts:
        return Texts(None, labels, notes)
    if prompts == BESIDE:
        found, more = _beside(ids, paths, encoding)
        return Texts(found, labels, notes + more)
    if prompts == METADATA:
        return _tables(encoding, ids, paths, sides, Texts(None, labels, notes))
    table = read_captions(local(prompts), encoding)
    found, more = assign(table.texts, ids, paths, local(prompts))
    if table.labels:
        return Texts(photos_of(found), found, [*table.notes, *more])
    return Texts(found, labels, [*notes, *table.notes, *more])


def files_of(prompts: str, paths: Sequence[Path], sides: Sequence[Path]) -> list[Path]:
    """The files that ``prompts`` is about.

    Raises:
        LeakboardError: a table is missing or cannot be opened.
    """
    if prompts in {"", FOLDERS}:
        return []
    if prompts == BESIDE:
        return [text for path in paths if (text := text_of(path))]
    tables = [_table_in(side) for side in sides] if prompts == METADATA else [local(prompts)]
    for table in tables:
        open_captions(table).close()
    return tables


def text_of(image: Path) -> Path | None:
    """The text file beside an image: ``a.txt`` or ``a.png.txt`` beside ``a.png``, or one that ends in ``.caption``."""
    names = [image.with_suffix(ending) for ending in TEXTS] + [image.with_name(image.name + each) for each in TEXTS]
    return next((name for name in names if name.is_file()), None)


def _folders(ids: Sequence[str]) -> tuple[tuple[str, ...] | None, list[str]]:
    """The folder each image lies in, if all lie in one, and what is to be said of it."""
    parts = [name.split("/") for name in ids]
    if any(len(each) < 3 for each in parts):
        return None, []
    labels = tuple(each[1].replace("_", " ") for each in parts)
    sides = [
        {label for label, each in zip(labels, parts, strict=True) if each[0] == side}
        for side in sorted({each[0] for each in parts})
    ]
    told = f"labels are the names of {len(set(labels))} folders: {listed(sorted(set(labels)))}"
    alone = sorted(set(labels) - sides[0].intersection(*sides))
    return labels, [told + (f"; on one side alone: {listed(alone)}" if alone else "")]


def _beside(ids: Sequence[str], paths: Sequence[Path], encoding: str) -> tuple[tuple[str, ...], list[str]]:
    files = [text_of(path) for path in paths]
    missing = [place for place, file in enumerate(files) if file is None]
    if missing:
        path = paths[missing[0]]
        there = sorted(each.name for each in path.parent.iterdir() if each.suffix.lower() in TEXTS)
        near = nearest(path.with_suffix(".txt").name, there)
        raise LeakboardError(
            f"{len(missing)} of {len(ids)} images have no text file beside them, the first is {ids[missing[0]]}",
            where=str(path.parent),
            expected=f"{path.with_suffix('.txt').name} beside {path.name}",
            nearest=near,
            next="write its caption there, or name a table of captions: prompts='captions.csv'",
        )
    texts, several = [], 0
    for file in filter(None, files):
        try:
            with open_captions(file, encoding) as opened:
                lines = [line.strip() for line in opened.read().splitlines() if line.strip()]
        except UnicodeError as error:
            raise misread(file, encoding) from error
        several += len(lines) > 1
        texts.append(lines[0] if lines else "")
    return tuple(texts), [f"{several} captions have several lines: the first is taken"] if several else []


def _table_in(folder: Path) -> Path:
    table = next((folder / name for name in TABLES if (folder / name).is_file()), None)
    if table is None:
        raise LeakboardError(
            f"there is no {' or '.join(TABLES)} in {str(folder)!r}",
            where=str(folder),
            expected="one of them in each of the two folders",
            next="prompts='path of a table' names one for both",
        )
    return table


def _tables(encoding: str, ids: Sequence[str], paths: Sequence[Path], sides: Mapping[str, Path], known: Texts) -> Texts:
    texts, notes, kinds = list[str](), list(known.notes), set[bool]()
    for side, folder in sides.items():
        rows = [row for row, name in enumerate(ids) if name.startswith(f"{side}/")]
        path = _table_in(folder)
        table = read_captions(path, encoding)
        found, more = assign(table.texts, [ids[row] for row in rows], [paths[row] for row in rows], path)
        texts, kinds = [*texts, *found], kinds | {table.labels}
        notes += [f"{side}: {note}" for note in (*table.notes, *more)]
    if kinds == {True}:
        return Texts(photos_of(texts), tuple(texts), notes)
    if len(kinds) > 1:
        raise LeakboardError(
            "one table has captions, the other only labels",
            where=str(sides["nonmembers"]),
            expected="the same columns in both",
            next="give both tables a column of captions",
        )
    return Texts(tuple(texts), known.labels, notes)
