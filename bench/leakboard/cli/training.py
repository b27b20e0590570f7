"""``train``: make an embedded victim again or one of your own, its shadow victims, and runs with other seeds."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leakboard.cli.completing import names_of
from leakboard.cli.options import Place, plugin_option

if TYPE_CHECKING:
    from leakboard.recipe import Recipe
    from leakboard.training.shadows import Training

FURTHER = "only the last level unless --level says which"


@click.command(
    epilog="Recipes: leakboard list recipes. Their numbers may be changed: 'fashion_small(weight_decay=0.1)'."
)
@click.argument("recipe", shell_complete=names_of("recipe"))
@click.option("--out", required=True, type=Place(file_okay=False), help="Folder for checkpoints and manifests.")
@click.option("--level", "levels", multiple=True, help="Checkpoint to keep, if not all; repeatable.")
@click.option("--seed", type=click.IntRange(min=0), help="Another seed than the recipe's, with the same members.")
@click.option(
    "--shadows",
    type=click.IntRange(min=2),
    help=f"So many shadow victims, each on a random half of members and non-members together; {FURTHER}.",
)
@click.option(
    "--runs", type=click.IntRange(min=1), help=f"So many runs with the same members and other seeds; {FURTHER}."
)
@click.option("--device", default="cpu", show_default=True, help="Where to train: cpu, cuda or mps.")
@plugin_option
def train(
    recipe: str,
    out: str,
    levels: tuple[str, ...],
    seed: int | None,
    shadows: int | None,
    runs: int | None,
    device: str,
    plugins: tuple[str, ...],
) -> None:
    """Train the victim of RECIPE; the same command again continues after an interruption.

    Of shadow victims and runs the same command trains what is not finished. Started several times side by side it
    shares the work.
    """
    from tqdm import tqdm

    from leakboard.registry.find import shared
    from leakboard.runs.preflight import check_device
    from leakboard.training import train_recipe
    from leakboard.training.changing import recipe_of
    from leakboard.training.shadows import Trained, train_all

    registry = shared(plugins)
    found = recipe_of(registry, recipe, "RECIPE")
    check_device(device, "--device")
    dataset = registry.one("dataset", found.dataset, f"recipe {found.name}").only
    if seed is not None:
        found = replace(found, seed=seed)
    several = _several(found, shadows, runs)
    levels = levels or ((max(found.checkpoints, key=found.checkpoints.__getitem__),) if several else ())
    with tqdm(unit="epoch", disable=None) as bar:  # quiet where stderr is no terminal

        def progress(doing: str, done: int, of: int) -> None:
            bar.set_description(doing)
            bar.total = of
            bar.update(done - bar.n)

        try:
            if several:
                trained = train_all(several, dataset, Path(out), levels=levels, progress=progress, device=device)
            else:
                folders = train_recipe(found, dataset, Path(out), levels=levels, progress=progress, device=device)
                trained = Trained(folders, [])
        except KeyboardInterrupt:
            bar.close()
            click.echo("interrupted: the last checkpoint is kept, the same command continues from it", err=True)
            sys.exit(130)
    for folder in trained.folders:
        click.echo(folder)
    if trained.elsewhere:
        click.echo(f"left to the other processes that train them: {', '.join(trained.elsewhere)}", err=True)


def _several(recipe: Recipe, shadows: int | None, runs: int | None) -> list[Training]:
    """The shadow victims or the runs that are asked for; none for a single training.

    Raises:
        UsageError: both are.
    """
    from leakboard.training import shadows as many

    if shadows and runs:
        raise click.UsageError("--shadows and --runs are two things: shadow victims have members of their own")
    return many.shadows(recipe, shadows) if shadows else many.runs(recipe, runs) if runs else []
