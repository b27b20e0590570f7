"""What a dataset consists of, and images that are member and non-member at once, exactly or nearly.

A picture on both sides of the split makes every number about it wrong: the victim knows a "non-member". Exact
duplicates share every 8-bit value. Near ones, reduced to 16x16, differ by a root mean square (RMSE) below 0.03 and
below a quarter of their contrast. Photographs saved as JPEG of quality 50, rescaled or made a little darker stay below
it; cropped, shifted or mirrored ones do not. Different pictures seldom come that close: among the million pairs of
Fashion-MNIST, whose trousers all look alike, one does.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from leakboard.samples import Samples

SIDE = 16
LIKENESS = 0.03
CONTRAST_SHARE = 0.25
MOST = 25_000
"""Members, and non-members, that are compared at most: it bounds the time."""
CHUNK = 512
SHOWN = 10
ROUNDING = 1e-6
COLOURS = {1: "grey", 3: "colour"}


class Looked(NamedTuple):
    """What is kept of images once they have been read: M digests, thumbnails (M, D), squared limits (M,)."""

    rows: npt.NDArray[np.intp]
    digests: npt.NDArray[np.int64]
    thumbnails: torch.Tensor
    limits: torch.Tensor


def describe(samples: Samples) -> tuple[str, ...]:
    """Notes about image size and counts, and what `find_duplicates` has to say."""
    channels, height, width = samples.image_shape
    members = int(samples.member.sum())
    colour = COLOURS.get(channels, f"{channels} channels")
    size = f"{len(samples.ids):,} images, {width}x{height} {colour}"
    count = f"{members:,} members, {len(samples.ids) - members:,} non-members"
    return (f"{size}: {count}", *find_duplicates(samples))


def find_duplicates(samples: Samples) -> tuple[str, ...]:
    """Pairs of a member and a non-member that are the same image or nearly: warnings with the ids of the first ten.

    Images are read a few hundred at a time. Of a side with more than 25,000 images that many, evenly spaced, are
    compared; a note then says so.
    """
    sides = [np.flatnonzero(samples.member), np.flatnonzero(~samples.member)]
    compared = [rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST)).astype(int)] for rows in sides]
    if not all(map(len, compared)):
        return ()
    members, others = (_look(samples, rows) for rows in compared)
    notes = [note for note in (_exact(samples, members, others), _near(samples, members, others)) if note]
    if not notes:
        notes.append(f"no member is a non-member too, nor looks like one ({_rule()})")
    if sum(map(len, compared)) < len(samples.ids):
        notes.append(
            f"duplicates were looked for among {len(compared[0]):,} of {len(sides[0]):,} members "
            f"and {len(compared[1]):,} of {len(sides[1]):,} non-members"
        )
    return tuple(notes)


def _rule() -> str:
    return f"RMSE below {LIKENESS} at {SIDE}x{SIDE}"


def _look(samples: Samples, rows: npt.NDArray[np.intp]) -> Looked:
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


def _exact(samples: Samples, members: Looked, others: Looked) -> str:
    _, first_member, member_counts = np.unique(members.digests, return_index=True, return_counts=True)
    _, first_other, other_counts = np.unique(others.digests, return_index=True, return_counts=True)
    _, left, right = np.intersect1d(
        members.digests[first_member], others.digests[first_other], assume_unique=True, return_indices=True
    )
    if not len(left):
        return ""
    count = int(member_counts[left] @ other_counts[right])
    places = sorted(zip(members.rows[first_member[left]], others.rows[first_other[right]], strict=True))[:SHOWN]
    pairs = [f"{samples.ids[member]} = {samples.ids[other]}" for member, other in places]
    return f"warning: {_pairs(count)} the same image: {_listed(pairs, count)}"


def _near(samples: Samples, members: Looked, others: Looked) -> str:
    count, closest = 0, list[tuple[float, int, int]]()
    rough_members, rough_others = _rough(members.thumbnails), _rough(others.thumbnails)
    for start in range(0, len(members.rows), CHUNK):
        block = slice(start, start + CHUNK)
        # pictures that differ when reduced further differ here too, so that few are compared in full
        hint = _within(_apart(rough_members[block], rough_others).sub_(ROUNDING), members.limits[block], others.limits)
        rows, columns = (hint.any(1 - axis).nonzero().flatten() for axis in (0, 1))
        apart = _apart(members.thumbnails[block][rows], others.thumbnails[columns])
        alike = _within(apart, members.limits[block][rows], others.limits[columns])
        here, there = alike.nonzero(as_tuple=True)
        distances = apart[here, there].clamp(min=0).sqrt().numpy()
        left, right = rows[here].numpy() + start, columns[there].numpy()
        differ = members.digests[left] != others.digests[right]
        left, right, distances = left[differ], right[differ], distances[differ]
        count += len(distances)
        first = np.argsort(distances, kind="stable")[:SHOWN]
        found = zip(distances[first], members.rows[left[first]], others.rows[right[first]], strict=True)
        closest = sorted([*closest, *((float(far), int(one), int(other)) for far, one, other in found)])[:SHOWN]
    if not count:
        return ""
    pairs = [f"{samples.ids[member]} ~ {samples.ids[other]} ({far:.3f})" for far, member, other in closest]
    return f"warning: {_pairs(count)} nearly the same image ({_rule()}): {_listed(pairs, count)}"


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


def _pairs(count: int) -> str:
    return (
        "1 pair of a member and a non-member is" if count == 1 else f"{count:,} pairs of a member and a non-member are"
    )


def _listed(pairs: Sequence[str], count: int) -> str:
    return ", ".join(pairs) + (f", and {count - len(pairs):,} more" if count > len(pairs) else "")
