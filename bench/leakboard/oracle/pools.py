"""Generated images that all samples share, made once for all shards and kept as an artifact."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from leakboard.keys import pool_key
from leakboard.store.artifacts import Damaged, Missing

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from leakboard.store.artifacts import ArtifactRow, Artifacts


@dataclass
class Pools:
    """The pools of one victim, as a dataset's shape sees its images.

    Attributes:
        artifacts: where they are kept.
        victim: its identity.
        fit: how its images were fitted to the dataset's.
        stored: those that were made here.
    """

    artifacts: Artifacts
    victim: str
    fit: str
    stored: list[ArtifactRow] = field(default_factory=list)

    def get(self, question: str, make: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, bool]:
        """The images (count, C, H, W) that answer a question, and whether they had to be made.

        Whoever comes while another worker makes them waits for these, so that they are paid once.

        Raises:
            LeakboardError: there is no room for them.
        """
        import torch
        from filelock import FileLock

        key = pool_key(self.victim, self.fit, question)
        lock = self.artifacts.path(key).with_suffix(".lock")
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):
            try:
                return torch.from_numpy(self.artifacts.get(key)[0]["images"].copy()), False
            except (Missing, Damaged):
                images = make()
            row = self.artifacts.put(key, {"images": images.numpy()}, {"question": question, "fit": self.fit}, "pool")
            self.stored.append(row)
        return images, True
