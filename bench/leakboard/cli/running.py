"""``run`` and ``plan``."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import click

from leakboard.cli.completing import names_of
from leakboard.cli.options import (
    Place,
    artifacts_option,
    grid_argument,
    only_option,
    plugin_option,
    set_option,
    skip_option,
    store_option,
    tell_broken,
)


@click.command()
@grid_argument
@store_option
@artifacts_option
@click.option(
    "--executor",
    default="processes",
    show_default=True,
    metavar="NAME",
    shell_complete=names_of("executor"),
    help="How tasks run; `leakboard list executors` names all.",
)
@click.option(
    "--workers", type=click.IntRange(min=0), default=0, metavar="N", help="Worker processes  [default: one a core]"
)
@click.option(
    "--threads",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Torch threads a worker  [default: an equal share of the cores]",
)
@click.option("--device", metavar="NAME", help="cpu, cuda, cuda:1 or mps  [default: the grid's]")
@set_option
@only_option
@skip_option
@plugin_option
@click.option("--report", type=Place(file_okay=False), help="Also write the HTML report into this folder.")
@click.option(
    "--pictures",
    is_flag=True,
    help="Keep images also of datasets that are not public, and show them in --report; as [run] pictures = true.",
)
@click.option("--features", is_flag=True, help="Also make missing features again that no result waits for.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON, and nothing else.")
def run(
    *,
    grid: str,
    store: str,
    artifacts: str | None,
    executor: str,
    workers: int,
    threads: int,
    device: str | None,
    settings: tuple[str, ...],
    only: tuple[str, ...],
    skip: tuple[str, ...],
    plugins: tuple[str, ...],
    report: str | None,
    pictures: bool,
    features: bool,
    as_json: bool,
) -> None:
    """Run whatever of GRID has no result yet. The same command again continues."""
    from leakboard.grid.grid import Grid
    from leakboard.runs.facts import facts
    from leakboard.runs.report import check_report_folder
    from leakboard.runs.report import report as write_report
    from leakboard.runs.runner import run as run_grid
    from leakboard.runs.summary import summary
    from leakboard.runs.terminal import terminated_like_interrupted
    from leakboard.store import Store

    if report:
        check_report_folder(Path(report), plugins)
    try:
        settings = (*settings, *(("run.pictures=true",) if pictures else ()))
        chosen = Grid.load(grid, plugins, settings).select(only, skip)
        chosen = chosen.on(device) if device else chosen
        tell_broken(chosen.plugins)
        with terminated_like_interrupted():
            done = run_grid(
                chosen,
                store,
                artifacts=artifacts,
                executor=executor,
                workers=workers,
                threads=threads,
                command=shlex.join(["leakboard", *sys.argv[1:]]),
                features=features,
            )
    except KeyboardInterrupt:
        click.echo("interrupted: nothing finished is lost, the same command continues", err=True)
        sys.exit(130)
    opened = Store(store, read_only=True)
    written = write_report(opened, report, plugins=plugins, pictures=chosen.run.pictures) if report else None
    for line in (*written.faults, *written.told) if written else ():
        click.echo(line, err=True)
    page = written.page if written else None
    click.echo(json.dumps(facts(done, opened, page), indent=2) if as_json else summary(done, opened, page))
    sys.exit(0 if done.ok else 1)


@click.command()
@grid_argument
@store_option
@artifacts_option
@set_option
@only_option
@skip_option
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
def plan(
    *,
    grid: str,
    store: str,
    artifacts: str | None,
    settings: tuple[str, ...],
    only: tuple[str, ...],
    skip: tuple[str, ...],
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """Tell what GRID still needs and what it will cost, without asking the victim."""
    from leakboard.grid.grid import Grid
    from leakboard.registry.find import shared
    from leakboard.runs.faster import advice
    from leakboard.runs.missing import existing
    from leakboard.runs.missing import plan as plan_grid
    from leakboard.runs.too_few import too_few

    selected = Grid.load(grid, plugins, settings).select(only, skip)
    tell_broken(selected.plugins)
    opened = existing(store, artifacts)
    made = plan_grid(selected, opened or store, artifacts)
    history = (opened.seconds_per_evaluation(), opened.seconds_per_cell()) if opened else ({}, None)
    numbers = made.summary(*history)
    warnings = too_few(made.evaluated)
    faster = advice(made, shared(selected.plugins), history[0]) if history[0] else []
    if as_json:
        reasons = [{"cell": key, "reason": reason} for key, reason in made.skipped.items()]
        evaluated = {dataset: sides._asdict() for dataset, sides in made.evaluated.items()}
        more = {"skipped_cells": reasons, "evaluated": evaluated, "warnings": warnings, "compiling": faster}
        click.echo(json.dumps({**numbers, **more}, indent=2))
        return
    for name, value in numbers.items():
        if name == "bills":
            continue
        shown = "unknown (no history in the store)" if value is None else f"{value:,.0f}"
        click.echo(f"{name.replace('_', ' '):>24}  {shown}")
    tasks: dict[str, list[float]] = {}
    for task, cost in zip(made.observe, made.evaluations, strict=True):
        tasks.setdefault(f"{task.title or task.victim} | {task.query}", []).append(cost)
    for label, costs in tasks.items():
        click.echo(f"  {sum(costs):>14,.0f}  in {len(costs)} tasks: {label}")
    for who, held in made.leased.items():
        click.echo(f"  leased elsewhere: {held} tasks, by {who}")
    for bill in made.bills:
        click.echo(f"  money: {bill.line}")
    for reason in sorted(set(made.skipped.values())):
        click.echo(f"  skipped: {reason}")
    for line in (*faster, *warnings):
        click.echo(line)
