from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import ClassVar

import numpy as np
import pytest
import torch

from leakboard.api import Dataset, Model, Samples, Victim, member_digest
from leakboard.errors import LeakboardError
from leakboard.grid.attackers import Attacker
from leakboard.grid.grid import Grid
from leakboard.kinds import Sides
from leakboard.registry.bind import Bound, bind
from leakboard.store.artifacts import Artifacts
from leakboard.tasks import sample_lists
from leakboard.tasks.sample_lists import Population, Populations
from leakboard.tasks.splits import calibration


def samples(count=20, **changes):
    values = {
        "ids": tuple(f"image {row}" for row in range(count)),
        "images": torch.zeros(count, 1, 4, 4),
        "member": np.arange(count) % 2 == 0,
        "notes": ("drawn by hand",),
    }
    return Samples(**{**values, **changes})


@dataclass(frozen=True, kw_only=True)
class Toy(Dataset):
    """Some images; ``what`` tells tests apart."""

    name: ClassVar[str] = "toy"
    loads: ClassVar[list[str]] = []
    answers: ClassVar[dict[str, object]] = {"": samples()}
    what: str = ""

    def load(self):
        self.loads.append(self.what)
        answer = self.answers[self.what]
        if isinstance(answer, BaseException):
            raise answer
        return answer


@dataclass(frozen=True, kw_only=True)
class Trained(Victim):
    """A victim that says what it was trained on."""

    name: ClassVar[str] = "trained"
    digest: str = ""
    seed: int | None = None

    def members(self, ids):
        """Of every seed another half of the samples; without one only the dataset can tell."""
        if self.seed is None:
            return None
        return np.array([blake2b(f"{self.seed} {name}".encode()).digest()[0] % 2 == 0 for name in ids])

    def open(self, device):
        return Model()

    def trained_on(self):
        if self.digest == "lost":
            raise SystemExit(0)
        return self.digest or None


@pytest.fixture
def toy(monkeypatch):
    """The identity of a toy dataset, and what it loads."""

    def make(answer=None, what="special"):
        monkeypatch.setitem(Toy.answers, what, samples() if answer is None else answer)
        return bind("dataset", [Toy(what=what)])

    monkeypatch.setattr(Toy, "loads", [])
    return make


def cell(dataset: Bound, digest="", count=0):
    """A cell of any grid, about other images and another victim."""
    (found,) = Grid.of(
        dataset="fashion_mnist", victim="fashion_ddpm(level='light')", attack="pia", run={"samples": count}
    ).cells
    return replace(found, dataset=dataset, victim=bind("victim", [Trained(digest=digest)]))


def test_a_victim_of_other_members_is_refused(toy):
    digest = member_digest(["image 0", "image 1"])

    with pytest.raises(LeakboardError, match="was not trained on the members of toy") as refused:
        Populations().check([cell(toy(), digest)])
    assert digest[:16] in refused.value.expected
    assert "manifest" in refused.value.where
    assert refused.value.next


def all_of(*rows):
    """What a victim says that was trained on the images at rows."""
    return member_digest([f"image {row}" for row in rows])


FEWER = samples(member_digest=all_of(*range(0, 24, 2)))
"""Of twelve members that the dataset declares ten are in use."""


@pytest.mark.parametrize("trained_on", [range(0, 24, 2), range(0, 20, 2)])
def test_a_victim_of_all_declared_members_or_of_those_in_use_is_accepted(toy, trained_on):
    """Either way each member in use was trained on, and no non-member in use was."""
    Populations().check([cell(toy(FEWER), all_of(*trained_on))])


@pytest.mark.parametrize("trained_on", [range(0, 22, 2), range(2, 24, 2), range(1, 20, 2)])
def test_a_victim_of_other_members_is_refused_whatever_was_skipped(toy, trained_on):
    with pytest.raises(LeakboardError, match="was not trained on the members of toy") as refused:
        Populations().check([cell(toy(FEWER), all_of(*trained_on))])
    assert FEWER.member_digest[:16] in refused.value.expected


def test_the_digest_of_declared_members_is_kept_with_the_list(toy, tmp_path):
    artifacts, dataset = Artifacts(tmp_path), toy(FEWER)
    first = Populations(artifacts)
    first.all(dataset)
    first.save(artifacts)

    kept = Populations(artifacts)
    kept.check([cell(dataset, FEWER.member_digest)])

    assert Toy.loads == ["special"], "read from the list"
    assert kept.all(dataset).chosen(Sides(8, 8)).member_digest == FEWER.member_digest


def test_a_list_kept_without_a_digest_goes_by_the_members_it_names(toy, tmp_path):
    artifacts, dataset = Artifacts(tmp_path), toy()
    row = sample_lists.put(artifacts, dataset.identity, Population(samples().ids, samples().member))

    assert "member_digest" not in artifacts.get(row.key)[1]
    Populations(artifacts).check([cell(dataset, all_of(*range(0, 20, 2)))])
    with pytest.raises(LeakboardError, match="was not trained on the members"):
        Populations(artifacts).check([cell(dataset, all_of(*range(0, 24, 2)))])


def test_too_few_samples_are_refused_with_what_was_skipped(toy):
    few = samples(14, notes=("6 of 20 images skipped, they cannot be read: image 14 (it is no image)",))

    with pytest.raises(LeakboardError, match=r"7 members and 7 non-members \(6 of 20 images skipped"):
        Populations().all(toy(few))


def test_a_victim_that_cannot_tell_what_it_was_trained_on_is_named(toy):
    with pytest.raises(LeakboardError, match=r"trained\(digest='lost'\): trained_on\(\) failed: SystemExit: 0"):
        Populations().check([cell(toy(), "lost")])


def test_a_victim_of_these_members_or_without_a_manifest_is_accepted(toy):
    members = [f"image {row}" for row in range(18, -1, -2)]

    Populations().check([cell(toy(), member_digest(members)), cell(toy())])


def told(dataset, victim_seed, *shadows, **changes):
    """A cell about a victim, and shadow victims, that tell their members; None is a victim that cannot."""
    victim, *others = (bind("victim", [Trained(seed=each)]) for each in (victim_seed, *shadows))
    found = replace(cell(dataset), victim=victim, **changes)
    pairs = tuple((other, found.defense) for other in others)
    return replace(found, attacker=Attacker("shadow", pairs) if pairs else found.attacker)


MANY = samples(400, member=np.arange(400) < 200)


def test_a_victim_that_tells_its_members_needs_not_have_been_trained_on_those_of_the_dataset(toy):
    found = told(toy(MANY), 0)
    liar = replace(found, victim=bind("victim", [Trained(seed=0, digest="of other members")]))

    Populations().check([found, liar])


def test_a_victim_that_tells_must_have_members_and_others_among_the_samples_in_use(toy):
    few = samples(24)
    inside = {seed: int(Trained(seed=seed).members(few.ids).sum()) for seed in range(100)}
    poor, rich = (next(seed for seed in inside if wanted(inside[seed])) for wanted in ((7).__eq__, (12).__eq__))

    for seeds in ((poor,), (rich, poor)):
        with pytest.raises(LeakboardError, match=rf"trained\(seed={poor}\) was trained on 7 of the 24 samples in use"):
            Populations().check([told(toy(few), *seeds)])


def test_shadow_victims_of_halves_of_their_own_are_accepted(toy):
    Populations().check([told(toy(MANY), 0, 1, 2), told(toy(MANY), 3, None), told(toy(MANY), None, 3)])


@pytest.mark.parametrize(("seed", "shadows"), [(0, (1, 0)), (None, (None,)), (None, (1, None))])
def test_shadow_victims_that_tell_the_evaluation_samples_are_refused_before_anything_runs(toy, seed, shadows):
    with pytest.raises(LeakboardError, match=r"the members of the shadow victim .* tell those of") as refused:
        Populations().check([told(toy(MANY), 3, 4), told(toy(MANY), seed, *shadows)])
    assert "drawn independently" in refused.value.next


def test_shadow_victims_are_looked_at_on_the_evaluation_samples_of_each_seed(toy, monkeypatch):
    """What they tell of calibration samples, whose members an attacker may know, is no matter."""
    dataset, seen = toy(MANY), []
    monkeypatch.setattr(sample_lists, "refuse_telltale", lambda _, mine, __, theirs: seen.append((mine, theirs)))
    Populations().check([told(dataset, 0, 1, seed=seed, calibration=0.75) for seed in (0, 1, 0)])

    ids = Populations().all(dataset).chosen(Sides()).ids
    mine, theirs = (Trained(seed=seed).members(ids) for seed in (0, 1))
    halves = [~calibration(ids, mine, seed, 0.75) for seed in (0, 1)]
    assert [part.tolist() for pair in seen for part in pair] == [
        flags[half].tolist() for half in halves for flags in (mine, theirs)
    ]


def test_a_shadow_victim_that_cannot_tell_must_be_of_the_members_of_the_dataset(toy):
    found = told(toy(MANY), 0, None)
    other = bind("victim", [Trained(digest=all_of(1, 2, 3))])
    found = replace(found, attacker=Attacker("shadow", ((other, found.defense),)))

    with pytest.raises(LeakboardError, match="was not trained on the members of toy"):
        Populations().check([found])


def test_the_shipped_victims_were_trained_on_the_shipped_members():
    (shipped,) = Grid.of(dataset="fashion_mnist", victim="fashion_ddpm(level='light')", attack="pia").cells

    Populations().check([shipped])


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (samples(ids=("twice", "twice", "twice", *(f"image {row}" for row in range(17)))), "'twice' to 3 samples"),
        (samples(14), "has 7 members and 7 non-members"),
        (samples(member=np.ones(20, bool)), "has 20 members and 0 non-members"),
        (samples(0), "has 0 members and 0 non-members"),
        (samples(ids=tuple(range(20))), "has the id 0"),
        (samples(ids=tuple(f"\udcff{row}" for row in range(20))), r"has the id '\udcff0'"),
        (samples(member=[True, False] * 10), "member flags in a list"),
        (samples(notes="drawn by hand"), "has the notes 'drawn by hand'"),
        (samples(member=np.zeros(19, bool)), "has 20 ids"),
        (samples(member=np.zeros(20)), "has 20 ids"),
        (samples(images=torch.zeros(19, 1, 4, 4)), "has 20 ids"),
        (samples(images=torch.zeros(20, 4, 4)), "images (20, 4, 4)"),
        (samples(images=torch.zeros(20, 1, 4, 4).double()), "torch.float64"),
        (samples(images=torch.full((20, 1, 4, 4), 255.0)), "images from 255 to 255"),
        (samples(images=torch.full((20, 1, 4, 4), float("nan"))), "images from nan"),
        (samples(prompts=("one",)), "1 prompts"),
        (samples(member_digest=b"ab"), "has the member digest b'ab'"),
        (KeyError("column"), "toy(what='special'): load() failed: KeyError: 'column'"),
        (SystemExit(0), "toy(what='special'): load() failed: SystemExit: 0"),
        (LeakboardError("there is no folder 'x'"), "there is no folder 'x'"),
        ("no samples at all", "toy(what='special') returned 'no samples at all' from load()"),
    ],
)
def test_a_dataset_that_is_unfit_is_refused(toy, answer, part):
    populations = Populations()

    with pytest.raises(LeakboardError) as refused:
        populations.all(toy(answer))
    assert part in str(refused.value)
    assert not populations.unsaved


@pytest.mark.parametrize(("count", "nearest"), [(11, "10"), (1, "8"), (5000, "10")])
def test_more_samples_than_there_are_or_too_few_are_refused(toy, count, nearest):
    with pytest.raises(LeakboardError, match=f"{count} members cannot be taken from toy.*, which has 10") as refused:
        Populations().check([cell(toy(), count=count)])
    assert refused.value.nearest == nearest
    assert "samples" in refused.value.where


def test_too_many_of_one_side_are_refused_by_the_name_of_that_side(toy):
    few = replace(cell(toy()), sides=Sides(8, 300))
    with pytest.raises(LeakboardError, match="300 non-members cannot be taken from toy") as refused:
        Populations().check([few])
    assert (refused.value.where, refused.value.nearest) == ("[run] nonmembers, or samples", "10")


def test_as_many_of_each_side_are_chosen_with_their_flags():
    ids = tuple(f"image {row}" for row in range(20))
    whole = Population(ids, np.arange(20) < 12, ("a note",))
    chosen = whole.chosen(Sides(5, 5))

    assert whole.sides == (12, 8)
    assert chosen.member.sum() == 5
    assert len(set(chosen.ids)) == 10
    assert all((ids.index(sample) < 12) == flag for sample, flag in zip(chosen.ids, chosen.member, strict=True))
    assert chosen.notes == ("a note",)


def test_a_list_that_was_kept_is_read_without_loading_an_image(toy, tmp_path):
    artifacts, dataset = Artifacts(tmp_path), toy()
    first = Populations(artifacts)
    before = first.all(dataset)
    (row,) = first.save(artifacts)
    assert first.save(artifacts) == []

    after = Populations(artifacts).all(dataset)
    assert Toy.loads == ["special"]
    assert (after.ids, after.notes) == (before.ids, before.notes)
    assert (after.member == before.member).all()
    assert row.kind == "samples"


def test_labels_are_kept_with_the_list_and_an_older_list_without_them_is_read(toy, tmp_path):
    artifacts, names = Artifacts(tmp_path), tuple("ab" * 10)
    dataset = toy(samples(labels=names))
    populations = Populations(artifacts)
    whole = populations.all(dataset)
    populations.save(artifacts)
    assert sample_lists.get(artifacts, dataset.identity).labels == whole.labels == names
    chosen = whole.chosen(Sides(3, 3))
    assert chosen.labels == tuple(names[whole.ids.index(sample)] for sample in chosen.ids)

    older = toy(what="older")
    sample_lists.put(artifacts, older.identity, Population(samples().ids, samples().member))
    assert Populations(artifacts).all(older).labels is None


def test_rarity_is_kept_with_the_list_and_an_older_list_without_it_is_read(toy, tmp_path):
    images = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    artifacts, dataset = Artifacts(tmp_path), toy(samples(images=images))
    populations = Populations(artifacts)
    whole = populations.all(dataset)
    populations.save(artifacts)
    assert np.isfinite(whole.rarity).all()
    assert sample_lists.get(artifacts, dataset.identity).rarity.tolist() == whole.rarity.tolist()
    chosen = whole.chosen(Sides(3, 3))
    assert chosen.rarity.tolist() == [whole.rarity[whole.ids.index(sample)] for sample in chosen.ids]

    older = toy(what="older")
    sample_lists.put(artifacts, older.identity, Population(samples().ids, samples().member))
    assert Populations(artifacts).all(older).rarity is None


def test_a_list_damaged_on_disk_is_made_again(toy, tmp_path):
    artifacts, dataset = Artifacts(tmp_path), toy()
    first = Populations(artifacts)
    first.all(dataset)
    first.save(artifacts)
    path = artifacts.path(sample_lists.samples_key(dataset.identity))
    path.write_bytes(path.read_bytes()[:-3])

    second = Populations(artifacts)
    assert len(second.all(dataset).ids) == 20
    assert Toy.loads == ["special", "special"]
    assert second.save(artifacts)
    assert sample_lists.get(artifacts, dataset.identity).sides == (10, 10)
