"""What a classifier is calibrated on: the ``attacker`` of a grid, from its spelling to victims and defenses."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from leakboard.errors import LeakboardError, nearest
from leakboard.registry.bind import told_apart
from leakboard.registry.specs import parse, spell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from leakboard.registry.bind import Bound
    from leakboard.registry.find import Registry
    from leakboard.registry.specs import Spec

Name = Literal["adaptive", "naive", "shadow", "none"]
NAMES: tuple[Name, ...] = get_args(Name)
SPELLINGS = "adaptive, naive, none or shadow(victims=['...', ...])"


@dataclass(frozen=True)
class Attacker:
    """What the classifier of one cell is calibrated on.

    Attributes:
        name: ``adaptive`` sees the victim under its defense, ``naive`` the undefended victim, ``shadow`` other victims,
            trained on other members, under the defense, and ``none`` sees no labels.
        calibrates_on: the victims, and the defense before each, whose features and members it may see.
    """

    name: Name
    calibrates_on: tuple[tuple[Bound, Bound], ...] = ()

    @property
    def shadows(self) -> tuple[Bound, ...]:
        """The shadow victims; none for attackers who know the victim's own members, or nobody's."""
        return tuple(victim for victim, _ in self.calibrates_on) if self.name == "shadow" else ()

    @functools.cached_property
    def spec(self) -> str:
        """Canonical spelling, every parameter of every shadow victim written out."""
        return _spelt(self.name, [victim.spec for victim in self.shadows])

    @functools.cached_property
    def shown(self) -> str:
        """The same as others may read it: what is stored."""
        return _spelt(self.name, [victim.shown for victim in self.shadows])

    @functools.cached_property
    def label(self) -> str:
        """Short spelling, defaults left out."""
        return _spelt(self.name, [victim.label for victim in self.shadows])

    @property
    def identity(self) -> str | list[Any]:
        """What it adds to the key of a cell, beside the components that the cell has anyway."""
        return [self.name, [victim.identity for victim in self.shadows]] if self.shadows else self.name


class NamedAttacker(NamedTuple):
    """An attacker as a grid names it, before it meets a victim and a defense."""

    name: Name
    shadows: tuple[Bound, ...] = ()

    def against(self, victim: Bound, defense: Bound, undefended: Bound) -> Attacker:
        """The attacker of one victim behind one defense; ``undefended`` is the empty defense."""
        # Without a defense there is nothing to be naive about: both attackers are one.
        name = "adaptive" if self.name == "naive" and defense.spec == undefended.spec else self.name
        pairs: dict[Name, tuple[tuple[Bound, Bound], ...]] = {
            "adaptive": ((victim, defense),),
            "naive": ((victim, undefended),),
            "shadow": tuple((shadow, defense) for shadow in self.shadows),
            "none": (),
        }
        return Attacker(name, pairs[name])


def read(texts: Sequence[str], registry: Registry, where: str) -> list[NamedAttacker]:
    """The attackers that a grid names, each by a spec that may sweep.

    Raises:
        LeakboardError: bad spelling, unknown attacker, parameter or victim, or ``shadow`` without victims.
    """
    return [_named(spec, registry, where) for text in texts for spec in _specs(text, where)]


def _specs(text: str, where: str) -> Iterator[Spec]:
    for chain in parse(text, where):
        if len(chain) > 1:
            raise LeakboardError(f"{text!r} chains with +, but only defenses chain", where=where, expected=SPELLINGS)
        yield chain[0]


def _named(spec: Spec, registry: Registry, where: str) -> NamedAttacker:
    name = next((known for known in NAMES if known == spec.name), None)
    if name is None:
        raise LeakboardError(
            f"unknown attacker {spec.name!r}", where=where, expected=SPELLINGS, nearest=nearest(spec.name, NAMES)
        )
    known = ["victims"] if name == "shadow" else []
    for key, _ in spec.parameters:
        if key not in known:
            raise LeakboardError(
                f"{name} has no parameter {key!r}",
                where=where,
                expected=f"one of {', '.join(known)}" if known else "no parameters",
                nearest=nearest(key, known),
            )
    return NamedAttacker(name, _shadows(spec, registry, where) if name == "shadow" else ())


def _shadows(spec: Spec, registry: Registry, where: str) -> tuple[Bound, ...]:
    """The shadow victims by their spelling: in whatever order they are named, it is the same attacker."""
    texts = dict(spec.parameters).get("victims", [])
    if not (isinstance(texts, (list, tuple)) and texts and all(isinstance(text, str) for text in texts)):
        raise LeakboardError(
            f"shadow cannot take victims={texts!r:.80}" if texts else "shadow needs victims",
            where=where,
            expected="shadow(victims=['...', ...]) with the specs of victims that were trained on other members",
            next="leakboard list victims",
        )
    found = [victim for text in texts for victim in registry.axis("victim", text, f"{where}, victims of shadow")]
    shadows = {victim.spec: victim for victim in told_apart(found)}
    if len(shadows) < len(found):
        twice = next(victim.label for place, victim in enumerate(found) if victim in found[:place])
        raise LeakboardError(f"shadow has the victim {twice} twice", where=where, expected="each victim once")
    # by what they are, so that another place of theirs, on another machine, makes no other attacker
    return tuple(sorted(shadows.values(), key=lambda victim: (victim.content, victim.identity)))


def _spelt(name: str, victims: list[str]) -> str:
    return spell(name, {"victims": victims} if victims else {})
