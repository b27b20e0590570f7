"""Keep what a study needs of its store, small enough for the repository: results, paired changes, prices.

    leakboard run grids/open_question_1.toml --store question1.db
    python docs/keep_study.py question1.db docs/studies/data/open_question_1

writes ``..._results.parquet`` (one row a measure), ``..._changes.csv`` (AUC of each cell minus its counterpart on the
same samples, paired DeLong) and ``..._prices.csv`` (what a defense does to the pictures of honest users). The
counterpart is the same attack without the defense and, for a latent victim, the same attack on its matched pixel one
(whatever the latent one is told), at the strength that gives both the same noise.
"""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from leakboard.store import Store
from leakboard_reports.payloads import ScoreReader, psnr, read_contact_sheets, shared
from leakboard_reports.prices import change
from leakboard_reports.reading import Cell, is_none, read_cells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakboard_reports.payloads import ContactSheet

MEASURES = ("auc", "balanced_accuracy", "tpr_at_1pct_fpr")
LATENT, PIXEL = "fashion_sd", "fashion_ddpm"
LEVEL = re.compile(r"level='\w+'")
SAME_NOISE = "(strength=0.25)"
"""The strength at which the latent victim is given as much noise as its twin at the default of 0.2."""


def changes(store: Store, results: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Paired differences of every cell that has a counterpart."""
    scores = ScoreReader(store)
    cells = [cell for cell in read_cells(results, store.cells()) if cell.labels == "true"]
    known = {_axes(cell): cell for cell in cells}
    for cell in cells:
        against = [("undefended", replace(cell, defense="none", attacker="adaptive"))] if not cell.undefended else []
        if cell.victim.startswith(LATENT):
            level = LEVEL.search(cell.victim)
            twin = f"{PIXEL}({level[0]})" if level else PIXEL
            against.append(("pixel", replace(cell, victim=twin, observer=cell.observer.replace(SAME_NOISE, ""))))
        for kind, wanted in against:
            base = known.get(_axes(wanted))
            if base is not None:
                found = change(cell, base, scores)
                yield {
                    "against": kind,
                    **{axis: getattr(cell, axis) for axis in AXES},
                    "attack": cell.attack,
                    "change": found.value,
                    "low": found.low,
                    "high": found.high,
                    "p_value": found.p_value,
                }


AXES = ("victim", "defense", "observer", "distance", "classifier", "attacker", "seed")


def _axes(cell: Cell) -> tuple[Any, ...]:
    return tuple(getattr(cell, axis) for axis in AXES)


def prices(sheets: list[ContactSheet]) -> Iterator[dict[str, Any]]:
    """PSNR of what the victim sees to the image, and of what it returns to what it would return undefended."""
    bare = {(sheet.victim, sheet.seed): sheet for sheet in sheets if is_none(sheet.defense)}
    for sheet in sheets:
        before = bare.get((sheet.victim, sheet.seed))
        if before is None or before is sheet or before.returned is None or sheet.returned is None:
            continue
        old, new = shared(before, sheet)
        yield {
            "victim": sheet.victim,
            "defense": sheet.defense,
            "seed": sheet.seed,
            "images": len(new),
            "query_db": psnr(sheet.original, sheet.seen),
            "output_db": psnr(before.returned[old], sheet.returned[new]),
            "to_original_db": psnr(sheet.original[new], sheet.returned[new]),
            "undefended_to_original_db": psnr(before.original[old], before.returned[old]),
        }


def main(place: str, out: str) -> None:
    """Write the three files."""
    store = Store(place, read_only=True)
    results = store.results()
    kept = results[results["measure"].isin(MEASURES)].drop(columns=["cell", "created", "run", "peak_mb"])
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    kept.to_parquet(f"{out}_results.parquet", index=False, compression="zstd")
    pd.DataFrame(changes(store, results)).to_csv(f"{out}_changes.csv", index=False, float_format="%.5f")
    paid = pd.DataFrame(prices(read_contact_sheets(store, store.components())))
    if len(paid):
        paid.to_csv(f"{out}_prices.csv", index=False, float_format="%.3f")


if __name__ == "__main__":
    main(*sys.argv[1:])
