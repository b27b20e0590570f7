"""From a spec to a checked plugin instance, its canonical spelling and its identity."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from leakboard.components import Component
from leakboard.digests import code_digest, file_digest
from leakboard.errors import LeakboardError, nearest
from leakboard.faults import blamed
from leakboard.registry.fields import (
    checks_of,
    default_of,
    fields_of,
    fit,
    is_required,
    is_tuple,
    plugin_axis,
    types_of,
    words_of,
)
from leakboard.registry.places import contents, deepest, published
from leakboard.registry.specs import Spec, parse, spell
from leakboard.registry.traits import check_traits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from leakboard.api import Axis, Defense
    from leakboard.registry.places import Contents

Inner: TypeAlias = "Callable[[Axis, str, str], Bound]"
"""From axis, spec and place to the plugin that is a parameter of another."""
NO_DEFENSE = "none"


@dataclass(frozen=True)
class Bound:
    """One point of an axis: a plugin instance, or a chain of defenses.

    Attributes:
        spec: canonical spelling, every parameter written out: what makes it again on this machine.
        shown: the same as others may read it, of paths their last part: what is stored.
        label: short spelling, defaults left out, or the name that a grid gives it: what tables show.
        name: that name, or an empty string.
    """

    kind: Axis
    chain: tuple[Component, ...]
    spec: str
    shown: str
    label: str
    name: str = ""

    @property
    def only(self) -> Any:
        """The single plugin of an axis that has no chains."""
        return self.chain[0]

    @property
    def choices(self) -> tuple[Bound, ...]:
        """The points that it stands for: itself alone, but for one that is tuned."""
        return (self,)

    @functools.cached_property
    def identity(self) -> str:
        """sha256 over kind, `content`, the digest of the plugins' code and of the files they read.

        Of a victim that a path leads to, also over who its members are: the same weights may lie beside two manifests.

        Raises:
            LeakboardError: a file is missing, there is no source code to go by, or a plugin fails to name its files.
        """
        code = [code_digest(cast("Any", type(link))) for link in self.chain]
        code += [inner.identity for link in self.chain for inner in inside(link)]
        files = [entry for link in self._contents for entry in link.files]
        if self.kind == "victim" and self.content != self.spec:
            with blamed(self.label, "trained_on()"):
                files += [["trained on", digest] for link in self.chain if (digest := cast("Any", link).trained_on())]
        return hashlib.sha256(json.dumps([self.kind, self.content, code, files]).encode()).hexdigest()

    @functools.cached_property
    def content(self) -> str:
        """Canonical spelling without a word about where files lie, or what is aside: the same on every machine."""
        links = zip(self.chain, self._contents, strict=True)
        return " + ".join(spell(link.name, found.parameters) for link, found in links)

    @functools.cached_property
    def files(self) -> tuple[tuple[Path, ...], ...]:
        """The files that each plugin names.

        Raises:
            LeakboardError: one fails to.
        """
        with blamed(self.label, "files()"):
            return tuple(tuple(map(Path, link.files())) for link in self.chain)

    @functools.cached_property
    def _contents(self) -> list[Contents]:
        return [
            contents(_telling(link), words_of(link), files, file_digest)
            for link, files in zip(self.chain, self.files, strict=True)
        ]

    @property
    def depth(self) -> int:
        """How many parts of its paths `seen_from` can tell; a given name has one."""
        if self.name:
            return 1
        depths = [deepest(parameters(link), words_of(link)) for link in self.chain]
        return max(depths + [inner.depth for link in self.chain for inner in inside(link)])

    def seen_from(self, parts: int) -> Bound:
        """The same with a label that tells more parts of each path, where one does not tell it from another."""
        return replace(self, label=_label(self.chain, parts))


def bind(kind: Axis, chain: Sequence[Component], name: str = "") -> Bound:
    """Put instances on an axis. ``none`` disappears from chains of several defenses, and its place says nothing."""
    links = tuple(link for link in chain if link.name != NO_DEFENSE) or (type(chain[0])(),)
    return Bound(
        kind,
        links,
        " + ".join(spell(link.name, parameters(link)) for link in links),
        " + ".join(spell(link.name, _shown(link)) for link in links),
        name or _label(links, 1),
        name,
    )


def _telling(link: Component) -> dict[str, Any]:
    """Parameters that tell what it does; others stand aside."""
    return {name: value for name, value in parameters(link, attrgetter("content")).items() if name not in link.aside}


def _shown(link: Component) -> dict[str, Any]:
    """Parameters as others may read them."""
    return published(parameters(link, attrgetter("shown")), words_of(link))


def _label(links: Sequence[Component], parts: int) -> str:
    def told(inner: Bound) -> str:
        return _label(inner.chain, parts)

    return " + ".join(spell(link.name, published(given(link, told), words_of(link), parts)) for link in links)


def inside(link: Component) -> list[Bound]:
    """The plugins among the parameters of a plugin."""
    values = (getattr(link, field.name) for field in fields_of(type(link)))
    several = itertools.chain.from_iterable(value if isinstance(value, tuple) else (value,) for value in values)
    return [bind(value.kind, (value,)) for value in several if isinstance(value, Component)]


def told_apart(points: Sequence[Bound]) -> list[Bound]:
    """Points of one axis with labels of their own, as far as their paths can make them so.

    Raises:
        LeakboardError: two have been given one name.
    """
    made = list(points)
    for label in {point.label for point in points}:
        alike = [place for place, point in enumerate(made) if point.label == label]
        if len({made[place].spec for place in alike}) == 1:
            continue
        if any(made[place].name for place in alike):
            raise LeakboardError(
                f"two of the grid's {points[0].kind}s are called {label!r}",
                where=f"name={label!r}",
                expected="a name of its own for each",
            )
        for parts in range(2, 1 + max(made[place].depth for place in alike)):
            seen = {place: made[place].seen_from(parts) for place in alike}
            if len({point.label for point in seen.values()}) == len({point.spec for point in seen.values()}):
                for place, point in seen.items():
                    made[place] = point
                break
    return made


def at(chain: Sequence[Component], place: str) -> tuple[Defense, ...]:
    """The defenses of a chain that stand at one place, in order."""
    defenses = cast("Sequence[Defense]", chain)
    return tuple(link for link in defenses if link.at == place and link.name != NO_DEFENSE)


def build(cls: type[Component], spec: Spec, where: str = "", inner: Inner | None = None) -> Component:
    """Check the parameters of a spec against a plugin's fields and make the instance.

    A parameter that is a plugin itself is given as its spec, which ``inner`` makes it of; one that is several plugins,
    as a list of specs.

    Raises:
        LeakboardError: unknown or missing parameter, wrong type, value out of range, or the plugin refuses it.
    """
    values = checked(cls, spec, where, inner)
    try:
        return _made(cls, spec, values)
    except LeakboardError as error:
        told = {"expected": error.expected, "nearest": error.nearest, "next": error.next or _advice(spec)}
        raise LeakboardError(error.what, where=error.where or _place(spec, where), **told) from error.__cause__


def _place(spec: Spec, where: str) -> str:
    return where or f"spec {str(spec)!r}"


def _advice(spec: Spec) -> str:
    return f"leakboard show {spec.name}"


def checked(cls: type[Any], spec: Spec, where: str = "", inner: Inner | None = None) -> dict[str, Any]:
    """The parameters of a spec, checked against the fields of a dataclass.

    Raises:
        LeakboardError: unknown or missing parameter, wrong type, or value out of range.
    """
    place, advice = _place(spec, where), _advice(spec)
    checks, wanted = checks_of(cast("Any", cls)), dict(spec.parameters)
    for key in wanted.keys() - checks.keys():
        known = f"one of {', '.join(checks)}" if checks else "no parameters"
        raise LeakboardError(
            f"{spec.name} has no parameter {key!r}",
            where=place,
            expected=known,
            nearest=nearest(key, checks),
            next=advice,
        )
    for field in fields_of(cls):
        if is_required(field) and field.name not in wanted:
            what = f"{spec.name} needs the parameter {field.name!r}"
            raise LeakboardError(what, where=place, expected=f"{spec.name}({field.name}=...)", next=advice)
    for key, given_value in wanted.items():
        hint = types_of(cast("Any", cls))[key]
        value = tuple(given_value) if isinstance(given_value, list) and is_tuple(hint) else given_value
        wanted[key] = value
        axis = plugin_axis(hint)
        if axis and inner:
            made = tuple(
                _inner(inner(axis, one, f"{place}, {key}"), spec, key, place) if isinstance(one, str) else one
                for one in (value if isinstance(value, tuple) else (value,))
            )
            wanted[key] = made if isinstance(value, tuple) else made[0]
    types = types_of(cast("Any", cls))
    return {key: fit(checks[key], types[key], spec.name, key, value, place, advice) for key, value in wanted.items()}


def _inner(found: Bound, spec: Spec, key: str, place: str) -> Component:
    """The plugin that is a parameter of another.

    Raises:
        LeakboardError: it is tuned.
    """
    if len(found.choices) > 1:
        raise LeakboardError(
            f"{spec.name} cannot take {key}={found.label!r}: what is inside of another plugin is not tuned",
            where=place,
            expected=f"{spec.name}(tune={{'{key}': ('...', '...')}}), with the spec of each alternative",
        )
    return cast("Component", found.only)


def _made(cls: type[Component], spec: Spec, values: dict[str, Any]) -> Component:
    with blamed(str(spec), "__post_init__"):
        try:
            made = cls(**values)
            check_traits(cls.kind, made)
            _check_spelling(made)
        except (TypeError, ValueError) as error:
            raise LeakboardError(f"{spec} was refused: {error}") from error
    return made


def _check_spelling(made: Component) -> None:
    """Refuse an instance that a worker could not make again from its canonical spelling."""
    if len(parse(spell(made.name, parameters(made)))) != 1:
        raise ValueError("a parameter that is a set reads like a sweep; a tuple would do")


def parameters(component: Component, told: Callable[[Bound], str] = attrgetter("spec")) -> dict[str, Any]:
    """Every parameter of an instance by name, in the order of its fields; ``told`` spells plugins among them."""

    def spelled(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(spelled, value))
        return told(bind(value.kind, (value,))) if isinstance(value, Component) else value

    return {field.name: spelled(getattr(component, field.name)) for field in fields_of(type(component))}


def given(component: Component, told: Callable[[Bound], str] = attrgetter("spec")) -> dict[str, Any]:
    """The parameters of an instance that differ from their defaults."""
    defaults = {field.name: default_of(field) for field in fields_of(type(component)) if not is_required(field)}
    return {
        key: value
        for key, value in parameters(component, told).items()
        if key not in defaults or getattr(component, key) != defaults[key]
    }
