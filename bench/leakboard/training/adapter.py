"""Training an adapter: the base is opened and frozen, small matrices beside its layers learn the members."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from leakboard.api import LeakboardError, member_digest
from leakboard.digests import weights_digest
from leakboard.errors import nearest
from leakboard.quiet import quiet
from leakboard.recipe import Stage
from leakboard.registry.find import shared
from leakboard.training import checks
from leakboard.training.autoencoder import fitting, latents_of
from leakboard.training.latent import token_ids
from leakboard.training.lora import ATTENTION
from leakboard.training.measuring import LatentCheckpoint
from leakboard.training.opening import opening

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel

    from leakboard.api import Mask, Samples
    from leakboard.recipe import Batch, Given, Weights
    from leakboard.training.lora import LoraRecipe

FILE = "pytorch_lora_weights.safetensors"
"""What diffusers calls an adapter."""
METADATA = "lora_adapter_metadata"
"""The key in the head of that file under which diffusers looks for rank, alpha and targets."""
INDEX = "model_index.json"
DENOISER = "unet"


class Base(NamedTuple):
    """What an adapter is trained on top of.

    Attributes:
        folder: of its pipeline.
        digest: `weights_digest` of its files.
        size: side of its images.
        channels: of its images.
        layers: names of the layers of its denoiser that have weights.
    """

    folder: Path
    digest: str
    size: int
    channels: int
    layers: tuple[str, ...]


def base_of(recipe: LoraRecipe) -> Base:
    """The base that a recipe names, by what its files say.

    Raises:
        LeakboardError: there is no such victim, it is damaged, or no Stable Diffusion that predicts noise.
    """
    from safetensors import safe_open

    files = _victim(recipe).files()
    index = next((path for path in files if path.name == INDEX), None)
    named = _json(index).get("_class_name") if index else None
    predicts = _json(index.parent / "scheduler" / "scheduler_config.json").get("prediction_type") if index else None
    if index is None or named != "StableDiffusionPipeline" or predicts not in (None, "epsilon"):
        what = f"a {named} that predicts {predicts}" if named else "no pipeline in a folder"
        raise LeakboardError(
            f"the base of {recipe.name!r} is {what}",
            where=f"base={recipe.base!r}",
            expected="a StableDiffusionPipeline that predicts noise (epsilon)",
        )
    unet, vae = (_json(index.parent / name / "config.json") for name in (DENOISER, "vae"))
    names: set[str] = set()
    for path in files:
        if path.suffix == ".safetensors" and path.parent.name == DENOISER:
            with safe_open(path, "np") as opened:
                names |= {name.rpartition(".")[0] for name in opened.keys()}  # noqa: SIM118 - not a mapping
    size = unet["sample_size"] * 2 ** (len(vae["block_out_channels"]) - 1)
    return Base(index.parent, weights_digest(files), size, vae["in_channels"], tuple(sorted(names)))


def check(recipe: LoraRecipe, samples: Samples) -> None:
    """Refuse what no adapter can be trained of, before anything is written.

    Raises:
        LeakboardError: peft is not installed, the base is none, it lacks a target, it cannot take the images, or has
            seen some of them.
    """
    if importlib.util.find_spec("peft") is None:
        raise LeakboardError("adapters need the package peft", next="pip install 'leakboard[lora]'")
    base = base_of(recipe)
    checks.check_captions(recipe, samples)
    checks.check_size(recipe, base.size, samples, "images")
    if samples.image_shape[0] != base.channels:
        raise LeakboardError(
            f"the images have {samples.image_shape[0]} channels, those of the base {base.channels}",
            where=f"base={recipe.base!r}",
            expected="a dataset and a base that are both grey or both coloured",
        )
    for target in recipe.targets or ("",):
        if not any(target and f".{name}".endswith(f".{target}") for name in base.layers):
            raise LeakboardError(
                f"the base has no layer whose name ends with {target!r}",
                where=f"targets={recipe.targets!r}",
                expected=f"endings of the names of layers of its denoiser, such as {', '.join(ATTENTION)}",
                nearest=nearest(target, {ending for name in base.layers for ending in _endings(name)}),
            )
    seen = _seen_by(_victim(recipe), samples)
    if seen.any():
        members, held_out = int((seen & samples.member).sum()), int((seen & ~samples.member).sum())
        raise LeakboardError(
            f"the base was trained on {members} of the members and {held_out} of the others",
            where=f"base={recipe.base!r}",
            expected="samples that the base never saw: else it could not be told what the adapter leaks",
            next="fashion_mnist_unseen is new to fashion_sd, emoji_unseen to emoji_sd",
        )


def open_base(folder: Path) -> StableDiffusionPipeline:
    """The frozen base in float32.

    Raises:
        LeakboardError: diffusers cannot open it.
    """
    from diffusers import StableDiffusionPipeline

    try:
        with quiet():
            pipeline = StableDiffusionPipeline.from_pretrained(folder, use_safetensors=True, local_files_only=True)
    except (AttributeError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise LeakboardError(
            f"the base cannot be opened: {' '.join(str(error).split())}", where=str(folder), expected="a whole pipeline"
        ) from error
    for module in (pipeline.vae, pipeline.unet, pipeline.text_encoder):
        module.float().eval().requires_grad_(False)
    return pipeline


def stage(recipe: LoraRecipe, given: Given) -> Stage:
    """The adapter, to be trained on members and their captions; a checkpoint is one file of safetensors."""
    import torch
    from peft import LoraConfig

    assert given.members.prompts is not None
    base = base_of(recipe)
    pipeline = open_base(base.folder).to(given.device)
    unet, scheduler = pipeline.unet, pipeline.scheduler
    torch.manual_seed(recipe.seed)
    with quiet():
        unet.add_adapter(LoraConfig(r=recipe.rank, lora_alpha=_alpha(recipe), target_modules=list(recipe.targets)))
    trained = _trained(unet)
    fit = fitting(given.members.image_shape, base.size)
    images = fit.to_victim(given.members.images) * 2 - 1
    latents = latents_of(pipeline.vae, images.to(given.device), pipeline.vae.config.scaling_factor)
    with torch.no_grad():
        told = pipeline.text_encoder(token_ids(pipeline.tokenizer, given.members.prompts).to(given.device))[0]
        empty = pipeline.text_encoder(token_ids(pipeline.tokenizer, [""]).to(given.device))[0]

    def step(batch: Batch, generator: torch.Generator) -> torch.Tensor:
        clean, texts = batch
        noise = torch.randn(clean.shape, generator=generator).to(clean.device)
        length = scheduler.config.num_train_timesteps
        timesteps = torch.randint(0, length, (len(clean),), generator=generator).to(clean.device)
        dropped = (torch.rand((len(clean), 1, 1), generator=generator) < recipe.dropout).to(clean.device)
        state = scheduler.add_noise(clean, noise, timesteps)
        predicted = unet(state, timesteps, torch.where(dropped, empty, texts)).sample
        return torch.nn.functional.mse_loss(predicted, noise)

    def save(folder: Path, weights: Weights) -> None:
        save_adapter(recipe, folder, dict(zip(trained, weights.values(), strict=True)))

    # the frozen weights of the base need no average, no saved state and no gradient
    module = torch.nn.ParameterList(trained.values())
    return Stage(
        module=module,
        optimizer=torch.optim.AdamW(module.parameters(), lr=recipe.learning_rate, foreach=True),
        data=(latents, told),
        step=step,
        save=save,
        checkpoints=recipe.checkpoints,
        batch_size=recipe.batch_size,
        average=recipe.average,
        clip_norm=recipe.clip_norm,
        seed=recipe.seed,
        doing="training the adapter",
    )


def save_adapter(recipe: LoraRecipe, folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Write the one file of a checkpoint, by the name in the denoiser of every matrix.

    Rank, alpha and targets stand in its head, where diffusers and peft look for them: without them alpha is the rank.
    """
    from safetensors.torch import save_file

    facts = {"lora_alpha": _alpha(recipe), "r": recipe.rank, "target_modules": sorted(recipe.targets)}
    head = json.dumps({f"{DENOISER}.{name}": value for name, value in facts.items()}, sort_keys=True)
    folder.mkdir(parents=True, exist_ok=True)
    named = {f"{DENOISER}.{name}": tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # one entry in the head: the order of several would be another one in every process
    save_file(named, folder / FILE, metadata={METADATA: head})


class LoraCheckpoint(LatentCheckpoint):
    """A base that wears the adapter of a checkpoint.

    Args:
        recipe: of the adapter.
        folder: the checkpoint's.
        device: where it is asked.

    Raises:
        LeakboardError: base or adapter is missing or damaged.
    """

    def __init__(self, recipe: LoraRecipe, folder: Path, device: str) -> None:
        self._base = base_of(recipe)
        super().__init__(folder, device, recipe.seed, self._base.size)

    def _load(self, folder: Path) -> StableDiffusionPipeline:
        pipeline = open_base(self._base.folder)
        with quiet():
            pipeline.load_lora_weights(folder, weight_name=FILE, local_files_only=True, use_safetensors=True)
        return pipeline


def facts(recipe: LoraRecipe, folder: Path) -> dict[str, Any]:
    """What a manifest says of base and adapter."""
    from safetensors import safe_open

    with opening(folder, remade_without=folder), safe_open(folder / FILE, "np") as opened:
        shapes = [opened.get_slice(name).get_shape() for name in opened.keys()]  # noqa: SIM118 - not a mapping
    numbers = int(sum(np.prod(shape) for shape in shapes))
    return {
        "base": {"victim": recipe.base, "weights_digest": base_of(recipe).digest},
        "adapter": {"rank": recipe.rank, "alpha": _alpha(recipe), "layers": len(shapes) // 2, "parameters": numbers},
    }


def _victim(recipe: LoraRecipe) -> Any:
    return shared(()).one("victim", recipe.base, f"base of the recipe {recipe.name}").only


def _seen_by(victim: Any, samples: Samples) -> Mask:
    """Which samples (N,) a victim was trained on, as far as that can be told.

    Manifests of older trainings list no members, but name the dataset, which has them all: their digest proves it.
    """
    listed = victim.members(samples.ids)
    if listed is not None:
        found: Mask = listed
        return found
    trained_on = victim.trained_on()
    noted = victim.facts().get("manifest", {}).get("recipe")
    dataset = noted.get("dataset") if isinstance(noted, dict) else None
    known: set[str] = set()
    if trained_on and isinstance(dataset, str):
        theirs = shared(()).one("dataset", dataset, "the dataset of the base").only.load()
        members = [name for name, member in zip(theirs.ids, theirs.member, strict=True) if member]
        known = set(members) if member_digest(members) == trained_on else set()
    return np.array([name in known for name in samples.ids], bool)


def _alpha(recipe: LoraRecipe) -> float:
    return recipe.rank if recipe.alpha is None else recipe.alpha


def _trained(unet: UNet2DConditionModel) -> dict[str, torch.nn.Parameter]:
    """The matrices of the adapter by the names that files give them, without that of the adapter in use."""
    return {name.replace(".default.", "."): weight for name, weight in unet.named_parameters() if weight.requires_grad}


def _endings(name: str) -> list[str]:
    """All that a layer's name ends with, from its last part on."""
    parts = name.split(".")
    return [".".join(parts[place:]) for place in range(len(parts))]


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
