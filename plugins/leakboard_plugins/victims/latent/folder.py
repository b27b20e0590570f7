"""The folder of a latent pipeline, checked whole before anything is loaded, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leakboard.api import LeakboardError
from leakboard_plugins.victims.folders.bounds import check_layers, check_numbers, check_tokenizer, tokenizer_files
from leakboard_plugins.victims.folders.layout import INDEX, SAVE, read_json, there_is
from leakboard_plugins.victims.folders.schedulers import OWN
from leakboard_plugins.victims.folders.source import Source, find_source
from leakboard_plugins.victims.folders.weights import (
    STEMS,
    Weights,
    choose_variant,
    component_weights,
    tensor_shapes,
    variants_in,
)
from leakboard_plugins.victims.latent.configs import check_configs
from leakboard_plugins.victims.latent.kinds import FLOW, KINDS, UNUSED, Kind, base_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from leakboard.api import Need

LAYOUT = f"a folder with {INDEX} and a folder for each component that it names, weights as safetensors"
PIXEL = ("DDPMPipeline", "DDIMPipeline")


@dataclass(frozen=True)
class LatentFolder:
    """A pipeline that was found whole.

    Attributes:
        source: where its components lie.
        pipeline: its class in diffusers.
        parts: library and class of every component that is used, by name.
        weights: of every network.
        files: everything its answers depend on.
    """

    source: Source
    pipeline: str
    parts: Mapping[str, tuple[str, str]]
    weights: Mapping[str, Weights]
    files: tuple[Path, ...]

    @property
    def kind(self) -> Kind:
        """What it is made of."""
        return KINDS[self.pipeline]

    @property
    def own_steps(self) -> bool:
        """Whether its own scheduler makes steps that can be followed, and not only names betas."""
        return self.parts["scheduler"][1] in (*OWN, FLOW)

    @property
    def sides(self) -> tuple[int, int] | None:
        """Height and width of its latents, where its denoiser names both."""
        size = read_json(self.source.config(self.kind.denoiser)).get("sample_size")
        return (size[0], size[1]) if isinstance(size, list) else None


def read_kind(folder: Path, base: Path | None = None) -> Kind:
    """What a pipeline folder says it is made of.

    Raises:
        LeakboardError: there is no pipeline, or one of another kind.
    """
    return KINDS[_class_of(find_source(folder, base, LAYOUT, "stable_diffusion"))]


def read_offers(folder: Path, base: Path | None = None) -> frozenset[Need]:
    """What a pipeline folder says that a model made of it can answer.

    Raises:
        LeakboardError: as `read_kind`.
    """
    source = find_source(folder, base, LAYOUT, "stable_diffusion")
    kind = KINDS[_class_of(source)]
    flows = kind.sampling == "flow" or source.index.get("scheduler", ("", ""))[1] == FLOW
    answers: set[Need] = {"velocity"} if flows else {"noise", "gradients"}
    return frozenset(answers if kind.unconditional else answers | {"prompts"})


def read_pipeline(folder: Path, base: Path | None = None, variant: str | None = None) -> LatentFolder:
    """Read a pipeline folder and check that it is whole, without torch.

    Args:
        folder: of the pipeline, or with ``base`` of a denoiser alone.
        base: of the pipeline that the rest is taken from.
        variant: of the weights; None is plain ones, or the only variant there is.

    Raises:
        LeakboardError: another kind of pipeline, a component or file that is missing or damaged, weights that are
            pickles or not those of the ``manifest.json`` beside the pipeline, or configurations that make no sense.
    """
    source = find_source(folder, base, LAYOUT, "stable_diffusion")
    pipeline = _class_of(source)
    parts = _parts(source, pipeline)
    configs = {name: read_json(source.config(name), LAYOUT) for name in parts}
    networks = {name: library for name, (library, _) in parts.items() if has_weights(name)}
    there = {name: variants_in(source.home(name), library) for name, library in networks.items()}
    chosen = choose_variant(there, variant, folder)
    weights = {name: component_weights(source.home(name), each, chosen, name) for name, each in networks.items()}
    for name, found in weights.items():
        check_numbers(configs[name], source.config(name))
        check_layers(configs[name], sum(len(tensor_shapes(path)) for path in found.files), source.config(name))
    words = [path for name in parts if is_tokenizer(name) for path in tokenizer_files(source.home(name), source.root)]
    check_tokenizer(words)
    check_configs(source, pipeline, parts)
    source.check_digests(path for found in weights.values() for path in found.files)
    used = [source.config(name) for name in parts if not is_tokenizer(name)]
    tensors = [path for found in weights.values() for path in found.all_files]
    files = dict.fromkeys((source.root / INDEX, *used, *words, *tensors))
    return LatentFolder(source, pipeline, parts, weights, tuple(files))


def _class_of(source: Source) -> str:
    name, folder = source.index.get("_class_name"), source.folder
    if isinstance(name, str) and base_of(name) in KINDS:
        return base_of(name)
    raise LeakboardError(
        f"the pipeline is a {str(name)[:80]}" if name else "the pipeline does not say its class",
        where=str(source.root / INDEX),
        expected=f"{', '.join(KINDS)}: through latents to image, from text, class or nothing",
        next=f"{_pixel_victim(source)}(model={str(folder)!r}), the victim for pixel pipelines" if name in PIXEL else "",
    )


def _pixel_victim(source: Source) -> str:
    scheduler = source.index.get("scheduler")
    return "flow" if isinstance(scheduler, list) and FLOW in scheduler else "ddpm"


def _parts(source: Source, pipeline: str) -> dict[str, tuple[str, str]]:
    named: dict[str, Any] = {
        name: value for name, value in source.index.items() if isinstance(value, list) and len(value) == 2
    }
    parts = {
        name: (str(library), str(cls))
        for name, (library, cls) in named.items()
        if library is not None and cls is not None and name not in UNUSED
    }
    missing = sorted(KINDS[pipeline].components - parts.keys())
    if missing:
        raise LeakboardError(
            f"the {pipeline} names no {', '.join(missing)}; it names {', '.join(sorted(parts)) or 'nothing'}, and "
            + there_is(source.root),
            where=str(source.root / INDEX),
            expected=LAYOUT,
            next=SAVE,
        )
    for name, (library, cls) in parts.items():
        if library not in STEMS:
            raise LeakboardError(
                f"{name} is {library}.{cls}, code that is not part of diffusers or transformers",
                where=str(source.root / INDEX),
                expected="components of the two libraries alone",
            )
    return parts


def has_weights(name: str) -> bool:
    """Whether the component of that name is a network."""
    return name != "scheduler" and not is_tokenizer(name)


def is_tokenizer(name: str) -> bool:
    """Whether the component of that name makes tokens of texts."""
    return name.startswith("tokenizer")
