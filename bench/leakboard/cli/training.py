"""``train``: make an embedded victim again, or one of your own."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from leakboard.cli.completing import names_of
from leakboard.cli.options import Place, plugin_option


@click.command(epilog="Recipes: leakboard list recipes.")
@click.argument("recipe", shell_complete=names_of("recipe"))
@click.option("--out", required=True, type=Place(file_okay=False), help="Folder for checkpoints and manifests.")
@click.option("--device", default="cpu", show_default=True, help="Where to train: cpu, cuda or mps.")
@plugin_option
def train(recipe: str, out: str, device: str, plugins: tuple[str, ...]) -> None:
    """Train the victim of RECIPE; the same command again continues after an interruption."""
    from tqdm import tqdm

    from leakboard.registry.find import shared
    from leakboard.runs.preflight import check_device
    from leakboard.training import train_recipe

    registry = shared(plugins)
    found = registry.value("recipe", recipe, "RECIPE")
    check_device(device, "--device")
    dataset = registry.one("dataset", found.dataset, f"recipe {recipe}").only
    with tqdm(unit="epoch", disable=None) as bar:  # quiet where stderr is no terminal

        def progress(doing: str, done: int, of: int) -> None:
            bar.set_description(doing)
            bar.total = of
            bar.update(done - bar.n)

        try:
            folders = train_recipe(found, dataset, Path(out), progress=progress, device=device)
        except KeyboardInterrupt:
            bar.close()
            click.echo("interrupted: the last checkpoint is kept, the same command continues from it", err=True)
            sys.exit(130)
    for folder in folders:
        click.echo(folder)
