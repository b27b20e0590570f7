"""``train``: make an embedded victim again."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from leakboard.cli.options import plugin_option


class Training(click.Command):
    """A command that names the recipes at the end of its help."""

    def format_epilog(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write them; they are looked up only here, for numpy comes with them."""
        from leakboard.training.recipes import RECIPES

        formatter.write_paragraph()
        formatter.write_text(f"Recipes: {', '.join(sorted(RECIPES))}.")


@click.command(cls=Training)
@click.argument("recipe")
@click.option("--out", required=True, type=click.Path(file_okay=False), help="Folder for checkpoints and manifests.")
@plugin_option
def train(recipe: str, out: str, plugins: tuple[str, ...]) -> None:
    """Train the victim of RECIPE; the same command again continues after an interruption."""
    from tqdm import tqdm

    from leakboard.registry.find import shared
    from leakboard.training import find_recipe, train_recipe

    found = find_recipe(recipe)
    dataset = shared(plugins).one("dataset", found.dataset).only
    with tqdm(unit="epoch", disable=None) as bar:  # quiet where stderr is no terminal

        def progress(doing: str, done: int, of: int) -> None:
            bar.set_description(doing)
            bar.total = of
            bar.update(done - bar.n)

        try:
            folders = train_recipe(found, dataset, Path(out), progress=progress)
        except KeyboardInterrupt:
            bar.close()
            click.echo("interrupted: the last checkpoint is kept, the same command continues from it", err=True)
            sys.exit(130)
    for folder in folders:
        click.echo(folder)
