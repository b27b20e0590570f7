"""The samples of a grid's datasets: loaded once, checked against what the victims say of them, kept as an artifact."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from leakboard.api import member_digest
from leakboard.errors import LeakboardError
from leakboard.faults import blamed
from leakboard.keys import samples_key
from leakboard.kinds import Sides
from leakboard.store.artifacts import ArtifactRow, Artifacts, Damaged, Missing
from leakboard.tasks.duplicates import describe
from leakboard.tasks.members import FEWEST, members_of, refuse_telltale, refuse_vote
from leakboard.tasks.sample_checks import check_samples
from leakboard.tasks.splits import calibration, choose
from leakboard.texts import discreet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leakboard.grid.cells import Cell
    from leakboard.registry.bind import Bound

SIDE_NAMES = {"members": "members", "nonmembers": "non-members"}


class Population(NamedTuple):
    """Who is in use.

    Attributes:
        ids: N samples.
        member: which of them are members (N,).
        notes: what a reader must know of them.
        member_digest: as `Samples.member_digest`.
        groups: numbers (N,) that near-duplicates have in common; None where all differ.
        labels: N class names; None where the dataset has none, or the list is of an older version.
        rarity: how far the nearest others of each are (N,), NaN where it is not known; None in lists of older versions.
    """

    ids: tuple[str, ...]
    member: npt.NDArray[np.bool_]
    notes: tuple[str, ...] = ()
    member_digest: str | None = None
    groups: npt.NDArray[np.intp] | None = None
    labels: tuple[str, ...] | None = None
    rarity: npt.NDArray[np.float32] | None = None

    @property
    def sides(self) -> Sides:
        """How many members and non-members there are."""
        members = int(self.member.sum())
        return Sides(members, len(self.ids) - members)

    def chosen(self, sides: Sides) -> Population:
        """The samples in use, in an order that tells nothing of who is a member."""
        rows = choose(self.ids, self.member, sides)
        groups = None if self.groups is None else self.groups[rows]
        ids = tuple(self.ids[row] for row in rows)
        labels = None if self.labels is None else tuple(self.labels[row] for row in rows)
        rarity = None if self.rarity is None else self.rarity[rows]
        return Population(ids, self.member[rows], self.notes, self.member_digest, groups, labels, rarity)


def put(artifacts: Artifacts, dataset: str, population: Population) -> ArtifactRow:
    """Keep the sample list of a whole dataset: who is a member is part of what is published."""
    meta = {"ids": json.dumps(population.ids), "notes": json.dumps(population.notes)}
    if population.member_digest:
        meta["member_digest"] = population.member_digest
    if population.labels is not None:
        meta["labels"] = json.dumps(population.labels)
    tensors: dict[str, npt.NDArray[Any]] = {"member": population.member.astype(np.uint8)}
    if population.groups is not None:
        tensors["groups"] = population.groups.astype(np.int64)
    if population.rarity is not None:
        tensors["rarity"] = population.rarity
    return artifacts.put(samples_key(dataset), tensors, meta, "samples")


def get(artifacts: Artifacts, dataset: str) -> Population:
    """The sample list that `put` kept.

    Raises:
        Missing, Damaged: it was not kept, or is not whole.
    """
    tensors, meta = artifacts.get(samples_key(dataset))
    ids, notes = (tuple(json.loads(meta[name])) for name in ("ids", "notes"))
    groups = tensors["groups"].astype(np.intp) if "groups" in tensors else None
    labels = tuple(json.loads(meta["labels"])) if "labels" in meta else None
    member, digest = tensors["member"].astype(bool), meta.get("member_digest")
    return Population(ids, member, notes, digest, groups, labels, tensors.get("rarity"))


@dataclass
class Populations:
    """Sample lists by dataset identity. One that was kept before is read without loading an image."""

    artifacts: Artifacts | None = None
    known: dict[str, Population] = field(default_factory=dict)
    unsaved: set[str] = field(default_factory=set)
    labelled: dict[tuple[str, str, Sides], Population] = field(default_factory=dict)

    def all(self, dataset: Bound) -> Population:
        """Every sample of a dataset.

        Raises:
            LeakboardError: the dataset cannot be loaded, or is unfit for any attack.
        """
        if dataset.identity not in self.known:
            self.known[dataset.identity] = self._read(dataset)
        return self.known[dataset.identity]

    def check(self, cells: Iterable[Cell]) -> None:
        """Refuse grids whose labels would not be true, or would be told, and grids that want too many samples.

        Raises:
            LeakboardError: what a victim says of its members contradicts the dataset or leaves too few on a side, the
                members of a shadow victim tell those of the victim under attack, or the dataset is unfit for any
                attack or too small.
        """
        looked_at: set[tuple[object, ...]] = set()
        for cell in cells:
            mine, shadows = self.in_use(cell, cell.victim), cell.attacker.shadows
            flags = [self.in_use(cell, shadow).member for shadow in shadows]
            split = (id(mine), *map(id, flags), cell.seed, cell.calibration)
            if not shadows or split in looked_at:
                continue
            looked_at.add(split)
            evaluated = ~calibration(mine.ids, mine.member, cell.seed, cell.calibration, mine.groups)
            for shadow, theirs in zip(shadows, flags, strict=True):
                refuse_telltale(cell.victim.label, mine.member[evaluated], shadow.label, theirs[evaluated])
            refuse_vote(cell.victim.label, mine.member[evaluated], [theirs[evaluated] for theirs in flags])

    def evaluated(self, cells: Iterable[Cell]) -> dict[str, Sides]:
        """The fewest members and non-members of each dataset, by label, that one of the cells evaluates.

        Raises:
            LeakboardError: as `check`.
        """
        fewest: dict[str, Sides] = {}
        looked_at: set[tuple[object, ...]] = set()
        for cell in cells:
            mine = self.in_use(cell, cell.victim)
            split = (id(mine), cell.seed, cell.calibration)
            if split in looked_at:
                continue
            looked_at.add(split)
            counted = ~calibration(mine.ids, mine.member, cell.seed, cell.calibration, mine.groups)
            members = int(mine.member[counted].sum())
            sides, label = Sides(members, int(counted.sum()) - members), cell.dataset.label
            fewest[label] = Sides(*map(min, fewest.get(label, sides), sides))
        return fewest

    def in_use(self, cell: Cell, victim: Bound) -> Population:
        """The samples in use, with the flags of a victim.

        Raises:
            LeakboardError: as `check`.
        """
        place = cell.dataset.identity, victim.identity, cell.sides
        if place not in self.labelled:
            self.labelled[place] = self._labelled(cell, victim)
        return self.labelled[place]

    def _labelled(self, cell: Cell, victim: Bound) -> Population:
        population = self.all(cell.dataset)
        _check_counts(cell, population.sides)
        chosen = population.chosen(cell.sides)
        flags = members_of(victim, chosen.ids)
        if flags is None:
            _check_trained_on(victim, cell.dataset, population)
            return chosen
        return chosen._replace(member=flags)

    def save(self, artifacts: Artifacts) -> list[ArtifactRow]:
        """Keep the lists that had to be loaded."""
        rows = [put(artifacts, identity, self.known[identity]) for identity in sorted(self.unsaved)]
        self.unsaved.clear()
        return rows

    def _read(self, dataset: Bound) -> Population:
        if self.artifacts is not None:
            try:
                return get(self.artifacts, dataset.identity)
            except Missing:
                pass
            except Damaged as damaged:
                self.artifacts.drop(damaged.key)
        with blamed(dataset.label, "load()"):
            samples = dataset.only.load()
            check_samples(samples, dataset.label)
            found = describe(samples)
        self.unsaved.add(dataset.identity)
        groups = found.groups if len(np.unique(found.groups)) < len(samples.ids) else None
        notes = tuple(map(discreet, (*samples.notes, *found.notes)))
        labels = None if samples.labels is None else tuple(map(str, samples.labels))
        ids, digest = tuple(samples.ids), samples.member_digest
        return Population(ids, samples.member, notes, digest, groups, labels, found.rarity)


def _check_counts(cell: Cell, there: Sides) -> None:
    for name, wanted, most in zip(Sides._fields, cell.sides, there, strict=True):
        if wanted and not FEWEST <= wanted <= most:
            raise LeakboardError(
                f"{wanted} {SIDE_NAMES[name]} cannot be taken from {cell.dataset.label}, which has {most:,}",
                where=f"[run] {name}, or samples",
                expected=f"{FEWEST} to {most}, or 0 for all",
                nearest=str(min(max(wanted, FEWEST), most)),
                next="give each side a number within its limits, or leave it out to take all",
            )


def _check_trained_on(victim: Bound, dataset: Bound, population: Population) -> None:
    """A victim that cannot tell its members must be one of the dataset's, as far as its manifest says."""
    with blamed(victim.label, "trained_on()"):
        trained_on = victim.only.trained_on()
    in_use = member_digest([sample for sample, flag in zip(population.ids, population.member, strict=True) if flag])
    declared = population.member_digest or in_use
    # trained on all that the dataset declares or on just those in use: every flag in use is true either way
    if trained_on not in (None, declared, in_use):
        raise LeakboardError(
            f"{victim.label} was not trained on the members of {dataset.label}",
            where="the member digest in the victim's manifest",
            expected=f"{str(trained_on)[:16]}..., but the dataset's members give {declared[:16]}...",
            next="name the dataset that the victim was trained on, or train a victim on these members",
        )
