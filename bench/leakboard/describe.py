"""Plugins and attacks as text: for ``leakboard list`` and ``leakboard show``."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from typing import Any

from leakboard.api import Attack, Component
from leakboard.components import bind, build
from leakboard.errors import LeakboardError, nearest
from leakboard.registry import KINDS, Registry
from leakboard.specs import parse


def describe_all(registry: Registry) -> list[dict[str, Any]]:
    """One row per plugin and named attack: kind, name, signature, parameters, summary, source."""
    rows = [_row(registry, cls) for kind in KINDS for _, cls in sorted(registry.classes[kind].items())]
    for name, attack in sorted(registry.attacks.items()):
        rows.append(
            {
                "kind": "attack",
                "name": name,
                "signature": name,
                "parameters": {},
                "summary": f"{attack.title}: {attack.observer} + {attack.distance} + {attack.classifier}",
                "source": registry.sources["attack", name],
            }
        )
    return rows


def describe_one(registry: Registry, spec: str) -> str:
    """Everything about the plugin or attack that a spec names.

    Raises:
        LeakboardError: nothing has that name, or the spec's parameters do not fit.
    """
    links = parse(spec)[0]
    name = links[0].name
    texts = [_attack_text(registry.attacks[name])] if name in registry.attacks else []
    for kind in KINDS:
        cls = registry.classes[kind].get(name)
        if cls is not None:
            texts.append(_class_text(registry, cls))
            if links[0].parameters:
                texts.append(f"canonical spelling: {bind(kind, [build(cls, links[0])]).spec}")
    if not texts:
        known = [name for kind in KINDS for name in registry.classes[kind]] + list(registry.attacks)
        raise LeakboardError(f"nothing is called {name!r}", nearest=nearest(name, known), next="leakboard list")
    return "\n\n".join(texts)


def _row(registry: Registry, cls: type[Component]) -> dict[str, Any]:
    parameters = _parameters(cls)
    arguments = ", ".join(f"{name}={info['default']!r}" if "default" in info else name for name, info in parameters.items())
    return {
        "kind": cls.kind,
        "name": cls.name,
        "signature": f"{cls.name}({arguments})" if arguments else cls.name,
        "parameters": parameters,
        "summary": inspect.cleandoc(cls.__doc__ or "").partition("\n")[0],
        "source": registry.sources[cls.kind, cls.name],
    }


def _parameters(cls: type[Component]) -> dict[str, dict[str, Any]]:
    hints = typing.get_type_hints(cls, include_extras=True)
    found: dict[str, dict[str, Any]] = {}
    for field in dataclasses.fields(typing.cast("Any", cls)):
        found[field.name] = {"type": _type_text(hints[field.name])}
        if field.default is not dataclasses.MISSING:
            found[field.name]["default"] = field.default
    return found


def _type_text(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Annotated:
        base, *limits = typing.get_args(hint)
        parts = [str(part) for limit in limits for part in getattr(limit, "metadata", [limit])]
        return f"{_type_text(base)} ({', '.join(parts)})" if parts else _type_text(base)
    if typing.get_origin(hint) is typing.Literal:
        return " | ".join(repr(value) for value in typing.get_args(hint))
    return getattr(hint, "__name__", str(hint))


def _class_text(registry: Registry, cls: type[Component]) -> str:
    row = _row(registry, cls)
    lines = [f"{row['kind']} {row['signature']}", "", inspect.cleandoc(cls.__doc__ or ""), ""]
    lines += [f"  {name}: {info['type']}" for name, info in row["parameters"].items()]
    for fact in ("access", "space", "spaces", "larger_is_closer"):
        if hasattr(cls, fact):
            value = getattr(cls, fact)
            lines.append(f"  {fact}: {', '.join(sorted(value)) if isinstance(value, frozenset) else value}")
    return "\n".join([*lines, f"  from: {row['source']}"])


def _attack_text(attack: Attack) -> str:
    parts = [f"  {part}: {getattr(attack, part)}" for part in ("observer", "distance", "classifier", "source", "notes")]
    return "\n".join([f"attack {attack.name}", "", attack.title, "", *(part for part in parts if part[-2:] != ": ")])
