"""``check``: does a plugin keep to the contract?"""

from __future__ import annotations

import sys

import click

from leakboard.cli.options import plugin_option


@click.command()
@click.argument("spec")
@click.option("--dataset", default="fashion_mnist", show_default=True, help="Images to ask a victim about.")
@plugin_option
def check(spec: str, dataset: str, plugins: tuple[str, ...]) -> None:
    """Run the contract checks on the plugin of SPEC."""
    from leakboard.errors import LeakboardError
    from leakboard.faults import blamed
    from leakboard.registry.find import shared
    from leakboard.registry.specs import parse
    from leakboard.tasks.sample_lists import check_samples
    from leakboard.testing import check_component, summarize

    registry = shared(plugins)
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
    rows = [row for link in point.chain for row in check_component(link, samples)]
    click.echo(summarize(rows))
    sys.exit(1 if any(row.outcome == "failed" for row in rows) else 0)
