"""Reading network weights without ever running what a file holds."""

from __future__ import annotations

import pickle
import pickletools
import re
import warnings
import zipfile
import zlib
from typing import IO, TYPE_CHECKING

from leakboard.errors import LeakboardError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import torch

EXPECTED = "a .safetensors file, or a .pth file that holds a dictionary of tensors and nothing else"

TENSORS = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor|tensor_v2|parameter)|torch(\.storage)? \w+Storage"
)
"""What the pickle of a state_dict calls; torch.save writes such names with the opcode GLOBAL alone."""
CALLS = frozenset({"INST", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4"})
"""The other opcodes that can name what a pickle calls."""
LEGACY_PICKLES = 5
"""Before the zip archives: magic number, protocol, system, the content, and the keys of its storages."""


def existing(path: Path, *, expected: str = EXPECTED, hint: str = "") -> Path:
    """The path of a weights file that is there.

    Raises:
        LeakboardError: if it is not; ``hint`` says what to place where.
    """
    if not path.is_file():
        raise LeakboardError("the weights file does not exist", where=str(path), expected=expected, next=hint)
    return path


def checked(path: Path) -> Path:
    """The path, when its file looks like named tensors and nothing else. Neither torch is imported nor anything run.

    Raises:
        LeakboardError: if the file is missing, damaged, of another kind, or a pickle that calls anything but tensors.
    """
    from safetensors import SafetensorError, safe_open

    existing(path)
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "np") as opened:
                opened.keys()
        elif path.suffix in {".pth", ".pt"}:
            for called in _called(path):
                if not TENSORS.fullmatch(called):
                    what = f"the weights file cannot be read safely: it calls {called}"
                    raise LeakboardError(what, where=str(path), expected=EXPECTED)
        else:
            raise LeakboardError("weights of an unknown kind", where=str(path), expected=EXPECTED)
    except (SafetensorError, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
        raise LeakboardError("the weights file cannot be read safely", where=str(path), expected=EXPECTED) from error
    return path


def _called(path: Path) -> Iterator[str]:
    """Everything that the pickles of a .pth file name, as ``module name``."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            for _ in range(LEGACY_PICKLES):
                yield from _names(file)
        return
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist() if name.endswith(".pkl")]
        if not pickles:
            raise zipfile.BadZipFile
        for name in pickles:
            with archive.open(name) as file:
                yield from _names(file)


def _names(file: IO[bytes]) -> Iterator[str]:
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name == "GLOBAL":
            yield str(argument)
        elif opcode.name in CALLS:
            yield f"something by the opcode {opcode.name}"


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

    checked(path)
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        with warnings.catch_warnings():
            # torch remarks on how a file was written, which its reader cannot change
            warnings.simplefilter("ignore", UserWarning)
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise LeakboardError("the weights file cannot be read safely", where=str(path), expected=EXPECTED) from error
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise LeakboardError("the weights file holds more than plain tensors", where=str(path), expected=EXPECTED)
    return dict(content)
