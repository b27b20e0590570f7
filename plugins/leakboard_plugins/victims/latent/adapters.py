"""Adapters (LoRA) that a pipeline can wear: where their file is, and whether it is one, told without torch."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leakboard.api import LeakboardError
from leakboard.digests import weights_digest
from leakboard_plugins.victims.folders.known import LORA_PARTS, PICKLES, known_file
from leakboard_plugins.victims.folders.layout import read_json, there_is
from leakboard_plugins.victims.folders.manifests import NAME, check_digests, read_manifest
from leakboard_plugins.victims.folders.weights import read_shapes

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = ("pytorch_lora_weights.safetensors", "adapter_model.safetensors")
"""What diffusers and peft call the file of an adapter."""
PEFT_CONFIG = "adapter_config.json"
PEFT = "base_model.model."
"""What the names of all tensors begin with that peft saves by itself."""
EXPECTED = "an adapter as diffusers, kohya or peft save it: one file of safetensors, with matrices called lora"


@dataclass(frozen=True)
class Adapter:
    """The file of an adapter.

    Attributes:
        file: of its weights.
        config: what peft wrote beside them, where it did.
    """

    file: Path
    config: Path | None

    @property
    def folder(self) -> Path:
        """Where the file lies, perhaps with a manifest."""
        return self.file.parent

    @property
    def files(self) -> tuple[Path, ...]:
        """Everything that its effect depends on."""
        return (self.file, *([self.config] if self.config else []))

    def manifest(self) -> dict[str, Any]:
        """What training wrote beside it; nothing for one that others made.

        Raises:
            LeakboardError: the manifest is no JSON object.
        """
        return read_manifest(self.folder)


def find_adapter(given: str) -> Adapter:
    """The adapter in a folder or file; nothing of it is read.

    Raises:
        LeakboardError: there is none, or several.
    """
    path = Path(given).expanduser()
    where = f"adapter={given!r}"
    if path.is_dir():
        path = _inside(path, where)
    elif not path.is_file():
        raise LeakboardError(
            f"there is no adapter {given!r}: neither a folder nor a file",
            where=where,
            expected=EXPECTED,
            next="hf download OWNER/NAME --local-dir FOLDER for one of the hub, and adapter='FOLDER'",
        )
    if path.suffix in PICKLES:
        raise LeakboardError(
            f"{path.name} is a pickle, which could run code, so it is not opened",
            where=where,
            expected=EXPECTED,
            next="where you trust the file: pipeline.load_lora_weights(FILE), pipeline.save_lora_weights(FOLDER, ...)",
        )
    config = path.with_name(PEFT_CONFIG)
    return Adapter(path, config if config.is_file() and path.name == NAMES[1] else None)


def check_adapter(adapter: Adapter, base: Sequence[Path]) -> None:
    """Refuse a file that holds no adapter, or that is not what the manifest beside it describes.

    Args:
        adapter: what was found.
        base: files of the pipeline that is to wear it.

    Raises:
        LeakboardError: peft is not installed, the file is damaged or holds something else, or by its manifest it was
            trained on another base.
    """
    if importlib.util.find_spec("peft") is None:
        raise LeakboardError("adapters need the package peft", next="pip install 'leakboard[lora]'")
    path = adapter.file
    found = known_file(path)
    if found:
        raise found
    names = list(read_shapes(path))
    if not any(part in name for name in names for part in (*LORA_PARTS, ".lora_", ".lokr_", ".hada_")):
        raise LeakboardError(
            f"{path.name} holds no adapter: its {len(names)} tensors are called {', '.join(names[:2])}, ...",
            where=str(path),
            expected=EXPECTED,
        )
    if names[0].startswith(PEFT) and adapter.config is None:
        raise LeakboardError(
            f"{path.name} is peft's own, and {PEFT_CONFIG} is missing beside it; {there_is(adapter.folder)}",
            where=str(path),
            expected=f"the whole folder that peft saved, {NAMES[1]} with {PEFT_CONFIG}",
        )
    if adapter.config:
        read_json(adapter.config)
    manifest = adapter.manifest()
    if not manifest:
        return
    check_digests(adapter.folder, [path.name])
    noted = manifest.get("base")
    if isinstance(noted, dict) and noted.get("weights_digest") != weights_digest(base):
        raise LeakboardError(
            f"the adapter was trained on top of {noted.get('victim')}, and this is another base",
            where=str(adapter.folder / NAME),
            expected=f"weights with the digest {noted.get('weights_digest')}, these have {weights_digest(base)}",
            next=f"the base that its manifest names: {noted.get('victim')}",
        )


def _inside(folder: Path, where: str) -> Path:
    """The one file of an adapter that a folder holds."""
    known = [folder / name for name in NAMES if (folder / name).is_file()]
    found = (
        known[:1]
        or sorted(folder.glob("*.safetensors"))
        or sorted(path for path in folder.iterdir() if path.suffix in PICKLES)
    )
    if len(found) == 1:
        return found[0]
    several = f"the folder holds {len(found)} files that might be the adapter"
    raise LeakboardError(
        f"{several if found else 'the folder holds no adapter'}; {there_is(folder)}",
        where=where,
        expected=f"{NAMES[0]}, or one file of safetensors",
        next="give the file itself" if found else "",
    )
