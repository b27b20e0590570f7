"""The weights of one component, under the names that diffusers and transformers give them; never a pickle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakboard.api import LeakboardError
from leakboard_plugins.victims.folders.known import PICKLES, known_file, known_tensors
from leakboard_plugins.victims.folders.layout import SAVE, TABLE_BYTES, read_json, there_is

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

STEMS = {"diffusers": "diffusion_pytorch_model", "transformers": "model"}
"""How each library calls the weights of a network."""
SHARD = "-0"
"""Part of the name of each shard, as in ``fp16-00001-of-00002``."""


@dataclass(frozen=True)
class Weights:
    """Where the weights of a component lie.

    Attributes:
        files: the safetensors.
        table: which tensor lies in which of them, if they are several.
        variant: ``fp16`` and the like; "" for plain ones.
        old: whether the table has the name that diffusers gave it before 0.32.
    """

    files: tuple[Path, ...]
    table: Path | None
    variant: str
    old: bool = False

    @property
    def all_files(self) -> tuple[Path, ...]:
        """The safetensors and their table."""
        return (*((self.table,) if self.table else ()), *self.files)


def names_of(library: str, variant: str) -> tuple[str, str, str]:
    """The whole file of a variant, the table of its shards, and the old name of that table.

    These are the rules of diffusers' ``_add_variant`` and of its loading of old tables, which import torch.
    """
    stem = f"{STEMS[library]}.safetensors"
    if not variant:
        return stem, f"{stem}.index.json", f"{stem}.index.json"
    return f"{STEMS[library]}.{variant}.safetensors", f"{stem}.index.{variant}.json", f"{stem}.{variant}.index.json"


def variants_in(home: Path, library: str) -> list[str]:
    """The variants that a component's folder has weights of, plain ones as "" first."""
    found = set()
    for name in (path.name for path in home.glob(f"{STEMS[library]}.*")):
        # all that is said beside the variant
        words = name.removeprefix(f"{STEMS[library]}.").replace(".json", "").split(".")
        other = [word for word in words if word not in ("safetensors", "index")]
        if "safetensors" in words and len(other) <= 1 and not any(SHARD in word for word in other):
            found.add(other[0] if other else "")
    return sorted(found)


def choose_variant(there: Mapping[str, Sequence[str]], wanted: str | None, folder: Path) -> str:
    """Which variant of a pipeline is opened: the one that is asked for, plain weights, or the only one there is.

    Args:
        there: the variants of every component.
        wanted: by the user; None is whatever is clear.
        folder: of the pipeline.

    Raises:
        LeakboardError: no component has the wanted one, or there are several and none is wanted.
    """
    known = sorted({variant for each in there.values() for variant in each if variant})
    if wanted is not None:
        if not any(wanted in each for each in there.values()):
            raise LeakboardError(
                f"no component has weights of the variant {wanted!r}",
                where=str(folder),
                expected=f"one of {', '.join(map(repr, known))}" if known else "plain weights: leave variant out",
            )
        return wanted
    without_plain = [set(each) for each in there.values() if each and "" not in each]
    if not without_plain:
        return ""
    shared = sorted(set.intersection(*without_plain))
    if len(shared) == 1:
        return shared[0]
    raise LeakboardError(
        "the weights are there in several variants: "
        + "; ".join(f"{name} has {', '.join(each)}" for name, each in there.items() if each and "" not in each),
        where=str(folder),
        expected="plain weights, or one variant that all components without plain weights have",
        next=" or ".join(f"variant={name!r}" for name in shared or known),
    )


def component_weights(home: Path, library: str, variant: str, named: str) -> Weights:
    """The safetensors of a component, with the table of its parts if there are several; no pickle.

    Args:
        home: the component's folder.
        library: diffusers or transformers.
        variant: of the pipeline; a component without it has its plain weights.
        named: the component's name, for messages.

    Raises:
        LeakboardError: there are none.
    """
    own = variant if variant in variants_in(home, library) else ""
    whole, table, old = names_of(library, own)
    tables = [home / name for name in (table, old) if (home / name).is_file()]
    # where both are there, diffusers takes the shards and transformers the whole file
    if tables and (library == "diffusers" or not (home / whole).is_file()):
        return Weights(_shards(tables[0], home), tables[0], own, old=tables[0].name != table)
    if (home / whole).is_file():
        return Weights((home / whole,), None, own)
    pickles = [path.name for path in sorted(home.glob("*")) if path.suffix in PICKLES]
    if pickles:
        raise LeakboardError(
            f"the weights are a pickle ({', '.join(pickles)}), which could run code, so they are not opened",
            where=str(home),
            expected=f"{named}/{whole}",
            next="where you trust the file: pipeline.save_pretrained(folder, safe_serialization=True)",
        )
    raise known_file(home / whole) or LeakboardError(
        f"the weights are missing; {there_is(home)}", where=str(home), expected=f"{named}/{whole}", next=SAVE
    )


def _shards(table: Path, home: Path) -> tuple[Path, ...]:
    content = read_json(table, largest=TABLE_BYTES)
    places = content.get("weight_map")
    if not isinstance(places, dict) or not places or not isinstance(content.get("metadata"), dict):
        raise LeakboardError("the table of the weights is damaged", where=str(table), expected="metadata, weight_map")
    names = sorted({str(name) for name in places.values()})
    for name in names:
        shard = home / name
        if "/" in name or "\\" in name or shard.suffix != ".safetensors":
            raise LeakboardError(
                f"the table of the weights names {name[:80]!r}", where=str(table), expected="safetensors beside it"
            )
        if not shard.is_file():
            raise known_file(shard) or LeakboardError(
                f"a part of the weights is missing; {there_is(home)}",
                where=str(shard),
                expected=f"all {len(names)} parts that {table.name} names",
                next="get the folder again",
            )
    return tuple(home / name for name in names)


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a network's tensors.

    Raises:
        LeakboardError: as `read_shapes`, or they are those of something else than a network.
    """
    shapes = read_shapes(path)
    found = known_tensors(shapes, path)
    if found:
        raise found
    return shapes


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes out of the header; reading it also finds a file that is cut.

    Raises:
        LeakboardError: it is no whole safetensors file, or an empty one.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as opened:
            shapes = {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise known_file(path) or LeakboardError(
            f"the weights cannot be read: {error}", where=str(path), expected="a whole safetensors file", next=SAVE
        ) from error
    if not shapes:
        raise LeakboardError("the weights are empty", where=str(path), expected="the network's tensors", next=SAVE)
    return shapes
