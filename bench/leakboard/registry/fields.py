"""The parameters of a plugin: their types and defaults, and which values they take."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import sys
import typing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from leakboard.components import Component
from leakboard.errors import LeakboardError, nearest
from leakboard.faults import blamed
from leakboard.texts import home

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import TypeAdapter, ValidationError

    from leakboard.api import Axis


def plugin_axis(hint: Any) -> Axis | None:
    """The axis of the plugins, one or several, that a parameter of this type takes; None for plain values."""
    hint = _bare(hint)
    hint = typing.get_args(hint)[0] if is_tuple(hint) else hint
    return hint.kind if isinstance(hint, type) and issubclass(hint, Component) else None


def _bare(hint: Any) -> Any:
    """A type without what is said of its values."""
    return typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint


def is_tuple(hint: Any) -> bool:
    """Whether a parameter of this type takes several values."""
    return typing.get_origin(_bare(hint)) is tuple


def fields_of(cls: type) -> list[dataclasses.Field[Any]]:
    """The fields of a plugin that are parameters."""
    return [field for field in dataclasses.fields(cls) if field.init]


def is_required(field: dataclasses.Field[Any]) -> bool:
    """Whether a parameter has no default."""
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def default_of(field: dataclasses.Field[Any]) -> Any:
    """The default of a field that has one."""
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


@functools.cache
def types_of(cls: type) -> dict[str, Any]:
    """The type of every parameter. Other annotations of the class are left alone: only a type checker needs them.

    Raises:
        NameError: a parameter's type is not imported at run time.
    """
    found: dict[str, Any] = {}
    for field in fields_of(cls):
        owner = next(base for base in cls.__mro__ if field.name in inspect.get_annotations(base))
        alone = SimpleNamespace(__annotations__={field.name: field.type})
        found |= typing.get_type_hints(alone, vars(sys.modules[owner.__module__]), include_extras=True)
    return found


def words_of(component: Component) -> dict[str, tuple[Any, ...]]:
    """Of every parameter the values that its type lists: words, and never paths."""
    return {name: tuple(_choices(hint)) for name, hint in types_of(cast("Any", type(component))).items()}


@functools.cache
def checks_of(cls: type[Any]) -> dict[str, TypeAdapter[Any]]:
    """What validates each parameter: strictly, so that no number is read out of a string.

    Raises:
        LeakboardError: a parameter's type is none that values can be checked against.
    """
    of = getattr(cls, "name", cls.__name__)
    return {name: _check(hint, of, name, cls.__qualname__) for name, hint in types_of(cast("Any", cls)).items()}


def check_value(hint: Any, owner: str, key: str, value: Any, where: str, advice: str) -> Any:
    """A value that a spec gives to a parameter of this type, strictly: no number is read out of a string.

    Raises:
        LeakboardError: it does not fit.
    """
    return fit(_check(hint, owner, key, where), hint, owner, key, value, where, advice)


def fit(check: TypeAdapter[Any], hint: Any, owner: str, key: str, value: Any, where: str, advice: str) -> Any:
    """A value that a parameter takes, as ``check`` reads it.

    Raises:
        LeakboardError: it does not fit.
    """
    from pydantic import ValidationError

    with blamed(owner, f"the check of {key}"):
        try:
            return check.validate_python(home(value))
        except ValidationError as error:
            choices = [choice for choice in _choices(hint) if isinstance(choice, str)]
            raise LeakboardError(
                f"{owner} cannot take {key}={value!r}",
                where=where,
                expected=_wanted(error),
                nearest=repr(found) if isinstance(value, str) and (found := nearest(value, choices)) else "",
                next=advice,
            ) from None


def _check(hint: Any, owner: str, key: str, where: str) -> TypeAdapter[Any]:
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter

    strict = ConfigDict(strict=True, allow_inf_nan=False)
    rules = ConfigDict(arbitrary_types_allowed=True) if plugin_axis(hint) else strict
    with blamed(owner, f"the type of {key}"):
        try:
            return TypeAdapter(hint, config=rules)
        except PydanticUserError:
            raise LeakboardError(
                f"{owner}: values of the parameter {key} cannot be checked: its type is {hint!r}",
                where=where,
                expected="numbers, texts, True or False, Literals of these, and tuples of these",
            ) from None


def _wanted(error: ValidationError) -> str:
    """What would have been right; a value that fits none of several types gets one sentence a type."""
    return ", or ".join(dict.fromkeys(part["msg"].replace("Input should be ", "") for part in error.errors()))


def _choices(hint: Any) -> Iterator[Any]:
    """The values of all Literals in a type."""
    if typing.get_origin(hint) is typing.Literal:
        yield from typing.get_args(hint)
        return
    for part in typing.get_args(hint):
        yield from _choices(part)
