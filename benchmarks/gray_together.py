"""All gray-box attacks of a victim in one grid, against each in a grid of its own.

Claim: fewer denoiser evaluations, and less time, than the sum of the attacks alone. Seconds are those of one processor
and thread, so that what else the machine does falls on neither side.
"""

from __future__ import annotations

import argparse
from typing import Any

import common


def run(victim: str, attacks: list[str], samples: int) -> tuple[float, float]:
    """Seconds, and denoiser evaluations a sample, of one grid in a new store."""
    tables: dict[str, Any] = {
        "dataset": "fashion_mnist",
        "victim": victim,
        "attack": attacks,
        "run": {"samples": samples // 2, "shard": samples, "batch": 128},
    }
    with common.new_store() as store, common.processor_clock():
        seconds, report = common.run_here(tables, store, threads=1)
    return seconds, report.evaluations / samples


def gray(victim: str) -> list[str]:
    """Attacks that a victim answers with gray access, and that need no shadow victims."""
    from leakboard import Grid
    from leakboard.registry.find import shared

    grid = Grid.of(plugins=[common.RECORDING], dataset="fashion_mnist", victim=victim, attack=list(shared().attacks))
    return [cell.attack for cell in grid.cells if cell.observer.only.access == "gray" and not cell.skip_reason()]


def main() -> None:
    """Measure and print both ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--victim", default="fashion_ddpm(level='light')")
    parser.add_argument("--samples", type=int, default=128, help="samples that are asked about")
    parser.add_argument("--attacks", nargs="+", help="those to run  [default: all gray ones]")
    options = parser.parse_args()
    attacks = options.attacks or gray(options.victim)
    common.warm_up()
    together, evaluations = run(options.victim, attacks, options.samples)
    alone = [run(options.victim, [attack], options.samples) for attack in attacks]
    asked, seconds = sum(paid for _, paid in alone), sum(taken for taken, _ in alone)
    print(f"{len(attacks)} attacks on {options.samples} samples of {options.victim}: {', '.join(attacks)}")
    fewer = f"{asked / evaluations:.2f} x fewer together"
    print(f"denoiser evaluations a sample: {evaluations:g} together, {asked:g} one by one, {fewer}")
    print(f"time: {together:.1f} s together, {seconds:.1f} s one by one, {seconds / together:.2f} x as fast together")


if __name__ == "__main__":
    main()
