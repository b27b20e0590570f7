"""What a dataset consists of: images that are member and non-member at once, and near-duplicates within a side.

A picture on both sides of the split makes every number about it wrong: the victim knows a "non-member". Exact
duplicates share every 8-bit value. Near ones, reduced to 16x16, differ by a root mean square (RMSE) below 0.03 and
below a quarter of their contrast. Photographs saved as JPEG of quality 50, rescaled or made a little darker stay below
it; cropped, shifted or mirrored ones do not. Different pictures seldom come that close: among the million pairs of
Fashion-MNIST, whose trousers all look alike, one does.

Near-duplicates within a side are no error of the split, but a classifier that is calibrated on one of them knows the
others: they go to one half together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from leakboard.tasks.likeness import LIKENESS, SIDE, Looked, alike, look, rarity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from leakboard.samples import Samples

MOST = 25_000
"""Members, and non-members, that are compared at most: it bounds the time."""
SHOWN = 10
GROUPS_SHOWN = 3
COLOURS = {1: "grey", 3: "colour"}


class Described(NamedTuple):
    """What there is to know of a dataset.

    Attributes:
        notes: what a reader must know.
        groups: for each row (N,) the number of its group of near-duplicates.
        rarity: for each row (N,) how far its nearest others are, see `leakboard.tasks.likeness.rarity`; NaN where it
            was not compared, or with too few.
    """

    notes: tuple[str, ...]
    groups: npt.NDArray[np.intp]
    rarity: npt.NDArray[np.float32]


def describe(samples: Samples) -> Described:
    """Image size and counts, pairs across the split, groups within each side, and how rare each image is.

    Pairs of a member and a non-member that are the same image or nearly are warnings with the ids of the first ten.
    Images are read a few hundred at a time. Of a side with more than 25,000 images that many, evenly spaced, are
    compared; a note then says so.
    """
    channels, height, width = samples.image_shape
    members = int(samples.member.sum())
    colour = COLOURS.get(channels, f"{channels} channels")
    size = f"{len(samples.ids):,} images, {width}x{height} {colour}"
    count = f"{members:,} members, {len(samples.ids) - members:,} non-members"
    sides = [np.flatnonzero(samples.member), np.flatnonzero(~samples.member)]
    looked = [
        look(samples, rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST)).astype(int)])
        for rows in sides
        if len(rows)
    ]
    groups = _groups(samples, looked)
    notes = [*_across(samples, looked), *_told_groups(samples, groups)]
    if sum(len(each.rows) for each in looked) < len(samples.ids):
        told = [f"{len(each.rows):,} of {len(rows):,}" for each, rows in zip(looked, sides, strict=True)]
        notes.append(f"duplicates were looked for among {told[0]} members and {told[1]} non-members")
    return Described((f"{size}: {count}", *notes), groups, _rarity(samples, looked))


def _across(samples: Samples, looked: Sequence[Looked]) -> list[str]:
    if len(looked) < 2:
        return []
    notes = [note for note in (_exact(samples, *looked), _near(samples, *looked)) if note]
    return notes or [f"no member is a non-member too, nor looks like one ({_rule()})"]


def _rule() -> str:
    return f"RMSE below {LIKENESS} at {SIDE}x{SIDE}"


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
    for found in alike(members, others):
        differ = members.digests[found.left] != others.digests[found.right]
        left, right, distances = (part[differ] for part in found)
        count += len(distances)
        first = np.argsort(distances, kind="stable")[:SHOWN]
        near = zip(distances[first], members.rows[left[first]], others.rows[right[first]], strict=True)
        closest = sorted([*closest, *((float(far), int(one), int(other)) for far, one, other in near)])[:SHOWN]
    if not count:
        return ""
    pairs = [f"{samples.ids[member]} ~ {samples.ids[other]} ({far:.3f})" for far, member, other in closest]
    return f"warning: {_pairs(count)} nearly the same image ({_rule()}): {_listed(pairs, count)}"


def _groups(samples: Samples, sides: Sequence[Looked]) -> npt.NDArray[np.intp]:
    """For each row the number of its group: images of one side that are alike, or like a third one, share one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(samples.ids)
    pairs = [(side.rows[found.left], side.rows[found.right]) for side in sides for found in alike(side, side)]
    left, right = (np.concatenate([np.empty(0, np.intp), *ends]) for ends in zip(*pairs, strict=True))
    links = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1], np.intp)


def _rarity(samples: Samples, sides: Sequence[Looked]) -> npt.NDArray[np.float32]:
    found = np.full(len(samples.ids), np.nan, np.float32)
    found[np.concatenate([side.rows for side in sides])] = rarity(sides)
    return found


def _told_groups(samples: Samples, groups: npt.NDArray[np.intp]) -> Iterator[str]:
    """A note that names the largest groups of a side; nothing where all images differ."""
    sizes = np.bincount(groups)
    large = np.flatnonzero(sizes > 1)
    if not len(large):
        return
    order = large[np.argsort(-sizes[large], kind="stable")]
    named = []
    for group in order[:GROUPS_SHOWN]:
        rows = np.flatnonzero(groups == group)
        more = f" and {len(rows) - GROUPS_SHOWN} more" if len(rows) > GROUPS_SHOWN else ""
        named.append(" ~ ".join(samples.ids[row] for row in rows[:GROUPS_SHOWN]) + more)
    found = {
        side: (int((sizes[np.unique(groups[rows])] > 1).sum()), int((sizes[groups[rows]] > 1).sum()))
        for side, rows in (("members", samples.member), ("non-members", ~samples.member))
    }
    counts = ", ".join(
        f"{images:,} {side} in {number:,} group{'s' if number > 1 else ''}"
        for side, (number, images) in found.items()
        if number
    )
    yield (
        f"near-duplicates within a side ({_rule()}): {counts}; a group is not divided between the calibration half and "
        f"the evaluated one: {'; '.join(named)}{'; ...' if len(order) > GROUPS_SHOWN else ''}"
    )


def _pairs(count: int) -> str:
    return (
        "1 pair of a member and a non-member is" if count == 1 else f"{count:,} pairs of a member and a non-member are"
    )


def _listed(pairs: Sequence[str], count: int) -> str:
    return ", ".join(pairs) + (f", and {count - len(pairs):,} more" if count > len(pairs) else "")
