"""A latent model that wears an adapter, and the same model with the adapter switched off."""

from __future__ import annotations

import copy
import functools
from typing import TYPE_CHECKING, Self

from leakboard.api import Model, Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from leakboard.api import Step
    from leakboard_plugins.victims.latent.model import LatentModel
    from leakboard_plugins.victims.latent.wearing import Switch


class Adapted(Model):
    """One side of a model with an adapter: before every question the switch is set, so both sides share all weights.

    Args:
        model: over the pipeline; each side has one of its own, for it keeps the texts that it embedded.
        switch: of the adapter.
        on: which side this is.
    """

    def __init__(self, model: LatentModel, switch: Switch, *, on: bool = True) -> None:
        self._model, self._switch, self._on = model, switch, on
        self.image_shape, self.round_trip_error = model.image_shape, model.round_trip_error

    def base(self) -> Model:
        """The model with the adapter switched off.

        Raises:
            Unsupported: it is off already.
        """
        if not self._on:
            raise Unsupported("the adapter is switched off already")
        return self._base

    @functools.cached_property
    def _base(self) -> Self:
        model = copy.copy(self._model)
        model.__dict__.pop("_conditions", None)  # texts that were embedded under the adapter
        return type(self)(model, self._switch, on=False)

    @functools.cached_property
    def alphas_cumprod(self) -> torch.Tensor:
        """The noise schedule, which no adapter changes.

        Raises:
            Unsupported: it matches flows.
        """
        return self._model.alphas_cumprod

    @property
    def _set(self) -> LatentModel:
        """The model, with the switch as this side wants it."""
        self._switch.turn(on=self._on)
        return self._model

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Images to scaled latents."""
        return self._set.encode(images)

    def decode(self, inner: torch.Tensor) -> torch.Tensor:
        """Scaled latents to images."""
        return self._set.decode(inner)

    def predict_noise(self, state: torch.Tensor, timestep: int, prompts: Sequence[str] | None) -> torch.Tensor:
        """Predicted noise without guidance."""
        return self._set.predict_noise(state, timestep, prompts)

    def predict_velocity(self, state: torch.Tensor, time: float, prompts: Sequence[str] | None) -> torch.Tensor:
        """Predicted velocity without guidance."""
        return self._set.predict_velocity(state, time, prompts)

    def reconstruct(
        self, images: torch.Tensor, seeds: Sequence[int], strength: float, steps: int, prompts: Sequence[str] | None
    ) -> Iterator[Step]:
        """Image-to-image; all steps are made at once, before anybody can turn the switch."""
        return iter(list(self._set.reconstruct(images, seeds, strength, steps, prompts)))

    def generate(self, seeds: Sequence[int], steps: int, prompts: Sequence[str] | None) -> torch.Tensor:
        """Scaled latents of new images."""
        return self._set.generate(seeds, steps, prompts)

    def gradients(
        self, inner: torch.Tensor, noise: torch.Tensor, timesteps: Sequence[int], prompts: Sequence[str] | None
    ) -> torch.Tensor:
        """Norms of gradients in every parameter tensor, those of the adapter among them: 0 where it is off."""
        return self._set.gradients(inner, noise, timesteps, prompts)

    def state_gradient(
        self, inner: torch.Tensor, noise: torch.Tensor, timestep: int, prompts: Sequence[str] | None
    ) -> torch.Tensor:
        """Norms of gradients by the noisy latents."""
        return self._set.state_gradient(inner, noise, timestep, prompts)

    def decoder_gain(self, inner: torch.Tensor, probes: Sequence[torch.Tensor]) -> torch.Tensor:
        """How much each latent number changes the image, which no adapter changes."""
        return self._set.decoder_gain(inner, probes)
