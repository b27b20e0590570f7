"""The folder of a latent pipeline: checked whole before anything is loaded, opened without a pickle."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leakboard.api import LeakboardError
from leakboard.errors import nearest
from leakboard.quiet import quiet
from leakboard_plugins.victims.latent_kinds import FLOW, KINDS, SCHEDULERS, UNUSED, Kind, base_of
from leakboard_plugins.victims.layout import INDEX, SAVE, SCHEDULER_CONFIG, read_json
from leakboard_plugins.victims.manifests import check_digests
from leakboard_plugins.victims.pipeline_config import read_scheduler
from leakboard_plugins.victims.pipeline_folder import component_weights, tensor_shapes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from leakboard_plugins.victims.latent_model import LatentModel

LAYOUT = f"a folder with {INDEX} and a folder for each component that it names, weights as safetensors"
LATENT_CHANNELS = 4
"""Images with as many are taken for latents by the pipelines of Stable Diffusion 1 to XL."""
FLOWS = "flow_prediction"
PIXEL = ("DDPMPipeline", "DDIMPipeline")


@dataclass(frozen=True)
class Latent:
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


def read_latent(folder: Path) -> Latent:
    """Look a pipeline folder through, without torch.

    Raises:
        LeakboardError: another kind of pipeline, a component or file that is missing or damaged, weights that are
            pickles or not those of the ``manifest.json`` beside the pipeline, or configurations that make no sense.
    """
    index = read_json(folder / INDEX, LAYOUT)
    pipeline = _class_of(index, folder)
    parts = _parts(index, pipeline, folder)
    weighty = {name: _stem(library) for name, (library, _) in parts.items() if _has_weights(name)}
    for name in parts:
        read_json(folder / name / _config_name(name), LAYOUT)
    variant = "" if all(_there(folder / name, stem, "") for name, stem in weighty.items()) else ".fp16"
    weights = [
        path
        for name, stem in weighty.items()
        for path in component_weights(folder, name, stem, variant if _there(folder / name, stem, variant) else "")
    ]
    for path in weights:
        if path.suffix == ".safetensors" and not any(tensor_shapes(path)):
            raise LeakboardError("the weights are empty", where=str(path), expected="the network's tensors", next=SAVE)
    _check_configs(folder, pipeline, parts)
    check_digests(folder, [path.relative_to(folder).as_posix() for path in weights if path.suffix == ".safetensors"])
    configs = [folder / name / _config_name(name) for name in parts if not name.startswith("tokenizer")]
    words = [
        path
        for name in parts
        if name.startswith("tokenizer")
        for path in sorted((folder / name).iterdir())
        if path.is_file()
    ]
    return Latent(folder, pipeline, parts, variant, (folder / INDEX, *configs, *words, *weights))


def open_latent(
    folder: Path,
    device: str,
    *,
    dtype: str = "float32",
    guidance: float = 1.0,
    scheduler: str = "auto",
    attention_slicing: bool = False,
    offload: str = "no",
    size: int | None = None,
) -> LatentModel:
    """The model of a pipeline folder on ``device``, in eval mode, without gradients on its weights.

    Args:
        folder: of the pipeline.
        device: ``cpu``, ``cuda`` or ``mps``.
        dtype: ``float32``, ``float16`` or ``bfloat16``.
        guidance: classifier-free guidance; up to 1 is none.
        scheduler: a name of `leakboard_plugins.victims.samplers`.
        attention_slicing: less memory for more time.
        offload: ``no``, or keep on the CPU what is not running: each ``model``, or ``sequential`` each layer.
        size: height and width of its images in pixels; None is the size that the pipeline makes by itself.

    Raises:
        LeakboardError: as `read_latent`, the weights do not fit their configurations, or the device cannot offload.
    """
    found = read_latent(folder)
    if offload != "no" and not device.startswith("cuda"):
        raise LeakboardError(
            f"offload={offload!r} moves weights between the CPU and a GPU, but the device is {device}",
            expected="the device cuda, or offload='no'",
        )
    with quiet():
        pipeline = _load(found, dtype)
        if attention_slicing:
            pipeline.enable_attention_slicing()
        if offload == "no":
            pipeline.to(device)
        else:
            getattr(pipeline, f"enable_{offload}_cpu_offload")(device=device)
        return _model(found, pipeline, guidance=guidance, scheduler=scheduler, resident=offload == "no", size=size)


def _model(found: Latent, pipeline: Any, **settings: Any) -> LatentModel:
    from leakboard_plugins.victims.class_pipeline import LoopModel
    from leakboard_plugins.victims.flow_pipeline import FlowModel
    from leakboard_plugins.victims.image_pipeline import PipelineModel

    models: dict[str, type[LatentModel]] = {"embedded": PipelineModel, "loop": LoopModel, "flow": FlowModel}
    try:
        return models[found.kind.asked](pipeline, found.kind, **settings)
    except (AttributeError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        raise _unopened(found, error) from error


def _load(found: Latent, dtype: str) -> Any:
    import diffusers
    import torch

    kind = getattr(torch, dtype)
    try:
        loaded = {name: _load_part(found, name, kind) for name in found.parts if _has_weights(name)}
        named = read_json(found.folder / INDEX).keys()
        nothing = dict.fromkeys([*(UNUSED & named), *(set(found.kind.optional) - found.parts.keys())])
        if found.pipeline == "StableDiffusionXLPipeline":
            nothing["add_watermarker"] = False  # it would mark the latents
        if found.pipeline == "StableDiffusionPipeline":
            nothing["requires_safety_checker"] = False
        opened = getattr(diffusers, found.pipeline)
        return opened.from_pretrained(found.folder, local_files_only=True, torch_dtype=kind, **loaded, **nothing)
    except LeakboardError:
        raise
    except Exception as error:  # a wrong configuration fails anywhere in diffusers, with anything
        raise _unopened(found, error) from error


def _load_part(found: Latent, name: str, dtype: Any) -> Any:
    library, cls = found.parts[name]
    there = _there(found.folder / name, _stem(library), found.variant)
    part, loading = getattr(importlib.import_module(library), cls).from_pretrained(
        found.folder,
        subfolder=name,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
        variant=found.variant.removeprefix(".") if found.variant and there else None,
        **{"torch_dtype" if library == "diffusers" else "dtype": dtype},
    )
    # what is missing was filled with random numbers
    wrong = [str(key) for what in ("missing_keys", "mismatched_keys") for key in loading.get(what, ())]
    if wrong:
        raise LeakboardError(
            f"{len(wrong)} weights do not fit the configuration, the first is {wrong[0]}",
            where=str(found.folder / name),
            expected=f"the tensors of a {cls} as {name}/config.json describes it",
            next=SAVE,
        )
    return part.eval().requires_grad_(False)


def _unopened(found: Latent, error: Exception) -> LeakboardError:
    return LeakboardError(
        f"the {found.pipeline} cannot be opened: {str(error).strip() or type(error).__name__}",
        where=str(found.folder),
        expected=LAYOUT,
        next=SAVE,
    )


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


def _check_configs(folder: Path, pipeline: str, parts: Mapping[str, tuple[str, str]]) -> None:
    scheduler, name = parts["scheduler"][1], KINDS[pipeline].denoiser
    if scheduler not in SCHEDULERS:
        raise LeakboardError(
            f"the scheduler is a {scheduler}",
            where=str(folder / INDEX),
            expected=f"one of {', '.join(sorted(SCHEDULERS))}",
            nearest=nearest(scheduler, SCHEDULERS),
        )
    schedule = read_json(folder / SCHEDULER_CONFIG)
    flows = scheduler == FLOW or schedule.get("use_flow_sigmas") is True
    if not flows and KINDS[pipeline].asked != "flow":
        read_scheduler(schedule, folder / SCHEDULER_CONFIG)
    elif not flows or schedule.get("prediction_type", FLOWS) != FLOWS or schedule.get("stochastic_sampling"):
        raise LeakboardError(
            f"the {pipeline} matches flows, which its {scheduler} does not follow step by step without fresh noise",
            where=str(folder / SCHEDULER_CONFIG),
            expected=f"{FLOW}, or use_flow_sigmas with prediction_type {FLOWS!r}; no stochastic_sampling",
            next=SAVE,
        )
    denoiser, vae = (read_json(folder / part / "config.json") for part in (name, "vae"))
    taken, given = denoiser.get("in_channels", 4), vae.get("latent_channels", 4)
    for part, key, channels in ((name, "in_channels", taken), ("vae", "latent_channels", given)):
        if not isinstance(channels, int):
            raise LeakboardError(
                f"{key} is {channels!r}", where=str(folder / part / "config.json"), expected="a number of channels"
            )
    wanted = given * KINDS[pipeline].patch ** 2
    if taken != wanted:
        raise LeakboardError(
            f"the {name} takes {taken} channels and the vae gives {given}",
            where=str(folder / name / "config.json"),
            expected=f"{wanted} channels: pipelines that paint in, enlarge or edit take more",
        )
    if KINDS[pipeline].image_to_image and vae.get("in_channels", 3) in (given, LATENT_CHANNELS):
        raise LeakboardError(
            f"images of {vae['in_channels']} channels cannot be told from latents",
            where=str(folder / "vae" / "config.json"),
            expected="images of other channels than latents: image-to-image pipelines tell them apart by that",
        )
    for key in ("time_cond_proj_dim", "num_class_embeds", "class_embed_type"):
        if denoiser.get(key) is not None:
            raise LeakboardError(
                f"the {name} is told {key} = {denoiser[key]!r}",
                where=str(folder / name / "config.json"),
                expected="a denoiser that is told the timestep and the prompt alone",
            )


def _has_weights(name: str) -> bool:
    return name != "scheduler" and not name.startswith("tokenizer")


def _config_name(name: str) -> str:
    if name == "scheduler":
        return "scheduler_config.json"
    return "tokenizer_config.json" if name.startswith("tokenizer") else "config.json"


def _stem(library: str) -> str:
    return "model" if library == "transformers" else "diffusion_pytorch_model"


def _there(home: Path, stem: str, variant: str) -> bool:
    return (home / f"{stem}{variant}.safetensors").is_file() or (
        home / f"{stem}.safetensors.index{variant}.json"
    ).is_file()
