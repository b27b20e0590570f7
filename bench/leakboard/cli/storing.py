"""``report``, ``export``, ``merge`` and ``cache``: what to do with a store."""

from __future__ import annotations

import sys

import click

from leakboard.cli.options import (
    Place,
    artifacts_option,
    open_store,
    pictures_option,
    plugin_option,
    store_argument,
    store_option,
)


@click.command()
@store_argument
@artifacts_option
@click.option("--out", required=True, type=Place(file_okay=False), help="Folder for the pages.")
@pictures_option
@plugin_option
def report(*, store: str, artifacts: str | None, out: str, pictures: bool, plugins: tuple[str, ...]) -> None:
    """Write the HTML leaderboard of STORE: static pages that work from file://, without a network.

    Exit code 1 when a page of a plugin could not be made: all others are written, and it says why.
    """
    from leakboard.runs.report import report as write_report

    written = write_report(open_store(store, artifacts), out, plugins=plugins, pictures=pictures)
    for line in (*written.faults, *written.told):
        click.echo(line, err=True)
    click.echo(written.page)
    sys.exit(1 if written.faults else 0)


@click.command()
@store_argument
@artifacts_option
@click.option("--what", type=click.Choice(["results", "scores", "features", "failures"]), default="results")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "parquet", "json", "latex", "bibtex"]),
    help="[default: by the file's ending]",
)
@click.option("--out", required=True, type=Place(dir_okay=False), help="File to write; - is standard output.")
@plugin_option
def export(
    *, store: str, artifacts: str | None, what: str, form: str | None, out: str, plugins: tuple[str, ...]
) -> None:
    """Write a tidy table of STORE: one row, one number. For a paper: .tex is a table, .bib cites its attacks."""
    from leakboard.store import export as export_store

    if form == "bibtex" or (form is None and out.endswith(".bib")):
        _cite(store, out, plugins)
        return
    done = export_store(open_store(store, artifacts), what, form, out)  # type: ignore[arg-type]
    for reason in done.unreadable:
        click.echo(f"left out: {reason}", err=True)
    click.echo(f"{done.path}: {done.rows} rows", err=out == "-")


def _cite(store: str, out: str, plugins: tuple[str, ...]) -> None:
    from leakboard.registry.find import shared
    from leakboard.runs.references import references
    from leakboard.store.exporting import put

    text, without = references(open_store(store), shared(plugins).attacks)
    put(text.encode(), out)
    click.echo(f"{out}: {text.count('@')} entries", err=out == "-")
    if without:
        click.echo(f"left out: no BibTeX comes with {', '.join(without)}", err=True)


@click.command()
@click.argument("into")
@click.argument("sources", nargs=-1, required=True)
@click.option("--strict", is_flag=True, help="Refuse stores that differ in a number of the same cell.")
def merge(into: str, sources: tuple[str, ...], *, strict: bool) -> None:
    """Copy everything of the stores SOURCES into the store INTO; again adds nothing."""
    from leakboard.store import Store
    from leakboard.store import merge as merge_stores

    opened = [open_store(source) for source in sources]
    done = merge_stores(Store(into, create=True), opened, strict=strict)
    click.echo(
        f"{done.cells} cells, {done.attempts} attempts, {done.results} results, {done.artifacts} artifacts added"
    )
    if done.differing:
        what = f"the stores differ in the numbers of {len(done.differing)} cells: the newest count"
        click.echo(f"{what} ({', '.join(key[:12] for key in done.differing[:5])})", err=True)
    if done.missing or done.damaged:
        click.echo(f"left behind: {done.missing} missing and {done.damaged} damaged artifacts", err=True)


@click.command()
@store_argument
@artifacts_option
@click.option("--out", required=True, type=Place(dir_okay=False), help="The archive: .zip, .tar, .tar.gz or .tgz.")
@click.option("--pictures", is_flag=True, help="Pack also images of datasets that are not public, if some were kept.")
def pack(store: str, artifacts: str | None, out: str, *, pictures: bool) -> None:
    """Write STORE and its payload files into one archive that opens anywhere, without paths, names and passwords."""
    from leakboard.store.packing import pack as pack_store

    done = pack_store(open_store(store, artifacts), out, pictures=pictures)
    for line in done.left_out:
        click.echo(f"left out: {line}", err=True)
    click.echo(f"{done.path}: the store and {done.files:,} files, {done.bytes / 2**20:.1f} MiB")


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

    for kind, files, size in usage(open_store(store, artifacts)):
        click.echo(f"{kind:>10}  {files:>8} files  {size / 2**20:>10.1f} MiB")


@cache.command()
@store_option
@artifacts_option
def prune(store: str, artifacts: str | None) -> None:
    """Remove features, files that no current result needs, and damaged ones; scores, pictures, paid answers stay."""
    from leakboard.store.prune import prune as prune_files

    gone = prune_files(open_store(store, artifacts))
    click.echo(f"{gone.files} files removed, {gone.bytes / 2**20:.1f} MiB free")
