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
from leakboard.store.artifacts import Artifacts
from leakboard.store.folders import check_folder
from leakboard.texts import home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from leakboard.api import Page


class Rendered(NamedTuple):
    """A report that was written: the page to open first, a line for each page that failed, and what is to be known.

    ``told`` says whose images the page shows or leaves out, and what of the store's files is not there.
    """

    page: Path
    faults: tuple[str, ...]
    told: tuple[str, ...] = ()


def report(
    store: Store | str | Path, out: str | Path, *, plugins: Sequence[str | Path] = (), pictures: bool = False
) -> Rendered:
    """Write the pages of a store with whichever plugin renders reports.

    Args:
        store: a store, or where one is.
        out: folder for the pages: a new or empty one, or one with an earlier report.
        plugins: files of plugins whose pages and measures are to be shown.
        pictures: show images also of datasets that are not public, as far as some were kept.

    Raises:
        LeakboardError: there is no such store, the folder is somebody else's, nothing renders reports, or what does so
            failed; it names the plugin.
    """
    store = store if isinstance(store, Store) else Store(store, read_only=True)
    out = home(Path(out))
    registry, faults = shared(tuple(map(str, map(home, plugins)))), list[str]()
    pages = [
        replace(page, body=_watched(page, registry.sources["page", page.name], faults))
        for page in registry.values["page"].values()
    ]
    hook = registry.manager.hook.leakboard_report
    try:
        index: Path | None = hook(
            store=store,
            out=out,
            pages=pages,
            measures=list(registry.values["measure"].values()),
            pictures=pictures,
        )
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
    return Rendered(index, tuple(faults), (*_about_pictures(store, pictures), *_about_files(store)))


def check_report_folder(out: Path, plugins: Sequence[str] = ()) -> None:
    """Refuse a folder that a report would not be written into.

    Raises:
        LeakboardError: it cannot be written or made, or something else lies there.
    """
    check_folder(out, "--report")
    shared(tuple(map(str, map(home, plugins)))).manager.hook.leakboard_report_folder(out=out)


def _about_pictures(store: Store, pictures: bool) -> Iterator[str]:
    """Whose images the page shows, of those that not everybody may see, and whose it leaves out."""
    kept = set(store.pictured())
    for label in store.private_datasets():
        if label in kept and pictures:
            yield f"this page shows images of {label}"
        elif label in kept:
            yield f"images of {label} are left out, for not everybody may see them: --pictures shows them"
        elif pictures:
            yield f"no images of {label} were kept: leakboard run GRID --pictures keeps some when it asks the victim"


def _about_files(store: Store) -> Iterator[str]:
    """What of the files that belong beside the store is not there."""
    needed = [key for kind in ("scores", "preview") for key in store.artifact_digests(kind)]
    there = {entry.key for entry in Artifacts(store.artifacts).list()}
    missing = sum(key not in there for key in needed)
    if missing:
        yield (
            f"{missing:,} of {len(needed):,} files of scores and pictures are not in {store.artifacts}: charts and "
            "pictures are missing; copy that folder beside the store, or say where it lies with --artifacts FOLDER"
        )


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
