"""Structural dissimilarity.

The similarity of two windows x and y is a product of a term for their means and one for their (co)variances. Both are
rewritten here in the sum s = x + y and the difference d = x - y:

    (2 m_x m_y + C) / (m_x^2 + m_y^2 + C) = 1 - 2 m_d^2 / (m_s^2 + m_d^2 + 2 C)

and alike with variances. So the windows of two maps are enough instead of those of three. A variance as the mean of
squares less the square of the mean would be a small difference of large numbers, and in float32 wrong by more than it
is wherever a window is flat. Instead the squares around the mean are summed, of ever larger groups of pixels: where
two are joined, the squares of both are added, and what the gap between their means adds. Nothing is subtracted but
these means, so every term keeps its digits.

The windowed sums run over the flattened images, where a shift by one row is a shift by W elements: every operation
works on contiguous memory, and the few windows that straddle two rows or images are never read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple

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
        """Float64 (N,) in [0, 1], within 1e-5 of the exact value, though windows are summed in float32.

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
        maps = reference.new_zeros(2, size + shrink)
        s, d = maps[:, :size].view(2, number, height, width)
        torch.add(reference, observation, out=s)
        torch.sub(reference, observation, out=d)
        sums, scatter = self._moments(maps, width)
        mean_s, mean_d = sums.view(2, number, height, width)
        variance_s, variance_d = scatter.view(2, number, height, width)

        # The moments are `weight` times means and variances; the factor goes into the constants.
        weight = 1.0 if self.gaussian else float(self.window**2)
        bessel = 1.0 if self.gaussian else weight / (weight - 1)
        mean_d.square_()
        means = mean_d / mean_s.square_().add_(mean_d).add_(2 * K1**2 * weight**2)
        variances = variance_d / variance_s.add_(variance_d).add_(2 * K2**2 * weight / bessel)
        quarter = means.sub_(0.5).mul_(variances.sub_(0.5))
        inside = quarter[:, : height - self.window + 1, : width - self.window + 1]
        return 4 * wide(inside.mean(-1)).mean(-1)

    def _moments(self, maps: torch.Tensor, width: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Of windows in flattened images (K, n); entry i belongs to the window whose first pixel is i."""
        pixels = Moments(maps, None)
        if self.gaussian:
            weights = _gaussian(self.window)
            sums, scatter = _weighted(_weighted(pixels, weights, 1), weights, width)
        else:
            sums, scatter = _box(_box(pixels, 1, self.window, 1), self.window, self.window, width)
        assert scatter is not None, "windows have more than one pixel"
        return sums, scatter


class Moments(NamedTuple):
    """Weighted sums (K, n) of groups of pixels, and the weighted sums of squares around each group's own mean.

    A single pixel has none of the latter.
    """

    sums: torch.Tensor
    scatter: torch.Tensor | None


def _box(groups: Moments, pixels: int, window: int, stride: int) -> Moments:
    """Joins ``window`` groups of so many pixels that lie ``stride`` apart, by doubling: 4 steps for a window of 7."""
    if window == 1:
        return groups
    half = window // 2
    part = _box(groups, pixels, half, stride)
    double = _joined(_cut(part, None, -half * stride), _cut(part, half * stride, None), half * pixels, half * pixels)
    if window % 2 == 0:
        return double
    last = _cut(groups, (window - 1) * stride, None)
    return _joined(_cut(double, None, -stride), last, (window - 1) * pixels, pixels, own=True)


def _joined(first: Moments, second: Moments, many: float, more: float, *, own: bool = False) -> Moments:
    """The moments of groups of ``many`` and ``more`` pixels together (Chan, Golub and LeVeque 1983).

    The scatter of the first group is written over when the second is a single pixel, its sums when they are ``own``.
    """
    gap = first.sums.sub(second.sums, alpha=many / more)
    value = more / (many * (many + more))
    if first.scatter is None:
        scatter = gap.square_().mul_(value)
    elif second.scatter is None:
        scatter = first.scatter.addcmul_(gap, gap, value=value)
    else:
        scatter = first.scatter.add(second.scatter).addcmul_(gap, gap, value=value)
    return Moments(first.sums.add_(second.sums) if own else first.sums + second.sums, scatter)


def _cut(groups: Moments, start: int | None, stop: int | None) -> Moments:
    sums, scatter = groups
    return Moments(sums[:, start:stop], None if scatter is None else scatter[:, start:stop])


def _weighted(groups: Moments, weights: list[float], stride: int) -> Moments:
    """Joins as many groups of weight 1 as there are weights, each with its own."""
    import torch

    length = groups.sums.shape[1] - (len(weights) - 1) * stride
    taps = [_cut(groups, tap * stride, tap * stride + length) for tap in range(len(weights))]
    sums = taps[0].sums * weights[0]
    scatter = torch.zeros_like(sums) if taps[0].scatter is None else taps[0].scatter * weights[0]
    total = weights[0]
    for tap, weight in zip(taps[1:], weights[1:], strict=True):
        gap = sums.sub(tap.sums, alpha=total)
        scatter.addcmul_(gap, gap, value=weight / (total * (total + weight)))
        if tap.scatter is not None:
            scatter.add_(tap.scatter, alpha=weight)
        sums.add_(tap.sums, alpha=weight)
        total += weight
    return Moments(sums, scatter)


def _gaussian(window: int) -> list[float]:
    sigma = SIGMA_PER_WINDOW * window
    weights = [math.exp(-(((tap - window // 2) / sigma) ** 2) / 2) for tap in range(window)]
    return [weight / sum(weights) for weight in weights]
