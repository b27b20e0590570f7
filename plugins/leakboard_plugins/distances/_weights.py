"""Reading network weights without ever running what a file holds."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

from leakboard.errors import LeakboardError

if TYPE_CHECKING:
    from pathlib import Path

    import torch

EXPECTED = "a .safetensors file, or a .pth file that holds a dictionary of tensors and nothing else"


def existing(path: Path, *, expected: str = EXPECTED, hint: str = "") -> Path:
    """The path of a weights file that is there.

    Raises:
        LeakboardError: if it is not; ``hint`` says what to place where.
    """
    if not path.is_file():
        raise LeakboardError("the weights file does not exist", where=str(path), expected=expected, next=hint)
    return path


def stamp(path: Path) -> tuple[int, int]:
    """Size and time of change: a network kept in memory is loaded anew when they differ."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Named tensors of a weights file, on the processor.

    Raises:
        LeakboardError: if the file is missing, damaged, of another kind, or holds a pickle of anything but tensors.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    existing(path)
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        if path.suffix in {".pth", ".pt"}:
            content = torch.load(path, map_location="cpu", weights_only=True)
        else:
            raise LeakboardError("weights of an unknown kind", where=str(path), expected=EXPECTED)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise LeakboardError("the weights file cannot be read safely", where=str(path), expected=EXPECTED) from error
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise LeakboardError("the weights file holds more than plain tensors", where=str(path), expected=EXPECTED)
    return dict(content)
