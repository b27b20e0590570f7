"""The samples of a grid's datasets: loaded once, checked against the victims' manifests, kept as an artifact."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from leakboard.api import member_digest
from leakboard.artifacts import ArtifactRow, Artifacts, Damaged, Missing
from leakboard.cells import Cell
from leakboard.components import Bound
from leakboard.errors import LeakboardError
from leakboard.keys import content_key
from leakboard.sampling import choose

FEWEST = 8
"""Samples a side below which no half can be calibrated and the other evaluated."""


class Population(NamedTuple):
    """Sample ids, which of them are members, and what a reader must know of them."""

    ids: tuple[str, ...]
    member: npt.NDArray[np.bool_]
    notes: tuple[str, ...] = ()

    def chosen(self, per_side: int) -> Population:
        """The samples in use with ``per_side`` samples a side (0: all), alternating members and non-members."""
        rows = choose(self.ids, self.member, per_side)
        return Population(tuple(self.ids[row] for row in rows), self.member[rows], self.notes)


def population_key(dataset: str) -> str:
    """Content key of the list of all samples of a dataset, from its identity."""
    return content_key("samples", dataset)


def put(artifacts: Artifacts, dataset: str, population: Population) -> ArtifactRow:
    """Keep the sample list of a whole dataset: who is a member is part of what is published."""
    meta = {"ids": json.dumps(population.ids), "notes": json.dumps(population.notes)}
    tensors = {"member": population.member.astype(np.uint8)}
    return artifacts.put(population_key(dataset), tensors, meta, "samples")


def get(artifacts: Artifacts, dataset: str) -> Population:
    """The sample list that `put` kept.

    Raises:
        Missing, Damaged: it was not kept, or is not whole.
    """
    tensors, meta = artifacts.get(population_key(dataset))
    return Population(tuple(json.loads(meta["ids"])), tensors["member"].astype(bool), tuple(json.loads(meta["notes"])))


@dataclass
class Populations:
    """Sample lists by dataset identity. One that was kept before is read without loading an image."""

    artifacts: Artifacts | None = None
    known: dict[str, Population] = field(default_factory=dict)
    unsaved: set[str] = field(default_factory=set)

    def all(self, dataset: Bound) -> Population:
        """Every sample of a dataset."""
        if dataset.identity not in self.known:
            self.known[dataset.identity] = self._read(dataset)
        return self.known[dataset.identity]

    def check(self, cells: Iterable[Cell]) -> None:
        """Refuse victims that were trained on other members than their dataset says.

        Raises:
            LeakboardError: manifest and dataset disagree, or the dataset is unfit for any attack.
        """
        for cell in {(cell.dataset.identity, cell.victim.identity): cell for cell in cells}.values():
            trained_on = cell.victim.only.trained_on()
            ids, member, _ = self.all(cell.dataset)
            digest = member_digest([sample for sample, flag in zip(ids, member, strict=True) if flag])
            if trained_on not in (None, digest):
                raise LeakboardError(
                    f"{cell.victim.label} was not trained on the members of {cell.dataset.label}",
                    where="the member digest in the victim's manifest",
                    expected=f"{str(trained_on)[:16]}..., but the dataset's members give {digest[:16]}...",
                    next="name the dataset that the victim was trained on, or train a victim on these members",
                )

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
        samples = dataset.only.load()
        self.unsaved.add(dataset.identity)
        population = Population(samples.ids, samples.member, samples.notes)
        _validate(population, dataset.label)
        return population


def _validate(population: Population, label: str) -> None:
    twice = [sample for sample, count in Counter(population.ids).items() if count > 1]
    if twice:
        raise LeakboardError(f"{label} gives the id {twice[0]!r} to {len(twice) + 1} samples", expected="unique ids")
    members = int(population.member.sum())
    if min(members, len(population.ids) - members) < FEWEST:
        raise LeakboardError(
            f"{label} has {members} members and {len(population.ids) - members} non-members",
            expected=f"at least {FEWEST} of each: one half calibrates, the other is evaluated",
        )
