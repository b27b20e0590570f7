"""Specs with ``tune={'t': (50, 100)}``: several plugins in one place, of which calibration samples choose one."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import math
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from leakboard.errors import LeakboardError
from leakboard.registry.bind import Bound, bind, given, parameters
from leakboard.registry.fields import words_of
from leakboard.registry.places import published
from leakboard.registry.specs import Spec, spell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from leakboard.api import Axis, Component

TUNED: tuple[Axis, ...] = ("observer", "distance", "classifier")
"""Axes that an attack is made of: what is attacked is not chosen by how well it can be attacked."""
MOST = 100
"""Alternatives of one spec: each is fitted several times for every cell."""
EXAMPLE = "tune={'t': (50, 100, 200)}: by the name of each parameter a tuple of two values or more"

Tune = dict[str, tuple[Any, ...]]
"""By the names of parameters the values of each that are tried."""


@dataclass(frozen=True)
class Tuned(Bound):
    """One point of an axis that stands for several, which differ in some parameters.

    What all of them have in common, such as the space of an observer, is told by the first; what may differ is asked of
    each of its ``choices``.

    Attributes:
        keys: the parameters that differ.
        tried: one point for each combination of their values, in the order in which they are written.
    """

    keys: tuple[str, ...] = ()
    tried: tuple[Bound, ...] = ()

    @property
    def choices(self) -> tuple[Bound, ...]:
        """The points that it stands for."""
        return self.tried

    @functools.cached_property
    def identity(self) -> str:
        """sha256 over the identities of its choices.

        Raises:
            LeakboardError: as `Bound.identity`.
        """
        choices = [choice.identity for choice in self.tried]
        return hashlib.sha256(json.dumps([self.kind, "tune", choices]).encode()).hexdigest()

    @property
    def depth(self) -> int:
        """How many parts of its paths `seen_from` can tell."""
        return max(choice.depth for choice in self.tried)

    def seen_from(self, parts: int) -> Bound:
        """The same with a label that tells more parts of each path, where one does not tell it from another."""
        return replace(self, label=_label(self.tried, self.keys, parts))


def taken(spec: Spec, where: str) -> tuple[Spec, Tune]:
    """A call without the ``tune`` that it gives, and that; nothing where it gives none.

    Raises:
        LeakboardError: it is not of the form that `EXAMPLE` shows, or has too many combinations.
    """
    plain = dict(spec.parameters)
    tune = plain.pop("tune", None)
    if tune is None:
        return spec, {}

    def refused(what: str, expected: str = EXAMPLE) -> LeakboardError:
        return LeakboardError(f"{spec.name} {what}", where=where, expected=expected, next="docs/guide.md, Tuning")

    if not (isinstance(tune, dict) and tune and all(isinstance(key, str) for key in tune)):
        raise refused(f"cannot take tune={tune!r:.100}")
    for key, values in tune.items():
        if not (isinstance(values, (tuple, list)) and len(values) > 1):
            raise refused(f"cannot tune {key} over {values!r:.100}")
        if key in plain:
            raise refused(f"is given {key!r} twice, once in tune", f"{key} in one of the two places")
    count = math.prod(len(values) for values in tune.values())
    if count > MOST:
        raise refused(f"has {count:,} alternatives to choose from", f"at most {MOST}")
    return Spec(spec.name, tuple(plain.items())), {key: tuple(values) for key, values in tune.items()}


def tuned(kind: Axis, spec: Spec, tune: Tune, make: Callable[[Spec], Component]) -> Tuned:
    """The point of an axis that a call with ``tune`` stands for; ``make`` builds the plugin of a call without it.

    Raises:
        LeakboardError: an alternative is refused.
    """
    calls = [
        Spec(spec.name, (*spec.parameters, *zip(tune, values, strict=True)))
        for values in itertools.product(*tune.values())
    ]
    tried, keys = tuple(bind(kind, [make(call)]) for call in calls), tuple(tune)
    first = tried[0].only
    told, shown = attrgetter("spec"), attrgetter("shown")
    spelt = spell(first.name, _without(parameters(first, told), keys) | {"tune": _values(tried, keys, told)})
    public = _published(first, _without(parameters(first, shown), keys), _values(tried, keys, shown), 1)
    return Tuned(kind, tried[0].chain, spelt, public, _label(tried, keys, 1), keys=keys, tried=tried)


def _without(known: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: value for key, value in known.items() if key not in keys}


def _values(tried: Sequence[Bound], keys: Sequence[str], told: Callable[[Bound], str]) -> Tune:
    """The values of each parameter that is tuned, as the plugins have them."""
    every = [parameters(choice.only, told) for choice in tried]
    return {key: tuple({repr(known[key]): known[key] for known in every}.values()) for key in keys}


def _published(first: Component, fixed: dict[str, Any], tune: Tune, parts: int) -> str:
    """The spelling that others may read, of paths the last parts."""
    words = words_of(first)
    return spell(first.name, published(fixed, words, parts) | {"tune": published(tune, words, parts)})


def _label(tried: Sequence[Bound], keys: Sequence[str], parts: int) -> str:
    def told(inner: Bound) -> str:
        return inner.seen_from(parts).label

    first = tried[0].only
    return _published(first, _without(given(first, told), keys), _values(tried, keys, told), parts)
