"""Hugging Face datasets on disk: where the files of a split lie, and how they are opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from leakboard.api import LeakboardError
from leakboard.errors import nearest
from leakboard_plugins.datasets.finding import sibling

EXPECTED = "a folder that save_to_disk wrote, or one of Parquet files"
PARTIAL = "partial-"
"""What the hub puts before the name of a split of which it kept the beginning alone."""


def located(path: Path, split: str) -> Path | list[Path]:
    """The folder of one saved dataset, or the Parquet files of a split.

    Raises:
        LeakboardError: there is no dataset, or it has no such split.
    """
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
    chosen = [file for file in files if split == _split_of(file) or split in file.relative_to(path).parts[:-1]]
    if not chosen:
        raise _no_split(path, split, sorted({_split_of(file) for file in files}))
    return chosen


def is_partial(found: Path | list[Path]) -> bool:
    """Whether the files are the beginning of a split, and no more."""
    return isinstance(found, list) and any(PARTIAL in f"{file.parent.name}/{file.name}" for file in found)


def _split_of(file: Path) -> str:
    """``train`` of ``train-00000-of-00002.parquet``, ``train/0000.parquet`` and ``partial-train/0000.parquet``."""
    name = file.stem.removeprefix(PARTIAL).partition("-")[0]
    return file.parent.name.removeprefix(PARTIAL) if name.isdecimal() else name


def _no_split(path: Path, split: str, splits: list[str]) -> LeakboardError:
    return LeakboardError(
        f"there is no split {split!r}",
        where=str(path),
        expected=f"one of {', '.join(splits)}",
        nearest=nearest(split, splits),
    )


def opened(path: Path, split: str) -> Any:
    """The table of a split.

    Raises:
        LeakboardError: ``datasets`` is not installed, or there is no such dataset, or it is damaged.
    """
    found = located(path, split)
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
