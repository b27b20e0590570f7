"""Training a text-to-image latent diffusion model: text model and denoiser jointly, once there is an autoencoder."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import TYPE_CHECKING

from leakboard.recipe import Stage, Stopping
from leakboard.training import captions
from leakboard.training.autoencoder import AUTOENCODER_STATE, FOLDER, fitting, latents_of, open_autoencoder
from leakboard.training.portable import make_portable
from leakboard.training.quality import denoising_losses
from leakboard.training.shown import augmenting, shown
from leakboard.training.stopping import validation
from leakboard.training.words import tokenizer_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    from leakboard.recipe import Batch, Given, Weights
    from leakboard.training.recipes import LatentRecipe

TOKENIZER = "tokenizer"


def build(
    recipe: LatentRecipe, tokenizer: CLIPTokenizer
) -> tuple[torch.nn.ModuleDict, UNet2DConditionModel, CLIPTextModel, DDIMScheduler]:
    """The untrained denoiser and text model in one module, each by itself, and the noise schedule of Stable Diffusion.

    The schedule is the scaled-linear one of CompVis' release, 0.00085 to 0.012.
    """
    import torch
    from diffusers import DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(recipe.seed)
    blocks, text = len(recipe.channels), recipe.text
    unet = UNet2DConditionModel(
        sample_size=recipe.size // 2 ** (len(recipe.autoencoder.channels) - 1),
        in_channels=recipe.autoencoder.latent_channels,
        out_channels=recipe.autoencoder.latent_channels,
        layers_per_block=recipe.layers_per_block,
        block_out_channels=recipe.channels,
        down_block_types=("CrossAttnDownBlock2D",) * (blocks - 1) + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * (blocks - 1),
        norm_num_groups=8,
        cross_attention_dim=text.hidden,
        attention_head_dim=8,
    )
    encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=text.hidden,
            intermediate_size=4 * text.hidden,
            projection_dim=text.hidden,
            num_hidden_layers=text.layers,
            num_attention_heads=text.heads,
            max_position_embeddings=text.length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    scheduler = DDIMScheduler(
        num_train_timesteps=recipe.timesteps,
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
    return torch.nn.ModuleDict({"unet": unet, "text_encoder": encoder}), unet, encoder, scheduler


def stage(recipe: LatentRecipe, given: Given) -> Stage:
    """Text model and denoiser, to be trained on members and their captions; needs the autoencoder in ``out``.

    A checkpoint is a complete half-precision pipeline folder. The words of all captions become tokens.
    """
    import torch

    members, augment, tell = shown(recipe, given).members, augmenting(recipe), captions.telling(recipe.text)
    prompts = members.prompts
    assert prompts is not None
    vae = open_autoencoder(given.out / FOLDER, remade_without=given.out / AUTOENCODER_STATE)
    words = captions.vocabulary(given.captions, recipe.text)
    tokenizer = tokenizer_of(words, recipe.text.length, given.out / TOKENIZER)
    module, unet, encoder, scheduler = build(recipe, tokenizer)
    module.to(given.device)
    ahead = copy.deepcopy(vae).to(given.device)
    tokens = token_ids(tokenizer, prompts)
    empty = token_ids(tokenizer, [""]).to(given.device)

    def encoded(images: torch.Tensor) -> torch.Tensor:
        fitted = fitting(given.members.image_shape, recipe.size).to_victim(images) * 2 - 1
        return latents_of(ahead, fitted.to(given.device), vae.config.scaling_factor)

    def step(batch: Batch, generator: torch.Generator) -> torch.Tensor:
        seen, rows = batch
        clean = encoded(augment(seen, generator)) if augment else seen
        texts = captions.retold([prompts[row] for row in rows.tolist()], tell, generator) if tell else None
        told = (token_ids(tokenizer, texts) if texts else tokens[rows]).to(clean.device)
        noise = torch.randn(clean.shape, generator=generator).to(clean.device)
        timesteps = torch.randint(0, recipe.timesteps, (len(clean),), generator=generator).to(clean.device)
        dropped = (torch.rand((len(clean), 1), generator=generator) < recipe.text.dropout).to(clean.device)
        embeddings = encoder(torch.where(dropped, empty, told))[0]
        predicted = unet(scheduler.add_noise(clean, noise, timesteps), timesteps, embeddings).sample
        return torch.nn.functional.mse_loss(predicted, noise)

    def save(folder: Path, weights: Weights) -> None:
        averaged, unet, encoder, scheduler = build(recipe, tokenizer)
        averaged.load_state_dict(weights)
        save_pipeline(pipeline_of(vae, unet, encoder, tokenizer, scheduler), folder)

    def held_out_loss(weights: Weights) -> float:
        assert given.auxiliary is not None
        looked = validation(given.auxiliary)
        assert looked.prompts is not None
        averaged, unet, encoder, scheduler = build(recipe, tokenizer)
        averaged.load_state_dict(weights)
        averaged.to(given.device).eval()
        with torch.no_grad():
            embeddings = encoder(token_ids(tokenizer, looked.prompts).to(given.device))[0]
        pipeline = SimpleNamespace(unet=unet, scheduler=scheduler)
        return float(denoising_losses(pipeline, encoded(looked.images), recipe.seed, embeddings=embeddings).mean())

    return Stage(
        module=module,
        optimizer=torch.optim.AdamW(
            module.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, foreach=True
        ),
        data=((members.images if augment else encoded(members.images)).to(given.device), torch.arange(len(prompts))),
        step=step,
        save=save,
        checkpoints=recipe.checkpoints,
        batch_size=recipe.batch_size,
        average=recipe.average,
        clip_norm=recipe.clip_norm,
        seed=recipe.seed,
        stopping=Stopping(loss=held_out_loss, patience=recipe.patience) if recipe.patience else None,
    )


def token_ids(tokenizer: CLIPTokenizer, prompts: Sequence[str]) -> torch.Tensor:
    """Token ids (N, length) as the pipeline makes them: cut to the text model's length, padded with the end token."""
    ids: torch.Tensor = tokenizer(
        list(prompts), padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt"
    ).input_ids
    return ids


def pipeline_of(
    vae: AutoencoderKL,
    unet: UNet2DConditionModel,
    encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    scheduler: DDIMScheduler,
) -> StableDiffusionPipeline:
    """The whole pipeline, with no safety checker: there is nothing unsafe to find."""
    from diffusers import StableDiffusionPipeline

    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def save_pipeline(pipeline: StableDiffusionPipeline, folder: Path) -> None:
    """Write a half-precision folder that ``StableDiffusionPipeline.from_pretrained`` opens."""
    vae, unet, encoder = (
        copy.deepcopy(module).half() for module in (pipeline.vae, pipeline.unet, pipeline.text_encoder)
    )
    pipeline_of(vae, unet, encoder, pipeline.tokenizer, pipeline.scheduler).save_pretrained(folder)
    make_portable(folder)
