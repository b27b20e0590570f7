"""``train``: make an embedded victim again."""

from __future__ import annotations

from pathlib import Path

import click

from leakboard.cli.options import plugin_option


@click.command()
@click.argument("recipe")
@click.option("--out", required=True, type=click.Path(file_okay=False), help="Folder for checkpoints and manifests.")
@plugin_option
def train(recipe: str, out: str, plugins: tuple[str, ...]) -> None:
    """Train the victim of RECIPE; the same command again continues after an interruption."""
    from tqdm import tqdm

    from leakboard.registry import shared
    from leakboard.training import find_recipe, train_recipe

    found = find_recipe(recipe)
    dataset = shared(plugins).one("dataset", found.dataset).only
    with tqdm(unit="step", disable=None) as bar:  # quiet where stderr is no terminal

        def progress(doing: str, done: int, of: int) -> None:
            bar.set_description(doing)
            bar.total = of
            bar.update(done - bar.n)

        folders = train_recipe(found, dataset, Path(out), progress=progress)
    for folder in folders:
        click.echo(folder)
