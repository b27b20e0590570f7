"""The contact sheet: some images as the attacker has them, as the victim sees them and as it returned them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from leakboard.keys import contact_sheet_key

if TYPE_CHECKING:
    import torch

    from leakboard.api import Samples
    from leakboard.oracle.door import Returned
    from leakboard.registry.bind import Bound
    from leakboard.store.artifacts import ArtifactRow, Artifacts
    from leakboard.tasks.task import ObserveTask

BYTES = 1 << 20
FEWEST, MOST = 8, 64
"""Images kept, whatever their size."""


def keep_contact_sheet(
    task: ObserveTask,
    artifacts: Artifacts,
    samples: Samples,
    defense: Bound,
    *,
    seed: int,
    seen: torch.Tensor,
    returned: Returned | None,
    fit: str,
) -> list[ArtifactRow]:
    """Keep the first images; whole pictures kept before stay when the victim returned none this time.

    ``fit`` tells how the images were fitted to the victim.

    Raises:
        LeakboardError: no space left.
    """
    key = contact_sheet_key(task.dataset_identity, task.victim_identity, defense.identity, seed)
    if returned is None and artifacts.whole(key):
        return []
    count = max(FEWEST, min(MOST, BYTES // int(samples.images[0].numel())))
    shown = {"original": samples.images, "seen": seen}
    if returned is not None and returned.images.shape == seen.shape:
        shown["returned"] = returned.images
    tensors = {name: (part[:count].cpu().clamp(0, 1) * 255).round().byte().numpy() for name, part in shown.items()}
    tensors["member"] = samples.member[:count].astype(np.uint8)
    meta = {
        "ids": json.dumps(samples.ids[:count]),
        "dataset": task.dataset,
        "victim": task.victim,
        "defense": defense.spec,
        "seed": str(seed),
        "question": returned.question if returned else "",
        "fit": fit,
    }
    return [artifacts.put(key, tensors, meta, "preview")]
