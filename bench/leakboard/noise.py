"""Noise that belongs to a sample: seeded by (seed, query, draw, sample id).

So no batch, shard, order or worker can change it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch


def row_seed(seed: int, query: str, draw: int, sample: str) -> int:
    """128 bits from everything that a row of noise may depend on."""
    text = f"{seed}\x1f{query}\x1f{draw}\x1f{sample}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")


def normal(seed: int, query: str, draw: int, ids: Sequence[str], like: torch.Tensor) -> torch.Tensor:
    """Standard normal float32 rows (N, ...), drawn on the CPU and moved to where ``like`` is.

    Raises:
        ValueError: ``like`` has not one row a sample.
    """
    import torch

    if len(like) != len(ids):
        raise ValueError(f"noise is drawn for {len(ids)} samples, not for a tensor of {len(like)} rows")

    # torch's own CPU generator keeps only 32 bits of its seed, so that rows of a large run would coincide
    rows = np.empty((len(ids), *like.shape[1:]), np.float32)
    for row, sample in zip(rows, ids, strict=True):
        generator = np.random.Generator(np.random.PCG64(row_seed(seed, query, draw, sample)))
        generator.standard_normal(dtype=np.float32, out=row)
    return torch.from_numpy(rows).to(like.device, like.dtype)
