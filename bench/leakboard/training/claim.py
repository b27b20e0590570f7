"""Whose a folder is: the process that trains there, and the note of what is trained, so that nothing else goes on."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from leakboard.api import Component, LeakboardError, member_digest
from leakboard.recipe import switched_on
from leakboard.registry import bind
from leakboard.registry.specs import spell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from leakboard.recipe import Given, Recipe


NOTE = "training.json"
"""What is trained in a folder."""


class Busy(LeakboardError):
    """Another process trains in the folder."""


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Make the folder ``out`` and keep other trainings off it until this one ends, whichever way it ends.

    Raises:
        Busy: another process trains there.
        LeakboardError: the file system cannot lock files.
    """
    from filelock import FileLock, Timeout

    out.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(out / "training.lock").acquire(timeout=0)
    except Timeout as error:
        raise Busy(
            "another process trains in this folder",
            where=str(out),
            expected="one training at a time",
            next="the same command when that one has ended, or another --out",
        ) from error
    except NotImplementedError as error:
        raise LeakboardError(
            "this file system cannot lock files, so two trainings might write over each other",
            where=str(out),
            next="--out on a local disk",
        ) from error
    with lock:
        yield


def claim(recipe: Recipe, given: Given, levels: Sequence[str] = ()) -> None:
    """Note in ``given.out`` what is trained there, and refuse to go on with anything else.

    Args:
        recipe: what is trained.
        given: on what, and where.
        levels: the checkpoints that are saved, if not all.

    Raises:
        LeakboardError: another training is noted, the note is damaged, or a file is where a checkpoint belongs.
    """
    out = given.out
    wanted = _note(recipe, given, levels)
    path = out / NOTE
    for level in recipe.checkpoints:
        if (out / level).is_file():
            raise LeakboardError(
                "a file is where a checkpoint belongs",
                where=str(out / level),
                expected="no such file",
                next="remove it, or another --out",
            )
    if path.exists():
        if _noted(path) != wanted:
            raise LeakboardError(
                "the folder holds a training by another recipe, on other members, of other levels or on another device",
                where=str(path),
                expected=f"a new folder, or the one where {recipe.name!r} was interrupted",
                next="another --out",
            )
        return
    write_json(path, wanted)


def finished(recipe: Recipe, given: Given, levels: Sequence[str]) -> bool:
    """Whether exactly this training has ended in ``given.out``, every one of its ``levels`` measured.

    Raises:
        LeakboardError: the note of what is trained there is damaged.
    """
    path = given.out / NOTE
    if not path.exists() or _noted(path) != _note(recipe, given, levels):
        return False
    return all((given.out / level / "manifest.json").is_file() for level in levels or recipe.checkpoints)


def _note(recipe: Recipe, given: Given, levels: Sequence[str]) -> dict[str, Any]:
    noted: dict[str, Any] = {"recipe": describe(recipe), "member_digest": member_digest(given.members.ids)}
    if given.auxiliary:
        noted["auxiliary_digest"] = member_digest(given.auxiliary.ids)
    # the last bits of the weights are those of the device
    noted["device"] = given.device
    # gone on with for other levels, it would lack those that were passed by
    return noted | ({"levels": sorted(levels)} if levels else {})


def describe(recipe: Recipe) -> dict[str, Any]:
    """All fields of a recipe as JSON gives them back, but its summary, which changes nothing, and defenses left off.

    Raises:
        LeakboardError: a field cannot be written as JSON.
    """
    try:
        described: dict[str, Any] = json.loads(json.dumps(_plain(recipe)))
    except TypeError as error:
        raise LeakboardError(
            f"the recipe {recipe.name!r} cannot be noted: {error}",
            expected="fields of numbers, texts and lists of them",
        ) from error
    return {name: value for name, value in described.items() if name != "summary"}


def training_defenses(recipe: Recipe) -> list[str]:
    """What of a recipe defends its members, one text each; nothing of a plain training."""
    texts = []
    for name, value in switched_on(recipe).items():
        links = value if isinstance(value, tuple) and value and isinstance(value[0], Component) else ()
        texts += [spell(link.name, bind.given(link)) for link in links] or [f"{name}={value!r}"]
    inner = {
        each.name: getattr(recipe, each.name) for each in fields(recipe) if is_dataclass(getattr(recipe, each.name))
    }
    for name, part in inner.items():
        texts += [f"{name}.{key}={value!r}" for key, value in switched_on(part).items()]
    return texts


def _plain(value: Any) -> Any:
    """A value as JSON can write it: of a plugin its spelling, of a dataclass its fields."""
    if isinstance(value, Component):
        return spell(value.name, bind.parameters(value))
    if is_dataclass(value):
        on = switched_on(value)
        told = [each.name for each in fields(value) if each.metadata.get("described", True) or each.name in on]
        return {name: _plain(getattr(value, name)) for name in told}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return {name: _plain(each) for name, each in value.items()} if isinstance(value, dict) else value


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write ``content`` in one step: whoever reads the file finds all of it."""
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def _noted(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LeakboardError(
            f"the note of what is trained here is damaged: {error}",
            where=str(path),
            expected="the JSON that an earlier training wrote",
            next="another --out, or remove the folder to start again",
        ) from error
