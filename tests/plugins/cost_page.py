"""A page: the cheapest attack on each victim that reaches a level of AUC, when nothing is defended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard import hookimpl
from leakboard.api import Page

if TYPE_CHECKING:
    import pandas as pd

    from leakboard.store import Store

LEVELS = (0.6, 0.7, 0.8, 0.9)
EACH = ["dataset", "victim", "attacker", "access"]
"""What is never ranked against each other."""


def body(store: Store) -> str:
    from leakboard_reports import table

    results = store.results()
    wanted = "measure == 'auc' and role == 'attack' and labels == 'true' and defense == 'none'"
    found = cheapest(results.query(wanted))
    return (
        "<p>Denoiser evaluations a sample that an attack asks for, and what it finds.</p>\n"
        f"<h2>By level</h2>\n{table(found, 'The cheapest attack of each level', {'AUC': '.3f', 'NFE': ',.0f'})}"
    )


def cheapest(cells: pd.DataFrame) -> pd.DataFrame:
    """One row a victim, attacker, access level and level of AUC that some attack reaches."""
    named = cells.assign(
        name=cells["attack"].where(cells["attack"] != "", cells["observer"] + " · " + cells["distance"])
    )
    rows = [
        {"victim": key[1], "attacker": key[2], "access": key[3], "reaches": level}
        | {"attack": first["name"], "NFE": first["nfe"], "AUC": first["value"]}
        for key, group in named.groupby(EACH, observed=True)
        for level in LEVELS
        for _, first in group[group["value"] >= level].sort_values(["nfe", "value"]).head(1).iterrows()
    ]
    return rows_of(rows)


def rows_of(rows: list[dict[str, object]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=["victim", "attacker", "access", "reaches", "attack", "NFE", "AUC"])


@hookimpl
def leakboard_pages() -> list[Page]:
    return [Page("cost", "What a leak costs", body)]
