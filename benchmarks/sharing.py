"""Sharing: the seed paper's grid against a bare loop of the same distinct denoiser calls, at the same batch size.

Claim: wall time at most 1.15 x the bare loop; and far fewer denoiser evaluations than cell by cell.
"""

from __future__ import annotations

import argparse

import common


def main() -> None:
    """Measure and print both ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=128, help="samples a side")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    import leakboard

    common.warm_up()
    common.calls().clear()
    tables = common.paper_grid(
        victim=["recorded"], run={"samples": options.samples, "seeds": list(range(options.seeds))}
    )
    with common.new_store() as store:
        seconds, report = common.run_here(tables, store)
        cells = leakboard.Store(store, read_only=True).cells()
    bare = common.replay()
    cell_by_cell = int((cells["nfe"] * 2 * options.samples).sum())
    print(f"{len(cells)} cells, {2 * options.samples} samples")
    print(f"wall: {seconds:.1f} s with Leakboard, {bare:.1f} s bare loop, ratio {seconds / bare:.3f}")
    fewer = cell_by_cell / report.evaluations
    print(f"denoiser evaluations: {report.evaluations:,.0f} paid, {cell_by_cell:,} cell by cell, {fewer:.1f} x fewer")


if __name__ == "__main__":
    main()
