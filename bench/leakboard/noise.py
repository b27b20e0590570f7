"""Noise that belongs to a sample: seeded by (seed, query, draw, sample id).

So no batch, shard, order or worker can change it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

Seeds = Callable[[str | Sequence[str], int], tuple[int, ...]]
"""From a query (of all samples, or one a sample) and a draw to one seed a sample."""


def row_seed(seed: int, query: str, draw: int, sample: str) -> int:
    """128 bits from everything that a row of noise may depend on."""
    text = f"{seed}\x1f{query}\x1f{draw}\x1f{sample}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")


def seeder(seed: int, ids: Sequence[str]) -> Seeds:
    """The seeds of these samples. Who holds it can draw their noise and cannot read who they are."""

    def seeds(query: str | Sequence[str], draw: int = 0) -> tuple[int, ...]:
        queries = [query] * len(ids) if isinstance(query, str) else query
        return tuple(row_seed(seed, each, draw, sample) for each, sample in zip(queries, ids, strict=True))

    return seeds


def standard_normal(seeds: Sequence[int], like: torch.Tensor) -> torch.Tensor:
    """Standard normal float32 rows (N, ...) like ``like``, row i from seed i, drawn on the CPU and moved there.

    Raises:
        ValueError: ``like`` has not one row a seed.
    """
    import torch

    if len(like) != len(seeds):
        raise ValueError(f"noise is drawn for {len(seeds)} samples, not for a tensor of {len(like)} rows")

    # torch's own CPU generator keeps only 32 bits of its seed, so that rows of a large run would coincide
    rows = np.empty((len(seeds), *like.shape[1:]), np.float32)
    for row, seed in zip(rows, seeds, strict=True):
        np.random.Generator(np.random.PCG64(seed)).standard_normal(dtype=np.float32, out=row)
    return torch.from_numpy(rows).to(like.device, like.dtype)


def normal(seed: int, query: str, draw: int, ids: Sequence[str], like: torch.Tensor) -> torch.Tensor:
    """`standard_normal` from the seeds of the samples at one question.

    Raises:
        ValueError: ``like`` has not one row a sample.
    """
    return standard_normal(seeder(seed, ids)(query, draw), like)
