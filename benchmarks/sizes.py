"""Sizes: how a store and its page grow with the number of cells.

Claim: both grow in proportion to the cells. Makes stores of synthetic cells, all done, each with the results of every
built-in measure and a file of scores, and prints bytes and seconds a cell.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import common
import numpy as np

MEASURES = ("auc", "tpr_at_1pct_fpr", "tpr_at_0.1pct_fpr", "balanced_accuracy", "set_p_value", "set_size", "epsilon")
ATTACKS = 40
"""Attacks of each victim under each defense."""
DEFENSES = 10


def main() -> None:
    """Measure and print a line for each number of cells."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, nargs="+", default=[2000, 20000])
    parser.add_argument("--samples", type=int, default=1000, help="evaluated, of each cell")
    chosen = parser.parse_args()
    for count in chosen.cells:
        with common.new_store() as path:
            told(path, count, chosen.samples)


def told(path: Path, count: int, samples: int) -> None:
    """Make a store, write its page, and print what they take."""
    import leakboard

    start = time.process_time()
    store = filled(path, count, samples)
    made = time.process_time()
    frame = store.results()
    read = time.process_time()
    page = leakboard.report(path, path.parent / "report").page
    written = time.process_time()
    scores = sum(file.stat().st_size for file in Path(store.artifacts).rglob("*.safetensors")) / FILES
    rows = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
    data = sum(file.stat().st_size for file in (path.parent / "report" / "data").iterdir())
    print(
        f"{count:>7,} cells: store {rows / count:,.0f} bytes a cell, scores of {samples:,} samples {scores:,.0f} bytes "
        f"a cell; page {page.stat().st_size / count:,.0f} bytes a cell and its tables {data / count:,.0f}; processor "
        f"seconds a thousand cells: recorded in {1e3 * (made - start) / count:.2f}, read in "
        f"{1e3 * (read - made) / count:.2f} ({len(frame):,} rows), page written in {1e3 * (written - read) / count:.2f}"
    )


FILES = 50
"""Files of scores that are really written; all others of a real store are of that size."""


def filled(path: Path, count: int, samples: int) -> Any:
    """A store of ``count`` cells: attacks under defenses on as many victims as it takes."""
    from leakboard.api import AXES
    from leakboard.store import AttemptRow, CellRow, ComponentRow, RunInfo, Store
    from leakboard.store.artifacts import Artifacts
    from leakboard.store.rows import ResultRow

    store = Store(path, create=True)
    artifacts = Artifacts(store.artifacts)
    run = store.begin_run(RunInfo(grid_name="sizes", grid_text="", command="", provenance={}))
    drawn = np.random.default_rng(0)
    parts: dict[tuple[str, str], ComponentRow] = {}

    def part(kind: str, label: str) -> str:
        identity = digest(kind, label)
        parts.setdefault((kind, label), ComponentRow(kind=kind, spec=label, label=label, identity=identity, info={}))
        return identity

    cells, attempts, stored = [], [], []
    for number in range(count):
        attack, rest = number % ATTACKS, number // ATTACKS
        labels = {
            "dataset": "images",
            "victim": f"model {rest // DEFENSES}",
            "defense": "none" if rest % DEFENSES == 0 else f"gaussian_blur(sigma={rest % DEFENSES})",
            "observer": f"observer_{attack // 4}(t=100)",
            "distance": f"distance_{attack % 4}",
            "classifier": "logistic_regression",
        }
        key = digest("cell", str(number))
        cells.append(
            CellRow(
                key=key,
                **{axis: part(axis, labels[axis]) for axis in AXES},
                attacker="adaptive",
                labels="true",
                seed=0,
                members=0,
                nonmembers=0,
                attack="",
                role="attack",
                access="gray",
            )
        )
        if number < FILES:
            tensors: dict[str, Any] = {
                "score": drawn.normal(size=samples),
                "member": (np.arange(samples) % 2).astype(np.uint8),
            }
            ids = {"ids": json.dumps([f"photo-{row:06d}" for row in range(samples)])}
            stored.append(artifacts.put(digest("scores", key), tensors, ids, "scores"))
        value = float(drawn.uniform(0.5, 0.9))
        attempts.append(
            AttemptRow(
                cell_key=key,
                status="done",
                seconds=1.0,
                queries=1.0,
                nfe=10.0,
                peak_mb=400.0,
                n_calibration=samples,
                n_evaluation=samples,
                scores_key=digest("scores", key),
                batch_size=64,
                fit="exact",
                calibration_auc=value,
                results=tuple(
                    ResultRow(
                        measure=name,
                        value=value,
                        low=value - 0.05,
                        high=value + 0.05,
                        n_member=samples // 2,
                        n_nonmember=samples // 2,
                        method="hull",
                    )
                    for name in MEASURES
                ),
            )
        )
    store.record(run, components=list(parts.values()), cells=cells, attempts=attempts, artifacts=stored)
    store.end_run(run, "done")
    return store


def digest(*parts: str) -> str:
    """A key as real ones are."""
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


if __name__ == "__main__":
    main()
