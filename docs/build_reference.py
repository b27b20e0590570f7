"""Write ``docs/reference.md``: every command, grid key and plugin, from the program itself.

    python docs/build_reference.py

A test holds that the file is up to date.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

INTRO = """# Reference

Made by `python docs/build_reference.py` from the program itself.
"""
EXCLUDE = """### [[exclude]]

Any number of rules. Each is a table of `axis = pattern`; a cell that matches all of them is left out. The axes are
those of `[grid]`, and `labels` and `seed`; patterns are those of file names, on the canonical or the short spelling.
"""


def commands(main: click.Group, group: click.Group, path: str) -> Iterator[str]:
    """The help of every command below a group."""
    for name, command in group.commands.items():
        context = click.Context(
            command, info_name=f"{path} {name}", terminal_width=100, max_content_width=100, **main.context_settings
        )
        if isinstance(command, click.Group):
            yield from commands(main, command, f"{path} {name}")
        else:
            yield f"### {path} {name}\n\n```text\n{command.get_help(context)}\n```\n"


def tables() -> Iterator[str]:
    """The keys of a grid file, with what their tables' docstrings say of them."""
    from leakboard.grid.tables import TABLES

    for name, model in TABLES.items():
        yield f"### [{name}]\n"
        yield "| key | default | what it is |\n|---|---|---|"
        described = dict(re.findall(r"^ +(\w+): (.+(?:\n {12}.+)*)$", model.__doc__ or "", re.MULTILINE))
        for key, field in model.model_fields.items():
            default = "required" if field.is_required() else f"`{field.get_default()!r}`"
            yield f"| `{key}` | {default} | {' '.join(described[key].replace('``', '`').split())} |"
        yield ""
    yield EXCLUDE


def plugins() -> Iterator[str]:
    """Every built-in plugin and attack."""
    from leakboard.registry.describe import describe_all
    from leakboard.registry.find import Registry

    heading = ""
    for row in describe_all(Registry.load()):
        if row["kind"] != heading:
            heading = row["kind"]
            yield f"\n### {heading}s\n"
            yield "| name | parameters | what it is |\n|---|---|---|"
        given = ", ".join(
            f"`{name}={info['default']!r}`" if "default" in info else f"`{name}`"
            for name, info in row["parameters"].items()
        )
        yield f"| `{row['name']}` | {given} | {row['summary'].replace('|', '/')} |"


def reference() -> str:
    """The whole page."""
    from leakboard.cli import main

    parts = [
        INTRO,
        "## Commands\n",
        *commands(main, main, "leakboard"),
        "## Grid file\n",
        *tables(),
        "## Plugins",
        *plugins(),
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    os.environ.pop("LEAKBOARD_PLUGINS", None)
    Path(__file__).with_name("reference.md").write_text(reference(), encoding="utf-8")
