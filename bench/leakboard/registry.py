"""Finds the plugins, looks them up by name and suggests near names.

Plugins come from the entry-point group ``leakboard``, from files given with ``--plugin`` and from the files named in
``LEAKBOARD_PLUGINS``. A plugin that cannot be loaded is set aside with its distribution's name and the reason; it
matters only to a grid that asks for a name nobody else provides. ``LEAKBOARD_STRICT_PLUGINS=1`` makes it fatal.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pluggy

from leakboard import hookspecs
from leakboard.api import Attack, Component, Kind
from leakboard.components import Bound, bind, build
from leakboard.errors import LeakboardError, nearest
from leakboard.specs import parse

KINDS: tuple[Kind, ...] = get_args(Kind)
HOOKS: dict[str, Kind] = {f"leakboard_{kind}s": kind for kind in KINDS}


@dataclass(frozen=True)
class Broken:
    """A plugin that could not be loaded: where it came from, why, and the traceback for its author."""

    source: str
    reason: str
    traceback: str


@dataclass
class Registry:
    """All plugins of this process, by kind and name."""

    classes: dict[Kind, dict[str, type[Component]]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    attacks: dict[str, Attack] = field(default_factory=dict)
    sources: dict[tuple[str, str], str] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)
    manager: pluggy.PluginManager = field(default_factory=lambda: pluggy.PluginManager(hookspecs.PROJECT))

    @classmethod
    def load(cls, files: Iterable[Path | str] = ()) -> Registry:
        """Load every plugin there is; files given here are loaded last and must load."""
        registry = cls()
        registry.manager.add_hookspecs(hookspecs)
        for entry in sorted(entry_points(group=hookspecs.PROJECT), key=lambda found: (found.value, found.name)):
            registry._guarded(_origin(entry), entry.load)
        for path in filter(None, os.environ.get("LEAKBOARD_PLUGINS", "").split(os.pathsep)):
            registry._guarded(path, functools.partial(_load_file, Path(path)))
        for given in files:
            path = Path(given)
            if not path.is_file():
                raise LeakboardError(f"there is no plugin file {given}", expected="a Python file with hook functions")
            registry._guarded(str(path), functools.partial(_load_file, path), fatal=True)
        return registry

    def _guarded(self, source: str, load: Any, *, fatal: bool = False) -> None:
        try:
            self._adopt(source, load())
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            if fatal or os.environ.get("LEAKBOARD_STRICT_PLUGINS") == "1":
                raise LeakboardError(f"plugin {source} cannot be loaded: {reason}", where=source) from error
            self.broken.append(Broken(source, reason, traceback.format_exc()))

    def _adopt(self, source: str, module: ModuleType) -> None:
        """Register one plugin and call each of its hooks by itself, so that its faults stay its own."""
        self.manager.register(module, name=source)
        try:
            answers = self._answers(module)
            found = [(HOOKS[hook], cls) for hook, classes in answers.items() if hook in HOOKS for cls in classes]
            attacks: list[Attack] = answers.get("leakboard_attacks", [])
            for kind, cls in found:
                self._check(kind, cls, source)
            for attack in attacks:
                if attack.name in self.attacks:
                    raise ValueError(f"attack {attack.name!r} already comes from {self.sources['attack', attack.name]}")
        except Exception:
            self.manager.unregister(module)
            raise
        for kind, cls in found:
            self.classes[kind][cls.name] = cls
            self.sources[kind, cls.name] = source
        for attack in attacks:
            self.attacks[attack.name] = attack
            self.sources["attack", attack.name] = source

    def _answers(self, module: ModuleType) -> dict[str, list[Any]]:
        known = [name for name in vars(hookspecs) if name.startswith("leakboard_")]
        answers: dict[str, list[Any]] = {}
        for caller in self.manager.get_hookcallers(module) or []:
            if caller.name not in known:
                hint = nearest(caller.name, known)
                raise ValueError(f"there is no hook {caller.name}" + (f", did you mean {hint}?" if hint else ""))
            if caller.name == "leakboard_report":
                continue
            implementation = next(impl for impl in caller.get_hookimpls() if impl.plugin is module)
            answers[caller.name] = list(implementation.function())  # type: ignore[call-overload]
        return answers

    def _check(self, kind: Kind, cls: type[Component], source: str) -> None:
        name = getattr(cls, "name", None)
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"{cls.__name__}.name is {name!r}, expected an identifier")
        if getattr(cls, "kind", None) != kind:
            raise ValueError(f"{cls.__name__} was returned as a {kind} but is a {getattr(cls, 'kind', 'stranger')}")
        if not hasattr(cls, "__dataclass_fields__"):
            raise ValueError(f"{cls.__name__} is not a dataclass; write @dataclass(frozen=True, kw_only=True) above it")
        if name in self.classes[kind]:
            raise ValueError(f"{kind} {name!r} is already provided by {self.sources[kind, name]}, not by {source} too")

    def axis(self, kind: Kind, text: str, where: str = "") -> list[Bound]:
        """Every point that one spec stands for.

        Raises:
            LeakboardError: bad spelling, unknown plugin or parameter, value out of range, a chain of non-defenses.
        """
        points = []
        for chain in parse(text, where):
            if len(chain) > 1 and kind != "defense":
                raise LeakboardError(f"{text!r} chains with +, but only defenses chain", where=where)
            links = [build(self.find(kind, spec.name, where or f"spec {text!r}"), spec, where) for spec in chain]
            points.append(bind(kind, links))
        return points

    def one(self, kind: Kind, text: str, where: str = "") -> Bound:
        """The single point of a spec that sweeps nothing."""
        points = self.axis(kind, text, where)
        if len(points) != 1:
            raise LeakboardError(f"{text!r} is {len(points)} specs", where=where, expected="one")
        return points[0]

    def find(self, kind: Kind, name: str, where: str = "") -> type[Component]:
        """The class behind a name; the error names the nearest one, another kind that has it, or the broken plugin."""
        known = self.classes[kind]
        if name in known:
            return known[name]
        others = [other for other in KINDS if name in self.classes[other]]
        hint = f"{name} is a {others[0]}" if others else nearest(name, known)
        if self.broken:
            hint += f" (not loaded: {'; '.join(f'{item.source}: {item.reason}' for item in self.broken)})"
        raise LeakboardError(
            f"unknown {kind} {name!r}",
            where=where,
            expected=f"one of {', '.join(sorted(known))}",
            nearest=hint,
            next=f"leakboard list {kind}s",
        )

    def attack(self, name: str, where: str = "") -> Attack:
        """A named attack."""
        if name in self.attacks:
            return self.attacks[name]
        raise LeakboardError(
            f"unknown attack {name!r}",
            where=where,
            expected=f"one of {', '.join(sorted(self.attacks))}",
            nearest=nearest(name, self.attacks),
            next="leakboard list attacks",
        )


def _origin(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version} ({entry.value})" if entry.dist else entry.value


def _load_file(path: Path) -> ModuleType:
    name = f"leakboard_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@functools.lru_cache(maxsize=4)
def shared(files: Sequence[str] = ()) -> Registry:
    """The registry of this process, loaded once for the same plugin files."""
    return Registry.load(files)
