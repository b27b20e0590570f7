"""The one door to a victim: what defenses do to all that passes."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from helpers.handmade_victim import Handmade
from helpers.oracles import make_door, make_samples
from leakboard.api import Defense
from leakboard.oracle.door import Door
from leakboard.oracle.memo import Memo, defended


@dataclass(frozen=True, kw_only=True)
class Adding(Defense):
    """Adds its noise, or a number."""

    name: ClassVar[str] = "adding"
    amount: float = 0.0

    def apply(self, images, noise):
        return (images + self.amount + 0.05 * noise(images)).clamp(0, 1)


@pytest.fixture
def model():
    return Handmade()


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda images: images[:, :, 1:], "shape"),
        (lambda images: images[:-1], "shape"),
        (lambda images: images - 1, "outside"),
        (lambda images: images + 0.5, "outside"),
        (lambda images: images * torch.nan, "not a number"),
        (lambda images: images.double(), "float64"),
    ],
    ids=["height", "rows", "below", "above", "nan", "type"],
)
def test_a_defense_that_breaks_its_contract_is_named(result, message, monkeypatch):
    samples = make_samples()
    monkeypatch.setattr(Adding, "apply", lambda self, images, noise: result(images))
    with pytest.raises(ValueError, match=f"adding returned .*{message}"):
        defended(Adding(), samples.images, samples, 0, "query0")


def test_a_defense_may_reach_both_ends_of_the_range_and_work_in_place(monkeypatch):
    samples = make_samples()
    original = samples.images.clone()
    monkeypatch.setattr(Adding, "apply", lambda self, images, noise: images.round_())
    assert set(defended(Adding(), samples.images, samples, 0, "query0").unique().tolist()) == {0.0, 1.0}
    assert torch.equal(samples.images, original)


def test_noise_of_a_defense_belongs_to_sample_seed_and_place():
    samples = make_samples(6)

    def noisy(part, seed=0, place="query0"):
        return defended(Adding(), part.images, part, seed, place)

    whole = noisy(samples)
    order = [4, 2, 0, 5, 3, 1]
    assert torch.equal(noisy(samples.take(order)), whole[order])
    assert not torch.allclose(noisy(samples, seed=1), whole)
    assert not torch.allclose(noisy(samples, place="query1"), whole)


def test_output_defenses_act_on_everything_given_out_in_order(model):
    """Clamped at 1 and then darker by 0.2; the other order would give another image."""
    chain = (Adding(amount=0.9), Adding(amount=-0.2))
    plain = make_door(model)
    door = make_door(model, output_defenses=chain, answers=plain.answers)
    given = [door.reconstruct(door.images, 0.5, 2).output(), *door.reconstruct(door.images, 0.5, 2).intermediates()]
    given += [*door.reconstruct(door.images, 0.5, 2).states(), door.generate(2)]
    for images in given:
        assert images.mean() == pytest.approx(0.8, abs=0.05)
    assert torch.equal(door.returned.images, given[-1])
    assert not torch.allclose(plain.reconstruct(plain.images, 0.5, 2).output(), given[0])


def test_output_noise_is_new_for_every_question_and_step_but_not_for_the_same(model):
    """Were it the same, it would cancel between two steps and hide nothing."""
    plain = make_door(model, "white")
    noisy = make_door(model, "white", output_defenses=(Adding(amount=0.0),), answers=plain.answers)

    def added(strength, steps, draw=0):
        asked = [door.reconstruct(door.images / 2 + 0.25, strength, steps, draw) for door in (plain, noisy)]
        steps = [[*answer.intermediates(), answer.output()] for answer in asked]
        return [(after - before).flatten() for before, after in zip(*steps, strict=True)]

    first = added(0.3, 3)
    assert torch.equal(first[2], first[3])
    assert torch.equal(added(0.3, 3)[0], first[0])
    rows = torch.stack([*first[:3], added(0.4, 3)[0], added(0.3, 4)[0], added(0.3, 3, draw=1)[0]])
    assert rows.std() == pytest.approx(0.05, abs=0.005)
    assert torch.corrcoef(rows).fill_diagonal_(0).abs().max() < 0.25


def test_the_attackers_own_image_always_passes_the_query_defense(model):
    """An observer that sends the originals gets the answer for what the provider makes of them."""
    samples = make_samples()
    door = Door(Memo(model, 64), samples, samples.images / 2, "gray", 0)

    sent = door.reconstruct(door.originals, 0.5, 2).output()

    assert torch.equal(sent, door.reconstruct(door.images, 0.5, 2).output())
    assert torch.equal(door.encode(door.originals), door.encode(door.images))
    assert door.memo.paid.queries == 1
