"""The folder of a latent pipeline, checked whole before anything is loaded, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leakboard.api import LeakboardError
from leakboard.errors import nearest
from leakboard_plugins.victims.folders.layout import INDEX, SAVE, read_json
from leakboard_plugins.victims.folders.manifests import check_digests
from leakboard_plugins.victims.folders.weights import component_weights, has_safetensors, stem_of, tensor_shapes
from leakboard_plugins.victims.latent.configs import check_configs
from leakboard_plugins.victims.latent.kinds import KINDS, UNUSED, Kind, base_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LAYOUT = f"a folder with {INDEX} and a folder for each component that it names, weights as safetensors"
PIXEL = ("DDPMPipeline", "DDIMPipeline")


@dataclass(frozen=True)
class LatentFolder:
    """A pipeline folder that was found whole.

    Attributes:
        folder: where it is.
        pipeline: its class in diffusers.
        parts: library and class of every component that is used, by name.
        variant: ``.fp16`` where only such weights are there.
        files: everything its answers depend on.
    """

    folder: Path
    pipeline: str
    parts: Mapping[str, tuple[str, str]]
    variant: str
    files: tuple[Path, ...]

    @property
    def kind(self) -> Kind:
        """What it is made of."""
        return KINDS[self.pipeline]


def read_kind(folder: Path) -> Kind:
    """What a pipeline folder says it is made of.

    Raises:
        LeakboardError: there is no pipeline, or one of another kind.
    """
    return KINDS[_class_of(read_json(folder / INDEX, LAYOUT), folder)]


def read_pipeline(folder: Path) -> LatentFolder:
    """Read a pipeline folder and check that it is whole, without torch.

    Raises:
        LeakboardError: another kind of pipeline, a component or file that is missing or damaged, weights that are
            pickles or not those of the ``manifest.json`` beside the pipeline, or configurations that make no sense.
    """
    index = read_json(folder / INDEX, LAYOUT)
    pipeline = _class_of(index, folder)
    parts = _parts(index, pipeline, folder)
    stems = {name: stem_of(library) for name, (library, _) in parts.items() if has_weights(name)}
    for name in parts:
        read_json(folder / name / _config_name(name), LAYOUT)
    variant = "" if all(has_safetensors(folder / name, stem) for name, stem in stems.items()) else ".fp16"
    weights: list[Path] = []
    for name, stem in stems.items():
        # a component without that variant may have its plain weights all the same
        own = variant if has_safetensors(folder / name, stem, variant) else ""
        weights += component_weights(folder, name, stem, own)
    for path in weights:
        if path.suffix == ".safetensors" and not any(tensor_shapes(path)):
            raise LeakboardError("the weights are empty", where=str(path), expected="the network's tensors", next=SAVE)
    check_configs(folder, pipeline, parts)
    check_digests(folder, [path.relative_to(folder).as_posix() for path in weights if path.suffix == ".safetensors"])
    configs = [folder / name / _config_name(name) for name in parts if not name.startswith("tokenizer")]
    vocabularies = [
        path
        for name in parts
        if name.startswith("tokenizer")
        for path in sorted((folder / name).iterdir())
        if path.is_file()
    ]
    return LatentFolder(folder, pipeline, parts, variant, (folder / INDEX, *configs, *vocabularies, *weights))


def _class_of(index: Mapping[str, Any], folder: Path) -> str:
    name = index.get("_class_name")
    if isinstance(name, str) and base_of(name) in KINDS:
        return base_of(name)
    raise LeakboardError(
        f"the pipeline is a {name}" if name else "the pipeline does not say its class",
        where=str(folder / INDEX),
        expected=f"{', '.join(KINDS)}: from text or class to image through latents",
        nearest=nearest(str(name), KINDS) if name not in PIXEL else "",
        next=f"ddpm(model={str(folder)!r}), the victim for pixel pipelines" if name in PIXEL else "",
    )


def _parts(index: Mapping[str, Any], pipeline: str, folder: Path) -> dict[str, tuple[str, str]]:
    named = {name: tuple(value) for name, value in index.items() if isinstance(value, list) and len(value) == 2}
    parts = {
        name: (str(library), str(cls))
        for name, (library, cls) in named.items()
        if library is not None and cls is not None and name not in UNUSED
    }
    missing = sorted(KINDS[pipeline].components - parts.keys())
    gone = sorted(name for name in parts if not (folder / name).is_dir())
    for names, what in ((missing, "names no"), (gone, "names a component that is missing:")):
        if names:
            raise LeakboardError(
                f"the {pipeline} {what} {', '.join(names)}",
                where=str(folder / (INDEX if names is missing else names[0])),
                expected=LAYOUT,
                next=SAVE,
            )
    for name, (library, cls) in parts.items():
        if library not in ("diffusers", "transformers"):
            raise LeakboardError(
                f"{name} is {library}.{cls}, code that is not part of diffusers or transformers",
                where=str(folder / INDEX),
                expected="components of the two libraries alone",
            )
    return parts


def has_weights(name: str) -> bool:
    """Whether the component of that name is a network."""
    return name != "scheduler" and not name.startswith("tokenizer")


def _config_name(name: str) -> str:
    if name == "scheduler":
        return "scheduler_config.json"
    return "tokenizer_config.json" if name.startswith("tokenizer") else "config.json"
