"""Bounds on what the configurations of a folder say, held before anything is built of them."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Any

from leakboard.api import LeakboardError
from leakboard_plugins.victims.folders.known import known_file
from leakboard_plugins.victims.folders.layout import TABLE_BYTES, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

LARGEST = (
    (("layer", "block_repeat", "depth"), 1_000),
    (("sample_size", "image_size", "max_size", "patch_size"), 4_096),
    (("timesteps",), 100_000),
    (("axes_lens",), 1 << 16),
    (("theta", "_base"), 1 << 40),
)
"""Largest numbers by parts of the key that has them; the first line that fits holds."""
ANY_SIZE = 1 << 24
"""The largest number under any other key: the largest vocabularies have 300,000 words."""
LONGEST = 2_000
"""Entries of a list or of an object in the configuration of a network; ImageNet has 1,000 classes."""
COUNTS = (
    "num_layers",
    "num_hidden_layers",
    "num_single",
    "num_mmdit",
    "num_refiner",
    "n_layers",
    "n_refiner",
    "layers",
)
"""Beginnings of the keys that say how many layers are built; decoders name other layers too."""
NO_SIZES = ("model_max_length", "max_length", "max_len")
"""What a ``tokenizer_config.json`` says of lengths is replaced where it is too large."""
TOKENIZER_FILES = frozenset({".json", ".txt", ".model", ".jinja"})


def check_numbers(content: Mapping[str, Any], path: Path) -> None:
    """Refuse a configuration with numbers or lists that no network of today has.

    Raises:
        LeakboardError: with the key.
    """
    for key, value in _entries(content):
        if isinstance(value, (list, dict)) and len(value) > LONGEST:
            raise _beyond(f"{key} has {len(value):,} entries", f"at most {LONGEST:,}", path)
        if isinstance(value, int):
            largest = next((most for parts, most in LARGEST if any(part in key for part in parts)), ANY_SIZE)
            if abs(value) > largest:
                raise _beyond(f"{key} is {reprlib.repr(value)}", f"a number up to {largest:,}", path)


def check_layers(content: Mapping[str, Any], tensors: int, path: Path) -> None:
    """Refuse a configuration that asks for more layers than its weights have tensors.

    Args:
        content: of the configuration, after `check_numbers`.
        tensors: in the weights that belong to it.
        path: of the configuration.

    Raises:
        LeakboardError: with the key.
    """
    entries = list(_entries(content))
    levels = max((len(value) for key, value in entries if "block" in key and isinstance(value, list)), default=1)
    for key, value in entries:
        counts = key.startswith(COUNTS) or key.endswith("layers_per_block")
        if counts and isinstance(value, int) and value * levels > tensors:
            raise _beyond(
                f"{key} is {value}" + (f" on each of {levels} levels" if levels > 1 else ""),
                f"no more layers than the {tensors} tensors of its weights",
                path,
            )


def check_tokenizer(files: Sequence[Path]) -> None:
    """Refuse the files of a tokenizer that are too large or too deep, or name sizes that nothing could hold.

    Raises:
        LeakboardError: with file and key.
    """
    for path in files:
        found = known_file(path) if path.stat().st_size else None
        if found:
            raise found
        if path.suffix != ".json":
            if path.stat().st_size > TABLE_BYTES:
                raise _beyond(f"{path.name} is too large", f"at most {TABLE_BYTES:,} bytes", path)
            continue
        content = read_json(path, largest=TABLE_BYTES)
        length = content.get("model_max_length")
        if length is not None and (not isinstance(length, (int, float)) or not length >= 1):
            raise _beyond(f"model_max_length is {reprlib.repr(length)}", "a number of tokens, 1 or more", path)
        for key, value in _entries(content):
            sized = path.name != "tokenizer_config.json" or key not in NO_SIZES
            if isinstance(value, int) and sized and abs(value) > ANY_SIZE:
                raise _beyond(f"{key} is {reprlib.repr(value)}", f"a number up to {ANY_SIZE:,}", path)
            if key.isdecimal() and len(key) > len(str(ANY_SIZE)):
                raise _beyond(f"the token number {key[:30]} is too large", f"numbers up to {ANY_SIZE:,}", path)


def tokenizer_files(home: Path, root: Path) -> list[Path]:
    """Vocabulary and configurations in a tokenizer's folder, which may be that of the whole pipeline."""
    return [
        path for path in sorted(home.iterdir()) if path.is_file() and (home != root or path.suffix in TOKENIZER_FILES)
    ]


def _entries(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Everything in a JSON object with the key that it stands under, itself or in lists."""
    waiting: list[tuple[str, Any]] = [(str(key), value) for key, value in content.items()]
    while waiting:
        key, value = waiting.pop()
        yield key, value
        if isinstance(value, dict):
            waiting += [(str(inner), each) for inner, each in value.items()]
        elif isinstance(value, list):
            waiting += [(key, each) for each in value]


def _beyond(what: str, expected: str, path: Path) -> LeakboardError:
    return LeakboardError(f"{what}, which nothing can be made of", where=str(path), expected=expected)
