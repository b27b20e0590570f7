"""Values of a grid as people give them: from a notebook, and on the command line with ``--set``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from leakboard.errors import LeakboardError, nearest
from leakboard.grid.tables import TABLES


def listed(value: Any) -> Any:
    """A list as a notebook gives it: one spec or rule, or any iterable of them."""
    if isinstance(value, (str, dict)):
        return [value]
    return plain(value)


def plain(value: Any) -> Any:
    """The value as a grid file has it: ranges, tuples and other iterables are lists, numbers of numpy are numbers."""
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return plain(value.tolist()) if hasattr(value, "tolist") else [plain(each) for each in value]
    return value.item() if hasattr(value, "item") else value


def apply(setting: str, content: dict[str, Any]) -> None:
    """Put ``table.key=value`` in the place of what a grid file says.

    The value is written as in the file; text needs no quotation marks, and where the file has a list one value will do.

    Raises:
        LeakboardError: it is not of that form, or there is no such table or key.
    """
    name, given, text = setting.partition("=")
    table, _, key = name.strip().partition(".")
    if not (given and key and text.strip()):
        raise LeakboardError(
            f"cannot read the setting {setting!r:.80}", where="--set", expected="table.key=value, like run.samples=64"
        )
    known = [f"{each}.{field}" for each, model in TABLES.items() for field in model.model_fields]
    if f"{table}.{key}" not in known:
        raise LeakboardError(
            f"a grid has no {table}.{key}",
            where="--set",
            expected=f"one of {', '.join(known)}",
            nearest=nearest(f"{table}.{key}", known),
        )
    value = _value(text.strip())
    if _is_list(table, key) and not isinstance(value, list):
        value = [value]
    inside = content.setdefault(table, {})
    if not isinstance(inside, dict):
        raise LeakboardError(f"{table!r} is no table in the grid", where="--set", expected=f"a table [{table}]")
    inside[key] = value


def _value(text: str) -> Any:
    try:
        content = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError, ValueError):
        return text
    return content["value"] if list(content) == ["value"] else text


def _is_list(table: str, key: str) -> bool:
    return "list[" in str(TABLES[table].model_fields[key].annotation)
