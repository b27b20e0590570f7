"""``list``, ``show``, ``failures`` and ``doctor``: what there is, and what is wrong."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from leakboard.cli.completing import names_of
from leakboard.cli.options import open_store, plugin_option, store_argument, tell_broken
from leakboard.kinds import AXES, EXTENSIONS

KINDS: tuple[str, ...] = (*AXES, *EXTENSIONS)


@click.command(name="list")
@click.argument(
    "kind", required=False, shell_complete=lambda _c, _p, start: [f"{k}s" for k in KINDS if k.startswith(start)]
)
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_plugins(kind: str | None, plugins: tuple[str, ...], as_json: bool) -> None:
    """List the plugins and the named attacks, or those of one KIND."""
    from leakboard.errors import LeakboardError, nearest
    from leakboard.registry.describe import describe_all
    from leakboard.registry.find import shared

    wanted = kind.removesuffix("s") if kind else None
    if wanted not in (None, *KINDS):
        raise LeakboardError(
            f"there is no kind {kind!r}",
            where="KIND",
            expected=f"one of {', '.join(KINDS)}",
            nearest=nearest(str(wanted), KINDS),
            next="leakboard list",
        )
    rows = [row for row in describe_all(shared(plugins)) if wanted in (None, row["kind"])]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        width = max((len(row["signature"]) for row in rows if len(row["signature"]) <= 48), default=20)
        heading = ""
        for row in rows:
            if row["kind"] != heading:
                heading = row["kind"]
                click.echo(f"{heading}s")
            name = row["signature"] if len(row["signature"]) <= width else row["name"] + "(...)"
            click.echo(f"  {name:<{width}}  {row['summary']}")
    tell_broken(plugins)


@click.command()
@click.argument("spec", shell_complete=names_of())
@plugin_option
def show(spec: str, plugins: tuple[str, ...]) -> None:
    """Show one plugin or attack: its parameters, its documentation, where it comes from."""
    from leakboard.registry.describe import describe_one
    from leakboard.registry.find import shared

    click.echo(describe_one(shared(plugins), spec))


@click.command()
@store_argument
@click.option("--traceback", "with_traceback", is_flag=True, help="Show the traceback of the first cell of each group.")
def failures(store: str, with_traceback: bool) -> None:
    """Group the cells of STORE that gave no result by their error."""
    frame = open_store(store).failures()
    if frame.empty:
        click.echo("no cell failed")
        return
    for row in frame.itertuples():
        click.echo(f"{row.count:>6}  {row.status}: {row.error}")
        click.echo(f"        for example {row.axes}")
        if with_traceback and row.traceback:
            click.echo(row.traceback)


@click.command()
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def doctor(plugins: tuple[str, ...], as_json: bool) -> None:
    """Check this installation: packages, plugins, shipped weights, devices, disk."""
    from leakboard.cli.doctor import examine

    findings: list[dict[str, Any]] = examine(plugins)
    if as_json:
        click.echo(json.dumps(findings, indent=2))
    else:
        for finding in findings:
            click.echo(f"{'ok' if finding['ok'] else 'BAD':>4}  {finding['check']}: {finding['detail']}")
    sys.exit(0 if all(finding["ok"] for finding in findings) else 1)
