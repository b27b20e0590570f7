"""What a worker elsewhere must have in common with the run before it gets a task: code, plugins, files, a device."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import os
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import leakboard
from leakboard.digests import HARNESS, file_beside, imported_names
from leakboard.errors import LeakboardError
from leakboard.hookspecs import PROJECT
from leakboard.runs.preflight import check_device
from leakboard.texts import home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CALL = "are you there?"
"""What a worker is given in the place of a first task."""
HERE = "here"


@dataclass(frozen=True)
class Terms:
    """What a worker is told before its first task. All of it is compared over there, and none of it are clocks.

    Attributes:
        work: what gives the outcome of a task.
        code: names of packages and of plugin files, each with its digest.
        folder: the working folder of the run, in which paths of a grid may begin.
        seen: a file that the run has made where payload files lie; empty where they do not lie in a folder.
        device: where victims are opened.
        threads: torch threads a task, or 0 for an equal share of the machine.
        gpus: of a machine, one for each of its workers; 0 to leave everything as it is.
    """

    work: Callable[[Any], Any]
    code: tuple[tuple[str, str], ...]
    folder: str
    seen: str = ""
    device: str = "cpu"
    threads: int = 0
    gpus: int = 0


@dataclass(frozen=True)
class Refused:
    """Why a worker does not take part."""

    reason: str


def answer(terms: Terms, task: Any) -> Any:
    """What a worker's child process says to a task: its outcome, or why it takes no part."""
    reason = _objection(terms.code, terms.folder, terms.seen, terms.device)
    if reason:
        return Refused(reason)
    return HERE if task == CALL else terms.work(task)


@functools.lru_cache(maxsize=1)
def _objection(code: tuple[tuple[str, str], ...], folder: str, seen: str, device: str) -> str:
    """What is different here; an empty string if nothing is."""
    if Path(folder).is_dir():
        os.chdir(folder)
    if seen and not Path(seen).exists():
        return f"it does not see the folder of payload files {Path(seen).parent.parent}"
    told = differences(code, code_here(name for name, _ in code if _is_file(name)))
    if told:
        return "; ".join(told)
    try:
        check_device(device)
    except LeakboardError as error:
        return error.what
    return ""


def code_here(plugins: Iterable[str | Path]) -> tuple[tuple[str, str], ...]:
    """The code that results are made by: the version and digest of each package, the digest of each plugin file.

    Digests of plugin files, and of files beside them that they import, are those of ``sha256sum``. A file that is not
    there has none.
    """
    found = {HARNESS: f"{leakboard.__version__} {_package_digest(HARNESS)}"}
    for package in sorted({entry.module.partition(".")[0] for entry in entry_points(group=PROJECT)} - {HARNESS}):
        found[package] = _package_digest(package)
    ahead = [str(home(Path(place))) for place in plugins]
    while ahead:
        place = ahead.pop(0)
        if place not in found:
            found[place] = digest = _file_digest(Path(place))
            ahead += _beside(Path(place)) if digest else []
    return tuple(found.items())


def differences(run: tuple[tuple[str, str], ...], worker: tuple[tuple[str, str], ...]) -> list[str]:
    """One line for each package and file that is not the same in both, with both digests."""
    mine, theirs = dict(run), dict(worker)
    names = [name for name in mine if mine[name] != theirs.get(name, "")]
    return [f"{name} is {_short(theirs.get(name, ''))} there and {_short(mine[name])} here" for name in names]


def _short(digest: str) -> str:
    """Twelve digits of a digest, and the version before it if there is one."""
    version, _, sha = digest.rpartition(" ")
    return f"{version} {sha[:12]}".strip() or "missing"


def _is_file(name: str) -> bool:
    return name.endswith(".py")


def _file_digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _beside(path: Path) -> list[str]:
    """Files that a plugin file imports and that lie beside it."""
    try:
        names = imported_names(ast.parse(path.read_bytes()))
    except (OSError, SyntaxError, ValueError):
        return []  # who loads it says more
    return [str(path.with_name(f"{name}.py")) for name in names if file_beside(path, name)]


@functools.cache
def _package_digest(package: str) -> str:
    """Digest of all Python files of a package by their places in it; empty where it is not installed."""
    spec = importlib.util.find_spec(package)
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    files = [(path.relative_to(folder).as_posix(), path) for folder in folders for path in folder.rglob("*.py")]
    if spec and not folders and spec.origin:
        files = [(package, Path(spec.origin))]
    total = hashlib.sha256()
    for name, path in sorted(files):
        total.update(f"{name}\n{_file_digest(path)}\n".encode())
    return total.hexdigest() if files else ""
