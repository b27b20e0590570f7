"""What would end a run in vain, told before anything is written."""

from __future__ import annotations

import os
from pathlib import Path

from leakboard.errors import LeakboardError


def check_device(name: str, where: str = "[run] device") -> None:
    """Refuse a device that this machine does not have; ``cpu`` is believed without asking torch.

    Raises:
        LeakboardError: torch cannot use it.
    """
    if name == "cpu":
        return
    import torch

    there = ["cpu"]
    if torch.cuda.is_available():
        there += ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        there.append("mps")
    if name not in there:
        raise LeakboardError(
            f"this machine has no device {name!r}",
            where=where,
            expected=" or ".join(there),
            nearest="cpu",
            next="leakboard doctor",
        )


def check_there(folder: Path, option: str) -> None:
    """Refuse a folder that is to be read and is not there.

    Raises:
        LeakboardError: there is no such folder.
    """
    if not folder.is_dir():
        raise LeakboardError(f"there is no folder {folder}", where=option, expected="a folder that exists")


def check_folder(folder: Path, option: str) -> None:
    """Refuse a folder that can neither be written nor made.

    Raises:
        LeakboardError: it is not a folder, lies below a file, or is not ours to write.
    """
    there = next((place for place in (folder, *folder.absolute().parents) if place.exists()), Path.cwd())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        what = "is not a folder" if not there.is_dir() else "cannot be written"
        raise LeakboardError(
            f"cannot use the folder {folder}: {there} {what}",
            where=option,
            expected="a folder that can be written or made",
        )
