"""Tiny seeded pipelines that match flows, saved the way diffusers saves real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from helpers.pipeline_parts import DECODER, clip, clip_tokenizer, t5, tokenizer, vae

if TYPE_CHECKING:
    from collections.abc import Callable


def _flux() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

    transformer = FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=16,
        pooled_projection_dim=16,
        guidance_embeds=True,
        axes_dims_rope=(2, 2, 4),
    )
    return FluxPipeline(
        FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae(shift_factor=0.1),
        clip(),
        clip_tokenizer(),
        t5(),
        tokenizer(),
        transformer,
    )


def _chroma() -> Any:
    from diffusers import ChromaPipeline, ChromaTransformer2DModel, FlowMatchEulerDiscreteScheduler

    transformer = ChromaTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=16,
        axes_dims_rope=(2, 2, 4),
        approximator_num_channels=8,
        approximator_hidden_dim=16,
        approximator_layers=1,
    )
    return ChromaPipeline(
        FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae(shift_factor=0.1),
        t5(),
        tokenizer(),
        transformer,
    )


def _z_image() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
    from transformers import Qwen3Config, Qwen3Model

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
    return ZImagePipeline(
        FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae(shift_factor=0.1),
        Qwen3Model(Qwen3Config(**DECODER)),
        tokenizer(),
        transformer,
    )


def _aura() -> Any:
    from diffusers import AuraFlowPipeline, AuraFlowTransformer2DModel, FlowMatchEulerDiscreteScheduler

    transformer = AuraFlowTransformer2DModel(
        sample_size=8,
        in_channels=4,
        num_mmdit_layers=1,
        num_single_dit_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=16,
        caption_projection_dim=16,
        pos_embed_max_size=64,
    )
    return AuraFlowPipeline(tokenizer(), t5(), vae(), transformer, FlowMatchEulerDiscreteScheduler(shift=1.73))


def _sana() -> Any:
    from diffusers import AutoencoderDC, DPMSolverMultistepScheduler, SanaPipeline, SanaTransformer2DModel
    from transformers import Gemma2Config, Gemma2Model

    vae = AutoencoderDC(
        latent_channels=4,
        attention_head_dim=2,
        encoder_block_types=("ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "EfficientViTBlock"),
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        encoder_layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1),
        encoder_qkv_multiscales=((), (5,)),
        decoder_qkv_multiscales=((), (5,)),
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
    return SanaPipeline(tokenizer(), Gemma2Model(Gemma2Config(**DECODER)), vae, transformer, scheduler)


def _lumina() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, Lumina2Pipeline, Lumina2Transformer2DModel
    from transformers import Gemma2Config, Gemma2Model

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
    return Lumina2Pipeline(
        transformer,
        FlowMatchEulerDiscreteScheduler(shift=6.0),
        vae(4, shift_factor=0.1),
        Gemma2Model(Gemma2Config(**DECODER)),
        tokenizer(),
    )


FLOWS: dict[str, Callable[[], Any]] = {
    "flux": _flux,
    "chroma": _chroma,
    "z_image": _z_image,
    "aura": _aura,
    "sana": _sana,
    "lumina": _lumina,
}
