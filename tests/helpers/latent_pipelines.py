"""Tiny seeded latent diffusion models, saved the way diffusers saves real ones, and what to ask them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from helpers.tiny_pipelines import LABELS, PIPELINES, stable_diffusion

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SEEDS = (2**100 + 1, 5, 2**64 - 1)
PROMPTS = ("a cat", "two dogs", "a cat")
CLASS_PROMPTS = ("cock", "207", "")


def tiny_pipeline(kind: str, **config: Any) -> Any:
    """An untrained pipeline of a few thousand weights, large enough for outputs far from zero."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pipeline = stable_diffusion(**config) if config else PIPELINES[kind]()
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
