"""Memory: peak resident size of the paper grid as the number of samples grows four times.

Claim: 512 and 2,048 samples a side differ by less than 20 % beyond the images themselves.

By default black-box observers take 3 steps in place of 10, so that it ends within minutes; ``--full`` runs the grid as
it is, one seed. ``--latent`` attacks the embedded latent victim, gray access only.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys

import common

OBSERVERS = [f"{name}(access={{'gray', 'black'}}, steps=3)" for name in ("one_shot", "progressive", "complete")]
LATENT = "recorded(spec=\"fashion_sd(prompts='empty')\")"
IMAGE_BYTES = 4 * 28 * 28


def measure(samples: int, full: bool, latent: bool) -> None:
    """Run in this process and print its peak resident size in MiB."""
    changes: dict[str, object] = {} if full else {"observer": OBSERVERS}
    if latent:
        changes = {"observer": ["one_shot", "progressive", "complete(reference='autoencoder')"], "defense": ["none"]}
    tables = common.paper_grid(
        dataset=[f"pool(per_side={samples})"],
        victim=[LATENT if latent else "recorded"],
        run={"samples": samples, "seeds": [0]},
        **changes,
    )
    common.calls(keep=False)
    with common.new_store() as store:
        common.run_here(tables, store)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    """Measure each size in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--latent", action="store_true")
    parser.add_argument("--measure", type=int)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure, options.full, options.latent)
        return
    peaks = {}
    chosen = [f"--{name}" for name in ("full", "latent") if getattr(options, name)]
    for samples in (512, 2048):
        command = [sys.executable, __file__, "--measure", str(samples), *chosen]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        peaks[samples] = float(done.stdout.splitlines()[-1])
    images = 2 * (2048 - 512) * IMAGE_BYTES / 2**20
    growth = (peaks[2048] - images) / peaks[512] - 1
    print(f"peak: {peaks[512]:.0f} MiB at 512, {peaks[2048]:.0f} MiB at 2,048 samples a side")
    print(f"growth beyond the {images:.0f} MiB of images: {growth:+.1%}")


if __name__ == "__main__":
    main()
