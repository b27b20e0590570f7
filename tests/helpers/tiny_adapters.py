"""Tiny adapters as different programs save them, and pipelines that have one in their weights already."""

import hashlib
import json
import shutil

import torch
from safetensors.torch import load_file, save_file

from leakboard.api import member_digest

RANK = 2
KOHYA = {"unet": "lora_unet", "transformer": "lora_transformer", "text_encoder": "lora_te"}


def matrices(folder, part, endings, files=("diffusion_pytorch_model.safetensors", "model.safetensors")):
    """Random pairs of matrices by layer, for all layers of a saved network whose names have one of the endings."""
    generator = torch.Generator().manual_seed(7)
    path = next(folder / part / name for name in files if (folder / part / name).exists())
    made = {}
    for name, weight in sorted(load_file(path).items()):
        layer = name.removesuffix(".weight")
        if name.endswith(".weight") and layer.endswith(endings):
            into, out = weight.shape[1], weight.shape[0]
            sides = (torch.randn(RANK, into, generator=generator), torch.randn(out, RANK, generator=generator))
            made[layer] = tuple(side * 0.3 for side in sides)
    assert made
    return made


def save_diffusers(path, part, made):
    """As diffusers saves it; alpha is the rank."""
    sides = {
        f"{part}.{layer}.lora_{side}.weight": each
        for layer, pair in made.items()
        for side, each in zip("AB", pair, strict=True)
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(sides, path)


def save_kohya(path, alpha, **parts):
    """As the scripts of kohya save it, all dots underscores, with an alpha beside every pair."""
    tensors = {}
    for part, made in parts.items():
        for layer, (down, up) in made.items():
            # transformers 5 leaves out a part of the name that files of adapters have
            inner = f"text_model.{layer.removeprefix('text_model.')}" if part == "text_encoder" else layer
            name = f"{KOHYA[part]}_{inner.replace('.', '_')}"
            tensors |= {
                f"{name}.lora_down.weight": down,
                f"{name}.lora_up.weight": up,
                f"{name}.alpha": torch.tensor(float(alpha)),
            }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)


def save_peft(folder, alpha, made):
    """As peft saves what it wrapped: its own names, and a configuration beside them."""
    sides = {
        f"base_model.model.{layer}.lora_{side}.weight": each
        for layer, pair in made.items()
        for side, each in zip("AB", pair, strict=True)
    }
    folder.mkdir(parents=True)
    save_file(sides, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": alpha, "target_modules": sorted(made)}
    (folder / "adapter_config.json").write_text(json.dumps(config))


def save_stand_in(folder, value, epochs):
    """A file that looks like an adapter to whoever reads its head, with the manifest of a training of no members."""
    folder.mkdir(parents=True)
    file = folder / "pytorch_lora_weights.safetensors"
    save_file({"unet.layer.lora_A.weight": torch.full((1,), value)}, file)
    weights = {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    manifest = {"recipe": {}, "epochs": epochs, "member_digest": member_digest([]), "weights": weights}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def fused(folder, out, scale, **parts):
    """A copy of a pipeline folder whose weights are what base and adapter add up to."""
    shutil.copytree(folder, out)
    for part, made in parts.items():
        path = next((out / part).glob("*.safetensors"))
        weights = load_file(path)
        for layer, (down, up) in made.items():
            weights[f"{layer}.weight"] += scale * up @ down
        save_file(weights, path, {"format": "pt"})
    return out
