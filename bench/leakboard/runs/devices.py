"""Which device a worker sees: a process that sees one cannot take another's."""

from __future__ import annotations

import os

from leakboard.errors import LeakboardError

VISIBLE = "CUDA_VISIBLE_DEVICES"


def pins(gpus: int, slot: int) -> dict[str, str]:
    """What a worker process is started with, so that it sees one GPU alone, which is then its ``cuda``.

    Args:
        gpus: of this machine, shared evenly by its workers; 0 to leave everything as it is.
        slot: the number of the worker on this machine, from 0.

    Raises:
        LeakboardError: this machine, or what it was allotted of it, has fewer.
    """
    if not gpus:
        return {}
    told = os.environ.get(VISIBLE)
    seen = [str(index) for index in range(gpus)] if told is None else [name for name in told.split(",") if name]
    if len(seen) < gpus:
        raise LeakboardError(
            f"gpus={gpus}, but {VISIBLE}={told!r} leaves {len(seen)}",
            where="--executor",
            expected=f"gpus=0 to {len(seen)}",
        )
    return {VISIBLE: seen[slot % gpus]}
