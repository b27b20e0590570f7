"""Structural dissimilarity.

The similarity of two windows x and y is a product of a term for their means and one for their (co)variances. Both are
rewritten here in the sum s = x + y and the difference d = x - y:

    (2 m_x m_y + C) / (m_x^2 + m_y^2 + C) = 1 - 2 m_d^2 / (m_s^2 + m_d^2 + 2 C)

and alike with variances. Four windowed sums (s, s^2, d, d^2) are enough instead of five. Those of d lose no digits
that matter; those of s are taken around each image's mean, or a variance would be a small difference of large numbers.

The windowed sums run over the flattened images, where a shift by one row is a shift by W elements: every operation
works on contiguous memory, and the few windows that straddle two rows or images are never read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator, Field

from leakboard.api import Distance, Unsupported
from leakboard_plugins.distances._tensors import image_operands, in_chunks, wide

if TYPE_CHECKING:
    import torch

    from leakboard.api import Pair

K1, K2 = 0.01, 0.03
SIGMA_PER_WINDOW = 1.5 / 11


def odd(value: int) -> int:
    """Refuse a window without a centre."""
    if value % 2 == 0:
        raise ValueError("the window must be odd")
    return value


@dataclass(frozen=True, kw_only=True)
class Dssim(Distance):
    """Structural dissimilarity (1 - SSIM) / 2, from 0 for identical images to 1; channels are averaged.

    By default a uniform window of 7 pixels with sample covariances, as ``skimage.metrics.structural_similarity`` has
    it. ``gaussian`` weighs the window and takes population covariances; with ``window=11`` its sigma is 1.5, which is
    the SSIM of Wang et al. 2004 (IEEE TIP 13(4), eq. 13 to 16). Only windows that lie inside the image count.
    """

    name: ClassVar[str] = "dssim"
    window: Annotated[int, Field(ge=3, le=43), AfterValidator(odd)] = 7
    gaussian: bool = False

    def measure(self, pair: Pair) -> torch.Tensor:
        """Float64 (N,) in [0, 1], within 1e-5 of the exact value: the windows are summed in float32.

        Raises:
            Unsupported: if the images are smaller than the window.
        """
        reference, observation = image_operands(pair)
        channels, height, width = reference.shape[1:]
        if min(height, width) < self.window:
            raise Unsupported(f"dssim(window={self.window}) needs larger images than {height} x {width}")
        similarity = in_chunks(self._similarity, reference.flatten(0, 1), observation.flatten(0, 1))
        return (1 - similarity.view(-1, channels).mean(1)) / 2

    def _similarity(self, reference: torch.Tensor, observation: torch.Tensor) -> torch.Tensor:
        """Mean SSIM of grey images (n, H, W) twice, float64 (n,)."""
        import torch

        number, height, width = reference.shape
        size, shrink = reference.numel(), (self.window - 1) * (width + 1)
        maps = reference.new_zeros(4, size + shrink)
        s, d, _, _ = maps[:, :size].view(4, number, height, width)
        torch.add(reference, observation, out=s)
        torch.sub(reference, observation, out=d)
        centre = s.mean((1, 2), keepdim=True)
        s.sub_(centre)
        torch.square(maps[:2], out=maps[2:])
        sums = self._sums(maps, width).view(4, number, height, width)

        # The sums are `weight` times the means; the factor goes into the constants.
        weight = 1.0 if self.gaussian else float(self.window**2)
        bessel = 1.0 if self.gaussian else weight / (weight - 1)
        variance_s, variance_d = torch.addcmul(sums[2:], sums[:2], sums[:2], value=-1 / weight)
        mean_s, mean_d = sums[:2]
        mean_d.square_()
        means = mean_d / mean_s.add_(weight * centre).square_().add_(mean_d).add_(2 * K1**2 * weight**2)
        variances = variance_d / variance_s.add_(variance_d).add_(2 * K2**2 * weight / bessel)
        similarity = means.mul_(-2).add_(1).mul_(variances.mul_(-2).add_(1))
        inside = similarity[:, : height - self.window + 1, : width - self.window + 1]
        return wide(inside.mean(-1)).mean(-1)

    def _sums(self, maps: torch.Tensor, width: int) -> torch.Tensor:
        """Windowed sums of flattened images (K, n); entry i belongs to the window whose first pixel is i."""
        if not self.gaussian:
            return _box(_box(maps, self.window, 1), self.window, width)
        weights = _gaussian(self.window)
        return _weighted(_weighted(maps, weights, 1), weights, width)


def _box(maps: torch.Tensor, window: int, stride: int) -> torch.Tensor:
    """Sums of ``window`` neighbours that lie ``stride`` apart, by doubling: 4 additions for a window of 7."""
    if window == 1:
        return maps
    half = window // 2
    part = _box(maps, half, stride)
    double = part[:, : -half * stride] + part[:, half * stride :]
    return double[:, :-stride].add_(maps[:, (window - 1) * stride :]) if window % 2 else double


def _weighted(maps: torch.Tensor, weights: list[float], stride: int) -> torch.Tensor:
    length = maps.shape[1] - (len(weights) - 1) * stride
    total = maps[:, :length] * weights[0]
    for tap, weight in enumerate(weights[1:], start=1):
        total.add_(maps[:, tap * stride : tap * stride + length], alpha=weight)
    return total


def _gaussian(window: int) -> list[float]:
    sigma = SIGMA_PER_WINDOW * window
    weights = [math.exp(-(((tap - window // 2) / sigma) ** 2) / 2) for tap in range(window)]
    return [weight / sum(weights) for weight in weights]
