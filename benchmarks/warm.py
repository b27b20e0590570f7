"""Warm: running a finished grid of 5,000 cells again.

Claim: under 3 s after start-up, with no torch loaded.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import common

GRID = """
[run]
samples = 16
seeds = [0, 1, 2, 3, 4]

[grid]
dataset = ["fashion_mnist"]
victim = ["fashion_ddpm(level={'light', 'moderate', 'heavy', 'untrained'})"]
defense = ["none", "box_blur", "gaussian_blur", "jpeg", "gaussian_noise"]
observer = ["one_shot(steps=1)", "blind"]
distance = ["psnr", "rmse", "mse", "dssim", "lp"]
classifier = ["logistic_regression", "threshold", "decision_tree", "naive_bayes", "knn"]
"""
AGAIN = """
import sys, time
start = time.perf_counter()
from leakboard.cli import main
try:
    main(sys.argv[1:], standalone_mode=False)
except SystemExit:
    pass
print(f"{time.perf_counter() - start:.2f} s, torch loaded: {'torch' in sys.modules}")
"""


def main() -> None:
    """Finish the grid once, run it again three times."""
    with common.new_store() as store:
        grid = Path(store.parent / "grid.toml")
        grid.write_text(GRID, encoding="utf-8")
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "leakboard", "run", str(grid), "--store", str(store)],
            check=True,
            capture_output=True,
        )
        print(f"first run: {time.perf_counter() - start:.0f} s")
        for _ in range(3):
            command = [sys.executable, "-c", AGAIN, "run", str(grid), "--store", str(store)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            cells = next(line for line in done.stdout.splitlines() if line.startswith("cells:"))
            print(f"again: {done.stdout.splitlines()[-1]}  ({cells})")


if __name__ == "__main__":
    main()
