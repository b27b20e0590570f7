"""Hugging Face datasets on disk: what ``save_to_disk`` wrote, or Parquet files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple

import numpy as np
from pydantic import Field

from leakboard.api import Dataset, LazySamples, LeakboardError, Samples, member_digest
from leakboard.errors import nearest
from leakboard_plugins.datasets.captions import photo_of, photos_of
from leakboard_plugins.datasets.finding import local
from leakboard_plugins.datasets.hub_files import is_partial, located, opened
from leakboard_plugins.datasets.image_files import Mode, decode, fitted, one_mode, one_size, to_tensor
from leakboard_plugins.datasets.metadata import as_columns
from leakboard_plugins.datasets.splitting import half
from leakboard_plugins.datasets.surveys import Surveyed, look, remembered, skipped, state, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import torch

BATCH = 256


class Source(NamedTuple):
    """A split of a dataset on disk, and what ids begin with."""

    path: Path
    split: str
    names: str


class Part(NamedTuple):
    """A split as it was found: ids, findings, and texts of all its rows; ``rows`` are those in use."""

    table: Any
    images: Any
    names: list[str]
    seen: dict[int, Surveyed]
    rows: list[int]
    prompts: Sequence[str | None] | None
    labels: Sequence[str | None] | None
    notes: list[str]
    title: str


@dataclass(frozen=True, kw_only=True)
class HuggingFace(Dataset):
    """A Hugging Face dataset on disk, read with the extra ``datasets``; the hub is never asked.

    ``path`` is a folder that ``Dataset.save_to_disk`` or ``DatasetDict.save_to_disk`` wrote, a folder of Parquet files
    as the hub keeps them (``train-00000-of-00002.parquet``; the first opening copies them into the cache of
    ``datasets``), or one Parquet file. Ids are ``train-0000000`` and so on: split and row. Bytes, JPEG quality, width
    and height of each image as it was stored are its metadata.
    """

    name: ClassVar[str] = "hf"
    path: str
    """The folder or the Parquet file."""
    image: str = "image"
    """The column of images."""
    caption: str = ""
    """The column of captions, if any; of a list of captions the first is taken."""
    label: str = ""
    """The column of class labels, if any; without captions names make prompts: ``a photo of a {label}``."""
    member: str = ""
    """The column of truth values that says who is a member; without one half of the rows are, by ``split_seed``."""
    split: str = "train"
    """Which split, where there are several. Without the two parameters below, both sides come from it."""
    nonmember_split: str = ""
    """Another split that has the non-members; the members are all rows of ``split``."""
    nonmember_path: str = ""
    """Another dataset that has the non-members, in the same columns."""
    split_seed: Annotated[int, Field(ge=0)] = 0
    """Which half of the rows are members, when no column says so."""
    size: Annotated[int, Field(ge=0, le=4096)] = 0
    """Side in pixels every image is cropped (centre) and resized (bicubic) to; 0 demands that all sizes agree."""
    mode: Mode = "auto"
    """``L`` or ``RGB`` for all images; ``auto`` is L when all are grey, else RGB."""

    def __post_init__(self) -> None:
        if self.member and self._two():
            raise LeakboardError(
                "a column says who is a member, and another split too",
                expected="member, or nonmember_split and nonmember_path, not both",
            )

    def load(self) -> Samples:
        """In the order of the rows, images float32 (N, C, H, W) in [0, 1], read when they are taken.

        Raises:
            LeakboardError: ``datasets`` is not installed, the path holds no such dataset, a column is missing or of
                another kind, no image can be read, or sizes differ while ``size`` is 0.
        """
        parts = [self._part(source) for source in self._sources()]
        places = [(part, row) for part in parts for row in part.rows]
        ids = tuple(part.names[row] for part, row in places)
        facts = [part.seen[row].facts for part, row in places]
        mode, mode_notes = one_mode([part.seen[row].mode for part, row in places], self.mode)
        size, size_notes = one_size([each.size for each in facts], ids, self.size)
        if len(parts) == 1:
            member, how = self._members(parts[0].table, parts[0].names)
            flags, digest = member[parts[0].rows], [parts[0].names[row] for row in np.flatnonzero(member)]
        else:
            flags, digest = np.array([part is parts[0] for part, _ in places]), list(parts[0].names)
            how = f"members: the {len(parts[0].names):,} rows of {parts[0].title}; "
            how += f"non-members: the {len(parts[1].names):,} rows of {parts[1].title}"

        def read(wanted: Sequence[int]) -> torch.Tensor:
            cells = {
                place: cell
                for part in parts
                if (mine := [place for place in wanted if places[place][0] is part])
                for place, cell in zip(mine, _cells(part.images, [places[place][1] for place in mine]), strict=True)
            }
            return to_tensor([fitted(decode(cells[place], ids[place]), mode, size) for place in wanted])

        notes = list(dict.fromkeys([*(note for part in parts for note in part.notes[:1]), how]))
        notes += [note for part in parts for note in part.notes[1:]]
        return LazySamples(
            ids,
            read,
            (len(mode), size[1], size[0]),
            flags,
            prompts=_at([(part.prompts, row) for part, row in places]),
            labels=_at([(part.labels, row) for part, row in places]),
            notes=tuple(notes + mode_notes + size_notes),
            metadata=as_columns(facts),
            member_digest=member_digest(digest),
        )

    def files(self) -> Sequence[Path]:
        """The Arrow and JSON files, or the Parquet files, of the split or of both.

        Raises:
            LeakboardError: a path holds no such dataset.
        """
        return [file for source in self._sources() for file in _files(source)]

    def _two(self) -> bool:
        return bool(self.nonmember_split or self.nonmember_path)

    def _sources(self) -> list[Source]:
        first = Source(local(self.path), self.split, "")
        if not self._two():
            return [first]
        other = Source(
            local(self.nonmember_path or self.path),
            self.nonmember_split or self.split,
            "nonmembers-" if self.nonmember_path else "",
        )
        if other[:2] == first[:2]:
            raise LeakboardError(
                "members and non-members are the same split of the same dataset",
                where=self.path,
                expected="another nonmember_split, or another nonmember_path",
            )
        return [first, other]

    def _part(self, source: Source) -> Part:
        table = opened(source.path, source.split)
        images, names = self._images(table), [f"{source.names}{source.split}-{row:07d}" for row in range(len(table))]
        seen, notes = whole(names, self._survey(images, source), "images", str(source.path))
        if is_partial(located(source.path, source.split)):
            notes.append(f"{source.split} of {source.path.name} is the beginning of a split that the hub kept in part")
        labels = self._labels(table, notes) if self.label else None
        prompts = self._texts(table, self.caption, notes) if self.caption else _photos_of(labels)
        mute = {row for texts in (prompts, labels) if texts for row in seen if texts[row] is None}
        if len(mute) == len(seen):
            raise LeakboardError(
                f"none of the {len(mute)} images has a caption or label",
                where=str(source.path),
                expected=f"a text in the column {self.caption or self.label}",
                next="name another column, or none",
            )
        notes += skipped([names[row] for row in sorted(mute)], len(table), "images", "have no caption or label")
        title = f"{source.split} of {source.path.name}" if self.nonmember_path else source.split
        notes.insert(0, f"licence: {table.info.license or 'not stated'}")
        rows = [row for row in seen if row not in mute]
        return Part(table, images, names, seen, rows, prompts, labels, notes, title)

    def _survey(self, images: Any, source: Source) -> list[Surveyed | str]:
        def ask(rows: Sequence[int]) -> Iterator[Surveyed | str]:
            for start in range(0, len(rows), BATCH):
                cells = _cells(images, rows[start : start + BATCH])
                yield from (look(cell) if cell else "no image" for cell in cells)

        return remembered([self.image, source.split, *map(state, _files(source))], len(images), ask)

    def _images(self, table: Any) -> Any:
        import datasets

        feature = self._feature(table, self.image)
        column = table.select_columns([self.image]).rename_columns({self.image: "image"})
        if isinstance(feature, datasets.Image):
            return column.cast_column("image", datasets.Image(decode=False))
        held = feature.get("bytes") if isinstance(feature, dict) else feature
        if getattr(held, "dtype", "") in {"binary", "large_binary"}:
            return column
        raise self._unfit(table, self.image, "images or their bytes")

    def _members(self, table: Any, names: list[str]) -> tuple[Any, str]:
        if not self.member:
            member = half(names, self.split_seed)
            how = f"half, by split_seed={self.split_seed}"
        else:
            self._feature(table, self.member)
            values = _column(table, self.member)
            for name, value in zip(names, values, strict=True):
                if not isinstance(value, int) or value not in {0, 1}:
                    raise self._unfit(table, self.member, "true or false, or 1 or 0, in every row", name, value)
            member, how = np.array(values, bool), f"those that the column {self.member} says"
        return member, f"members: {int(member.sum()):,} of the {len(names):,} rows, {how}"

    def _labels(self, table: Any, notes: list[str]) -> list[str | None]:
        feature = self._feature(table, self.label)
        names = getattr(feature, "names", None)
        if names is not None:
            spelt = [name.replace("_", " ") for name in names]
            return [spelt[value] if value in range(len(names)) else None for value in _column(table, self.label)]
        if "int" in getattr(feature, "dtype", ""):
            notes.append(f"labels are the numbers in the column {self.label}, which has no names for them")
            return [None if value is None else str(value) for value in _column(table, self.label)]
        return self._texts(table, self.label, notes)

    def _texts(self, table: Any, column: str, notes: list[str]) -> list[str | None]:
        """The texts of a column; of lists of texts the first of each."""
        self._feature(table, column)
        values, several = _column(table, column), 0
        for row, value in enumerate(values):
            if isinstance(value, list) and all(isinstance(each, str) for each in value):
                several += len(value) > 1
                values[row] = value[0] if value else None
            elif not isinstance(value, str | None):
                raise self._unfit(table, column, "a text in every row", f"row {row}", value)
        if several:
            notes.append(f"{several} rows have several texts in the column {column}: the first is taken")
        return values

    def _feature(self, table: Any, column: str) -> Any:
        if column not in table.features:
            raise LeakboardError(
                f"there is no column {column!r}",
                where=self.path,
                expected=f"one of {', '.join(table.features)}",
                nearest=nearest(column, table.features),
            )
        return table.features[column]

    def _unfit(self, table: Any, column: str, expected: str, name: str = "", value: Any = None) -> LeakboardError:
        what = f"the column {column!r} is of type {table.features[column]}"
        what += f", and {name} has {value!r:.40}" if name else ""
        return LeakboardError(what, where=self.path, expected=expected)


def _photos_of(labels: Sequence[str | None] | None) -> list[str | None] | None:
    """Prompts of labels; None of mere numbers."""
    if labels is None or photos_of([label for label in labels if label]) is None:
        return None
    return [label and photo_of(label) for label in labels]


def _at(texts: Sequence[tuple[Sequence[str | None] | None, int]]) -> tuple[str, ...] | None:
    """The texts at rows; None where a part has none."""
    found = [of[row] or "" for of, row in texts if of is not None]
    return tuple(found) if len(found) == len(texts) else None


def _files(source: Source) -> list[Path]:
    found = located(source.path, source.split)
    return found if isinstance(found, list) else sorted(path for path in found.iterdir() if path.is_file())


def _column(table: Any, name: str) -> list[Any]:
    values: list[Any] = table.select_columns([name])[:][name]
    return values


def _cells(images: Any, rows: Iterable[int]) -> list[Path | bytes]:
    """The content of the images at rows, or the files they are in; b"" where there is neither.

    A bare name is not a file of the folder that the program happens to run in.
    """
    cells = [cell if isinstance(cell, dict) else {"bytes": cell} for cell in images[list(rows)]["image"]]
    paths = [Path(cell.get("path") or "") for cell in cells]
    return [cell.get("bytes") or (path if path.is_absolute() else b"") for cell, path in zip(cells, paths, strict=True)]
