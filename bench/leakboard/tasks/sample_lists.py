"""The samples of a grid's datasets: loaded once, checked against what the victims say of them, kept as an artifact."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from leakboard.api import LazySamples, Samples, member_digest
from leakboard.errors import LeakboardError
from leakboard.faults import blamed
from leakboard.keys import samples_key
from leakboard.kinds import Sides
from leakboard.store.artifacts import ArtifactRow, Artifacts, Damaged, Missing
from leakboard.tasks.duplicates import describe
from leakboard.tasks.members import FEWEST, members_of, refuse_telltale, refuse_vote
from leakboard.tasks.splits import calibration, choose

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from leakboard.grid.cells import Cell
    from leakboard.registry.bind import Bound

LOOKED_AT = 64
SIDE_NAMES = {"members": "members", "nonmembers": "non-members"}


class Population(NamedTuple):
    """Sample ids, which of them are members, what a reader must know of them, and `Samples.member_digest`."""

    ids: tuple[str, ...]
    member: npt.NDArray[np.bool_]
    notes: tuple[str, ...] = ()
    member_digest: str | None = None

    @property
    def sides(self) -> Sides:
        """How many members and non-members there are."""
        members = int(self.member.sum())
        return Sides(members, len(self.ids) - members)

    def chosen(self, sides: Sides) -> Population:
        """The samples in use, in an order that tells nothing of who is a member."""
        rows = choose(self.ids, self.member, sides)
        return Population(tuple(self.ids[row] for row in rows), self.member[rows], self.notes, self.member_digest)


def put(artifacts: Artifacts, dataset: str, population: Population) -> ArtifactRow:
    """Keep the sample list of a whole dataset: who is a member is part of what is published."""
    meta = {"ids": json.dumps(population.ids), "notes": json.dumps(population.notes)}
    if population.member_digest:
        meta["member_digest"] = population.member_digest
    tensors = {"member": population.member.astype(np.uint8)}
    return artifacts.put(samples_key(dataset), tensors, meta, "samples")


def get(artifacts: Artifacts, dataset: str) -> Population:
    """The sample list that `put` kept.

    Raises:
        Missing, Damaged: it was not kept, or is not whole.
    """
    tensors, meta = artifacts.get(samples_key(dataset))
    ids, notes = (tuple(json.loads(meta[name])) for name in ("ids", "notes"))
    return Population(ids, tensors["member"].astype(bool), notes, meta.get("member_digest"))


@dataclass
class Populations:
    """Sample lists by dataset identity. One that was kept before is read without loading an image."""

    artifacts: Artifacts | None = None
    known: dict[str, Population] = field(default_factory=dict)
    unsaved: set[str] = field(default_factory=set)

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
        known: dict[tuple[str, str, Sides], Population] = {}

        def labelled(cell: Cell, victim: Bound) -> Population:
            """The samples in use, with the flags of a victim."""
            place = cell.dataset.identity, victim.identity, cell.sides
            if place not in known:
                known[place] = self._labelled(cell, victim)
            return known[place]

        looked_at: set[tuple[object, ...]] = set()
        for cell in cells:
            mine, shadows = labelled(cell, cell.victim), cell.attacker.shadows
            flags = [labelled(cell, shadow).member for shadow in shadows]
            split = (id(mine), *map(id, flags), cell.seed, cell.calibration)
            if not shadows or split in looked_at:
                continue
            looked_at.add(split)
            evaluated = ~calibration(mine.ids, mine.member, cell.seed, cell.calibration)
            for shadow, theirs in zip(shadows, flags, strict=True):
                refuse_telltale(cell.victim.label, mine.member[evaluated], shadow.label, theirs[evaluated])
            refuse_vote(cell.victim.label, mine.member[evaluated], [theirs[evaluated] for theirs in flags])

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
        return Population(tuple(samples.ids), samples.member, (*samples.notes, *found), samples.member_digest)


def check_samples(samples: Samples, label: str) -> None:
    """Refuse samples that do not keep to the contract, or are too few for any attack.

    Raises:
        LeakboardError: it says what is wrong, and what would have been right.
    """
    for what, expected in itertools.chain(_wrong_names(samples), _wrong_arrays(samples)):
        raise LeakboardError(f"the dataset {label} {what}", expected=expected)


def _wrong_names(samples: Samples) -> Iterator[tuple[str, str]]:
    if not isinstance(samples, Samples):
        yield f"returned {samples!r:.80} from load()", "leakboard.api.Samples"
    strange = [sample for sample in samples.ids if not _is_text(sample)]
    if strange:
        yield f"has the id {strange[0]!r}", "texts that UTF-8 can write"
    twice = [(sample, count) for sample, count in Counter(samples.ids).items() if count > 1]
    if twice:
        yield f"gives the id {twice[0][0]!r} to {twice[0][1]} samples", "unique ids"
    if samples.prompts is not None and len(samples.prompts) != len(samples.ids):
        yield f"has {len(samples.ids)} ids and {len(samples.prompts)} prompts", "one prompt an id, or None"
    if samples.labels is not None and len(samples.labels) != len(samples.ids):
        yield f"has {len(samples.ids)} ids and {len(samples.labels)} labels", "one label an id, or None"
    for name, numbers in samples.metadata.items():
        if np.shape(numbers) != (len(samples.ids),):
            yield f"has metadata {name!r} of shape {np.shape(numbers)}", f"({len(samples.ids)},): one number an id"
    if samples.member_digest is not None and not _is_text(samples.member_digest):
        yield f"has the member digest {samples.member_digest!r:.80}", "what leakboard.api.member_digest gives, or None"
    if isinstance(samples.notes, str) or not all(map(_is_text, samples.notes)):
        yield f"has the notes {samples.notes!r:.80}", "a tuple of texts"


def _wrong_arrays(samples: Samples) -> Iterator[tuple[str, str]]:
    count, member = len(samples.ids), samples.member
    lazy = isinstance(samples, LazySamples)
    # what is read only when it is taken is looked at in part: reading all of it may take hours
    images = samples.take(range(min(count, LOOKED_AT))).images if lazy else samples.images
    if not isinstance(member, np.ndarray):
        yield f"has member flags in a {type(member).__name__}", "a numpy array of bool"
    if member.dtype != np.bool_ or member.shape != (count,) or not (lazy or len(images) == count):
        shapes = f"{tuple(images.shape)} and member flags {member.dtype} {member.shape}"
        yield f"has {count} ids, images {shapes}", "one image and one bool flag an id"
    if images.ndim != 4 or str(images.dtype) != "torch.float32":
        yield f"has images {tuple(images.shape)} of {images.dtype}", "float32 (N, C, H, W)"
    members = int(member.sum())
    if min(members, count - members) < FEWEST:
        wanted = f"at least {FEWEST} of each: one half calibrates, the other is evaluated"
        notes = f" ({'; '.join(samples.notes)})" if samples.notes else ""
        yield f"has {members} members and {count - members} non-members{notes}", wanted
    low, high = (float(limit) for limit in images.aminmax())
    if not (low >= 0 and high <= 1):
        yield f"has images from {low:g} to {high:g}", "values in [0, 1]"


def _is_text(value: object) -> bool:
    """Whether it is a text that every file and database can hold."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


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
