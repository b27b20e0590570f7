"""The page that says where the numbers come from: runs, their grids and machines, components, and what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.api import Page
from leakboard_reports.templating import environment

if TYPE_CHECKING:
    from leakboard.store import Store


def body(store: Store) -> str:
    """The page as HTML: outcomes, failures by reason, runs and components."""
    statuses = store.cells()["status"].value_counts()
    return (
        environment()
        .get_template("what_was_run.html.j2")
        .render(
            counts={str(status): int(count) for status, count in statuses.items()},
            failures=store.failures().to_dict("records"),
            runs=store.runs().to_dict("records")[::-1],
            components=store.components().to_dict("records"),
        )
    )


PAGE = Page("runs", "What was run", body)
