"""Finds the plugins, looks them up by name and suggests near names.

Plugins come from the entry-point group ``leakboard``, from the files named in ``LEAKBOARD_PLUGINS`` and from files
given with ``--plugin``. A plugin that cannot be loaded is set aside with its distribution's name and the reason; it
matters only to a grid that asks for a name nobody else provides. ``LEAKBOARD_STRICT_PLUGINS=1`` makes it fatal.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from leakboard import hookspecs
from leakboard.api import AXES
from leakboard.errors import LeakboardError, nearest
from leakboard.faults import contained, raised_at
from leakboard.registry.bind import Bound, bind, build
from leakboard.registry.contract import VALUES, load_file, origin, read_offer
from leakboard.registry.specs import named, parse
from leakboard.registry.tuned import TUNED, taken, tuned
from leakboard.surroundings import streams_kept
from leakboard.texts import home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from importlib.metadata import EntryPoint
    from types import ModuleType

    from leakboard.api import Attack, Axis, Component, Extension
    from leakboard.registry.specs import Spec


NAMED: tuple[Axis, ...] = ("dataset", "victim")
"""Axes whose points a grid may give a name: what is attacked is called by it everywhere."""


@dataclass(frozen=True)
class Broken:
    """A plugin that could not be loaded: where it came from, why, and the traceback for its author."""

    source: str
    reason: str
    traceback: str


@dataclass
class Registry:
    """All plugins of this process: classes by axis and name, values by extension and name."""

    classes: dict[Axis, dict[str, type[Component]]] = field(default_factory=lambda: {axis: {} for axis in AXES})
    values: dict[Extension, dict[str, Any]] = field(default_factory=lambda: {kind: {} for kind in VALUES})
    sources: dict[tuple[str, str], str] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)
    manager: pluggy.PluginManager = field(default_factory=lambda: pluggy.PluginManager(hookspecs.PROJECT))

    @classmethod
    def load(cls, files: Iterable[Path | str] = ()) -> Registry:
        """Load every plugin there is; files given here are loaded last.

        Raises:
            LeakboardError: a file given here is missing or cannot be loaded; any plugin, when plugins are strict.
        """
        registry = cls()
        registry.manager.add_hookspecs(hookspecs)
        for entry in sorted(entry_points(group=hookspecs.PROJECT), key=_built_in_first):
            registry._guarded(origin(entry), entry.load)
        from_environment = filter(None, os.environ.get("LEAKBOARD_PLUGINS", "").split(os.pathsep))
        given, known = _places(files), _places(from_environment)
        for place in (place for file, place in known.items() if file not in given):
            registry._guarded(place, functools.partial(load_file, Path(place)))
        for place in given.values():
            if not Path(place).is_file():
                raise LeakboardError(
                    f"there is no plugin file {place}", where="--plugin", expected="a Python file with hook functions"
                )
            registry._guarded(place, functools.partial(load_file, Path(place)), fatal=True)
        return registry

    def _guarded(self, source: str, load: Callable[[], ModuleType], *, fatal: bool = False) -> None:
        try:
            with contained() as caught, streams_kept() as closed:
                module = load()
            if closed and not caught.fault:
                with contained() as caught:
                    raise ValueError(f"it closed {', '.join(closed)}")
            if not caught.fault:
                with contained() as caught:
                    self._adopt(source, module)
        except KeyboardInterrupt as error:
            raise LeakboardError(
                f"interrupted while the plugin {source} was loaded",
                where=raised_at(error),
                next="the same command again; if you pressed no key, the plugin raised KeyboardInterrupt itself",
            ) from error
        if caught.fault:
            reason, trace = caught.fault.error, caught.fault.traceback
            if fatal or os.environ.get("LEAKBOARD_STRICT_PLUGINS") == "1":
                raise LeakboardError(f"the plugin {source} cannot be loaded: {reason}", where=caught.place)
            self.broken.append(Broken(source, reason, trace))

    def _adopt(self, source: str, module: ModuleType) -> None:
        """Register one plugin, all of it or nothing."""
        self.manager.register(module, name=source)
        before = (
            {axis: dict(known) for axis, known in self.classes.items()},
            {kind: dict(known) for kind, known in self.values.items()},
            dict(self.sources),
        )
        try:
            offer = read_offer(self.manager, module)
            for kind, cls in offer.classes:
                self._claim(kind, cls.name, source)
                self.classes[kind][cls.name] = cls
            for extension, value in offer.values:
                self._claim(extension, value.name, source)
                self.values[extension][value.name] = value
        except BaseException:
            self.classes, self.values, self.sources = before
            self.manager.unregister(module)
            raise

    def _claim(self, kind: str, name: str, source: str) -> None:
        if (kind, name) in self.sources:
            raise ValueError(f"{kind} {name!r} is already provided by {self.sources[kind, name]}")
        self.sources[kind, name] = source

    def axis(self, kind: Axis, text: str, where: str = "") -> list[Bound]:
        """Every point that one spec stands for.

        Raises:
            LeakboardError: bad spelling, unknown plugin or parameter, value out of range, a chain of non-defenses.
        """
        place = where or f"spec {text!r}"
        points = []
        for chain in parse(text, place):
            if len(chain) > 1 and kind != "defense":
                raise LeakboardError(
                    f"{text!r} chains with +, but only defenses chain", where=place, expected="one call"
                )
            points.append(self._point(kind, chain, place))
        return points

    def _point(self, kind: Axis, chain: Sequence[Spec], place: str) -> Bound:
        """One point of an axis, from a call without sweeps, or several of defenses."""

        def made(spec: Spec) -> Component:
            return build(self.find(kind, spec.name, place), spec, place, self.one)

        if kind in TUNED:
            spec, tune = taken(chain[0], place)
            return tuned(kind, spec, tune, made) if tune else bind(kind, [made(spec)])
        plain = [named(spec, place) if kind in NAMED else (spec, "") for spec in chain]
        return bind(kind, [made(spec) for spec, _ in plain], plain[-1][1])

    def one(self, kind: Axis, text: str, where: str = "") -> Bound:
        """The single point of a spec that sweeps nothing.

        Raises:
            LeakboardError: it sweeps, or `axis` refuses it.
        """
        points = self.axis(kind, text, where)
        if len(points) != 1:
            raise LeakboardError(f"{text!r} sweeps {len(points)} points", where=where, expected="a single one")
        return points[0]

    def find(self, kind: Axis, name: str, where: str = "") -> type[Component]:
        """The class behind a name.

        Raises:
            LeakboardError: there is none; it names the nearest one, and the plugins that could not be loaded.
        """
        known = self.classes[kind]
        if name in known:
            return known[name]
        others = [other for other in AXES if name in self.classes[other]] + ["attack"] * (name in self.attacks)
        hint = f"{name} is a name of the {others[0]} axis" if others else nearest(name, known)
        raise self._unknown(kind, name, where, known, hint)

    def axes_of(self, name: str, where: str = "") -> list[Axis]:
        """The axes that know a name; none for the name of an extension alone.

        Raises:
            LeakboardError: nothing has that name.
        """
        axes = [axis for axis in AXES if name in self.classes[axis]]
        beside = {each for known in self.values.values() for each in known}
        if not axes and name not in beside:
            known = [*(each for axis in AXES for each in self.classes[axis]), *sorted(beside)]
            raise LeakboardError(
                f"nothing is called {name!r}{self._lost()}",
                where=where,
                expected="the name of a plugin or an attack",
                nearest=nearest(name, known),
                next="leakboard list",
            )
        return axes

    @property
    def attacks(self) -> dict[str, Attack]:
        """The named attacks."""
        return self.values["attack"]

    def value(self, kind: Extension, name: str, where: str = "") -> Any:
        """What an extension has under a name: a named attack, a measure, an executor, a recipe, a page.

        Raises:
            LeakboardError: there is none of that name.
        """
        known = self.values[kind]
        if name in known:
            return known[name]
        raise self._unknown(kind, name, where, known, nearest(name, known))

    def _unknown(self, kind: str, name: str, where: str, known: Iterable[str], hint: str) -> LeakboardError:
        return LeakboardError(
            f"unknown {kind} {name!r}{self._lost()}",
            where=where,
            expected=f"one of {', '.join(sorted(known))}",
            nearest=hint,
            next=f"leakboard list {kind}s, or --plugin FILE for one of your own",
        )

    def _lost(self) -> str:
        return "".join(f"; not loaded: {item.source}: {item.reason}" for item in self.broken)


def _built_in_first(entry: EntryPoint) -> tuple[bool, str, str]:
    """So that whoever takes a built-in name is the one that is refused."""
    return entry.dist is None or entry.dist.name != hookspecs.PROJECT, entry.value, entry.name


def _places(files: Iterable[Path | str]) -> dict[Path, str]:
    """Plugin files, each as it was first spelled: the same file is loaded once, however often it is named."""
    places: dict[Path, str] = {}
    for file in files:
        places.setdefault(home(Path(file)).resolve(), str(home(file)))
    return places


@functools.lru_cache(maxsize=4)
def shared(files: Sequence[str] = ()) -> Registry:
    """The registry of this process, loaded once for the same plugin files."""
    return Registry.load(files)
