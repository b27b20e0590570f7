"""Cells: the numbers of one cell with their intervals, against the bare areas and curves that they are made of.

Claim: intervals included, at most half of the time that scikit-learn takes for area and curve of 256 + 256 scores.
"""

from __future__ import annotations

import argparse
import statistics

import common
import numpy as np

ROUNDS = 7


def main() -> None:
    """Measure and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=200)
    count = parser.parse_args().cells
    from sklearn.metrics import roc_auc_score, roc_curve

    from leakboard.statistics.measures import evaluate

    drawn = np.random.default_rng(0)
    member = np.arange(512) % 2 == 0
    cells = drawn.normal(size=(count, 512)) + member

    def bare() -> None:
        for scores in cells:
            roc_auc_score(member, scores)
            roc_curve(member, scores)

    def whole() -> None:
        for scores in cells:
            evaluate(scores, member, threshold=0.5)

    rounds = [(common.timed(whole), common.timed(bare)) for _ in range(ROUNDS + 1)][1:]
    cell, ratio = statistics.median(each for each, _ in rounds), statistics.median(a / b for a, b in rounds)
    print(f"cells     {1e3 * cell / count:.2f} ms a cell, {ratio:.2f} x bare area and curve")


if __name__ == "__main__":
    main()
