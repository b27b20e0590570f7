"""Parameters that are paths: what others read in their place, and what lies there, for that is what counts.

A plugin need not mark them. A text is a path where files that the plugin names in ``files()`` lie at it or below it,
and so is a hub id where they lie in its folder of a hub cache.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from leakboard.texts import discreet, is_absolute

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

CONTENT = "<content>"
"""Stands in the place of a path in what an identity is made of."""
HOMES = ("home", "Users")
"""Folders that hold a folder for each user of a machine."""


class Contents(NamedTuple):
    """What a component's parameters and files say, wherever they lie.

    Attributes:
        parameters: all of them, paths that lead to its files replaced by `CONTENT`.
        files: each as the parameter that leads to it, the place below that, and its digest; the digest alone where no
            parameter leads to it.
    """

    parameters: dict[str, Any]
    files: list[Any]


def contents(
    parameters: Mapping[str, Any],
    words: Mapping[str, Collection[Any]],
    files: Iterable[Path],
    digest: Callable[[Path], str],
) -> Contents:
    """What a component is made of, without a word about where it lies.

    Args:
        parameters: its parameters.
        words: values of each that are words of a fixed list, and never paths.
        files: that it names.
        digest: of the content of a file.
    """
    roots = dict(_texts(parameters, words))
    led: set[str] = set()
    told: list[Any] = []
    for file in files:
        below = {name: place for name, root in roots.items() if (place := _place(root, file)) is not None}
        led |= below.keys()
        # of folders that lie in each other the innermost leads to it
        nearest = min(below, key=lambda name: len(below[name]), default=None)
        found = digest(file)
        told.append(found if nearest is None else [nearest, below[nearest], found])
    named = sorted(entry for entry in told if isinstance(entry, list))
    plain = {name: _replaced(name, value, led) for name, value in parameters.items()}
    return Contents(plain, [*(entry for entry in told if isinstance(entry, str)), *named])


def published(parameters: Mapping[str, Any], words: Mapping[str, Collection[Any]], parts: int = 1) -> dict[str, Any]:
    """Parameters as others may read them: of a path its last parts, of an address no password."""
    return {name: _published(value, words.get(name, ()), parts) for name, value in parameters.items()}


def deepest(parameters: Mapping[str, Any], words: Mapping[str, Collection[Any]]) -> int:
    """How many parts the longest path among the parameters has, as far as they may be shown."""
    return max((len(_parts(text)) for _, text in _texts(parameters, words) if _is_path(text)), default=1)


def _texts(parameters: Mapping[str, Any], words: Mapping[str, Collection[Any]]) -> Iterator[tuple[str, str]]:
    """Texts that may be paths, by the name of their parameter, and their number in a list."""
    for name, value in parameters.items():
        several = value if isinstance(value, (tuple, list)) else (value,)
        for number, each in enumerate(several):
            if isinstance(each, str) and each and each not in words.get(name, ()):
                yield (f"{name} {number}" if several is value else name), each


def _replaced(name: str, value: Any, led: Collection[str]) -> Any:
    if isinstance(value, (tuple, list)):
        return type(value)(CONTENT if f"{name} {number}" in led else each for number, each in enumerate(value))
    return CONTENT if name in led else value


def _published(value: Any, words: Collection[Any], parts: int) -> Any:
    if isinstance(value, (tuple, list)):
        return type(value)(_published(each, words, parts) for each in value)
    if not isinstance(value, str) or value in words:
        return value
    return "/".join(_parts(value)[-parts:]) if _is_path(value) else discreet(value)


def _is_path(text: str) -> bool:
    """Whether a text is one by its looks: absolute, or with a folder in it and something is there."""
    if is_absolute(text):
        return True
    return ("/" in text or os.sep in text or text in (".", "..")) and os.path.exists(text)  # noqa: PTH110 - no ValueError


def _parts(text: str) -> tuple[str, ...]:
    """The parts of a path below the working folder or a home, for what lies above says who works where."""
    path = _absolute(text)
    ways = [path.parts[1:], path.parts[3:] if path.parts[1:2] and path.parts[1] in HOMES else ()]
    ways += [path.relative_to(above).parts for above in (Path.cwd(), _absolute("~")) if path.is_relative_to(above)]
    return min(filter(None, ways), key=len, default=path.parts[-1:])


def _absolute(text: str) -> Path:
    return Path(os.path.abspath(os.path.expanduser(text.replace("\0", ""))))  # noqa: PTH100, PTH111 - as text, unresolved


def _place(text: str, file: Path) -> str | None:
    """The place of a file below the path or the hub id that a text is; None elsewhere."""
    below = _below(str(_absolute(text)), file)
    return _in_snapshot(text, file) if below is None else below


def _in_snapshot(text: str, file: Path) -> str | None:
    """The place of a file below a hub id: a cache keeps it in ``models--owner--name/snapshots/<commit>``."""
    parts, kept = file.parts, text.replace("/", "--")
    for number in range(len(parts) - 3):
        if parts[number].partition("--")[2] == kept and parts[number + 1] == "snapshots":
            return "/".join(parts[number + 3 :])
    return None


def _below(root: str, file: Path) -> str | None:
    """The place of a file below a path, with forward slashes, empty where it is the path itself; None elsewhere."""
    for top, place in ((root, os.path.abspath(file)), (_real(root), os.path.join(_real(str(file.parent)), file.name))):  # noqa: PTH100, PTH118
        if place == top:
            return ""
        if place.startswith(top.rstrip(os.sep) + os.sep):
            return place[len(top.rstrip(os.sep)) + 1 :].replace(os.sep, "/")
    return None


@functools.lru_cache(maxsize=1024)
def _real(path: str) -> str:
    return os.path.realpath(path)
