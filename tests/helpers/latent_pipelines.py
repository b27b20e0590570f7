"""Tiny seeded latent diffusion models, saved the way diffusers saves real ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from helpers.flow_pipelines import FLOWS
from helpers.pipeline_parts import SIDE, WORDS, clip, clip_tokenizer, t5, tokenizer, vae

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LABELS = {0: "tench, Tinca tinca", 7: "cock", 207: "golden retriever"}
"""Some of the classes of the class-conditional pipeline."""
SEEDS = (2**100 + 1, 5, 2**64 - 1)
PROMPTS = ("a cat", "two dogs", "a cat")
CLASSES_TOLD = ("cock", "207", "")
SCHEDULE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


def _unet(**config: Any) -> Any:
    from diffusers import UNet2DConditionModel

    settings = {
        "sample_size": SIDE // 2,
        "layers_per_block": 1,
        "block_out_channels": (8, 16),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "norm_num_groups": 4,
        "cross_attention_dim": 16,
        "attention_head_dim": 8,
    }
    return UNet2DConditionModel(**(settings | config))


def _sd(prediction_type: str = "epsilon", scheduler: str = "DDIMScheduler", **unet: Any) -> Any:
    import diffusers

    sampler = getattr(diffusers, scheduler)(
        **{
            name: value
            for name, value in (SCHEDULE | {"prediction_type": prediction_type}).items()
            if name in getattr(diffusers, scheduler)().config
        }
    )
    return diffusers.StableDiffusionPipeline(
        vae=vae(),
        text_encoder=clip(),
        tokenizer=clip_tokenizer(),
        unet=_unet(**unet),
        scheduler=sampler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _xl() -> Any:
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline

    shared = {name: SCHEDULE[name] for name in ("beta_start", "beta_end", "beta_schedule", "steps_offset")}
    return StableDiffusionXLPipeline(
        vae=vae(),
        text_encoder=clip(),
        text_encoder_2=clip(projected=True),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        unet=_unet(
            cross_attention_dim=32,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=16 + 6 * 8,
        ),
        scheduler=EulerDiscreteScheduler(timestep_spacing="leading", **shared),
        add_watermarker=False,
    )


def _sd3() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline

    transformer = SD3Transformer2DModel(
        sample_size=SIDE // 2,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_projection_dim=16,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        pos_embed_max_size=16,
    )
    return StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=vae(shift_factor=0.1),
        text_encoder=clip(projected=True),
        text_encoder_2=clip(projected=True),
        text_encoder_3=None,
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        tokenizer_3=None,
    )


def _dit() -> Any:
    from diffusers import DDIMScheduler, DiTPipeline, DiTTransformer2DModel

    transformer = DiTTransformer2DModel(
        sample_size=SIDE // 2,
        patch_size=2,
        in_channels=4,
        out_channels=8,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        num_embeds_ada_norm=1000,
    )
    scheduler = DDIMScheduler(clip_sample=False)
    return DiTPipeline(transformer, vae(), scheduler, id2label=LABELS)


def _pixart() -> Any:
    from diffusers import DPMSolverMultistepScheduler, PixArtAlphaPipeline, PixArtTransformer2DModel

    transformer = PixArtTransformer2DModel(
        sample_size=SIDE // 2,
        patch_size=2,
        in_channels=4,
        out_channels=8,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        cross_attention_dim=16,
        caption_channels=16,
        use_additional_conditions=False,
    )
    scheduler = DPMSolverMultistepScheduler()
    return PixArtAlphaPipeline(tokenizer(WORDS), t5(), vae(), transformer, scheduler)


MADE: dict[str, Callable[[], Any]] = {
    "sd1": _sd,
    "sd2": lambda: _sd("v_prediction"),
    "sample": lambda: _sd("sample"),
    "xl": _xl,
    "sd3": _sd3,
    "dit": _dit,
    "pixart": _pixart,
    **FLOWS,
}


def tiny_pipeline(kind: str, **config: Any) -> Any:
    """An untrained pipeline of a few thousand weights, large enough for outputs far from zero."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pipeline = _sd(**config) if config else MADE[kind]()
        for part in pipeline.components.values():
            if isinstance(part, torch.nn.Module):
                part.eval().requires_grad_(False)
                for weight in part.parameters():
                    # zero-initialised layers (DiT's modulation) would make a network that says nothing
                    weight.add_(0.02 * torch.randn_like(weight))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def save_latent(folder: Path, kind: str, **config: Any) -> Path:
    """Write the folder of a tiny pipeline and return it."""
    from leakboard.quiet import quiet

    with quiet():
        tiny_pipeline(kind, **config).save_pretrained(folder)
    if kind == "dit":
        index = json.loads((folder / "model_index.json").read_text())
        (folder / "model_index.json").write_text(json.dumps(index | {"id2label": LABELS}))  # diffusers leaves it out
    return folder


def plain(folder: Path, cls: str, sampler: str | None = None) -> Any:
    """The pipeline as a user of diffusers opens it."""
    import diffusers

    absent = {"text_encoder_3": None, "tokenizer_3": None} if "Diffusion3" in cls else {}
    pipeline = getattr(diffusers, cls).from_pretrained(folder, **absent)
    pipeline.set_progress_bar_config(disable=True)
    if sampler:
        unclipped = {"clip_sample": False} if sampler in ("DDIMScheduler", "DDPMScheduler") else {}
        pipeline.scheduler = getattr(diffusers, sampler).from_config(pipeline.scheduler.config, **unclipped)
    return pipeline


def generators() -> list[Any]:
    """Those of `SEEDS`, as a user of diffusers makes them."""
    import torch

    return [torch.Generator().manual_seed(seed % 2**63) for seed in SEEDS]


class Lazily(dict[str, Any]):
    """Things by name, each made when it is first asked for."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, name: str) -> Any:
        self[name] = self._make(name)
        return self[name]
