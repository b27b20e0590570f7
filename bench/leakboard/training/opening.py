"""Opening what a training saved earlier, so that damage is told with its place and its cure."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from leakboard.api import LeakboardError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def opening(folder: Path, *, remade_without: Path) -> Iterator[None]:
    """Whatever the libraries raise of the files in ``folder``, told as damage.

    Args:
        folder: what is opened.
        remade_without: what to remove, that the same training makes the folder again.

    Raises:
        LeakboardError: the folder is missing or damaged.
    """
    from safetensors import SafetensorError

    try:
        if not folder.is_dir():
            raise FileNotFoundError("no such folder")
        yield
    except (AttributeError, KeyError, OSError, RuntimeError, SafetensorError, TypeError, ValueError) as error:
        raise LeakboardError(
            f"what was trained here is damaged: {' '.join(str(error).split())}",
            where=str(folder),
            expected="what the training saved there",
            next=f"remove {remade_without}, and the same command makes it again",
        ) from error
