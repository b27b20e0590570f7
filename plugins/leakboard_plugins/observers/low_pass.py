"""Another observer's pairs, without their high frequencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Oracle, Unsupported
from leakboard_plugins.observers.around import Around

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from leakboard.api import Pair


@dataclass(frozen=True, kw_only=True)
class LowPass(Around):
    """FreMIA: low frequencies of both sides of another observer's pairs (ICML 2026, arXiv 2505.20955).

    With ``sigma`` both sides pass the Gaussian blur of a provider who blurs, in place of the box: what such a defense
    has taken from one side is taken from the other too, and no longer tells images apart.

    Attributes:
        of: the observer, as a spec.
        keep: half the width of the box of lowest frequencies that stays, in bins.
        rest: factor of all others.
        sigma: standard deviation in pixels of a Gaussian that takes the place of the box, as in ``gaussian_blur``.
    """

    name: ClassVar[str] = "low_pass"
    keep: Annotated[int, Field(ge=1)] = 5
    rest: Annotated[float, Field(ge=0, le=1)] = 0.2
    sigma: Annotated[float, Field(gt=0, le=64)] | None = None

    @property
    def null(self) -> bool:
        """As the observer: whoever asks nothing still asks nothing."""
        return self.of.null

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """As many pairs as the observer yields.

        Raises:
            Unsupported: they are no images, states or noises.
        """
        for pair in self.of.observe(oracle):
            if pair.reference.ndim != 4:
                raise Unsupported(f"low_pass takes images, states or noises (N, C, H, W), {self.of.name} yields others")
            yield pair.through(self._passed)

    def _passed(self, images: torch.Tensor) -> torch.Tensor:
        return low_passed(images, self.keep, self.rest) if self.sigma is None else blurred(images, self.sigma)


def blurred(images: torch.Tensor, sigma: float) -> torch.Tensor:
    """Images (N, C, H, W) after a Gaussian of standard deviation ``sigma``, mirrored at their edges."""
    import torch
    from scipy.ndimage import gaussian_filter

    return torch.from_numpy(gaussian_filter(images.float().cpu().numpy(), (0, 0, sigma, sigma))).to(images.device)


def low_passed(images: torch.Tensor, keep: int, rest: float) -> torch.Tensor:
    """Images (N, C, H, W) with all frequencies but those of the central box scaled by ``rest``."""
    import torch

    spectrum = torch.fft.fftshift(torch.fft.fft2(images.float()), dim=(-2, -1))
    mask = torch.full(images.shape[-2:], rest, device=images.device)
    top, left = images.shape[-2] // 2, images.shape[-1] // 2
    mask[max(0, top - keep) : top + keep, max(0, left - keep) : left + keep] = 1
    filtered: torch.Tensor = torch.fft.ifft2(torch.fft.ifftshift(spectrum * mask, dim=(-2, -1))).real
    return filtered
