"""``check``: does a plugin keep to the contract?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from leakboard.cli.completing import names_of
from leakboard.cli.options import plugin_option

if TYPE_CHECKING:
    from leakboard.registry.find import Registry
    from leakboard.testing import CheckRow


@click.command()
@click.argument("spec", shell_complete=names_of())
@click.option(
    "--dataset",
    default="fashion_mnist",
    show_default=True,
    shell_complete=names_of("dataset"),
    help="Images to ask a victim about.",
)
@plugin_option
@click.option("--traceback", "tracebacks", is_flag=True, help="Show where a plugin raised what made a check fail.")
def check(spec: str, dataset: str, plugins: tuple[str, ...], *, tracebacks: bool) -> None:
    """Run the contract checks on the plugin of SPEC."""
    from leakboard.registry.find import shared
    from leakboard.testing import check_extension, summarize

    registry = shared(plugins)
    values = [known[spec] for kind, known in registry.values.items() if spec in known and kind != "attack"]
    rows = [row for value in values for row in check_extension(value)]
    if not values or any(spec in known for known in registry.classes.values()):
        rows += _component_rows(registry, spec, dataset)
    click.echo(summarize(rows, tracebacks=tracebacks))
    sys.exit(1 if any(row.outcome == "failed" for row in rows) else 0)


def _component_rows(registry: Registry, spec: str, dataset: str) -> list[CheckRow]:
    """The checks of what stands on an axis; a victim is asked about a dataset."""
    from leakboard.errors import LeakboardError
    from leakboard.faults import blamed
    from leakboard.registry.specs import parse
    from leakboard.tasks.sample_checks import check_samples
    from leakboard.testing import check_component

    name = parse(spec)[0][0].name
    kinds = registry.axes_of(name, f"spec {spec!r}")
    if not kinds:
        raise LeakboardError(f"{name} is an attack: check the plugins it is made of", next=f"leakboard show {name}")
    point = registry.one(kinds[0], spec)
    samples = None
    if point.kind == "victim":
        with blamed(dataset, "load()"):
            samples = registry.one("dataset", dataset).only.load()
            check_samples(samples, dataset)
    links = [link for choice in point.choices for link in choice.chain]
    return [row for link in links for row in check_component(link, samples)]
