"""The report that comes with Leakboard, announced through the same hook as anybody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.hookspecs import hookimpl

if TYPE_CHECKING:
    from pathlib import Path

    from leakboard.store import Store


@hookimpl
def leakboard_report(store: Store, out: Path) -> Path:
    """Static pages of a store; the page to open first is ``out/index.html``."""
    from leakboard_reports.pages import render

    return render(store, out)
