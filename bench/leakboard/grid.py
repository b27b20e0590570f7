"""A grid file: its axes, what is left out, and the cells it stands for."""

from __future__ import annotations

import fnmatch
import itertools
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from leakboard.api import Kind
from leakboard.cells import AXES, Attacker, Cell, Labels
from leakboard.components import Bound
from leakboard.errors import LeakboardError, nearest
from leakboard.registry import Registry, shared

Specs = Annotated[list[str], Field(min_length=1)]


class RunSettings(BaseModel):
    """The ``[run]`` table: how the grid is run.

    Attributes:
        samples: samples a side (members, and as many non-members); 0 takes all there are.
        seeds: each is a repetition with its own noise and its own calibration half.
        calibration: share of the samples that classifiers and thresholds may see.
        shard: samples an observation task; smaller shards need less memory and spread over more workers.
        batch: samples a denoiser call at most.
        timeout: seconds that one observer may take on one shard, or one classifier to be fitted; 0 for no limit.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        level: confidence level of the intervals.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    samples: int = Field(0, ge=0)
    seeds: list[int] = Field([0], min_length=1)
    calibration: float = Field(0.5, gt=0, lt=1)
    shard: int = Field(256, ge=2)
    batch: int = Field(128, ge=1)
    timeout: float = Field(0.0, ge=0)
    device: str = "cpu"
    level: float = Field(0.95, gt=0.5, lt=1)


class Axes(BaseModel):
    """The ``[grid]`` table: specs along each axis, and names of published attacks."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    dataset: Specs
    victim: Specs
    defense: Specs = ["none"]
    observer: list[str] = Field([], min_length=1)
    distance: list[str] = Field([], min_length=1)
    classifier: list[str] = Field([], min_length=1)
    attack: list[str] = Field([], min_length=1)
    attacker: list[Attacker] = Field(["adaptive"], min_length=1)


class Checks(BaseModel):
    """The ``[checks]`` table: null checks that the harness adds to the grid."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    permuted_labels: bool = False


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    run: RunSettings = RunSettings()
    grid: Axes
    checks: Checks = Checks()
    exclude: list[dict[str, str]] = []


@dataclass(frozen=True)
class Grid:
    """A checked grid. Make one with `load`, `parse` or `of`."""

    name: str
    text: str
    run: RunSettings
    cells: tuple[Cell, ...]
    plugins: tuple[str, ...] = ()

    @classmethod
    def load(cls, path: Path | str, plugins: Sequence[Path | str] = ()) -> Self:
        """Read a grid file.

        Raises:
            LeakboardError: no such file, not TOML, or anything in it that `parse` refuses.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            beside = [str(found) for found in path.parent.glob("*.toml")] if path.parent.is_dir() else []
            hint = nearest(str(path), beside)
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise LeakboardError(f"cannot read the grid {path}: {reason}", expected="a TOML file", nearest=hint) from None
        return cls.parse(text, name=path.stem, where=str(path), plugins=plugins)

    @classmethod
    def of(cls, *, plugins: Sequence[Path | str] = (), name: str = "grid", **tables: Mapping[str, Any] | Any) -> Self:
        """Build a grid in a notebook: ``Grid.of(dataset=[...], victim=[...], ..., run={"samples": 64})``."""
        content = {
            "run": dict(tables.pop("run", {})),
            "checks": dict(tables.pop("checks", {})),
            "exclude": list(tables.pop("exclude", [])),
        }
        axes = {axis: [value] if isinstance(value, str) else list(value) for axis, value in tables.items()}
        return cls._build({**content, "grid": axes}, "", name, "Grid.of", plugins)

    @classmethod
    def parse(cls, text: str, name: str = "grid", where: str = "grid", plugins: Sequence[Path | str] = ()) -> Self:
        """Check the TOML text of a grid.

        Raises:
            LeakboardError: not TOML, unknown key, empty axis, unknown plugin or parameter, pattern without a match.
        """
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise LeakboardError(f"{where} is not TOML: {error}", where=where, expected="a TOML grid file") from None
        return cls._build(content, text, name, where, plugins)

    @classmethod
    def _build(
        cls, content: dict[str, Any], text: str, name: str, where: str, plugins: Sequence[Path | str]
    ) -> Self:
        files = tuple(str(path) for path in plugins)
        registry = shared(files)
        file = _validated(content, where)
        cells = _expand(file, registry, where)
        for number, rule in enumerate(file.exclude, 1):
            place = f"{where}, [[exclude]] number {number}"
            cells = [cell for cell, hit in zip(cells, _matches(cells, rule, place), strict=True) if not hit]
        return cls(name, text, file.run, tuple(cells), files)

    def select(self, only: Iterable[str] = (), skip: Iterable[str] = ()) -> Self:
        """Keep the cells that match every ``only`` and no ``skip`` pattern, written ``axis=pattern``.

        Raises:
            LeakboardError: a pattern is not of that form, names no axis, or matches no cell.
        """
        cells: Sequence[Cell] = self.cells
        for wanted, patterns in ((True, only), (False, skip)):
            for text in patterns:
                axis, found, pattern = text.partition("=")
                if not found:
                    raise LeakboardError(f"cannot read the pattern {text!r}", expected="axis=pattern, like defense=jpeg*")
                hits = _matches(cells, {axis.strip(): pattern.strip()}, f"pattern {text!r}")
                cells = [cell for cell, hit in zip(cells, hits, strict=True) if hit == wanted]
        return replace(self, cells=tuple(cells))


def _validated(content: dict[str, Any], where: str) -> _File:
    try:
        return _File.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        *tables, key = [str(part) for part in first["loc"]]
        place = f"{where}, {'.'.join([*tables, key])}"
        if first["type"] == "extra_forbidden":
            models: dict[str, type[BaseModel]] = {"run": RunSettings, "grid": Axes, "checks": Checks}
            known = list(models[tables[0]].model_fields) if tables else list(_File.model_fields)
            raise LeakboardError(
                f"unknown key {key!r}", where=place, expected=f"one of {', '.join(known)}", nearest=nearest(key, known)
            ) from None
        if first["type"] == "missing":
            raise LeakboardError(f"{key!r} is missing", where=place, expected=f"a value for {key}") from None
        raise LeakboardError(f"bad value {first['input']!r}", where=place, expected=first["msg"]) from None


def _expand(file: _File, registry: Registry, where: str) -> list[Cell]:
    axes = file.grid
    targets = itertools.product(
        _axis(registry, "dataset", axes.dataset, where),
        _axis(registry, "victim", axes.victim, where),
        _axis(registry, "defense", axes.defense, where),
        file.run.seeds,
    )
    triples = _triples(axes, registry, where)
    undefended = registry.one("defense", "none")
    variants: list[tuple[Attacker, Labels]] = [(attacker, "true") for attacker in axes.attacker]
    if file.checks.permuted_labels:
        variants.append(("adaptive", "permuted"))
    cells: dict[str, Cell] = {}
    for (dataset, victim, defense, seed), triple, (attacker, labels) in itertools.product(targets, triples, variants):
        observer, distance, classifier, name = triple
        cell = Cell(
            dataset=dataset,
            victim=victim,
            defense=defense,
            observer=observer,
            distance=distance,
            classifier=classifier,
            # Without a defense there is nothing to be naive about: both attackers are one cell.
            attacker="adaptive" if defense.spec == undefended.spec else attacker,
            labels=labels,
            seed=seed,
            samples=file.run.samples,
            calibration=file.run.calibration,
            undefended=undefended,
            attack=name,
        )
        cells.setdefault(cell.key, cell)
    return list(cells.values())


def _axis(registry: Registry, kind: Kind, specs: Sequence[str], where: str) -> list[Bound]:
    return [point for text in specs for point in registry.axis(kind, text, f"{where}, grid.{kind}")]


def _triples(axes: Axes, registry: Registry, where: str) -> list[tuple[Bound, Bound, Bound, str]]:
    """Observer x distance x classifier, and the named attacks; a triple that has a name keeps it."""
    given = {kind: getattr(axes, kind) for kind in ("observer", "distance", "classifier")}
    absent = [kind for kind, specs in given.items() if not specs]
    if absent and (len(absent) < len(given) or not axes.attack):
        raise LeakboardError(
            f"the grid has no {absent[0]}",
            where=f"{where}, [grid]",
            expected="observer, distance and classifier together, or attack = [...]",
            next="leakboard list attacks",
        )
    triples: dict[tuple[str, str, str], tuple[Bound, Bound, Bound, str]] = {}
    product = itertools.product(
        *(_axis(registry, kind, given[kind], where) for kind in ("observer", "distance", "classifier"))
    )
    for observer, distance, classifier in product:
        triples[observer.spec, distance.spec, classifier.spec] = (observer, distance, classifier, "")
    for name in axes.attack:
        attack = registry.attack(name, f"{where}, grid.attack")
        observer = registry.one("observer", attack.observer, f"attack {name}")
        distance = registry.one("distance", attack.distance, f"attack {name}")
        classifier = registry.one("classifier", attack.classifier, f"attack {name}")
        triples[observer.spec, distance.spec, classifier.spec] = (observer, distance, classifier, name)
    return list(triples.values())


def _matches(cells: Sequence[Cell], rule: Mapping[str, str], where: str) -> list[bool]:
    for axis in rule:
        if axis not in AXES:
            raise LeakboardError(
                f"there is no axis {axis!r}", where=where, expected=f"one of {', '.join(AXES)}", nearest=nearest(axis, AXES)
            )
    hits = [
        all(any(fnmatch.fnmatchcase(text, pattern) for text in cell.axis(axis)) for axis, pattern in rule.items())
        for cell in cells
    ]
    if not any(hits):
        axis, pattern = next(iter(rule.items()), ("", ""))
        values = sorted({cell.axis(axis)[-1] for cell in cells}) if axis else []
        raise LeakboardError(
            "the pattern matches no cell",
            where=where,
            expected=f"a pattern that matches one of {', '.join(values)}",
            nearest=nearest(pattern, values),
        )
    return hits
