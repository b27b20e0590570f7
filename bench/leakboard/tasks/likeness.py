"""How alike images are, compared small and many at a time."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from leakboard.samples import Samples

SIDE = 16
LIKENESS = 0.03
CONTRAST_SHARE = 0.25
CHUNK = 512
ROUNDING = 1e-6
NEIGHBOURS = 5
COMPARED = 12_000
"""How many nearest images say how rare one is, and among how many they are looked for: it bounds the time."""


class Looked(NamedTuple):
    """What is kept of images once they were read: their rows, digests (M,), thumbnails (M, D), squared limits (M,)."""

    rows: npt.NDArray[np.intp]
    digests: npt.NDArray[np.int64]
    thumbnails: torch.Tensor
    limits: torch.Tensor


def look(samples: Samples, rows: npt.NDArray[np.intp]) -> Looked:
    """Read the images of some rows, a few hundred at a time."""
    import torch
    from torch.nn.functional import adaptive_avg_pool2d

    digests, thumbnails = [], []
    for chunk in np.array_split(rows, -(-len(rows) // CHUNK)):
        images = samples.take(chunk.tolist()).images
        digests += [_digest(image) for image in images.mul(255).round().byte().numpy()]
        thumbnails.append(adaptive_avg_pool2d(images, SIDE).flatten(1))
    flat = torch.cat(thumbnails)
    limits = flat.std(1, correction=0).mul(CONTRAST_SHARE).clamp(max=LIKENESS).square()
    return Looked(rows, np.array(digests, np.int64), flat, limits)


def _digest(image: npt.NDArray[np.uint8]) -> int:
    return int.from_bytes(hashlib.blake2b(image.tobytes(), digest_size=8).digest(), signed=True)


class Alike(NamedTuple):
    """Pairs of nearly or exactly equal images: places in what was compared (P,), and their RMSE (P,)."""

    left: npt.NDArray[np.intp]
    right: npt.NDArray[np.intp]
    apart: npt.NDArray[np.float32]


def alike(first: Looked, second: Looked) -> Iterator[Alike]:
    """All pairs of an image of the first and one of the second that are alike, block by block."""
    rough_first, rough_second = _rough(first.thumbnails), _rough(second.thumbnails)
    for start in range(0, len(first.rows), CHUNK):
        block = slice(start, start + CHUNK)
        # pictures that differ when reduced further differ here too, so that few are compared in full
        hint = _within(_apart(rough_first[block], rough_second).sub_(ROUNDING), first.limits[block], second.limits)
        if first is second:
            # each image once with each later one, and not with itself
            hint = hint.triu(start + 1)
        rows, columns = (hint.any(1 - axis).nonzero().flatten() for axis in (0, 1))
        apart = _apart(first.thumbnails[block][rows], second.thumbnails[columns])
        within = _within(apart, first.limits[block][rows], second.limits[columns])
        here, there = within.logical_and_(hint[rows][:, columns]).nonzero(as_tuple=True)
        distances = apart[here, there].clamp(min=0).sqrt().numpy()
        yield Alike(rows[here].numpy() + start, columns[there].numpy(), distances)


def rarity(sides: Sequence[Looked]) -> npt.NDArray[np.float32]:
    """How far each image is from the five nearest others, the mean RMSE at 16x16 (M,), in the order of the sides.

    All images are compared with all, of both sides alike, so that nothing depends on who is a member; of more than
    12,000 each with so many, evenly spaced. Those that are alike do not count: a copy makes no picture common. NaN
    where fewer than five others are left.
    """
    import torch

    thumbnails, limits = (torch.cat(parts) for parts in zip(*((s.thumbnails, s.limits) for s in sides), strict=True))
    chosen = torch.linspace(0, len(thumbnails) - 1, min(len(thumbnails), COMPARED)).long()
    others, theirs = thumbnails[chosen], limits[chosen]
    if len(others) < NEIGHBOURS:
        return np.full(len(thumbnails), np.nan, np.float32)
    found = []
    for mine, limit in zip(torch.split(thumbnails, CHUNK), torch.split(limits, CHUNK), strict=True):
        apart = _apart(mine, others)
        same = _within(apart, limit, theirs).logical_or_(apart < ROUNDING)  # the image itself, whatever it shows
        found.append(apart.masked_fill_(same, torch.inf).topk(NEIGHBOURS, largest=False, sorted=False).values)
    distances = torch.cat(found).sqrt().mean(1)
    return np.asarray(distances.where(distances.isfinite(), torch.nan).numpy())


def _rough(thumbnails: torch.Tensor) -> torch.Tensor:
    """Thumbnails (M, C * 16 * 16) as grey 8x8 (M, 64)."""
    from torch.nn.functional import avg_pool2d

    return avg_pool2d(thumbnails.view(len(thumbnails), -1, SIDE, SIDE).mean(1, keepdim=True), 2).flatten(1)


def _apart(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Mean squared difference (M, N) of every row (M, D) and every row (N, D)."""
    middle = left.mean(0)  # what all have in common would cost digits
    left, right = left - middle, right - middle
    lengths = left.square().mean(1, keepdim=True)
    return (left @ right.T).mul_(-2 / left.shape[1]).add_(right.square().mean(1)).add_(lengths)


def _within(apart: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    return (apart < left[:, None]).logical_and_(apart < right)
