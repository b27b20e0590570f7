"""A recipe with some of its numbers changed, as the command line spells it: ``fashion_small(weight_decay=0.1)``."""

from __future__ import annotations

import typing
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from leakboard.api import Defense, LeakboardError
from leakboard.components import IN_TRAINING
from leakboard.errors import nearest
from leakboard.registry.bind import build
from leakboard.registry.fields import check_value, types_of
from leakboard.registry.specs import Spec, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leakboard.recipe import Recipe
    from leakboard.registry.find import Registry

FIXED = ("name", "summary")
"""Fields that a spec cannot change: they say which recipe it is."""


def recipe_of(registry: Registry, text: str, where: str) -> Recipe:
    """The recipe that a spec stands for: one of the registry, with the fields changed that the spec gives.

    Defenses are given as a chain: ``defense='horizontal_flip + jpeg'``. A link that does not say where it acts acts in
    the training: at its own default place if that is one, else at ``training``. What has several fields of its own is
    given as a dictionary of those to change: ``text={'dropout': 0.5}``.

    Raises:
        LeakboardError: bad spelling, unknown recipe or field, or a value that does not fit.
    """
    alternatives = parse(text, where)
    if len(alternatives) != 1 or len(alternatives[0]) != 1:
        raise LeakboardError(
            f"{text!r} is not one recipe", where=where, expected="a single call, one training at a time"
        )
    spec = alternatives[0][0]
    recipe: Recipe = registry.value("recipe", spec.name, where)
    return typing.cast("Recipe", _changed(registry, recipe, spec.name, dict(spec.parameters), where))


def _changed(registry: Registry, value: Any, name: str, given: Mapping[str, Any], where: str) -> Any:
    """A dataclass with some fields changed."""
    known = [field.name for field in fields(value) if field.init and field.name not in FIXED]
    changes = {}
    for key, wanted in given.items():
        if key not in known:
            raise LeakboardError(
                f"{name} has no parameter {key!r}",
                where=where,
                expected=f"one of {', '.join(known)}",
                nearest=nearest(key, known),
            )
        present = getattr(value, key)
        hint = types_of(typing.cast("Any", type(value)))[key]
        if is_dataclass(present):
            if not isinstance(wanted, dict):
                raise LeakboardError(
                    f"{name} cannot take {key}={wanted!r}",
                    where=where,
                    expected=f"the parts to change, such as {key}={{'{fields(present)[0].name}': ...}}",
                )
            changes[key] = _changed(registry, present, f"{name}, {key},", wanted, where)
        elif typing.get_args(hint)[:1] == (Defense,) and isinstance(wanted, str):
            changes[key] = _defenses(registry, wanted, f"{where}, {key}")
        else:
            changes[key] = check_value(hint, name, key, wanted, where, "leakboard list recipes")
    return replace(value, **changes)


def _defenses(registry: Registry, text: str, where: str) -> tuple[Defense, ...]:
    """The links of a chain, each with the place in the training where it acts.

    Raises:
        LeakboardError: they sweep, or one acts on what a trained victim is asked.
    """
    alternatives = parse(text, where)
    if len(alternatives) != 1:
        raise LeakboardError(f"{text!r} sweeps {len(alternatives)} points", where=where, expected="a single chain")
    links = []
    for spec in alternatives[0]:
        cls = registry.find("defense", spec.name, where)
        told = dict(spec.parameters)
        if "at" not in told and getattr(cls, "at", None) not in IN_TRAINING:
            told["at"] = "training"
        link = typing.cast("Defense", build(cls, Spec(spec.name, tuple(told.items())), where, registry.one))
        if link.at not in IN_TRAINING:
            raise LeakboardError(
                f"{spec} acts on what a trained victim is asked",
                where=where,
                expected="at='training' (every member once) or at='augmentation' (each time it is shown)",
                next="without at=, or in the defense list of a grid",
            )
        links.append(link)
    return tuple(link for link in links if link.name != "none")
