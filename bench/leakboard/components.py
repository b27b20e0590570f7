"""From a spec to a checked plugin instance, its canonical spelling and its identity."""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import importlib.util
import json
import sys
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from leakboard.api import Component, Defense, Kind
from leakboard.errors import LeakboardError, nearest
from leakboard.specs import Spec, spell

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True)
class Bound:
    """One point of an axis: a plugin instance, or a chain of defenses.

    Attributes:
        spec: canonical spelling, every parameter written out.
        label: short spelling, defaults left out; what tables show.
    """

    kind: Kind
    chain: tuple[Component, ...]
    spec: str
    label: str

    @property
    def only(self) -> Any:
        """The single plugin of an axis that has no chains."""
        return self.chain[0]

    @functools.cached_property
    def identity(self) -> str:
        """sha256 over kind, parameters, the digest of the plugin's code and of the files it reads."""
        parts = [
            {
                "kind": self.kind,
                "name": component.name,
                "parameters": _parameters(component),
                "code": code_digest(type(component)),
                "files": [file_digest(path) for path in getattr(component, "files", tuple)()],
            }
            for component in self.chain
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def bind(kind: Kind, chain: Sequence[Component]) -> Bound:
    """Put instances on an axis. ``none`` disappears from chains of several defenses."""
    links = tuple(link for link in chain if link.name != "none") or tuple(chain[:1])
    return Bound(
        kind,
        links,
        " + ".join(spell(link.name, _parameters(link)) for link in links),
        " + ".join(spell(link.name, _given(link)) for link in links),
    )


def at(chain: Sequence[Component], place: str) -> tuple[Defense, ...]:
    """The defenses of a chain that stand at one place, in order."""
    defenses = cast("Sequence[Defense]", chain)
    return tuple(link for link in defenses if link.at == place and link.name != "none")


def build(cls: type[Component], spec: Spec, where: str = "") -> Component:
    """Check the parameters of a spec against a plugin's fields and make the instance.

    Raises:
        LeakboardError: unknown parameter, wrong type, value out of range.
    """
    from pydantic import ValidationError

    place = where or f"spec {str(spec)!r}"
    fields = [field.name for field in dataclasses.fields(cast("Any", cls)) if field.init]
    for key, _ in spec.parameters:
        if key not in fields:
            known = f"one of {', '.join(fields)}" if fields else "no parameters"
            raise LeakboardError(
                f"{spec.name} has no parameter {key!r}",
                where=place,
                expected=known,
                nearest=nearest(key, fields),
                next=f"leakboard show {spec.name}",
            )
    try:
        checked = _parameter_model(cls).model_validate(dict(spec.parameters))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        given = "nothing" if first["type"] == "missing" else repr(first["input"])
        raise LeakboardError(
            f"{spec.name}({key}=...) got {given}", where=place, expected=first["msg"], next=f"leakboard show {spec.name}"
        ) from None
    return cls(**{name: getattr(checked, name) for name in type(checked).model_fields})


@functools.cache
def _parameter_model(cls: type[Component]) -> type[BaseModel]:
    """A pydantic model of a plugin's fields: a dataclass alone cannot be validated strictly."""
    from pydantic import ConfigDict, create_model

    hints = typing.get_type_hints(cls, include_extras=True)
    fields: dict[str, Any] = {
        field.name: (hints[field.name], ... if field.default is dataclasses.MISSING else field.default)
        for field in dataclasses.fields(cast("Any", cls))
        if field.init
    }
    config = ConfigDict(strict=True, allow_inf_nan=False, protected_namespaces=())
    return create_model(cls.__name__, __config__=config, **fields)


def _parameters(component: Component) -> dict[str, Any]:
    return {field.name: getattr(component, field.name) for field in dataclasses.fields(cast("Any", component))}


def _given(component: Component) -> dict[str, Any]:
    fields = dataclasses.fields(cast("Any", component))
    return {f.name: getattr(component, f.name) for f in fields if getattr(component, f.name) != f.default}


@functools.cache
def code_digest(cls: type) -> str:
    """Digest of the code behind a plugin: its module and the modules of the same distribution that it imports.

    Comments, docstrings and layout do not count. The harness itself is covered by the key format, not by this.
    """
    package = cls.__module__.split(".")[0]
    seen: dict[str, str] = {}
    queue = [base.__module__ for base in cls.__mro__ if base.__module__.split(".")[0] == package]
    while queue:
        name = queue.pop()
        if name in seen:
            continue
        source = _source(name)
        tree = ast.parse(source) if source else ast.Module([], [])
        seen[name] = ast.dump(_without_docstrings(tree))
        queue += [found for found in _imports(tree) if found.split(".")[0] == package and found != package]
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()


def _source(module: str) -> str:
    loaded = sys.modules.get(module)
    path = getattr(loaded, "__file__", None)
    if path is None:
        spec = importlib.util.find_spec(module)
        path = spec.origin if spec else None
    return Path(path).read_text(encoding="utf-8") if path and path.endswith(".py") else ""


def _imports(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            members = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [node.module, *(name for name in members if _is_module(name))]
    return found


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, AttributeError, ValueError):
        return False


def _without_docstrings(tree: ast.AST) -> ast.AST:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body[:] = body[1:]
    return tree


@functools.cache
def _digest(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file's content; read again only when its size or time of change differ."""
    stat = path.stat()
    return _digest(path, stat.st_size, stat.st_mtime_ns)
