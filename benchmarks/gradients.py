"""White-box gradients: many samples at once by torch.func against one after the other, at several batch sizes.

Claim: at least as fast from four samples on. Times are those of the processor, on one thread, so that what else the
machine does falls on neither; the memory is what the process grew by while the batch was first asked about, each victim
in a process of its own. Norms are compared with the largest of their sample.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING
from unittest import mock

import common
import torch

from leakboard.noise import seeder, standard_normal
from leakboard.oracle.fitting import Fitting
from leakboard.registry.find import shared
from leakboard_plugins.victims import gradients

if TYPE_CHECKING:
    from collections.abc import Callable

VICTIMS = ("fashion_ddpm(level='light')", "fashion_sd(level='light')")
TIMESTEPS = (100,)
assert common  # which starts this process again as workers are


def asker(victim: str, size: int) -> Callable[[], torch.Tensor]:
    """Asks a victim for the gradients of the first samples."""
    chosen = shared().one("victim", victim).only
    model = chosen.open("cpu")
    samples = shared().one("dataset", "fashion_mnist").only.load().take(range(size))
    images = Fitting(samples.image_shape, model.image_shape, chosen.fit).to_victim(samples.images)
    inner, prompts = model.encode(images), chosen.prompts_for(samples)
    noise = standard_normal(seeder(0, samples.ids)("gradients", 0), inner)
    return lambda: model.gradients(inner, noise, TIMESTEPS, prompts)


def asked(ask: Callable[[], torch.Tensor], chunk: int) -> tuple[float, torch.Tensor]:
    """Seconds of the processor and norms, with so many samples at once; 0: one after the other."""
    with mock.patch.multiple(gradients, CHUNK=chunk, FEWEST=1):
        start = time.process_time()
        norms = ask()
        return time.process_time() - start, norms


def main() -> None:
    """Measure in turns and print medians of the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32], help="samples at once")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--victim", help="only this one, in this process")
    options = parser.parse_args()
    if not options.victim:
        for victim in VICTIMS:
            subprocess.run([sys.executable, *sys.argv, "--victim", victim], check=True)
        return
    torch.set_num_threads(1)
    asked(asker(options.victim, 1), 0)
    for size in sorted(options.sizes):
        print(options.victim, measured(asker(options.victim, size), size, options.rounds), sep=", ", flush=True)


def measured(ask: Callable[[], torch.Tensor], size: int, rounds: int) -> str:
    """So many samples at once against one after the other, in words."""
    before = peak()
    _, norms = asked(ask, size)
    grown = peak() - before
    _, alone = asked(ask, 0)
    apart = float(((norms - alone).abs() / alone.amax(1, keepdim=True)).max())
    seconds = [(asked(ask, 0)[0], asked(ask, size)[0]) for _ in range(rounds)]
    ratio = statistics.median(loop / batched for loop, batched in seconds)
    milliseconds = 1e3 * statistics.median(batched for _, batched in seconds) / size
    told = f"{size:2} at once: {ratio:.2f} x as fast as a loop ({milliseconds:.1f} ms a sample)"
    return f"{told}, +{grown:.0f} MiB, norms apart {apart:.0e}"


def peak() -> float:
    """Most memory that this process has had so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
