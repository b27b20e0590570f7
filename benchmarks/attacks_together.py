"""Gray-box attacks together: secmi, pia, pian and sima in one grid pay the union of their distinct denoiser calls.

Claim: wall time at most 1.1 x a bare loop of that union.
"""

from __future__ import annotations

import common

SAMPLES = 512
ATTACKS = {"secmi": 11, "pia": 2, "pian": 2, "sima": 1}
"""Denoiser evaluations of each attack alone; pia, pian and secmi share the first one."""
UNION = 14


def main() -> None:
    """Measure and print the ratio."""
    common.warm_up()
    common.calls().clear()
    tables = {
        "dataset": "fashion_mnist",
        "victim": "recorded",
        "attack": list(ATTACKS),
        "run": {"samples": SAMPLES, "shard": 256, "batch": 128},
    }
    with common.new_store() as store:
        seconds, report = common.run_here(tables, store)
    bare = common.replay()
    alone = sum(ATTACKS.values())
    per_sample = report.evaluations / (2 * SAMPLES)
    print(f"denoiser evaluations a sample: {per_sample:g} paid, {UNION} in the union, {alone} one attack at a time")
    print(f"wall: {seconds:.2f} s with Leakboard, {bare:.2f} s bare loop, ratio {seconds / bare:.3f}")


if __name__ == "__main__":
    main()
