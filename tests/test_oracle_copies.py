"""Whoever writes in place into what it was given (victim, defense, observer) spoils nothing for anybody else."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from helpers.handmade_victim import Handmade
from helpers.oracles import make_door, make_samples
from leakboard.api import Defense, Step


class Scribbling(Handmade):
    """Answers as the other does, and then writes into all that it was given."""

    def encode(self, images):
        answer = super().encode(images)
        images.zero_()
        return answer

    def decode(self, inner):
        answer = super().decode(inner)
        inner.zero_()
        return answer

    def predict_noise(self, state, timestep, prompts):
        answer = super().predict_noise(state, timestep, prompts)
        state.zero_()
        return answer

    def predict_velocity(self, state, time, prompts):
        answer = super().predict_velocity(state, time, prompts)
        state.zero_()
        return answer

    def reconstruct(self, images, seeds, strength, steps, prompts):
        yield from list(super().reconstruct(images.clone(), seeds, strength, steps, prompts))
        images.zero_()

    def gradients(self, inner, noise, timesteps, prompts):
        answer = super().gradients(inner, noise, timesteps, prompts)
        inner.zero_()
        noise.zero_()
        return answer


class Reusing(Handmade):
    """Gives out one and the same tensor for every step, and for every batch."""

    def __init__(self):
        super().__init__()
        self.kept = {}

    def _again(self, name, answer):
        kept = self.kept.setdefault((name, len(answer)), torch.empty_like(answer))
        return kept.copy_(answer)

    def encode(self, images):
        return self._again("encode", super().encode(images))

    def predict_noise(self, state, timestep, prompts):
        return self._again("noise", super().predict_noise(state, timestep, prompts))

    def predict_velocity(self, state, time, prompts):
        return self._again("velocity", super().predict_velocity(state, time, prompts))

    def reconstruct(self, images, seeds, strength, steps, prompts):
        for step in super().reconstruct(images.clone(), seeds, strength, steps, prompts):
            yield Step(self._again("clean", step.clean), self._again("state", step.state))


def asked(door):
    """An answer to every question, each asked with tensors that are used again."""
    images, noise = door.originals, door.noise("g", door.originals)
    clean = door.encode(images)
    walk = door.reconstruct(images, 0.5, 3)
    return {
        "encode": clean,
        "decode": door.decode(clean),
        "predict_noise": door.predict_noise(clean, 3),
        "predict_velocity": door.predict_velocity(clean, 0.3),
        "gradients": door.gradients(clean, noise, 3),
        "output": walk.output(),
        "intermediates": torch.stack([*walk.intermediates()]),
        "states": torch.stack([*walk.states()]),
        "generate": door.generate(2),
        "pool": door.pool(3, 2),
        "images": door.images,
        "originals": images,
        "noise": noise,
        "schedule": door.alphas_cumprod,
        "metadata": torch.from_numpy(door.metadata["bytes"]),
    }


@pytest.fixture
def samples():
    return replace(make_samples(), metadata={"bytes": np.arange(5.0)})


def same(found, expected):
    return [name for name in expected if not torch.equal(found[name], expected[name])] == []


@pytest.mark.parametrize("victim", [Scribbling, Reusing])
@pytest.mark.parametrize("batch_size", [64, 2])
def test_a_victim_that_writes_in_place_spoils_no_question_and_no_answer(samples, victim, batch_size):
    expected = asked(make_door(Handmade(), "white", samples, batch_size))
    own = samples.images.clone()

    door = make_door(victim(), "white", samples, batch_size)
    assert same(asked(door), expected)
    assert same(asked(make_door(door.memo.model, "white", samples, memo=door.memo)), expected)
    assert torch.equal(samples.images, own)


@dataclass(frozen=True, kw_only=True)
class Darkening(Defense):
    """Halves the brightness in place."""

    name: ClassVar[str] = "darkening"

    def apply(self, images, noise):
        return images.mul_(0.5)


@pytest.mark.parametrize("chain", [{"query": (Darkening(),)}, {"output": (Darkening(at="output"),)}])
def test_a_defense_that_writes_in_place_spoils_nothing_for_the_undefended(samples, chain):
    expected = asked(make_door(Handmade(), "white", samples))
    own = samples.images.clone()

    door = make_door(Handmade(), "white", samples, **chain)
    first = asked(door)
    assert same(asked(make_door(door.memo.model, "white", samples, memo=door.memo)), expected)
    assert same(asked(make_door(door.memo.model, "white", samples, memo=door.memo, **chain)), first)
    assert torch.equal(samples.images, own)


@pytest.mark.parametrize("chain", [{}, {"query": (Darkening(),)}, {"output": (Darkening(at="output"),)}])
def test_an_observer_that_writes_into_all_that_it_is_given_spoils_nothing_for_others(samples, chain):
    model = Handmade()
    expected = {name: answer.clone() for name, answer in asked(make_door(model, "white", samples, **chain)).items()}

    door = make_door(model, "white", samples, **chain)
    for answer in asked(door).values():
        answer.fill_(0.123)

    assert same(asked(make_door(model, "white", samples, memo=door.memo, **chain)), expected)
    assert not bool((door.returned.images == 0.123).any())
