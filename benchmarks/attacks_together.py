"""Deterministic gray-box attacks together pay the union of their distinct denoiser calls, and little beside it.

Claim: at most 1.05 x a bare loop of that union. Seconds are those of one processor and thread, so that what else the
machine does falls on neither side.
"""

from __future__ import annotations

import argparse

import common

ATTACKS = {"secmi": 11, "secmi_paper": 12, "pia": 2, "pian": 2, "pian_paper": 2, "sima": 1, "sima_tuned": 4}
"""Denoiser evaluations of each attack alone; several share the first one, at t = 0, and none draws noise."""


def main() -> None:
    """Measure and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=512, help="samples a side")
    options = parser.parse_args()
    common.warm_up()
    common.calls().clear()
    tables = {
        "dataset": "fashion_mnist",
        "victim": "recorded",
        "attack": list(ATTACKS),
        "run": {"samples": options.samples, "shard": 256, "batch": 128},
    }
    with common.new_store() as store, common.processor_clock():
        seconds, report = common.run_here(tables, store, threads=1)
        bare = common.replay()
    alone = sum(ATTACKS.values())
    per_sample = report.evaluations / (2 * options.samples)
    print(f"denoiser evaluations a sample: {per_sample:g} together, {alone} one attack at a time")
    print(f"processor time: {seconds:.2f} s with Leakboard, {bare:.2f} s bare loop, ratio {seconds / bare:.3f}")


if __name__ == "__main__":
    main()
