"""The weights of one component of a pipeline: safetensors, whole or in parts, and never a pickle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.api import LeakboardError
from leakboard_plugins.victims.folders.layout import SAVE, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PICKLES = frozenset({".bin", ".ckpt", ".pt", ".pth", ".pkl"})


def component_weights(
    folder: Path, component: str, stem: str = "diffusion_pytorch_model", variant: str = ""
) -> tuple[Path, ...]:
    """The safetensors of a component, with the table of its parts if there are several; no pickle.

    Args:
        folder: the pipeline's.
        component: name of its folder there.
        stem: how its files are called.
        variant: ``.fp16`` for files that are so marked.

    Raises:
        LeakboardError: there are none.
    """
    home, wanted = folder / component, f"{component}/{stem}{variant}.safetensors"
    if (folder / wanted).is_file():
        return (folder / wanted,)
    parts = home / f"{stem}.safetensors.index{variant}.json"
    if parts.is_file():
        table = read_json(parts).get("weight_map")
        names = sorted({str(name) for name in table.values()}) if isinstance(table, dict) else []
        shards = tuple(home / name for name in names)
        for shard in shards:
            if not shard.is_file() or shard.suffix != ".safetensors":
                raise LeakboardError("a part of the weights is missing", where=str(shard), expected="safetensors")
        if shards:
            return (parts, *shards)
    pickles = [path.name for path in sorted(home.glob("*")) if path.suffix in PICKLES]
    if pickles:
        raise LeakboardError(
            f"the weights are a pickle ({', '.join(pickles)}), which could run code, so they are not opened",
            where=str(home),
            expected=wanted,
            next="where you trust the file: pipeline.save_pretrained(folder, safe_serialization=True)",
        )
    raise LeakboardError("the weights are missing", where=str(home), expected=wanted, next=SAVE)


def tensor_shapes(path: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes out of the header; reading it also finds a file that is cut."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as opened:
            for name in opened.keys():  # noqa: SIM118 - not a mapping
                yield name, tuple(opened.get_slice(name).get_shape())
    except (SafetensorError, OSError) as error:
        raise LeakboardError(
            f"the weights cannot be read: {error}", where=str(path), expected="a whole safetensors file", next=SAVE
        ) from error


def stem_of(library: str) -> str:
    """How a library calls the files of a network's weights."""
    return "model" if library == "transformers" else "diffusion_pytorch_model"


def has_safetensors(home: Path, stem: str, variant: str = "") -> bool:
    """Whether a component's folder has safetensors so called, whole or in parts."""
    whole, parts = f"{stem}{variant}.safetensors", f"{stem}.safetensors.index{variant}.json"
    return (home / whole).is_file() or (home / parts).is_file()
