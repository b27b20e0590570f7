"""The training loop that all recipes share: resumable, and the same weights whether or not it was interrupted."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Protocol

from leakboard.api import LeakboardError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import torch

Weights = dict[str, "torch.Tensor"]
STATE = "state.safetensors"
SAVE_EVERY = 10
"""Epochs between two saved states."""


class Schedule(Protocol):
    """What of a recipe the loop itself needs."""

    @property
    def epochs(self) -> int:
        """Length of the run; the learning rate follows one cosine over it."""
        ...

    @property
    def checkpoints(self) -> dict[str, int]:
        """Name -> epochs after which the averaged weights are saved."""
        ...

    @property
    def batch_size(self) -> int:
        """Samples a step."""
        ...

    @property
    def learning_rate(self) -> float:
        """At the start of the cosine."""
        ...

    @property
    def average(self) -> float:
        """Decay of the exponential moving average of the weights."""
        ...

    @property
    def clip_norm(self) -> float:
        """Longest gradient that is applied as it is."""
        ...

    @property
    def seed(self) -> int:
        """Of order, noise and timesteps."""
        ...


def run(
    recipe: Schedule,
    module: torch.nn.Module,
    count: int,
    loss_of: Callable[[torch.Tensor, torch.Generator], torch.Tensor],
    save: Callable[[str, Weights], None],
    state: Path,
    on_epoch: Callable[[int, float], None] | None = None,
) -> None:
    """Train ``module`` on ``count`` samples; every epoch draws its randomness from (seed, epoch) alone.

    Args:
        recipe: how long, how fast, and when to save.
        module: holds everything that is trained.
        count: samples.
        loss_of: the mean loss of the samples at some rows; what it draws comes from the generator.
        save: told the name and the averaged weights of every checkpoint that is reached.
        state: file that the state is saved to at each tenth epoch and gone on from.
        on_epoch: told the epochs done and the last one's mean loss.
    """
    import torch

    torch.use_deterministic_algorithms(True)
    optimizer = torch.optim.AdamW(module.parameters(), lr=recipe.learning_rate, foreach=True)
    average = {name: value.detach().clone() for name, value in module.state_dict().items()}
    total = recipe.epochs * math.ceil(count / recipe.batch_size)
    done = _load_state(state, module, optimizer, average)
    if not done:
        _save_checkpoints(recipe, 0, average, save)
    for epoch in range(done, recipe.epochs):
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + epoch)
        batches = torch.split(torch.randperm(count, generator=generator), recipe.batch_size)
        losses = []
        for step, rows in enumerate(batches):
            progress = (epoch * len(batches) + step) / total
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
            loss = loss_of(rows, generator)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(module.parameters(), recipe.clip_norm)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
            _blend(average, module, 1 - recipe.average)
        if on_epoch:
            on_epoch(epoch + 1, sum(losses) / len(losses))
        _save_checkpoints(recipe, epoch + 1, average, save)
        if (epoch + 1) % SAVE_EVERY == 0 or epoch + 1 == recipe.epochs:
            _save_state(state, epoch + 1, module, optimizer, average)


def _blend(average: Weights, module: torch.nn.Module, share: float) -> None:
    import torch

    with torch.no_grad():
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                average[name].lerp_(value, share)
            else:
                average[name].copy_(value)


def _save_checkpoints(recipe: Schedule, epoch: int, average: Weights, save: Callable[[str, Weights], None]) -> None:
    for level, epochs in recipe.checkpoints.items():
        if epochs == epoch:
            save(level, average)


def _save_state(
    path: Path, epoch: int, module: torch.nn.Module, optimizer: torch.optim.Optimizer, average: Weights
) -> None:
    from safetensors.torch import save_file

    tensors = {f"model.{name}": value.contiguous() for name, value in module.state_dict().items()}
    tensors |= {f"average.{name}": value.contiguous() for name, value in average.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value.contiguous() for name, value in state.items()}
    temporary = path.with_suffix(".part")
    save_file(tensors, temporary, metadata={"epoch": json.dumps(epoch)})
    temporary.replace(path)


def _load_state(path: Path, module: torch.nn.Module, optimizer: torch.optim.Optimizer, average: Weights) -> int:
    """Restore what `_save_state` wrote and return the number of finished epochs; 0 when there is nothing."""
    from safetensors import SafetensorError

    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        return 0
    try:
        return _restore(path, module, optimizer, average)
    except (SafetensorError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise LeakboardError(
            f"the saved state cannot be gone on from: {error}",
            where=str(path),
            expected="the state that an earlier training by this recipe saved",
            next=f"remove {path.name} to train from the start, or another --out",
        ) from error


def _restore(path: Path, module: torch.nn.Module, optimizer: torch.optim.Optimizer, average: Weights) -> int:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        saved = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        epoch = int(file.metadata()["epoch"])
    module.load_state_dict({name[6:]: value for name, value in saved.items() if name.startswith("model.")})
    average.update({name[8:]: value for name, value in saved.items() if name.startswith("average.")})
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in saved.items():
        if name.startswith("optimizer."):
            _, index, entry = name.split(".")
            state.setdefault(int(index), {})[entry] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return epoch
