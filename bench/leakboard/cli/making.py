"""``new``: a plugin to begin with."""

from __future__ import annotations

import keyword
from pathlib import Path

import click

from leakboard.cli.options import Place
from leakboard.cli.starters import PARTS, starter


@click.command()
@click.argument("kind", type=click.Choice(list(PARTS)))
@click.argument("name")
@click.option("--out", type=Place(file_okay=False), help="Folder to write  [default: leakboard-NAME]")
def new(kind: str, name: str, out: str | None) -> None:
    """Write a plugin that passes its checks, with its test and a pyproject.toml, to begin from."""
    from leakboard.errors import LeakboardError
    from leakboard.registry.find import shared

    if not (name.isidentifier() and name.isascii() and name == name.lower()) or keyword.iskeyword(name):
        raise LeakboardError(
            f"a plugin cannot be called {name!r:.80}",
            where="NAME",
            expected="small letters, digits and _, like my_distance",
        )
    taken = shared(()).sources.get((kind, name))
    if taken:
        raise LeakboardError(
            f"there is a {kind} {name!r} already: {taken} brings it", where="NAME", expected="a name of its own"
        )
    folder = Path(out or f"leakboard-{name.replace('_', '-')}")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise LeakboardError(f"there is something already: {folder}", where="--out", expected="a new or empty folder")
    try:
        for path, text in starter(kind, name).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise LeakboardError(f"cannot write the plugin: {error.strerror or error}", where=str(folder)) from error
    file = folder / "src" / f"leakboard_{name}" / f"{name}.py"
    check = "show" if kind == "attack" else "check"
    click.echo(f"{file}\n  leakboard {check} {name} --plugin {file}\n  pip install pytest && python -m pytest {folder}")
    click.echo(f"  pip install -e {folder}")
