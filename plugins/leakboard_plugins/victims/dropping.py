"""Dropout whose masks belong to a question and a sample, and a model that answers under it."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from leakboard.api import Model
from leakboard.noise import row_seed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from leakboard.api import Step

RANGE = 1 << 16
"""Masks are drawn as whole numbers below this: p is kept to 1.5e-5, and drawing them is quick."""


@dataclass
class Dropped:
    """What the dropout layers of one network share.

    Attributes:
        p: share of the activations that is dropped.
        layers: how many there are.
        seeds: of the samples that the network is asked about, one a row; None where nothing is dropped.
        call: how often the network was asked since the seeds were given.
    """

    p: float
    layers: int = 0
    seeds: Sequence[int] | None = None
    call: int = field(default=0)

    @contextlib.contextmanager
    def by(self, seeds: Sequence[int]) -> Iterator[None]:
        """Drop by these seeds."""
        self.seeds, self.call = seeds, 0
        try:
            yield
        finally:
            self.seeds = None

    def asked(self, *_: Any) -> None:
        """Note a call of the network, which gets masks of its own."""
        self.call += 1

    def applied(self, layer: int, _module: Any, _given: Any, activations: torch.Tensor) -> torch.Tensor | None:
        """What a layer gives on: its activations (rows, ...) with some at zero, or as they are."""
        return None if self.seeds is None else activations * self._mask(layer, activations)

    def _mask(self, layer: int, like: torch.Tensor) -> torch.Tensor:
        """What is kept of activations (rows, ...), scaled up; rows beyond the samples repeat them, as under guidance.

        Raises:
            ValueError: the rows are no multiple of the samples.
        """
        import torch

        assert self.seeds is not None
        samples = len(self.seeds)
        if len(like) % samples:
            raise ValueError(f"a dropout layer met {len(like)} rows for {samples} samples")
        rows = np.empty(like.shape, np.uint16)
        for number, row in enumerate(rows):
            seed = row_seed(self.seeds[number % samples], f"dropout {layer} {self.call}", number // samples, "")
            row[...] = np.random.Generator(np.random.PCG64(seed)).integers(RANGE, size=row.shape, dtype=np.uint16)
        kept = torch.from_numpy(rows >= round(self.p * RANGE)).to(like.device, like.dtype)
        return kept.div_(1 - self.p)


def drop(network: torch.nn.Module, p: float) -> Dropped:
    """Let every ``torch.nn.Dropout`` of a network, which does nothing in eval mode, drop by seeds."""
    import torch

    dropped = Dropped(p)
    network.register_forward_pre_hook(dropped.asked)
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.register_forward_hook(functools.partial(dropped.applied, dropped.layers))
            dropped.layers += 1
    return dropped


class DroppingModel(Model):
    """Another model, whose network drops by the seeds of the question. Asked without any, it drops nothing."""

    def __init__(self, model: Model, dropped: Dropped, seeds: Sequence[int] | None = None) -> None:
        self._model, self._dropped, self._seeds = model, dropped, seeds
        self.image_shape, self.round_trip_error = model.image_shape, model.round_trip_error

    def seeded(self, seeds: Sequence[int]) -> Model:
        """The same, dropping by these seeds, one a sample."""
        return DroppingModel(self._model, self._dropped, seeds)

    @functools.cached_property
    def alphas_cumprod(self) -> torch.Tensor:
        """Those of the model."""
        return self._model.alphas_cumprod

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """As the model: only the denoiser drops."""
        return self._model.encode(images)

    def decode(self, inner: torch.Tensor) -> torch.Tensor:
        """As the model."""
        return self._model.decode(inner)

    def predict_noise(self, state: torch.Tensor, timestep: int, prompts: Sequence[str] | None) -> torch.Tensor:
        """As the model, under dropout."""
        with self._by(self._seeds):
            return self._model.predict_noise(state, timestep, prompts)

    def predict_velocity(self, state: torch.Tensor, time: float, prompts: Sequence[str] | None) -> torch.Tensor:
        """As the model, under dropout."""
        with self._by(self._seeds):
            return self._model.predict_velocity(state, time, prompts)

    def reconstruct(
        self, images: torch.Tensor, seeds: Sequence[int], strength: float, steps: int, prompts: Sequence[str] | None
    ) -> Iterator[Step]:
        """As the model, each step under dropout of its own."""
        with self._by(seeds):
            yield from self._model.reconstruct(images, seeds, strength, steps, prompts)

    def generate(self, seeds: Sequence[int], steps: int, prompts: Sequence[str] | None) -> torch.Tensor:
        """As the model, each step under dropout of its own."""
        with self._by(seeds):
            return self._model.generate(seeds, steps, prompts)

    def _by(self, seeds: Sequence[int] | None) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if seeds is None else self._dropped.by(seeds)
