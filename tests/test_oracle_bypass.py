"""The door notes which questions went past a defense, and on which side."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from helpers.handmade_victim import Handmade
from helpers.oracles import make_door
from helpers.spied_victim import Halving, observer
from leakboard.api import Defense
from leakboard.oracle.bypass import together, told


@dataclass(frozen=True, kw_only=True)
class Counting(Defense):
    """Hears of every question, and lets all pass."""

    name: ClassVar[str] = "counting"

    def admit(self, asked, cost):
        pass

    def apply(self, images, noise):
        return images


@pytest.fixture
def model():
    return Handmade()


def noted(door):
    return {place: sorted(questions) for place, questions in door.past.items()}


ASKED = {
    "encode": (lambda door: door.encode(door.originals), [], ["encode"]),
    "a state of its own": (lambda door: door.predict_noise(door.originals, 3), ["predict_noise"], ["predict_noise"]),
    "a state between": (
        lambda door: door.predict_velocity(door.originals, 0.3),
        ["predict_velocity"],
        ["predict_velocity"],
    ),
    "a latent of its own": (lambda door: door.decode(door.originals * 0.1), ["decode"], ["decode"]),
    "gradients": (
        lambda door: door.gradients(door.encode(door.originals), door.noise("g", door.originals), 3),
        ["gradients"],
        ["encode", "gradients"],
    ),
    "reconstruct": (lambda door: door.reconstruct(door.originals, 0.5, 2).output(), [], []),
    "intermediates": (lambda door: [*door.reconstruct(door.originals, 0.5, 2).intermediates()], [], []),
    "states": (lambda door: [*door.reconstruct(door.originals, 0.5, 2).states()], [], []),
    "generate": (lambda door: door.generate(2), [], []),
    "pool": (lambda door: door.pool(3, 2), [], []),
    "looking": (lambda door: (door.images, door.alphas_cumprod, door.noise("x", door.images)), [], []),
}


@pytest.mark.parametrize("asked", ASKED)
def test_each_question_is_noted_where_no_defense_acted_on_it(model, asked):
    ask, query, output = ASKED[asked]
    both = make_door(model, "white", query=(Halving(),), output=(Halving(at="output"),))
    ask(both)
    assert noted(both) == {"query": query, "output": output}

    for place, expected in (("query", query), ("output", output)):
        door = make_door(model, "white", **{place: (Halving(at=place),)})
        ask(door)
        assert noted(door) == {"query": [], "output": [], place: expected}


def test_what_the_victim_made_of_a_defended_image_has_passed_the_query_defense(model):
    """Asked about as it is; one number changed, and the state is the attacker's own."""
    door = make_door(model, query=(Halving(),))
    clean = door.encode(door.originals)
    door.decode(clean)
    door.predict_noise(clean.clone(), 3)
    assert noted(door)["query"] == []

    clean[0, 0, 0, 0] += 1e-3
    door.decode(clean)
    assert noted(door)["query"] == ["decode"]


def test_what_another_observer_was_given_is_no_answer_to_this_one(model):
    first = make_door(model, query=(Halving(),))
    clean = first.encode(first.originals)
    second = make_door(model, memo=first.memo, query=(Halving(),))
    second.predict_noise(clean, 3)
    assert noted(second)["query"] == ["predict_noise"]


@pytest.mark.parametrize("chain", [{}, {"query": (Counting(),)}, {"output": (Counting(at="output"),)}])
def test_nothing_goes_past_where_no_defense_acts_on_images(model, chain):
    door = make_door(model, **chain)
    door.decode(door.predict_noise(door.encode(door.originals), 3))
    assert told(door.past) == "nothing"


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("one_shot(steps=2)", "nothing"),
        ("progressive(steps=2)", "nothing"),
        ("one_shot(steps=2, access='gray', reference='autoencoder')", "output: decode, encode"),
        ("sima(t=3)", "output: encode, predict_noise"),
        ("velocity_loss", "query: predict_velocity; output: encode, predict_velocity"),
        ("pia(t=3)", "query: predict_noise; output: encode, predict_noise"),
    ],
)
def test_shipped_observers_tell_what_they_asked_past_a_defense(model, spec, text):
    asking = observer(spec)
    door = make_door(model, asking.access, query=(Halving(),), output=(Halving(at="output"),))
    assert list(asking.observe(door))
    assert told(door.past) == text


def test_shards_tell_together_what_any_of_them_tells():
    one, other = "query: decode; output: decode", "output: encode"
    assert together([one, other]) == "query: decode; output: decode, encode"
    assert together([one, "nothing"]) == together(["nothing", one]) == one
    assert together(["nothing", "nothing"]) == "nothing"


def test_what_one_shard_does_not_tell_nobody_knows():
    assert together(["query: decode", ""]) == together(["", "nothing"]) == ""
