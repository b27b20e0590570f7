"""The report that comes with Leakboard and its pages, announced through the same hooks as anybody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from leakboard.api import Measure, Page
    from leakboard.store import Store


@hookimpl
def leakboard_report_folder(out: Path) -> None:
    """Refuse a folder that holds something else than a report.

    Raises:
        LeakboardError: it does.
    """
    from leakboard_reports.output import check_folder

    check_folder(out)


@hookimpl
def leakboard_report(
    store: Store, out: Path, pages: Sequence[Page], measures: Sequence[Measure], pictures: bool
) -> Path:
    """Static pages of a store; the page to open first is ``out/index.html``."""
    from leakboard_reports.pages import render

    return render(store, out, pages, measures, pictures=pictures)


@hookimpl
def leakboard_pages() -> list[Page]:
    """Which attacks are tied, who is caught, what a set gives away, and what was run."""
    from leakboard_reports import caught, comparison, sets, what_was_run

    return [comparison.PAGE, caught.PAGE, sets.PAGE, what_was_run.PAGE]
