"""Opening a latent pipeline that was found whole: loaded by diffusers, without a pickle and without a download."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from leakboard.api import LeakboardError
from leakboard.quiet import quiet
from leakboard_plugins.victims.folders.layout import INDEX, SAVE, read_json
from leakboard_plugins.victims.folders.weights import has_safetensors, stem_of
from leakboard_plugins.victims.latent.folder import LAYOUT, LatentFolder, has_weights, read_pipeline
from leakboard_plugins.victims.latent.kinds import UNUSED

if TYPE_CHECKING:
    from pathlib import Path

    from leakboard_plugins.victims.latent.model import LatentModel


def open_pipeline(
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
        scheduler: a name of `leakboard_plugins.victims.latent.samplers`.
        attention_slicing: less memory for more time.
        offload: ``no``, or keep on the CPU what is not running: each ``model``, or ``sequential`` each layer.
        size: height and width of its images in pixels; None is the size that the pipeline makes by itself.

    Raises:
        LeakboardError: as `read_pipeline`, the weights do not fit their configurations, or the device cannot offload.
    """
    found = read_pipeline(folder)
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


def _model(found: LatentFolder, pipeline: Any, **settings: Any) -> LatentModel:
    from leakboard_plugins.victims.latent.flow import FlowModel
    from leakboard_plugins.victims.latent.loop import LoopModel
    from leakboard_plugins.victims.latent.pipeline import PipelineModel

    models: dict[str, type[LatentModel]] = {"pipeline": PipelineModel, "loop": LoopModel, "flow": FlowModel}
    try:
        return models[found.kind.sampling](pipeline, found.kind, **settings)
    except (AttributeError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        raise _unopened(found, error) from error


def _load(found: LatentFolder, dtype: str) -> Any:
    import diffusers
    import torch

    kind = getattr(torch, dtype)
    try:
        loaded = {name: _load_part(found, name, kind) for name in found.parts if has_weights(name)}
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


def _load_part(found: LatentFolder, name: str, dtype: Any) -> Any:
    library, cls = found.parts[name]
    there = has_safetensors(found.folder / name, stem_of(library), found.variant)
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


def _unopened(found: LatentFolder, error: Exception) -> LeakboardError:
    return LeakboardError(
        f"the {found.pipeline} cannot be opened: {str(error).strip() or type(error).__name__}",
        where=str(found.folder),
        expected=LAYOUT,
        next=SAVE,
    )
