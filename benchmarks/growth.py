"""Growth: ten times as many classifier x distance cells on the same victims.

Claim: at most 1.3 x the wall time.
"""

from __future__ import annotations

import common

FEW = {"distance": ["psnr", "rmse"], "classifier": ["logistic_regression"]}
MANY = {
    "distance": ["psnr", "rmse", "dssim", "features(net='hog')"],
    "classifier": ["logistic_regression", "svm", "decision_tree", "naive_bayes", "knn"],
}


def main() -> None:
    """Measure and print the ratio."""
    common.warm_up()
    seconds, cells = {}, {}
    for name, axes in (("few", FEW), ("many", MANY)):
        tables = common.paper_grid(run={"samples": 256, "seeds": [0]}, victim=["fashion_ddpm"], **axes)
        with common.new_store() as store:
            seconds[name], report = common.run_here(tables, store)
        cells[name] = len(report.plan.cells)
    print(f"cells: {cells['few']} and {cells['many']}, {cells['many'] / cells['few']:.0f} x")
    ratio = seconds["many"] / seconds["few"]
    print(f"wall: {seconds['few']:.1f} s and {seconds['many']:.1f} s, ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
