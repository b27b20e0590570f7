"""``report``, ``export``, ``merge`` and ``cache``: what to do with a store."""

from __future__ import annotations

import html
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from leakboard.cli.options import artifacts_option, open_store, plugin_option, store_argument, store_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakboard.api import Page
    from leakboard.store import Store


class Rendered(NamedTuple):
    """A report that was written: the page to open first, and one line for each page that failed."""

    page: Path
    faults: tuple[str, ...]


def render(store: Store, out: Path, plugins: tuple[str, ...]) -> Rendered:
    """Write the pages of a store with whichever plugin renders reports; what pages failed is told on stderr too.

    Raises:
        LeakboardError: nothing renders reports, or what does so failed; it names the plugin.
    """
    from leakboard.errors import LeakboardError
    from leakboard.registry.find import shared

    registry, faults = shared(plugins), list[str]()
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
    for line in faults:
        click.echo(line, err=True)
    return Rendered(index, tuple(faults))


def _watched(page: Page, source: str, faults: list[str]) -> Callable[[Store], str]:
    """The body of a page that gives HTML whatever happens, so that one page does not take the report along.

    What went wrong is what the page shows, and is added to ``faults``.
    """
    from leakboard.faults import contained

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


@click.command()
@store_argument
@click.option("--out", required=True, type=click.Path(file_okay=False), help="Folder for the pages.")
@plugin_option
def report(store: str, out: str, plugins: tuple[str, ...]) -> None:
    """Write the HTML leaderboard of STORE: static pages that work from file://, without a network.

    Exit code 1 when a page of a plugin could not be made: all others are written, and it says why.
    """
    written = render(open_store(store), Path(out), plugins)
    click.echo(written.page)
    sys.exit(1 if written.faults else 0)


@click.command()
@store_argument
@click.option("--what", type=click.Choice(["results", "scores", "features", "failures"]), default="results")
@click.option("--format", "form", type=click.Choice(["csv", "parquet", "json"]), default="csv")
@click.option("--out", required=True, type=click.Path(dir_okay=False), help="File to write.")
def export(store: str, what: str, form: str, out: str) -> None:
    """Write a tidy table of STORE: one row, one number."""
    from leakboard.store import export as export_store

    done = export_store(open_store(store), what, form, Path(out))  # type: ignore[arg-type]
    for reason in done.unreadable:
        click.echo(f"left out: {reason}", err=True)
    click.echo(f"{done.path}: {done.rows} rows")


@click.command()
@click.argument("into")
@click.argument("sources", nargs=-1, required=True)
@click.option("--strict", is_flag=True, help="Refuse stores that differ in a number of the same cell.")
def merge(into: str, sources: tuple[str, ...], *, strict: bool) -> None:
    """Copy everything of the stores SOURCES into the store INTO; again adds nothing."""
    from leakboard.store import Store
    from leakboard.store import merge as merge_stores

    opened = [open_store(source) for source in sources]
    done = merge_stores(Store(into), opened, strict=strict)
    click.echo(
        f"{done.cells} cells, {done.attempts} attempts, {done.results} results, {done.artifacts} artifacts added"
    )
    if done.differing:
        what = f"the stores differ in the numbers of {len(done.differing)} cells: the newest count"
        click.echo(f"{what} ({', '.join(key[:12] for key in done.differing[:5])})", err=True)
    if done.missing or done.damaged:
        click.echo(f"left behind: {done.missing} missing and {done.damaged} damaged artifacts", err=True)


DIFFERS = 3
"""Exit code of `verify` where a store does not say what its files say."""


@click.command()
@store_argument
@plugin_option
def verify(store: str, plugins: tuple[str, ...]) -> None:
    """Make every number of STORE again from its scores, and every digest from its file.

    Exit code 3 when anything differs: the cells and files are named.
    """
    from leakboard.runs.verify import verify as verify_store

    found = verify_store(open_store(store), plugins)
    for line in found.wrong:
        click.echo(f"differs: {line}")
    for line in found.unchecked:
        click.echo(f"not checked: {line}")
    click.echo(f"{found.cells} cells and {found.files} files checked, {len(found.wrong)} things differ")
    sys.exit(DIFFERS if found.wrong else 0)


@click.group()
def cache() -> None:
    """Look at, and thin out, the payload files of a store."""


@cache.command(name="list")
@store_option
@artifacts_option
def list_files(store: str, artifacts: str | None) -> None:
    """Count the payload files by kind."""
    from leakboard.store.prune import usage

    for kind, files, size in usage(open_store(store), Path(artifacts) if artifacts else None):
        click.echo(f"{kind:>10}  {files:>8} files  {size / 2**20:>10.1f} MiB")


@cache.command()
@store_option
@artifacts_option
def prune(store: str, artifacts: str | None) -> None:
    """Remove features, files that no current result needs, and damaged files; scores and pictures stay."""
    from leakboard.store.prune import prune as prune_files

    gone = prune_files(open_store(store), Path(artifacts) if artifacts else None)
    click.echo(f"{gone.files} files removed, {gone.bytes / 2**20:.1f} MiB free")
