"""What one distance makes of one observer's pairs: numbers, vectors or maps of each sample, checked and named."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from leakboard.api import LeakboardError, Unsupported
from leakboard.faults import contained
from leakboard.surroundings import kept
from leakboard.tasks.task import PartOutcome

if TYPE_CHECKING:
    import torch

    from leakboard.api import Distance, Pair
    from leakboard.oracle.memo import Memo
    from leakboard.tasks.task import Wanted
    from leakboard.tasks.time_limits import Allowance

NUMBERS = 1 << 17
"""What one pair may give of one sample: each number has a name, and names have to fit into a file's head."""
PAIR_BYTES = 1 << 28
"""What the numbers of one pair of one shard may take."""


@dataclass
class Column:
    """The features that one distance has made so far of one observer's pairs.

    Attributes:
        wanted: what they are made for.
        distance: what makes them.
        allowance: the time it may take.
        pairs: label and shape of what was measured of each pair.
        names: of all numbers so far.
        values: the numbers of each pair (N, numbers).
        failure: why there will be none.
        changed: what the distance changed of what all components share, and what could not be put back.
    """

    wanted: Wanted
    distance: Distance
    allowance: Allowance
    pairs: list[tuple[str, list[int]]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    values: list[torch.Tensor] = field(default_factory=list)
    failure: PartOutcome | None = None
    changed: list[str] = field(default_factory=list)


def measure(column: Column, pair: Pair, memo: Memo) -> None:
    """Add the numbers of one more pair, or the reason why there are none."""
    distance = column.distance
    with contained() as caught:
        if pair.label in (label for label, _ in column.pairs):
            raise ValueError(f"the observer yielded two pairs called {pair.label!r}")
        if pair.space not in distance.spaces:
            raise Unsupported(f"{distance.name} does not measure pairs of {pair.space}")
        with kept() as state, column.allowance:
            measured = _measured(distance, pair, memo).detach().to("cpu")
            if pair.less is not None:
                measured = measured - _measured(distance, pair.less, memo).detach().to("cpu")
        column.changed += state.lost
        values = _kept(measured, distance, len(pair.reference))
    if caught.fault:
        column.failure = PartOutcome(column.wanted.key, *caught.fault)
        return
    column.pairs.append((pair.label, list(measured.shape[1:])))
    column.names += column_names(pair, tuple(measured.shape[1:]))
    column.values.append(values)


def _measured(distance: Distance, pair: Pair, memo: Memo) -> torch.Tensor:
    """Numbers of a pair. Images, which networks may look at, are measured in batches where the victim computes."""
    import torch

    def part(_: int, reference: torch.Tensor, observation: torch.Tensor) -> torch.Tensor:
        measured = distance.measure(replace(pair, reference=reference, observation=observation))
        if not isinstance(measured, torch.Tensor):
            raise TypeError(f"{distance.name} returned {measured!r:.80} from measure(), expected a tensor (N, ...)")
        return measured

    # A distance that works in place must not spoil what the next one sees.
    own = pair.reference.clone(), pair.observation.clone()
    if memo.device is None or pair.space != "image":
        return part(0, *own)
    joined: torch.Tensor = memo.batched(part, own)
    return joined


def _kept(values: torch.Tensor, distance: Distance, count: int) -> torch.Tensor:
    """Numbers of a pair (N, numbers) as they are kept, after a look at whether they can be."""
    import torch

    if values.ndim < 1 or len(values) != count:
        raise ValueError(f"{distance.name} returned shape {tuple(values.shape)}, expected ({count}, ...)")
    if values.numel() > NUMBERS * count:
        raise LeakboardError(
            f"{distance.name} makes {values.numel() // count:,} numbers a sample of one pair",
            expected=f"at most {NUMBERS:,}",
            next="a smaller map: pooled, cropped, or of latents in place of pixels",
        )
    kept = values.reshape(count, -1).to(getattr(torch, distance.stored_as))
    if kept.shape[1] == 0:
        raise ValueError(f"{distance.name} returned no number a sample, of shape {tuple(values.shape)}")
    if kept.nbytes > PAIR_BYTES:
        raise LeakboardError(
            f"{distance.name} makes {kept.nbytes / 2**20:,.0f} MiB of a pair of {count} samples",
            expected=f"at most {PAIR_BYTES / 2**20:,.0f} MiB",
            next="smaller shards ([run] shard), smaller maps, or stored_as='float16' of the distance",
        )
    finite = kept.isfinite().all(1)
    if not bool(finite.all()):
        what = "" if bool(values.isfinite().all()) else " that are not finite"
        reason = what or f" too large for {distance.stored_as}"
        raise ValueError(f"{distance.name} returned values for {int((~finite).sum())} of {count} samples{reason}")
    return kept


def column_names(pair: Pair, shape: tuple[int, ...]) -> list[str]:
    """Names of the numbers that were measured of a pair: its label, with its own names of many numbers or places."""
    if not shape:
        return [pair.label]
    if len(pair.names) == math.prod(shape):
        return [f"{pair.label} {name}" for name in pair.names]
    return [f"{pair.label} [{','.join(map(str, place))}]" for place in np.ndindex(shape)]
