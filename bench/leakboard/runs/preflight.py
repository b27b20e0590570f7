"""What would end a run in vain, told before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.errors import LeakboardError

if TYPE_CHECKING:
    from pathlib import Path


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
