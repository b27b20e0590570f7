"""Opening a latent pipeline that was found whole: loaded by diffusers, without a pickle and without a download."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leakboard.api import LeakboardError
from leakboard.quiet import quiet
from leakboard_plugins.victims.folders.layout import read_json
from leakboard_plugins.victims.folders.loading import load_network, told_with
from leakboard_plugins.victims.latent.folder import LatentFolder, is_tokenizer
from leakboard_plugins.victims.latent.kinds import UNUSED

if TYPE_CHECKING:
    from leakboard.api import Model
    from leakboard_plugins.victims.latent.adapters import Adapter
    from leakboard_plugins.victims.latent.model import LatentModel


def open_pipeline(
    found: LatentFolder,
    device: str,
    *,
    dtype: str = "float32",
    guidance: float = 1.0,
    scheduler: str = "auto",
    attention_slicing: bool = False,
    offload: str = "no",
    size: int | None = None,
    adapter: Adapter | None = None,
    adapter_weight: float = 1.0,
) -> Model:
    """The model of a pipeline folder on ``device``, in eval mode, without gradients on its weights.

    Args:
        found: the pipeline.
        device: ``cpu``, ``cuda`` or ``mps``.
        dtype: ``float32``, ``float16`` or ``bfloat16``.
        guidance: classifier-free guidance; up to 1 is none.
        scheduler: a name of `leakboard_plugins.victims.latent.samplers`.
        attention_slicing: less memory for more time.
        offload: ``no``, or keep on the CPU what is not running: each ``model``, or ``sequential`` each layer.
        size: height and width of its images in pixels; None is the size that the pipeline makes by itself.
        adapter: that it wears.
        adapter_weight: factor of what the adapter adds.

    Raises:
        LeakboardError: the weights do not fit their configurations or hold no numbers, the device cannot offload, or
            the adapter does not fit.
    """
    if offload != "no" and not device.startswith("cuda"):
        raise LeakboardError(
            f"offload={offload!r} moves weights between the CPU and a GPU, but the device is {device}",
            expected="the device cuda, or offload='no'",
        )
    from leakboard_plugins.victims.latent.adapted import Adapted
    from leakboard_plugins.victims.latent.wearing import put_on

    with quiet():
        pipeline = _load(found, dtype)
        switch = put_on(pipeline, found.kind, adapter, adapter_weight) if adapter else None
        if attention_slicing:
            pipeline.enable_attention_slicing()
        if offload == "no":
            pipeline.to(device)
        else:
            getattr(pipeline, f"enable_{offload}_cpu_offload")(device=device)
        model = _model(found, pipeline, guidance=guidance, scheduler=scheduler, resident=offload == "no", size=size)
        return Adapted(model, switch) if switch else model


def _model(found: LatentFolder, pipeline: Any, **settings: Any) -> LatentModel:
    from leakboard_plugins.victims.latent.flow import FlowModel
    from leakboard_plugins.victims.latent.loop import LoopModel
    from leakboard_plugins.victims.latent.pipeline import PipelineModel

    models: dict[str, type[LatentModel]] = {"pipeline": PipelineModel, "loop": LoopModel, "flow": FlowModel}
    with told_with(f"the {found.pipeline}", found.source.root):
        return models[found.kind.sampling](pipeline, found.kind, sides=found.sides, **settings)


def _load(found: LatentFolder, dtype: str) -> Any:
    import diffusers
    import torch

    loaded = {
        name: load_network(name, *found.parts[name], found.source.home(name), weights, getattr(torch, dtype))
        for name, weights in found.weights.items()
    }
    if found.sides:
        # pipelines compare the sample size with a number; what is asked for names both sides
        loaded[found.kind.denoiser].register_to_config(sample_size=max(found.sides))
    loaded |= {name: _load_tokenizer(found, name, loaded) for name in found.parts if is_tokenizer(name)}
    loaded["scheduler"] = _load_scheduler(found)
    nothing = dict.fromkeys([*(UNUSED & found.source.index.keys()), *(set(found.kind.optional) - found.parts.keys())])
    if found.pipeline == "StableDiffusionXLPipeline":
        nothing["add_watermarker"] = False  # it would mark the latents
    if found.pipeline == "StableDiffusionPipeline":
        nothing["requires_safety_checker"] = False
    with told_with(f"the {found.pipeline}", found.source.root):
        opened = getattr(diffusers, found.pipeline)
        return opened.from_pretrained(found.source.root, local_files_only=True, **loaded, **nothing)


def _load_tokenizer(found: LatentFolder, name: str, loaded: dict[str, Any]) -> Any:
    import transformers

    home, cls = found.source.home(name), found.parts[name][1]
    with told_with(f"the {name} ({cls})", home):
        # a class that transformers has let go of has another in its place
        opened = getattr(transformers, cls, transformers.AutoTokenizer).from_pretrained(home, local_files_only=True)
    # without a length of its own it would fill every text up to one that no machine can hold
    longest = getattr(loaded[name.replace("tokenizer", "text_encoder")].config, "max_position_embeddings", None)
    if longest is not None:
        opened.model_max_length = min(opened.model_max_length, longest)
    return opened


def _load_scheduler(found: LatentFolder) -> Any:
    import diffusers

    path, cls = found.source.config("scheduler"), found.parts["scheduler"][1]
    with told_with(f"the scheduler ({cls})", path):
        if found.own_steps:
            return getattr(diffusers, cls).from_pretrained(path.parent, local_files_only=True)
        return diffusers.DDIMScheduler.from_config(read_json(path), clip_sample=False)
