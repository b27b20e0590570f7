"""Writes the report of a store, with the pages of all plugins."""

from __future__ import annotations

import html
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from leakboard.errors import LeakboardError
from leakboard.faults import contained
from leakboard.registry.find import shared
from leakboard.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from leakboard.api import Page


class Rendered(NamedTuple):
    """A report that was written: the page to open first, and one line for each page that failed."""

    page: Path
    faults: tuple[str, ...]


def report(store: Store | str | Path, out: str | Path, *, plugins: Sequence[str | Path] = ()) -> Rendered:
    """Write the pages of a store with whichever plugin renders reports.

    Args:
        store: a store, or where one is.
        out: folder for the pages: a new or empty one, or one with an earlier report.
        plugins: files of plugins whose pages and measures are to be shown.

    Raises:
        LeakboardError: there is no such store, the folder is somebody else's, nothing renders reports, or what does so
            failed; it names the plugin.
    """
    store = store if isinstance(store, Store) else Store(store, read_only=True)
    out = Path(out)
    registry, faults = shared(tuple(map(str, plugins))), list[str]()
    pages = [
        replace(page, body=_watched(page, registry.sources["page", page.name], faults))
        for page in registry.values["page"].values()
    ]
    hook = registry.manager.hook.leakboard_report
    try:
        index: Path | None = hook(store=store, out=out, pages=pages, measures=list(registry.values["measure"].values()))
    except LeakboardError:
        raise
    except (Exception, SystemExit) as error:
        ran = {frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)}
        names = [each.plugin_name for each in hook.get_hookimpls() if getattr(each.function, "__code__", None) in ran]
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise LeakboardError(
            f"the plugin {', '.join(names) or '?'} could not render the report: {type(error).__name__}: {error}",
            where=f"{last.filename}, line {last.lineno}",
        ) from error
    if index is None:
        raise LeakboardError("no plugin renders reports", next="leakboard doctor")
    return Rendered(index, tuple(faults))


def _watched(page: Page, source: str, faults: list[str]) -> Callable[[Store], str]:
    """The body of a page that gives HTML whatever happens, so that one page does not take the report along.

    What went wrong is what the page shows, and is added to ``faults``.
    """

    def body(store: Store) -> str:
        with contained() as caught:
            text: object = page.body(store)
            if isinstance(text, str) and text.strip():
                return text
            wrong = f"it returned {text!r:.80}, expected HTML"
        if caught.fault:
            wrong = caught.fault.error
        place = caught.place
        line = f"the page {page.name} of {source} could not be made: {wrong}" + (f" ({place})" if place else "")
        faults.append(line)
        return f"<p><strong>This page could not be made.</strong></p>\n<p>{html.escape(line)}</p>"

    return body
