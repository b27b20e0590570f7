"""What plugins declare about themselves beside their parameters, and what may stand there."""

from __future__ import annotations

import dataclasses
import typing
from typing import TYPE_CHECKING, Any, NamedTuple

from leakboard import api
from leakboard.components import StoredAs
from leakboard.faults import blamed

if TYPE_CHECKING:
    from collections.abc import Callable


class Trait(NamedTuple):
    """One declaration: what it may be, in words and as a test."""

    expected: str
    fits: Callable[[Any], bool]


def _one_of(literal: Any) -> Trait:
    choices = typing.get_args(literal)
    *most, last = map(repr, choices)
    return Trait(f"{', '.join(most)} or {last}", lambda value: isinstance(value, str) and value in choices)


def _are_spaces(value: Any) -> bool:
    return isinstance(value, (frozenset, set)) and 0 < len(value) == len(value & {*typing.get_args(api.Space)})


def _are_needs(value: Any) -> bool:
    return isinstance(value, (frozenset, set)) and value <= {*typing.get_args(api.Need)}


_NEEDS = f"a frozenset of {_one_of(api.Need).expected}"
_YES_OR_NO = Trait("True or False", lambda value: isinstance(value, bool))
_COUNT = Trait("a whole number from 1", lambda value: type(value) is int and value >= 1)
TRAITS: dict[api.Axis, dict[str, Trait]] = {
    "dataset": {"public": _YES_OR_NO},
    "victim": {
        "access": _one_of(api.Access),
        "works_in": _one_of(api.WorksIn),
        "offers": Trait(f"{_NEEDS}, or None", lambda value: value is None or _are_needs(value)),
        "evaluations_per_step": _COUNT,
        "bill": Trait("a Bill or None", lambda value: value is None or isinstance(value, api.Bill)),
        "null": _YES_OR_NO,
        "gated": _YES_OR_NO,
        "altered": _YES_OR_NO,
        "draws": _YES_OR_NO,
        "fit": _one_of(api.Fit),
    },
    "defense": {"at": _one_of(api.At)},
    "observer": {
        "access": _one_of(api.Access),
        "space": _one_of(api.Space),
        "needs": Trait(_NEEDS, _are_needs),
        "null": _YES_OR_NO,
    },
    "distance": {
        "spaces": Trait(f"a frozenset of {_one_of(api.Space).expected}", _are_spaces),
        "larger_is_closer": _YES_OR_NO,
        "stored_as": _one_of(StoredAs),
    },
    "classifier": {
        "trains": _YES_OR_NO,
        "needs_shadows": _YES_OR_NO,
        "maps": _YES_OR_NO,
        "on_device": _YES_OR_NO,
    },
}


def check_traits(kind: api.Axis, owner: api.Component | type[api.Component]) -> None:
    """Refuse a declaration that makes no sense; of a class, those that do not depend on its parameters.

    Raises:
        ValueError: one is not what it may be.
        LeakboardError: the property behind one fails.
    """
    cls = owner if isinstance(owner, type) else type(owner)
    fields = {field.name for field in dataclasses.fields(typing.cast("Any", cls))}
    for name, trait in TRAITS.get(kind, {}).items():
        with blamed(cls.name, name):
            value = getattr(owner, name, None)
        if getattr(value, "__isabstractmethod__", False):
            value = None  # it has no default
        elif owner is cls and (name in fields or isinstance(value, property)):
            continue
        if not trait.fits(value):
            raise ValueError(f"{cls.__name__}.{name} is {value!r}, expected {trait.expected}")
