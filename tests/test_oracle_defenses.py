"""The one door to a victim: what defenses do to all that passes."""

from dataclasses import dataclass, replace
from inspect import signature
from typing import ClassVar

import pytest
import torch

from helpers.handmade_victim import Handmade
from helpers.oracles import make_door, make_samples
from helpers.spied_victim import Halving
from leakboard.api import Defense, Model, Oracle
from leakboard.noise import seeder
from leakboard.oracle.door import Door
from leakboard.oracle.provider import defended
from leakboard.testing import sent


@dataclass(frozen=True, kw_only=True)
class Adding(Defense):
    """Adds its noise, or a number."""

    name: ClassVar[str] = "adding"
    amount: float = 0.0

    def apply(self, images, noise):
        return (images + self.amount + 0.05 * noise(images)).clamp(0, 1)


@dataclass(frozen=True, kw_only=True)
class Brighter(Defense):
    """Adds a tenth, and no noise."""

    name: ClassVar[str] = "brighter"

    def apply(self, images, noise):
        return (images + 0.1).clamp(0, 1)


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
        defended(Adding(), samples.images, seeder(0, samples.ids), "query0")


def test_a_defense_may_reach_both_ends_of_the_range_and_work_in_place(monkeypatch):
    samples = make_samples()
    original = samples.images.clone()
    monkeypatch.setattr(Adding, "apply", lambda self, images, noise: images.round_())
    assert set(defended(Adding(), samples.images, seeder(0, samples.ids), "query0").unique().tolist()) == {0.0, 1.0}
    assert torch.equal(samples.images, original)


def test_noise_of_a_defense_belongs_to_sample_seed_and_place():
    samples = make_samples(6)

    def noisy(part, seed=0, place="query0"):
        return defended(Adding(), part.images, seeder(seed, part.ids), place)

    whole = noisy(samples)
    order = [4, 2, 0, 5, 3, 1]
    assert torch.equal(noisy(samples.take(order)), whole[order])
    assert not torch.allclose(noisy(samples, seed=1), whole)
    assert not torch.allclose(noisy(samples, place="query1"), whole)


def test_output_defenses_act_on_everything_given_out_in_order(model):
    """Clamped at 1 and then darker by 0.2; the other order would give another image."""
    chain = (Adding(amount=0.9), Adding(amount=-0.2))
    plain = make_door(model)
    door = make_door(model, output=chain, memo=plain.memo)
    given = [door.reconstruct(door.images, 0.5, 2).output(), *door.reconstruct(door.images, 0.5, 2).intermediates()]
    given += [*door.reconstruct(door.images, 0.5, 2).states(), door.generate(2)]
    for images in given:
        assert images.mean() == pytest.approx(0.8, abs=0.05)
    assert torch.equal(door.returned.images, given[-1])
    assert not torch.allclose(plain.reconstruct(plain.images, 0.5, 2).output(), given[0])


def test_output_noise_is_new_for_every_question_and_step_but_not_for_the_same(model):
    """Were it the same, it would cancel between two steps and hide nothing."""
    plain = make_door(model, "white")
    noisy = make_door(model, "white", output=(Adding(amount=0.0),), memo=plain.memo)

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


SENT = {**sent.MADE, "of its own": lambda images: torch.full_like(images, 0.5)}
ASKED = sent.QUESTIONS


@pytest.mark.parametrize("shown", [Oracle, Door, Model], ids=["contract", "door", "victim"])
def test_every_question_that_takes_images_is_among_those_that_are_tried(shown):
    """A new one must be defended at the door as well, and shown to be."""
    taking = {name for name, found in vars(shown).items() if callable(found) and not name.startswith("_")}
    assert {name for name in taking if "images" in signature(getattr(shown, name)).parameters} == set(ASKED)


@pytest.mark.parametrize("how", SENT)
@pytest.mark.parametrize("asked", ASKED)
def test_every_image_that_is_sent_passes_the_query_defense_once(model, how, asked):
    """However it was made: a hair's breadth from the original, or not at all."""
    door = make_door(model, query=(Halving(), Brighter()))
    undefended = make_door(model)
    images = SENT[how](door.originals)

    answer = ASKED[asked](door, images)

    assert torch.allclose(answer, ASKED[asked](undefended, (images / 2 + 0.1).clamp(0, 1)), atol=1e-6)
    assert not torch.allclose(answer, ASKED[asked](undefended, images), atol=1e-2)


@pytest.mark.parametrize("asked", ASKED)
def test_what_the_victim_sees_is_for_looking_only(model, asked):
    """Sent again, it is defended again, like anybody's image."""
    door, undefended = make_door(model, query=(Halving(),)), make_door(model)

    assert torch.equal(door.images, door.originals / 2)
    assert torch.equal(ASKED[asked](door, door.images), ASKED[asked](undefended, door.originals / 4))


def test_what_the_victim_gave_out_is_defended_when_it_is_sent_back(model):
    door, undefended = make_door(model, query=(Halving(),)), make_door(model)
    given = door.reconstruct(door.originals, 0.5, 2).output()

    assert torch.equal(door.encode(given), undefended.encode(given / 2))


def test_states_of_the_victims_own_space_are_no_images_and_pass_as_they_are(model):
    door, undefended = make_door(model, query=(Halving(),)), make_door(model)
    state = undefended.encode(undefended.originals)

    assert torch.equal(door.predict_noise(state, 3), undefended.predict_noise(state, 3))
    assert torch.equal(door.decode(state), undefended.decode(state))


def test_query_noise_is_that_of_the_question_whoever_asks(model):
    """The same image meets the same noise in every question at one draw; another image or draw meets another."""
    samples = make_samples(6)
    noisy = make_door(model, "gray", samples, query=(Adding(),))
    again = make_door(model, "gray", samples.take([4]), query=(Adding(),))
    own = noisy.originals / 2 + 0.25
    inside = replace(samples, images=own)

    def noise(images, draw=0):
        door = make_door(model, "gray", inside, query=(Adding(),))
        return (door._through(images, draw) - images).flatten(1)

    first = noise(own)
    assert torch.equal(noise(own * (1 - 1e-7)), first) or torch.allclose(noise(own * (1 - 1e-7)), first, atol=1e-6)
    assert torch.equal(noisy.encode(noisy.originals)[4:5], again.encode(again.originals))
    others = torch.stack(
        [each.flatten() for each in (first, noise(own.flip(-1)), noise(own * 0.9), noise(own, draw=1))]
    )
    assert torch.corrcoef(others).fill_diagonal_(0).abs().max() < 0.25
    grey = noise(torch.full_like(own, 0.5))
    assert torch.corrcoef(torch.stack([grey.flatten(), first.flatten()]))[0, 1].abs() < 0.25


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda images: images * 2 - 1, "leave"),
        (lambda images: images * 2, "leave"),
        (lambda images: images * torch.nan, "not numbers"),
        (lambda images: images[:2], "were sent"),
        (lambda images: images.flatten(1), "were sent"),
    ],
    ids=["scaled to -1", "scaled to 2", "nan", "rows", "no images"],
)
@pytest.mark.parametrize("asked", ASKED)
def test_what_is_no_image_is_not_taken_for_one(model, wrong, message, asked):
    door = make_door(model)
    with pytest.raises(ValueError, match=message):
        ASKED[asked](door, wrong(door.originals))


def test_another_draw_of_a_question_meets_other_query_noise(model, monkeypatch):
    """An attacker may average over draws, as a real provider's noise is drawn anew."""
    seen = []
    inner = model.reconstruct
    monkeypatch.setattr(model, "reconstruct", lambda images, *rest: seen.append(images) or inner(images, *rest))
    door = make_door(model, query=(Adding(),))
    for draw in (0, 1, 0):
        door.reconstruct(door.originals, 0.5, 2, draw)

    assert len(seen) == 2
    assert not torch.allclose(*seen)


def test_equal_links_of_a_chain_draw_noise_of_their_own(model):
    """Were it one noise twice, it would be twice as large and no harder to guess."""
    samples = make_samples(6)
    own = replace(samples, images=torch.full_like(samples.images, 0.5))
    once, twice = (make_door(model, "gray", own, query=(Adding(),) * times).images - 0.5 for times in (1, 2))

    assert (twice - once).std() == pytest.approx(0.05, rel=0.15)
    assert torch.corrcoef(torch.stack([once.flatten(), (twice - once).flatten()]))[0, 1].abs() < 0.2


def test_output_noise_is_another_one_for_another_image(model):
    """Else the answer to a grey image would tell what to subtract from that to the own one."""
    plain, noisy = make_door(model), make_door(model, output=(Adding(),))
    middle = plain.originals / 4 + 0.4

    def added(images):
        answers = [door.reconstruct(images, 0.1, 2).output() for door in (noisy, plain)]
        return (answers[0] - answers[1]).flatten()

    noises = torch.stack([added(middle), added(torch.full_like(middle, 0.5)), added(middle.flip(-1))])
    assert noises.std() > 0.02
    assert torch.corrcoef(noises).fill_diagonal_(0).abs().max() < 0.25


@pytest.mark.parametrize("query", ["reconstruct", "generate", "adding@output0 reconstruct 0.5 2 0  step 1"])
def test_nobody_draws_the_noise_of_the_victim_or_of_a_defense(model, query):
    door = make_door(model)
    with pytest.raises(ValueError, match="expected another name"):
        door.noise(query, door.originals)
