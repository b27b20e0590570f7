"""The training loop that all recipes share: resumable, and the same weights whether or not it was interrupted."""

from __future__ import annotations

import json
import math
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from leakboard.api import LeakboardError
from leakboard.training.stopping import Best

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    import torch

    from leakboard.recipe import Stage

Averages = dict[str, "torch.Tensor"]
SAVE_EVERY = 10
"""Epochs between two saved states."""


@contextmanager
def secluded(device: str) -> Iterator[None]:
    """Seeds and settings of torch stay what they were outside, whatever a training does to them."""
    import torch

    deterministic = torch.are_deterministic_algorithms_enabled()
    on_gpu = torch.device(device).type == "cuda"
    if on_gpu:
        # cuBLAS adds up in one order only when told so before its first use
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    try:
        with torch.random.fork_rng(devices=[device] if on_gpu else []):
            torch.use_deterministic_algorithms(True)
            yield
    finally:
        torch.use_deterministic_algorithms(deterministic)


def saved(stage: Stage, levels: Collection[str]) -> Mapping[str, int]:
    """The checkpoints of a stage that are saved, the last of which ends it: those of ``levels``, or all if it has none.

    So what later stages build on is always made.
    """
    wanted = {name: epochs for name, epochs in stage.checkpoints.items() if name in levels}
    return wanted or stage.checkpoints


def run(
    stage: Stage,
    out: Path,
    on_epoch: Callable[[int, float], None] | None = None,
    levels: Collection[str] = (),
) -> None:
    """Train a stage; every epoch draws its randomness from (seed, epoch) alone.

    Args:
        stage: what is trained, how long, and when it is saved.
        out: folder of its checkpoints and of the state that is saved at each tenth epoch and gone on from.
        on_epoch: called with the epochs done and the last one's mean loss.
        levels: the checkpoints that are wanted, if not all; see `saved`. Their weights are those of the whole training,
            for the learning rate falls as if it went on.
    """
    import torch

    module, optimizer, count = stage.module, stage.optimizer, len(stage.data[0])
    rates = [group["lr"] for group in optimizer.param_groups]
    average = {name: value.detach().clone() for name, value in module.state_dict().items()}
    epochs = max(stage.checkpoints.values())
    checkpoints = saved(stage, levels)
    last = max(checkpoints.values())
    best = Best(stage.stopping)
    done = _load_state(out / stage.state, module, optimizer, average, best)
    if not done:
        _save_checkpoints(stage, checkpoints, {0}, average, out)
    for epoch in range(done, last):
        if best.over:
            break
        generator = torch.Generator().manual_seed(stage.seed * 1_000_003 + epoch)
        batches = stage.batches(count, stage.batch_size, generator)
        losses = []
        for number, rows in enumerate(batches):
            progress = (epoch * len(batches) + number) / (epochs * len(batches))
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * progress))
            loss = stage.step(tuple(tensor[rows] for tensor in stage.data), generator)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(module.parameters(), stage.clip_norm)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
            _blend(average, module, 1 - stage.average)
        if on_epoch:
            on_epoch(epoch + 1, sum(losses) / len(losses))
        best.look(epoch + 1, average, saved=epoch + 1 in stage.checkpoints.values())
        ahead = set(range(epoch + 1, last + 1)) if best.over else {epoch + 1}
        _save_checkpoints(stage, checkpoints, ahead, best.weights or average, out)
        if (epoch + 1) % SAVE_EVERY == 0 or epoch + 1 == last or best.over:
            _save_state(out / stage.state, epoch + 1, module, optimizer, average, best)


def _blend(average: Averages, module: torch.nn.Module, share: float) -> None:
    import torch

    with torch.no_grad():
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                average[name].lerp_(value, share)
            else:
                average[name].copy_(value)


def _save_checkpoints(
    stage: Stage, checkpoints: Mapping[str, int], due: Collection[int], weights: Averages, out: Path
) -> None:
    for name, epochs in checkpoints.items():
        if epochs in due:
            stage.save(out / name, weights)


def _save_state(
    path: Path, epoch: int, module: torch.nn.Module, optimizer: torch.optim.Optimizer, average: Averages, best: Best
) -> None:
    from safetensors.torch import save_file

    tensors = {f"model.{name}": value.contiguous() for name, value in module.state_dict().items()}
    tensors |= {f"average.{name}": value.contiguous() for name, value in average.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value.contiguous() for name, value in state.items()}
    tensors |= best.tensors()
    temporary = path.with_suffix(".part")
    save_file(tensors, temporary, metadata={"epoch": json.dumps(epoch)})
    temporary.replace(path)


def _load_state(
    path: Path, module: torch.nn.Module, optimizer: torch.optim.Optimizer, average: Averages, best: Best
) -> int:
    """Restore what `_save_state` wrote and return the number of finished epochs; 0 when there is nothing."""
    from safetensors import SafetensorError

    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        return 0
    try:
        return _restore(path, module, optimizer, average, best)
    except (SafetensorError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise LeakboardError(
            f"the saved state cannot be gone on from: {error}",
            where=str(path),
            expected="the state that an earlier training by this recipe saved",
            next=f"remove {path.name} to train from the start, or another --out",
        ) from error


def _restore(
    path: Path, module: torch.nn.Module, optimizer: torch.optim.Optimizer, average: Averages, best: Best
) -> int:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        saved = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        epoch = int(file.metadata()["epoch"])
    best.restore(saved, average)
    module.load_state_dict({name[6:]: value for name, value in saved.items() if name.startswith("model.")})
    for name, value in average.items():
        value.copy_(saved[f"average.{name}"])
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in saved.items():
        if name.startswith("optimizer."):
            _, index, entry = name.split(".")
            state.setdefault(int(index), {})[entry] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return epoch
