"""Hugging Face datasets on disk: what ``save_to_disk`` wrote, or Parquet files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from leakboard.api import Dataset, LazySamples, LeakboardError, Samples, member_digest
from leakboard.errors import nearest
from leakboard_plugins.datasets.captions import photo_of
from leakboard_plugins.datasets.finding import sibling
from leakboard_plugins.datasets.image_files import Mode, decode, fitted, one_mode, one_size, to_tensor
from leakboard_plugins.datasets.metadata import as_columns
from leakboard_plugins.datasets.splitting import half
from leakboard_plugins.datasets.surveys import Surveyed, look, remembered, skipped, state, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import torch

EXPECTED = "a folder that save_to_disk wrote, or one of Parquet files"
BATCH = 256


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
    """The column of captions, if any."""
    label: str = ""
    """The column of class labels, if any; without captions they make prompts: ``a photo of a {label}``."""
    member: str = ""
    """The column of truth values that says who is a member; without one half of the rows are, by ``split_seed``."""
    split: str = "train"
    """Which split, where there are several: members and non-members both come from it."""
    split_seed: Annotated[int, Field(ge=0)] = 0
    """Which half of the rows are members, when no column says so."""
    size: Annotated[int, Field(ge=0, le=4096)] = 0
    """Side in pixels every image is cropped (centre) and resized (bicubic) to; 0 demands that all sizes agree."""
    mode: Mode = "auto"
    """``L`` or ``RGB`` for all images; ``auto`` is L when all are grey, else RGB."""

    def load(self) -> Samples:
        """In the order of the rows, images float32 (N, C, H, W) in [0, 1], read when they are taken.

        Raises:
            LeakboardError: ``datasets`` is not installed, the path holds no such dataset, a column is missing or of
                another kind, no image can be read, or sizes differ while ``size`` is 0.
        """
        table = _opened(Path(self.path), self.split)
        images, names = self._images(table), [f"{self.split}-{row:07d}" for row in range(len(table))]
        seen, left_out = whole(names, self._survey(images), "images", self.path)
        labels = self._labels(table) if self.label else None
        prompts = self._texts(table, self.caption) if self.caption else _photos_of(labels)
        mute = {row for texts in (prompts, labels) if texts for row in seen if texts[row] is None}
        rows = [row for row in seen if row not in mute]
        if not rows:
            raise LeakboardError(
                f"none of the {len(mute)} images has a caption or label",
                where=self.path,
                expected=f"a text in the column {self.caption or self.label}",
                next="name another column, or none",
            )
        member, how = self._members(table, names)
        notes = [f"licence: {table.info.license or 'not stated'}", how, *left_out]
        notes += skipped([names[row] for row in sorted(mute)], len(table), "images", "have no caption or label")
        ids, facts = tuple(names[row] for row in rows), [seen[row].facts for row in rows]
        mode, mode_notes = one_mode([seen[row].mode for row in rows], self.mode)
        size, size_notes = one_size([each.size for each in facts], ids, self.size)

        def read(places: Sequence[int]) -> torch.Tensor:
            cells = zip(places, _cells(images, [rows[place] for place in places]), strict=True)
            return to_tensor([fitted(decode(cell, ids[place]), mode, size) for place, cell in cells])

        return LazySamples(
            ids,
            read,
            (len(mode), size[1], size[0]),
            member[rows],
            prompts=_at(prompts, rows),
            labels=_at(labels, rows),
            notes=tuple(notes + mode_notes + size_notes),
            metadata=as_columns(facts),
            member_digest=member_digest([names[row] for row in np.flatnonzero(member)]),
        )

    def files(self) -> Sequence[Path]:
        """The Arrow and JSON files, or the Parquet files, of the split.

        Raises:
            LeakboardError: the path holds no such dataset.
        """
        found = _located(Path(self.path), self.split)
        return found if isinstance(found, list) else sorted(path for path in found.iterdir() if path.is_file())

    def _survey(self, images: Any) -> list[Surveyed | str]:
        def ask(rows: Sequence[int]) -> Iterator[Surveyed | str]:
            for start in range(0, len(rows), BATCH):
                cells = _cells(images, rows[start : start + BATCH])
                yield from (look(cell) if cell else "no image" for cell in cells)

        return remembered([self.image, self.split, *map(state, self.files())], len(images), ask)

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

    def _labels(self, table: Any) -> list[str | None]:
        names = getattr(self._feature(table, self.label), "names", None)
        if names is None:
            return self._texts(table, self.label)
        spelt = [name.replace("_", " ") for name in names]
        return [spelt[value] if value in range(len(names)) else None for value in _column(table, self.label)]

    def _texts(self, table: Any, column: str) -> list[str | None]:
        self._feature(table, column)
        values = _column(table, column)
        for row, value in enumerate(values):
            if not isinstance(value, str | None):
                raise self._unfit(table, column, "a text in every row", f"{self.split}-{row:07d}", value)
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
    return None if labels is None else [label and photo_of(label) for label in labels]


def _at(texts: Sequence[str | None] | None, rows: Sequence[int]) -> tuple[str, ...] | None:
    return None if texts is None else tuple(texts[row] or "" for row in rows)


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


def _located(path: Path, split: str) -> Path | list[Path]:
    """The folder of one saved dataset, or the Parquet files of a split."""
    if path.suffix == ".parquet" and path.is_file():
        return [path]
    if (path / "state.json").is_file():
        return path
    if (path / "dataset_dict.json").is_file():
        splits = sorted(each.name for each in path.iterdir() if (each / "state.json").is_file())
        if split in splits:
            return path / split
        raise _no_split(path, split, splits)
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else []
    if not files:
        raise LeakboardError(
            f"there is no dataset in {str(path)!r}" if path.is_dir() else f"there is no folder {str(path)!r}",
            where=str(path),
            expected=EXPECTED,
            nearest="" if path.is_dir() else sibling(path),
            next="load the dataset where there is a network and write it there with save_to_disk",
        )
    chosen = [file for file in files if split in {_split_of(file), *file.relative_to(path).parts[:-1]}]
    if not chosen:
        raise _no_split(path, split, sorted({_split_of(file) for file in files}))
    return chosen


def _split_of(file: Path) -> str:
    """``train`` of ``train-00000-of-00002.parquet``."""
    return file.stem.partition("-")[0]


def _no_split(path: Path, split: str, splits: list[str]) -> LeakboardError:
    return LeakboardError(
        f"there is no split {split!r}",
        where=str(path),
        expected=f"one of {', '.join(splits)}",
        nearest=nearest(split, splits),
    )


def _opened(path: Path, split: str) -> Any:
    found = _located(path, split)
    try:
        import datasets
    except ImportError as error:
        raise LeakboardError(
            "hf() needs the package datasets, which is not installed",
            expected="the extra datasets",
            next="pip install 'leakboard[datasets]'",
        ) from error
    bars = datasets.utils.are_progress_bars_disabled()
    datasets.utils.disable_progress_bars()
    try:
        if isinstance(found, Path):
            return datasets.load_from_disk(str(found))
        return datasets.Dataset.from_parquet([str(file) for file in found])
    except Exception as error:
        raise LeakboardError(
            f"the dataset cannot be read: {error}", where=str(path), expected=EXPECTED, next="write it there again"
        ) from error
    finally:
        if not bars:
            datasets.utils.enable_progress_bars()
