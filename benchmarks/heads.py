"""Heads that are trained: seconds to fit each on 512 members and 512 non-members, on one processor and thread."""

from __future__ import annotations

import argparse
import time
from typing import Any

import common
import numpy as np

HEADS: dict[str, tuple[int, ...]] = {
    "resnet": (1, 1, 28, 28),
    "resnet(width=16)": (1, 1, 28, 28),
    "resnet ": (1, 4, 8, 8),
    "resnet(width=16) ": (1, 4, 8, 8),
    "mlp": (16,),
    "boosted_trees": (144,),
}
"""By spec the shape of a sample's features: maps of pixel and latent victims, distances, norms of gradients."""


def main() -> None:
    """Fit each once and print its seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1024, help="labelled samples")
    parser.add_argument("--epochs", type=int, default=15, help="of residual networks; the others have their own")
    options = parser.parse_args()
    import torch
    from threadpoolctl import threadpool_limits

    from leakboard.registry.find import shared

    assert common  # which starts this process again as workers are
    torch.set_num_threads(1)
    drawn = np.random.default_rng(0)
    member = np.arange(options.samples) % 2 == 0
    for spec, shape in HEADS.items():
        head: Any = shared().one("classifier", spec.strip()).only
        if "resnet" in spec:
            head = type(head)(**vars(head) | {"epochs": options.epochs})
        features = drawn.normal(size=(options.samples, *shape)).astype(np.float32 if head.maps else np.float64)
        with threadpool_limits(1):
            start = time.process_time()
            head.fit(features, member, [f"column {number}" for number in range(shape[0])])
            seconds = time.process_time() - start
        told = "x".join(map(str, shape))
        print(f"{spec.strip():18} {options.samples} samples of {told:10} {seconds:7.1f} s", flush=True)


if __name__ == "__main__":
    main()
