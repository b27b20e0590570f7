"""The contract checks find holes in the door and victims that write into what they are given."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from helpers.contract_checks import HERE, failed, outcome
from leakboard.api import Access, Model, Observer, Pair, Step, Victim
from leakboard.oracle.door import Door
from leakboard.oracle.twin import CountingTwin
from leakboard.testing import check_component, observers, sent

DEFENDED = "sends no image that was defended already"
UNTOUCHED = "what it is given, untouched"


@dataclass(frozen=True, kw_only=True)
class Plain(Observer):
    """Sends its own image, and nothing else, to one question."""

    name: ClassVar[str] = "plain"
    access: ClassVar[Access] = "black"

    def observe(self, oracle):
        yield Pair(oracle.originals, oracle.reconstruct(oracle.originals, 0.2, 2).output(), "output")


@dataclass(frozen=True, kw_only=True)
class Overwriting(Plain):
    """Writes into the images that it is handed."""

    def observe(self, oracle):
        yield from super().observe(oracle)
        oracle.originals.mul_(0.5)


def test_every_victims_question_about_images_is_listened_to():
    taking = {name for name in sent.QUESTIONS if hasattr(Model, name)}
    assert taking == {name for name in vars(observers._Listening) if not name.startswith("_")}


@pytest.mark.parametrize("question", sent.QUESTIONS)
@pytest.mark.parametrize("how", sent.MADE)
def test_a_hole_in_the_door_is_found_whatever_the_observer_sends(monkeypatch, question, how):
    """An observer that sends but its own image to one question knows nothing of the hole."""
    through = Door._through

    def leaky(self, images, draw=0):
        hole = sent.MADE[how](self.originals)
        return images if torch.equal(images, hole) and self.access == "white" else through(self, images, draw)

    monkeypatch.setattr(Door, "_through", leaky)
    monkeypatch.setattr(sent, "QUESTIONS", {question: sent.QUESTIONS[question]})
    found, why = outcome(check_component(Plain()), DEFENDED)
    assert (found, how in why, question in why) == ("failed", True, True)


def test_an_image_that_is_defended_twice_at_the_door_is_found(monkeypatch):
    through = Door._through
    monkeypatch.setattr(Door, "_through", lambda self, images, draw=0: through(self, through(self, images, draw), draw))
    assert outcome(check_component(Plain()), DEFENDED)[0] == "failed"


def test_an_observer_that_writes_into_its_images_is_told():
    assert failed(Plain()) == HERE
    assert "oracle.originals in place" in outcome(check_component(Overwriting()), "repeatable, images untouched")[1]


class Twin(CountingTwin):
    """Writes in place into what one question gives it."""

    def __init__(self, question):
        super().__init__(100)
        self.question = question

    def _spoilt(self, question, *given):
        for tensor in given if self.question == question else ():
            tensor.mul_(0.5)

    def encode(self, images):
        answer = images * 2 - 1
        self._spoilt("encode", images)
        return answer

    def decode(self, inner):
        answer = ((inner + 1) / 2).clamp(0, 1)
        self._spoilt("decode", inner)
        return answer

    def predict_noise(self, state, timestep, prompts):
        answer = super().predict_noise(state, timestep, prompts)
        self._spoilt("predict_noise", state)
        return answer

    def predict_velocity(self, state, time, prompts):
        answer = super().predict_velocity(state, time, prompts)
        self._spoilt("predict_velocity", state)
        return answer

    def reconstruct(self, images, seeds, strength, steps, prompts):
        for _ in range(steps):
            yield Step(images * 1.5 - 1, images * 2 - 1)
        self._spoilt("reconstruct", images)

    def generate(self, seeds, steps, prompts):
        return torch.zeros(len(seeds), 1, 28, 28)

    def gradients(self, inner, noise, timesteps, prompts):
        answer = super().gradients(inner, noise, timesteps, prompts)
        self._spoilt("gradients", noise)
        return answer


@dataclass(frozen=True, kw_only=True)
class Spoiling(Victim):
    """Opens the model."""

    name: ClassVar[str] = "spoiling"
    access: Access = "white"
    question: str = ""

    def open(self, device):
        return Twin(self.question)


@pytest.mark.parametrize(
    "question", ["encode", "decode", "predict_noise", "predict_velocity", "reconstruct", "gradients"]
)
def test_a_victim_that_writes_into_what_it_is_given_is_told_by_which_question(clothes, question):
    rows = check_component(Spoiling(question=question), clothes)
    assert outcome(rows, UNTOUCHED) == ("failed", f"it changed what it was given by {question} in place")


@pytest.mark.parametrize("access", ["black", "gray", "white"])
def test_a_victim_that_leaves_what_it_is_given_passes_at_every_access(clothes, access):
    assert outcome(check_component(Spoiling(access=access), clothes), UNTOUCHED) == ("ok", "")
