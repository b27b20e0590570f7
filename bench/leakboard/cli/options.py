"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from leakboard.cli import completing
from leakboard.texts import home


class Place(click.Path):
    """A path of which a ``~`` is the home also where no shell expands it: after the = of an option."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, expanded."""
        return super().convert(home(value), param, ctx)


grid_argument = click.argument("grid", type=Place(dir_okay=False))
store_argument = click.argument("store")
store_option = click.option("--store", default="leakboard.db", show_default=True, help="File or SQLAlchemy URL.")
artifacts_option = click.option(
    "--artifacts",
    type=Place(file_okay=False),
    metavar="PLACE",
    help="Payload files: a folder, s3://bucket/prefix or gs://bucket/prefix  [default: a folder beside the store]",
)
plugin_option = click.option(
    "--plugin", "plugins", multiple=True, type=Place(dir_okay=False), help="Python file with plugins; repeatable."
)
only_option = click.option(
    "--only",
    multiple=True,
    metavar="AXIS=PATTERN",
    shell_complete=completing.patterns,
    help="Keep matching cells, like 'defense=gaussian_*'; repeatable.",
)
skip_option = click.option(
    "--skip",
    multiple=True,
    metavar="AXIS=PATTERN",
    shell_complete=completing.patterns,
    help="Leave matching cells out; repeatable.",
)


pictures_option = click.option(
    "--pictures", is_flag=True, help="Show images also of datasets that are not public, if some were kept."
)
set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="TABLE.KEY=VALUE",
    shell_complete=completing.settings,
    help="In the place of the grid file's value, like run.samples=64; repeatable.",
)


def tell_broken(plugins: tuple[str, ...]) -> None:
    """Say which plugins could not be loaded, one line each."""
    from leakboard.registry.find import shared

    for item in shared(plugins).broken:
        click.echo(f"not loaded: {item.source}: {item.reason}", err=True)


def open_store(url: str, artifacts: str | None = None) -> Any:
    """An existing store, for reading, with its folder of payload files where that lies elsewhere."""
    from leakboard.runs.preflight import check_there
    from leakboard.store import Store
    from leakboard.store.buckets import locate_files

    place = locate_files(artifacts) if artifacts else None
    if isinstance(place, Path):
        check_there(place, "--artifacts")
    return Store(url, artifacts=place, read_only=True)
