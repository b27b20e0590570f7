"""Early stopping: the weights whose held-out loss was lowest so far, and whether there is any use in going on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

    from leakboard.recipe import Stopping, Weights
    from leakboard.samples import Samples

VALIDATION = 256
"""Images, at most, whose loss says when to stop."""
HISTORY = "validation"
"""Entry of a saved state: epochs and losses."""
BEST = "best."
"""What the weights of the best epoch are called by in a saved state."""


class Best:
    """The best weights of a stage so far; without early stopping it keeps none, and nothing is over.

    Args:
        stopping: how the stage stops early.
    """

    def __init__(self, stopping: Stopping | None) -> None:
        self.stopping = stopping
        self.history: list[tuple[int, float]] = []
        self.weights: dict[str, torch.Tensor] = {}

    def look(self, epoch: int, average: Weights, *, saved: bool) -> None:
        """Measure averaged weights after an epoch, if it is time to, and keep them if none were better.

        Args:
            epoch: that has ended.
            average: the weights.
            saved: whether the stage has a checkpoint of this epoch, so that it is time in any case.
        """
        if self.stopping is None or not (saved or epoch % self.stopping.every == 0):
            return
        loss = self.stopping.loss(average)
        if loss < min((seen for _, seen in self.history), default=float("inf")):
            self.weights = {name: value.clone() for name, value in average.items()}
        self.history.append((epoch, loss))

    @property
    def over(self) -> bool:
        """Whether the loss has not fallen for as long as the stage has patience."""
        if self.stopping is None or not self.history:
            return False
        return self.history[-1][0] - best_of(self.history)[0] >= self.stopping.patience

    def tensors(self) -> dict[str, torch.Tensor]:
        """Weights and history as they are saved; notes beside tensors would be saved in an order that is drawn."""
        import torch

        if not self.history:
            return {}
        found = {BEST + name: value.contiguous() for name, value in self.weights.items()}
        return found | {HISTORY: torch.tensor(self.history, dtype=torch.float64)}

    def restore(self, tensors: Mapping[str, torch.Tensor], like: Weights) -> None:
        """Take up what was saved; weights where those of ``like`` are."""
        self.history = _history(tensors[HISTORY]) if HISTORY in tensors else []
        found = {name.removeprefix(BEST): value for name, value in tensors.items() if name.startswith(BEST)}
        self.weights = {name: value.to(like[name].device) for name, value in found.items()}


def _history(saved: torch.Tensor) -> list[tuple[int, float]]:
    return [(int(epoch), loss) for epoch, loss in saved.tolist()]


def best_of(history: list[tuple[int, float]]) -> tuple[int, float]:
    """The epoch with the lowest loss, the first of several, and that loss."""
    return min(history, key=lambda seen: seen[1])


def validation(auxiliary: Samples) -> Samples:
    """The auxiliary images that say when to stop: `VALIDATION` of them, or all, the same for every recipe and seed."""
    chosen = np.random.default_rng(0).permutation(len(auxiliary.ids))[:VALIDATION]
    return auxiliary.take(sorted(chosen.tolist()))


def stopped(state: Path, epochs: int) -> dict[str, float]:
    """The epoch whose weights a checkpoint holds, its held-out loss, and the last epoch that was trained for it.

    Nothing for a checkpoint of the untrained model, which nobody looked at.

    Args:
        state: the saved state of the stage.
        epochs: after which the checkpoint is saved, unless the stage stops before.

    Raises:
        LeakboardError: the state is missing or damaged.
    """
    from safetensors import safe_open

    from leakboard.training.opening import opening

    with opening(state.parent, remade_without=state), safe_open(state, "pt") as file:
        saved = file.get_tensor(HISTORY)
    history = [(epoch, loss) for epoch, loss in _history(saved) if epoch <= epochs]
    if not history:
        return {}
    epoch, loss = best_of(history)
    return {"epoch": epoch, "loss": loss, "last_epoch": history[-1][0]}
