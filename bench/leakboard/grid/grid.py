"""A grid file: its axes, what is left out, and the cells it stands for."""

from __future__ import annotations

import functools
import itertools
import json
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast, get_args

from leakboard.api import AXES, WorksIn
from leakboard.components import IN_TRAINING
from leakboard.errors import LeakboardError, nearest
from leakboard.grid.attackers import NamedAttacker, read
from leakboard.grid.cells import Cell
from leakboard.grid.faster import compiled
from leakboard.grid.filters import excluded, selected
from leakboard.grid.given import apply, listed, plain
from leakboard.grid.tables import Axes, GridFile, RunSettings, validated
from leakboard.registry.bind import NO_DEFENSE, told_apart
from leakboard.registry.find import Registry, shared
from leakboard.registry.specs import DIGITS, bounded
from leakboard.texts import home

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from leakboard.api import Axis, Defense
    from leakboard.registry.bind import Bound
    from leakboard.store.rows import Labels

TARGET, TRIPLE = AXES[:3], AXES[3:]
"""What is attacked, and what an attack is made of."""


@dataclass(frozen=True)
class Grid:
    """A checked grid. Make one with `load`, `parse` or `of`."""

    name: str
    text: str
    run: RunSettings
    cells: tuple[Cell, ...]
    plugins: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """A few lines: a grid may have thousands of cells, and each knows all about its parts."""
        sizes = (f"{len({cell.axes[axis].spec for cell in self.cells})} {axis}s" for axis in AXES)
        lines = [f"Grid({self.name!r}: {len(self.cells):,} cells)", f"  {', '.join(sizes)}"]
        chosen = self.run.model_dump(exclude_unset=True)
        return "\n".join([*lines, *(f"  run.{name} = {value!r:.80}" for name, value in chosen.items())])

    @classmethod
    def load(cls, path: Path | str, plugins: Sequence[Path | str] = (), settings: Sequence[str] = ()) -> Self:
        """Read a grid file.

        Args:
            path: the file.
            plugins: plugin files.
            settings: values that stand in the place of the file's, as ``run.samples=64``.

        Raises:
            LeakboardError: no such file, not TOML, or anything in it that `parse` refuses.
        """
        path = Path(home(path))
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            beside = path.parent.glob("*.toml") if isinstance(error, FileNotFoundError) else ()
            reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error
            raise LeakboardError(
                f"cannot read the grid {path}: {error.strerror if isinstance(error, OSError) else reason}",
                where=str(path),
                expected="a TOML file in UTF-8",
                nearest=nearest(str(path), map(str, beside)),
            ) from None
        return cls.parse(text, name=path.stem, where=str(path), plugins=plugins, settings=settings)

    @classmethod
    def of(cls, *, plugins: Sequence[Path | str] = (), name: str = "grid", **tables: Any) -> Self:
        """Build a grid in a notebook: ``Grid.of(dataset=[...], victim=[...], ..., run={"samples": 64})``.

        Raises:
            LeakboardError: as `parse`.
        """
        content: dict[str, Any] = {table: plain(tables.pop(table, {})) for table in ("run", "checks")}
        content["exclude"] = listed(tables.pop("exclude", []))
        content["grid"] = {axis: listed(value) for axis, value in tables.items()}
        return cls._build(content, json.dumps(content, default=str), name, "Grid.of", plugins)

    @classmethod
    def parse(
        cls,
        text: str,
        name: str = "grid",
        where: str = "grid",
        plugins: Sequence[Path | str] = (),
        settings: Sequence[str] = (),
    ) -> Self:
        """Check the TOML text of a grid; ``settings`` stand in the place of its values, as ``run.samples=64``.

        Raises:
            LeakboardError: not TOML, unknown key, empty axis, unknown plugin or parameter, pattern without a match.
        """
        try:
            content = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            reason = "it is nested too deep" if isinstance(error, RecursionError) else error
            reason = DIGITS if "set_int_max_str_digits" in str(error) else reason
            raise LeakboardError(
                f"{where} is not TOML: {reason}",
                where=where,
                expected="a TOML file with the tables [grid], [run], [checks] and [[exclude]]",
            ) from None
        for setting in settings:
            apply(setting, content)
            text += f"\n# --set {setting!r}"
        return cls._build(content, text, name, where, plugins)

    @classmethod
    def _build(
        cls, content: Mapping[str, Any], text: str, name: str, where: str, plugins: Sequence[Path | str]
    ) -> Self:
        files = tuple(dict.fromkeys(str(home(path)) for path in plugins))
        file = validated(GridFile, content, where)
        cells = excluded(_expand(file, shared(files), where), file.exclude, where)
        _refuse_own_shadow(cells, where)
        return cls(name, text, file.run, cells, files)

    def on(self, device: str) -> Self:
        """The same grid on another device than its file says; what it has for results does not change.

        Raises:
            LeakboardError: that is no name of a device.
        """
        return replace(self, run=validated(RunSettings, self.run.model_dump() | {"device": device}, "--device"))

    def select(self, only: Iterable[str] = (), skip: Iterable[str] = ()) -> Self:
        """Keep the cells that match ``only`` and no ``skip`` pattern, written ``axis=pattern``.

        Patterns are matched as `fnmatch` does, against the canonical and the short spelling. Several ``only`` patterns
        of one axis are alternatives; those of different axes must all match.

        Raises:
            LeakboardError: a pattern is not of that form, names no axis or matches no cell, or no cell is left.
        """
        return replace(self, cells=selected(self.cells, tuple(only), tuple(skip)))


def _expand(file: GridFile, registry: Registry, where: str) -> list[Cell]:
    axes = file.grid
    faster = functools.partial(compiled, registry) if file.run.compile else lambda victim: victim
    found = {kind: _axis(registry, kind, getattr(axes, kind), where) for kind in TARGET}
    found["victim"] = told_apart([faster(victim) for victim in found["victim"]])
    targets = _product([found[kind] for kind in TARGET], where)
    triples = {works_in: _triples(axes, registry, where, works_in) for works_in in get_args(WorksIn)}
    undefended = registry.one("defense", "none")
    attackers = [
        each._replace(shadows=tuple(map(faster, each.shadows)))
        for each in read(axes.attacker, registry, f"{where}, grid.attacker")
    ]
    # a twin of those who compare with shadow victims has to have them too
    twins = {True: [each for each in attackers if each.shadows], False: [NamedAttacker("adaptive")]}
    variants: dict[bool, list[tuple[NamedAttacker, Labels]]] = {
        compares: [(attacker, "true") for attacker in attackers]
        + [(attacker, "permuted") for attacker in twins[compares] if file.checks.permuted_labels]
        for compares in twins
    }
    cells: dict[str, Cell] = {}
    # a victim meets the attacks as their papers have them for what it works in
    largest = [max(map(len, each.values())) for each in (triples, variants)]
    bounded([len(targets), len(file.run.seeds), *largest], "the grid", where)
    points = (
        (target, seed, triple, variant)
        for target in targets
        for seed, triple in itertools.product(file.run.seeds, triples[target[1].only.works_in])
        for variant in variants[triple[2].only.needs_shadows]
    )
    for (dataset, victim, defense), seed, (observer, distance, classifier, name), (attacker, labels) in points:
        cell = Cell(
            dataset=dataset,
            victim=victim,
            defense=defense,
            observer=observer,
            distance=distance,
            classifier=classifier,
            attacker=attacker.against(victim, defense, undefended),
            labels=labels,
            seed=seed,
            sides=file.run.sides,
            calibration=file.run.calibration,
            attack=name,
        )
        cells.setdefault(cell.key, cell)
    return list(cells.values())


def _product(axes: Sequence[Sequence[Any]], where: str) -> list[tuple[Any, ...]]:
    """All combinations, if they are not too many."""
    bounded(map(len, axes), "the grid", where)
    return list(itertools.product(*axes))


def _refuse_own_shadow(cells: Iterable[Cell], where: str) -> None:
    """A victim cannot be its own shadow: its members are what the attacker wants to know."""
    for cell in cells:
        if cell.victim.identity in [shadow.identity for shadow in cell.attacker.shadows]:
            raise LeakboardError(
                f"{cell.victim.label} is attacked with itself as a shadow victim",
                where=f"{where}, grid.attacker",
                expected="shadow victims other than the victim under attack",
                next="[[exclude]] takes one victim's cells with one attacker out of the grid",
            )


def _axis(registry: Registry, kind: Axis, specs: Sequence[str], where: str) -> list[Bound]:
    place = f"{where}, grid.{kind}"
    points = [point for text in specs for point in registry.axis(kind, text, place)]
    for point in points if kind == "defense" else ():
        _refuse_in_training(point, place)
    return told_apart(points)


def _refuse_in_training(defense: Bound, where: str) -> None:
    """A grid attacks victims that are trained already."""
    for link in defense.chain:
        if link.name != NO_DEFENSE and cast("Defense", link).at in IN_TRAINING:
            raise LeakboardError(
                f"{defense.label} acts while a victim is trained, and a grid asks victims that are trained",
                where=where,
                expected="at='query', at='output' or at='both'",
                next=f"leakboard train \"fashion_small(defense='{link.name}')\" --out FOLDER, and its folder as victim",
            )


def _triples(axes: Axes, registry: Registry, where: str, works_in: WorksIn) -> list[tuple[Bound, Bound, Bound, str]]:
    """Observer x distance x classifier, and the named attacks; a triple that has a name keeps it."""
    given = {kind: getattr(axes, kind) for kind in TRIPLE}
    absent = [kind for kind, specs in given.items() if not specs]
    if absent and (len(absent) < len(given) or not axes.attack):
        raise LeakboardError(
            f"the grid has no {absent[0]}",
            where=f"{where}, [grid]",
            expected="observer, distance and classifier together, or attack = [...]",
            next="leakboard list attacks",
        )
    triples: dict[tuple[str, str, str], tuple[Bound, Bound, Bound, str]] = {}
    product = _product([_axis(registry, kind, given[kind], where) for kind in TRIPLE], where)
    for observer, distance, classifier in product:
        triples[observer.spec, distance.spec, classifier.spec] = (observer, distance, classifier, "")
    for name in axes.attack:
        attack = registry.value("attack", name, f"{where}, grid.attack")
        observer, distance, classifier = (
            registry.one(kind, attack.part(kind, works_in), f"attack {name}") for kind in TRIPLE
        )
        triples[observer.spec, distance.spec, classifier.spec] = (observer, distance, classifier, name)
    return list(triples.values())
