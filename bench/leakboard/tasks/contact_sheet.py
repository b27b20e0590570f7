"""The contact sheet: some images as the attacker has them, as the victim sees them and as it returned them.

Of datasets that not everybody may see no image is kept unless that is asked for: how far the defense changes the images
is then a number of each.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from leakboard.keys import contact_sheet_key, fidelity_key

if TYPE_CHECKING:
    import torch

    from leakboard.api import Samples
    from leakboard.oracle.provider import Returned
    from leakboard.registry.bind import Bound
    from leakboard.registry.find import Registry
    from leakboard.store.artifacts import ArtifactRow, Artifacts
    from leakboard.tasks.task import ObserveTask

BYTES = 1 << 20
FEWEST, MOST = 8, 64
"""Images kept, whatever their size."""


def keep_contact_sheet(
    task: ObserveTask,
    registry: Registry,
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
    place = task.dataset_identity, task.victim_identity, defense.identity, seed
    key = contact_sheet_key(*place)
    instead = fidelity_key(*place)
    if artifacts.whole(key if task.pictures else instead) and (returned is None or not task.pictures):
        return []
    count = max(FEWEST, min(MOST, BYTES // int(samples.images[0].numel())))
    shown = {"original": samples.images, "seen": seen}
    if returned is not None and returned.images.shape == seen.shape:
        shown["returned"] = returned.images
    pixels = {name: (part[:count].cpu().clamp(0, 1) * 255).round().byte().numpy() for name, part in shown.items()}
    meta = {
        "ids": json.dumps(samples.ids[:count]),
        "dataset": registry.one("dataset", task.dataset).shown,
        "dataset_identity": task.dataset_identity,
        "victim": registry.one("victim", task.victim).shown,
        "victim_identity": task.victim_identity,
        "defense": defense.shown,
        "seed": str(seed),
        "question": returned.question if returned else "",
        "fit": fit,
    }
    if not task.pictures:
        change = pixels["seen"].astype(np.float64) - pixels["original"]
        tensors = {"squared_error": (change**2).mean(axis=(1, 2, 3))}
        meta["shape"] = json.dumps(samples.images.shape[1:])
        return [artifacts.put(instead, tensors, meta, "fidelity")]
    pixels["member"] = samples.member[:count].astype(np.uint8)
    return [artifacts.put(key, pixels, meta, "preview")]
