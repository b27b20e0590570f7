"""Training a text-to-image latent diffusion model: autoencoder first, then text model and denoiser jointly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.oracle.fitting import Fitting
from leakboard.training import loop
from leakboard.training.opening import opening
from leakboard.training.portable import make_portable
from leakboard.training.words import tokenizer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    from leakboard.training.recipes import LatentRecipe

AUTOENCODER = "autoencoder"
AUTOENCODER_STATE = "autoencoder.safetensors"
TOKENIZER = "tokenizer"
CHUNK = 256


def fitting(recipe: LatentRecipe, images: torch.Tensor) -> Fitting:
    """How images (N, C, H, W) become those of the autoencoder: padded evenly with black, as in attacks later."""
    channels, height, width = images.shape[1:]
    return Fitting((channels, height, width), (channels, recipe.size, recipe.size), "pad")


def build_autoencoder(recipe: LatentRecipe, channels: int) -> AutoencoderKL:
    """The untrained autoencoder for images of ``channels``, its weights drawn from the recipe's seed."""
    import torch
    from diffusers import AutoencoderKL

    shape = recipe.autoencoder
    torch.manual_seed(shape.seed)
    blocks = len(shape.channels)
    return AutoencoderKL(
        in_channels=channels,
        out_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        block_out_channels=shape.channels,
        layers_per_block=shape.layers_per_block,
        latent_channels=shape.latent_channels,
        norm_num_groups=8,
        sample_size=recipe.size,
    )


def train_autoencoder(
    recipe: LatentRecipe, images: torch.Tensor, out: Path, on_epoch: Callable[[int, float], None] | None = None
) -> None:
    """Train the autoencoder on ``images`` (N, C, H, W) in [0, 1] and save it as ``out/autoencoder``.

    Its scaling factor makes the latents of these images have unit variance (Rombach et al. 2112.10752, appendix G).
    """
    import torch

    vae = build_autoencoder(recipe, images.shape[1])
    clean = fitting(recipe, images).to_victim(images) * 2 - 1

    def loss_of(rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        seen = varied(clean[rows], generator) if recipe.autoencoder.augment else clean[rows]
        posterior = vae.encode(seen).latent_dist
        decoded = vae.decode(posterior.sample(generator)).sample
        error = torch.nn.functional.mse_loss(decoded, seen)
        divergence: torch.Tensor = posterior.kl().sum() / posterior.mean.numel()
        return error + recipe.autoencoder.kl_weight * divergence

    def save(_: str, weights: loop.Weights) -> None:
        averaged = build_autoencoder(recipe, images.shape[1])
        averaged.load_state_dict(weights)
        averaged = averaged.half().float().eval()
        averaged.register_to_config(scaling_factor=1 / float(latents_of(averaged, clean, scale=1.0).std()))
        averaged.half().save_pretrained(out / AUTOENCODER)

    loop.run(recipe.autoencoder, vae, len(images), loss_of, save, out / AUTOENCODER_STATE, on_epoch)


def varied(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A batch (N, C, H, W) mirrored with even odds, shifted by up to two pixels, its channels in another order."""
    import torch

    flip, down, across = (int(torch.randint(0, high, (), generator=generator)) for high in (2, 5, 5))
    channels = torch.randperm(images.shape[1], generator=generator)
    return torch.roll(images.flip(-1) if flip else images, (down - 2, across - 2), (-2, -1))[:, channels]


def latents_of(vae: AutoencoderKL, clean: torch.Tensor, scale: float) -> torch.Tensor:
    """Modes of the posteriors of images in [-1, 1], times ``scale``."""
    import torch

    with torch.no_grad():
        modes = [vae.encode(part).latent_dist.mode() for part in torch.split(clean, CHUNK)]
    return torch.cat(modes) * scale


def open_autoencoder(out: Path) -> AutoencoderKL:
    """What `train_autoencoder` saved, in float32.

    Raises:
        LeakboardError: it is missing or damaged.
    """
    from diffusers import AutoencoderKL
    from safetensors.torch import load_file

    folder = out / AUTOENCODER
    with opening(folder, remade_without=out / AUTOENCODER_STATE):
        # from_pretrained would note in the configuration of every checkpoint where the folder was
        vae = AutoencoderKL.from_config(AutoencoderKL.load_config(folder, local_files_only=True))
        vae.load_state_dict(load_file(folder / "diffusion_pytorch_model.safetensors"))
    return vae.float().eval().requires_grad_(False)


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


def train(
    recipe: LatentRecipe,
    images: torch.Tensor,
    prompts: Sequence[str],
    vocabulary: Sequence[str],
    out: Path,
    on_epoch: Callable[[int, float], None] | None = None,
) -> None:
    """Train on ``images`` (N, C, H, W) in [0, 1] and their captions; needs the autoencoder in ``out``.

    Saves a complete half-precision pipeline folder a checkpoint below ``out``. The words of ``vocabulary``, captions of
    members and others alike, become tokens.
    """
    import torch

    vae = open_autoencoder(out)
    tokenizer = tokenizer_of(vocabulary, recipe.text.length, out / TOKENIZER)
    module, unet, encoder, scheduler = build(recipe, tokenizer)
    clean = fitting(recipe, images).to_victim(images) * 2 - 1
    latents = latents_of(vae, clean, vae.config.scaling_factor)
    tokens, empty = token_ids(tokenizer, prompts), token_ids(tokenizer, [""])

    def loss_of(rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        noise = torch.randn((len(rows), *latents.shape[1:]), generator=generator)
        timesteps = torch.randint(0, recipe.timesteps, (len(rows),), generator=generator)
        dropped = torch.rand((len(rows), 1), generator=generator) < recipe.text.dropout
        hidden = encoder(torch.where(dropped, empty, tokens[rows]))[0]
        predicted = unet(scheduler.add_noise(latents[rows], noise, timesteps), timesteps, hidden).sample
        return torch.nn.functional.mse_loss(predicted, noise)

    def save(level: str, weights: loop.Weights) -> None:
        averaged, unet, encoder, scheduler = build(recipe, tokenizer)
        averaged.load_state_dict(weights)
        save_pipeline(pipeline_of(vae, unet, encoder, tokenizer, scheduler), out / level)

    loop.run(recipe, module, len(images), loss_of, save, out / loop.STATE, on_epoch)


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
    import copy

    vae, unet, encoder = (
        copy.deepcopy(module).half() for module in (pipeline.vae, pipeline.unet, pipeline.text_encoder)
    )
    pipeline_of(vae, unet, encoder, pipeline.tokenizer, pipeline.scheduler).save_pretrained(folder)
    make_portable(folder)
