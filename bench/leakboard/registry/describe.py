"""Plugins and attacks as text: for ``leakboard list`` and ``leakboard show``."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import textwrap
import types
import typing
from typing import TYPE_CHECKING, Any

from leakboard.api import AXES, Attack
from leakboard.registry.contract import VALUES
from leakboard.registry.fields import default_of, fields_of, is_required, plugin_axis, types_of
from leakboard.registry.specs import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakboard.api import Component, Extension
    from leakboard.registry.find import Registry

LIMITS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "min_length": "length >=", "max_length": "length <="}


def describe_all(registry: Registry) -> list[dict[str, Any]]:
    """One row per plugin and extension: kind, name, signature, parameters, summary, source."""
    rows = [_row(registry, cls) for axis in AXES for _, cls in sorted(registry.classes[axis].items())]
    rows += [
        {
            "kind": kind,
            "name": name,
            "signature": _signature(name, _options(value)),
            "parameters": _options(value),
            "summary": _summary(value),
            "source": registry.sources[kind, name],
        }
        for kind in VALUES
        for name, value in sorted(registry.values[kind].items())
    ]
    return rows


def _summary(value: Any) -> str:
    """One line about an attack, a measure, an executor, a recipe or a page."""
    if isinstance(value, Attack):
        return f"{value.title}: {value.observer} + {value.distance} + {value.classifier}"
    return str(getattr(value, "title", "") or getattr(value, "summary", ""))


def describe_one(registry: Registry, spec: str) -> str:
    """Everything about the plugins and extensions that a spec names, and the canonical spellings of what it gives.

    Raises:
        LeakboardError: nothing has that name, or the spec's parameters do not fit.
    """
    chains = parse(spec)
    given = any(link.parameters for link in chains[0]) or len(chains[0]) > 1
    texts = []
    for name in dict.fromkeys(link.name for link in chains[0]):
        axes = registry.axes_of(name, f"spec {spec!r}")
        if name in registry.attacks:
            texts.append(_attack_text(registry.attacks[name]))
        beside = [kind for kind in VALUES if kind != "attack" and name in registry.values[kind]]
        texts += [_value_text(registry, kind, name) for kind in beside]
        texts += [_class_text(registry, registry.classes[kind][name]) for kind in axes]
        if given and axes and name == chains[0][0].name:
            points = registry.axis(axes[0], spec)
            texts[-1] += "\n\n" + "\n".join(f"canonical spelling: {point.spec}" for point in points)
    return "\n\n".join(texts)


def _row(registry: Registry, cls: type[Component]) -> dict[str, Any]:
    parameters = _parameters(cls)
    return {
        "kind": cls.kind,
        "name": cls.name,
        "signature": _signature(cls.name, parameters),
        "parameters": parameters,
        "summary": inspect.cleandoc(cls.__doc__ or "").partition("\n")[0],
        "source": registry.sources[cls.kind, cls.name],
    }


def _signature(name: str, parameters: dict[str, dict[str, Any]]) -> str:
    told = ", ".join(f"{key}={info['default']!r}" if "default" in info else key for key, info in parameters.items())
    return f"{name}({told})" if told else name


def _options(value: Any) -> dict[str, dict[str, Any]]:
    """The parameters of an extension that has some."""
    options = getattr(value, "options", None)
    return _parameters(options) if options else {}


def _parameters(cls: type[Any]) -> dict[str, dict[str, Any]]:
    hints = types_of(typing.cast("Any", cls))
    found: dict[str, dict[str, Any]] = {}
    for field in fields_of(cls):
        found[field.name] = {"type": _type_text(hints[field.name])}
        if not is_required(field):
            found[field.name]["default"] = default_of(field)
    return found


def _type_text(hint: Any) -> str:
    """A type as people write it: ``float > 0``, ``'L' | 'RGB'``."""
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        base, *marks = typing.get_args(hint)
        return f"{_type_text(base)} {', '.join(_limits(marks))}".rstrip()
    if origin is typing.Literal:
        return " | ".join(repr(value) for value in typing.get_args(hint))
    if origin in (typing.Union, types.UnionType):
        return " | ".join(_type_text(part) for part in typing.get_args(hint))
    if hint is type(None):
        return "None"
    if origin is tuple and plugin_axis(hint):
        return f"several {typing.get_args(hint)[0].__name__}s"
    return str(getattr(hint, "__name__", hint)) if origin is None else str(hint)


def _limits(marks: list[Any]) -> Iterator[str]:
    for mark in marks:
        for limit in getattr(mark, "metadata", [mark]):
            yield from (f"{sign} {getattr(limit, key)}" for key, sign in LIMITS.items() if hasattr(limit, key))


def _class_text(registry: Registry, cls: type[Component]) -> str:
    row = _row(registry, cls)
    text = inspect.cleandoc(cls.__doc__ or "").partition("\n\nAttributes:")[0]
    lines = [f"{row['kind']} {row['signature']}", "", text, "", *_parameter_lines(cls, row["parameters"])]
    for fact in ("access", "space", "spaces", "larger_is_closer", "needs_shadows"):
        # what depends on the parameters is a property of instances
        value = getattr(cls, fact, None)
        if value is not None and not isinstance(value, property) and fact not in row["parameters"]:
            lines.append(f"  {fact}: {', '.join(sorted(value)) if isinstance(value, (frozenset, set)) else value}")
    return "\n".join([*lines, f"  from: {row['source']}"])


def _parameter_lines(cls: type[Any], parameters: dict[str, dict[str, Any]]) -> list[str]:
    """Every parameter with its type and default, and below it what the class says of it."""
    lines, told = [], _told(cls)
    for name, info in parameters.items():
        default = f" (default {info['default']!r})" if "default" in info else ""
        lines.append(f"  {name}: {info['type']}{default}")
        if name in told:
            lines.append(textwrap.fill(told[name], 110, initial_indent=" " * 6, subsequent_indent=" " * 6))
    return lines


def _told(cls: type[Any]) -> dict[str, str]:
    """What docstrings say of each parameter: under ``Attributes`` of a class or its bases, or right below the field."""
    told: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        doc = inspect.cleandoc(base.__dict__.get("__doc__") or "")
        told |= dict(re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)$", doc, re.MULTILINE))
        told |= dict(_below_fields(base))
    return {name: " ".join(text.split()) for name, text in told.items()}


def _below_fields(cls: type) -> Iterator[tuple[str, str]]:
    try:
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    except (OSError, TypeError, SyntaxError):  # made without a source file
        return
    for pair in itertools.pairwise(getattr(body, "body", ())):
        match pair:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, text


def _value_text(registry: Registry, kind: Extension, name: str) -> str:
    value = registry.values[kind][name]
    summary, parameters = _summary(value), _options(value)
    lines = [f"{kind} {_signature(name, parameters)}", "", *([summary, ""] if summary else [])]
    lines += _parameter_lines(value.options, parameters) if parameters else []
    return "\n".join([*lines, f"  from: {registry.sources[kind, name]}"])


def _attack_text(attack: Attack) -> str:
    parts = [(axis, getattr(attack, axis)) for axis in ("observer", "distance", "classifier")]
    parts += [(f"{axis} of victims that work in latents", spec) for axis, spec in attack.latents.items()]
    parts += [("source", attack.source), ("equation", attack.equation)]
    parts += [("published", figure) for figure in attack.published]
    parts += [("notes", attack.notes)]
    lines = [f"  {part}: {value}" for part, value in parts if value]
    lines += ["", attack.bibtex.strip()] if attack.bibtex else []
    return "\n".join([f"attack {attack.name}", "", *([attack.title, ""] if attack.title else []), *lines])
