"""Generated images that all samples share, made once for all shards and kept as an artifact."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from leakboard.keys import pool_key
from leakboard.store.artifacts import Damaged, Missing

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from leakboard.store.artifacts import ArtifactRow, Artifacts


class Pool(NamedTuple):
    """The images (count, C, H, W) of a pool, the seconds that making them took, and whether they were made just now."""

    images: torch.Tensor
    seconds: float
    made: bool


def timed(make: Callable[[], torch.Tensor]) -> Pool:
    """A pool made now."""
    start = time.perf_counter()
    images = make()
    return Pool(images, time.perf_counter() - start, made=True)


@dataclass
class Pools:
    """The pools of one victim, as a dataset's shape sees its images.

    Attributes:
        artifacts: where they are kept.
        victim: its identity.
        dataset: identity of the dataset that it is asked about.
        stored: those that were made here.
    """

    artifacts: Artifacts
    victim: str
    dataset: str
    stored: list[ArtifactRow] = field(default_factory=list)

    def get(self, question: str, make: Callable[[], torch.Tensor]) -> Pool:
        """The pool that answers a question.

        Whoever comes while another worker makes it, here or on another machine, waits for it: it is paid once.

        Raises:
            LeakboardError: there is no room for it.
        """
        key = pool_key(self.victim, self.dataset, question)
        if kept := self._kept(key):
            return kept
        with self.artifacts.lock(key):
            return self._kept(key) or self._made(key, question, make)

    def _kept(self, key: str) -> Pool | None:
        import torch

        try:
            tensors, meta = self.artifacts.get(key)
        except (Missing, Damaged):
            return None
        return Pool(torch.from_numpy(tensors["images"].copy()), float(meta["seconds"]), made=False)

    def _made(self, key: str, question: str, make: Callable[[], torch.Tensor]) -> Pool:
        pool = timed(make)
        meta = {"question": question, "seconds": repr(pool.seconds)}
        self.stored.append(self.artifacts.put(key, {"images": pool.images.numpy()}, meta, "pool"))
        return pool
