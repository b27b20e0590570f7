"""Tiny latent pipelines of every kind that can be a victim, as diffusers makes them: a few thousand weights each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from helpers.pipeline_parts import SIDE, WORDS, clip, clip_tokenizer, gemma, qwen, t5, tokenizer, vae

if TYPE_CHECKING:
    from collections.abc import Callable

LABELS = {0: "tench, Tinca tinca", 7: "cock", 207: "golden retriever"}
"""Some of the classes of the class-conditional pipeline."""
SCHEDULE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
HEADS = {"num_attention_heads": 2, "attention_head_dim": 8}
PATCHES = {"sample_size": SIDE // 2, "patch_size": 2, "in_channels": 4, "num_layers": 1, **HEADS}
"""Transformers that cut the latents of images of that side into squares."""
ROWS = {"num_layers": 1, "num_single_layers": 1, "joint_attention_dim": 16, "axes_dims_rope": (2, 2, 4), **HEADS}
"""Transformers whose pipeline packs the latents into rows before."""


def stable_diffusion(prediction_type: str = "epsilon", scheduler: str = "DDIMScheduler", **unet: Any) -> Any:
    import diffusers

    known = getattr(diffusers, scheduler)().config
    schedule = SCHEDULE | {"prediction_type": prediction_type}
    return diffusers.StableDiffusionPipeline(
        scheduler=getattr(diffusers, scheduler)(**{name: schedule[name] for name in schedule if name in known}),
        vae=vae(),
        text_encoder=clip(),
        tokenizer=clip_tokenizer(),
        unet=_unet(**unet),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


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
    from diffusers import SD3Transformer2DModel, StableDiffusion3Pipeline

    transformer = SD3Transformer2DModel(
        **PATCHES,
        out_channels=4,
        caption_projection_dim=16,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        pos_embed_max_size=16,
    )
    return StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=_flow(shift=3.0),
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

    transformer = DiTTransformer2DModel(**PATCHES, out_channels=8, num_embeds_ada_norm=1000)
    return DiTPipeline(transformer, vae(), DDIMScheduler(clip_sample=False), id2label=LABELS)


def _pixart() -> Any:
    from diffusers import DPMSolverMultistepScheduler, PixArtAlphaPipeline, PixArtTransformer2DModel

    transformer = PixArtTransformer2DModel(
        **PATCHES, out_channels=8, cross_attention_dim=16, caption_channels=16, use_additional_conditions=False
    )
    return PixArtAlphaPipeline(tokenizer(WORDS), t5(), vae(), transformer, DPMSolverMultistepScheduler())


def _flow(**config: Any) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(**config)


def _flux() -> Any:
    from diffusers import FluxPipeline, FluxTransformer2DModel

    transformer = FluxTransformer2DModel(in_channels=16, pooled_projection_dim=16, guidance_embeds=True, **ROWS)
    scheduler = _flow(use_dynamic_shifting=True)
    return FluxPipeline(scheduler, vae(shift_factor=0.1), clip(), clip_tokenizer(), t5(), tokenizer(), transformer)


def _chroma() -> Any:
    from diffusers import ChromaPipeline, ChromaTransformer2DModel

    approximator = {"num_channels": 8, "hidden_dim": 16, "layers": 1}
    transformer = ChromaTransformer2DModel(
        in_channels=16, **ROWS, **{f"approximator_{name}": size for name, size in approximator.items()}
    )
    return ChromaPipeline(_flow(use_dynamic_shifting=True), vae(shift_factor=0.1), t5(), tokenizer(), transformer)


def _z_image() -> Any:
    from diffusers import ZImagePipeline, ZImageTransformer2DModel

    transformer = ZImageTransformer2DModel(
        in_channels=4,
        dim=16,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[2, 2, 4],
        axes_lens=[512, 32, 32],
    )
    return ZImagePipeline(_flow(shift=3.0), vae(shift_factor=0.1), qwen(), tokenizer(), transformer)


def _aura() -> Any:
    from diffusers import AuraFlowPipeline, AuraFlowTransformer2DModel

    transformer = AuraFlowTransformer2DModel(
        sample_size=8,
        in_channels=4,
        num_mmdit_layers=1,
        num_single_dit_layers=1,
        joint_attention_dim=16,
        caption_projection_dim=16,
        pos_embed_max_size=64,
        **HEADS,
    )
    return AuraFlowPipeline(tokenizer(), t5(), vae(), transformer, _flow(shift=1.73))


def _sana() -> Any:
    from diffusers import AutoencoderDC, DPMSolverMultistepScheduler, SanaPipeline, SanaTransformer2DModel

    sides: dict[str, Any] = {"block_types": ("ResBlock", "EfficientViTBlock"), "block_out_channels": (8, 8)}
    sides |= {"layers_per_block": (1, 1), "qkv_multiscales": ((), (5,))}
    autoencoder = AutoencoderDC(
        latent_channels=4,
        attention_head_dim=2,
        **{f"{side}_{name}": value for side in ("encoder", "decoder") for name, value in sides.items()},
        upsample_block_type="interpolate",
        downsample_block_type="stride_conv",
        decoder_norm_types="rms_norm",
        decoder_act_fns="silu",
        scaling_factor=0.41,
    )
    transformer = SanaTransformer2DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=4,
        num_layers=1,
        num_cross_attention_heads=2,
        cross_attention_head_dim=4,
        cross_attention_dim=8,
        caption_channels=16,
        sample_size=8,
    )
    scheduler = DPMSolverMultistepScheduler(use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0)
    return SanaPipeline(tokenizer(), gemma(), autoencoder, transformer, scheduler)


def _lumina() -> Any:
    from diffusers import Lumina2Pipeline, Lumina2Transformer2DModel

    transformer = Lumina2Transformer2DModel(
        sample_size=4,
        in_channels=4,
        hidden_size=16,
        num_layers=1,
        num_refiner_layers=1,
        num_attention_heads=2,
        num_kv_heads=1,
        multiple_of=8,
        axes_dim_rope=(2, 2, 4),
        axes_lens=(512, 32, 32),
        cap_feat_dim=16,
    )
    return Lumina2Pipeline(transformer, _flow(shift=6.0), vae(4, shift_factor=0.1), gemma(), tokenizer())


PIPELINES: dict[str, Callable[[], Any]] = {
    "sd1": stable_diffusion,
    "sd2": lambda: stable_diffusion("v_prediction"),
    "sample": lambda: stable_diffusion("sample"),
    "xl": _xl,
    "sd3": _sd3,
    "dit": _dit,
    "pixart": _pixart,
    "flux": _flux,
    "chroma": _chroma,
    "z_image": _z_image,
    "aura": _aura,
    "sana": _sana,
    "lumina": _lumina,
}
