"""What pixel models share, whatever they predict: their own space, and how their network is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leakboard.api import Model, Unsupported
from leakboard_plugins.victims.limits import check_shape

if TYPE_CHECKING:
    import torch
    from diffusers import UNet2DModel


class PixelSpaceModel(Model):
    """A UNet2DModel whose own space is images scaled to [-1, 1]. It takes no text, so prompts are not looked at.

    Args:
        unet: the denoiser on its device, in eval mode.
        scheduler: configuration that the sampler is made of.
    """

    def __init__(self, unet: UNet2DModel, scheduler: dict[str, Any]) -> None:
        self._unet = unet
        self._config = scheduler
        size = unet.config.sample_size
        height, width = (size, size) if isinstance(size, int) else size or (None, None)
        self.image_shape = (unet.config.in_channels, height, width) if height and width else None

    @property
    def network(self) -> UNet2DModel:
        """The denoiser."""
        return self._unet

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) from [0, 1] to [-1, 1].

        Raises:
            Unsupported: channels or size are not those the victim was made for.
        """
        self._check_shape(images)
        return images * 2 - 1

    def decode(self, inner: torch.Tensor) -> torch.Tensor:
        """Back from [-1, 1] to [0, 1], clamped."""
        return ((inner + 1) / 2).clamp(0, 1)

    def _denoise(self, state: torch.Tensor, timestep: int | torch.Tensor) -> torch.Tensor:
        """What the network says of states (N, C, H, W), as it is."""
        import torch

        self._check_shape(state)
        with torch.inference_mode():
            output = self._unet(state.contiguous(memory_format=torch.channels_last), timestep).sample
        # a copy made outside is an ordinary tensor, which callers may change in place or differentiate through
        copy: torch.Tensor = output.clone(memory_format=torch.contiguous_format)
        return copy

    def _blank(self, count: int) -> torch.Tensor:
        """Zeros in the shape of so many images.

        Raises:
            Unsupported: the network does not say how large its images are.
        """
        import torch

        if self.image_shape is None:
            raise Unsupported("the victim does not say how large its images are, so it generates none")
        return torch.zeros(count, *self.image_shape, device=self._unet.device)

    def _check_shape(self, images: torch.Tensor) -> None:
        expected = self.image_shape or (self._unet.config.in_channels, *images.shape[2:])
        advice = "for your own images: folder(..., size=..., mode='L' or 'RGB')"
        check_shape(images.shape[1:], expected, "images", advice)
