"""Components that break their contract are found out, by the check that says how."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from helpers.contract_checks import HERE, failed, outcome
from leakboard.api import (
    Access,
    Dataset,
    Defense,
    Distance,
    Model,
    Observer,
    Pair,
    Refused,
    Samples,
    Step,
    Victim,
)
from leakboard.testing import check_component


@dataclass(frozen=True, kw_only=True)
class Batchy(Distance):
    """Depends on the batch."""

    name: ClassVar[str] = "batchy"

    def measure(self, pair):
        rmse = (pair.reference - pair.observation).square().flatten(1).mean(1).sqrt()
        return rmse / (rmse.max() + 1e-9) + rmse


@dataclass(frozen=True, kw_only=True)
class Backwards(Distance):
    """Says that larger is closer, which is not so."""

    name: ClassVar[str] = "backwards"
    larger_is_closer: ClassVar[bool] = True

    def measure(self, pair):
        return (pair.reference - pair.observation).square().flatten(1).mean(1)


@dataclass(frozen=True, kw_only=True)
class Infinite(Distance):
    """Infinite for identical images."""

    name: ClassVar[str] = "infinite"
    larger_is_closer: ClassVar[bool] = True

    def measure(self, pair):
        return -(pair.reference - pair.observation).square().flatten(1).mean(1).log10()


@dataclass(frozen=True, kw_only=True)
class Reduced(Distance):
    """One number for all."""

    name: ClassVar[str] = "reduced"

    def measure(self, pair):
        return (pair.reference - pair.observation).square().mean()


@dataclass(frozen=True, kw_only=True)
class Writing(Distance):
    """Writes into its input."""

    name: ClassVar[str] = "writing"

    def measure(self, pair):
        return pair.observation.sub_(pair.reference).square().flatten(1).mean(1)


ALL_NUMBERS = {
    "finite numbers of each sample",
    "finite for identical samples",
    "closer measures closer",
    "numbers fit how they are stored",
    "independent of the batch",
    "repeatable, inputs untouched",
}


@pytest.mark.parametrize(
    ("distance", "checks"),
    [
        (Batchy(), {"independent of the batch"}),
        (Backwards(), {"closer measures closer"}),
        (Infinite(), {"finite for identical samples", "closer measures closer"}),
        (Reduced(), ALL_NUMBERS),
        (Writing(), {"repeatable, inputs untouched", "independent of the batch"}),
    ],
)
def test_distances_that_break_the_contract(distance, checks):
    assert failed(distance) - HERE == checks


@dataclass(frozen=True, kw_only=True)
class Greedy(Observer):
    """Asks for more than it declares."""

    name: ClassVar[str] = "greedy"
    access = "black"

    def observe(self, oracle):
        clean = oracle.encode(oracle.images)
        yield Pair(oracle.images, clean, "encoded")


@dataclass(frozen=True, kw_only=True)
class Cheat(Observer):
    """Looks for the labels behind the oracle."""

    name: ClassVar[str] = "cheat"
    access = "black"

    def observe(self, oracle):
        told = torch.from_numpy(oracle.samples.member).float()[:, None, None, None]
        yield Pair(oracle.images, oracle.images * told, "told")


@dataclass(frozen=True, kw_only=True)
class Moody(Observer):
    """Yields as many pairs as there are samples."""

    name: ClassVar[str] = "moody"
    access = "black"

    def observe(self, oracle):
        for row in range(len(oracle.images)):
            yield Pair(oracle.images, oracle.images, f"pair {row}")


@dataclass(frozen=True, kw_only=True)
class Random(Observer):
    """Takes noise from elsewhere."""

    name: ClassVar[str] = "random"
    access = "black"

    def observe(self, oracle):
        yield Pair(oracle.images, torch.rand_like(oracle.images), "noise")


@dataclass(frozen=True, kw_only=True)
class Curious(Observer):
    """Calls itself a null observer and asks."""

    name: ClassVar[str] = "curious"
    access = "black"
    null: ClassVar[bool] = True

    def observe(self, oracle):
        yield Pair(oracle.images, oracle.reconstruct(oracle.images, 0.2, 1).output(), "asked", "latent")


@pytest.mark.parametrize(
    ("observer", "checks"),
    [
        (Moody(), {"same pairs and cost for any batch size", "independent of the batch"}),
        (Random(), {"independent of the batch", "repeatable, images untouched", "blind to membership"}),
        (Curious(), {"within the declared access", "pairs fit each other and the declared space"}),
    ],
)
def test_observers_that_break_the_contract(observer, checks):
    assert failed(observer) - HERE - {"sends no image that was defended already"} == checks


@dataclass(frozen=True, kw_only=True)
class Twice(Observer):
    """Sends what the victim saw back to it."""

    name: ClassVar[str] = "twice"
    access: ClassVar[Access] = "black"

    def observe(self, oracle):
        yield Pair(oracle.originals, oracle.reconstruct(oracle.images, 0.2, 2).output(), "output")


def test_an_observer_that_sends_what_was_defended_already_is_told_so():
    assert failed(Twice()) - HERE == {"sends no image that was defended already"}
    assert "send oracle.originals" in outcome(check_component(Twice()), "sends no image that was defended already")[1]


def test_an_observer_that_asks_for_more_than_it_declares_is_stopped():
    rows = check_component(Greedy())

    assert "needs gray access" in outcome(rows, "within the declared access")[1]


def test_an_observer_cannot_reach_the_labels():
    """The oracle shows every sample as a non-member, whoever looks for the flags."""
    assert outcome(check_component(Cheat()), "blind to membership") == ("ok", "")


@dataclass(frozen=True, kw_only=True)
class Blown(Defense):
    """Leaves the range, and draws noise of its own."""

    name: ClassVar[str] = "blown"

    def apply(self, images, noise):
        return images + torch.rand_like(images)


@dataclass(frozen=True, kw_only=True)
class Normal(Defense):
    """Depends on the batch, and writes into its input."""

    name: ClassVar[str] = "normal"

    def apply(self, images, noise):
        return images.mul_(0.5 + 0.5 * images.mean())


@pytest.mark.parametrize(
    ("defense", "checks"),
    [
        (
            Blown(),
            {
                "shape, type and range are kept",
                "grey images",
                "images that are not square",
                "independent of the batch",
                "repeatable, images untouched",
            },
        ),
        (Normal(), {"independent of the batch", "repeatable, images untouched"}),
    ],
)
def test_defenses_that_break_the_contract(defense, checks):
    assert failed(defense) - HERE == checks


@dataclass(frozen=True, kw_only=True)
class Whimsical(Defense):
    """Refuses every other question, whatever was asked."""

    name: ClassVar[str] = "whimsical"
    questions: ClassVar[list[int]] = []

    def admit(self, asked, cost):
        self.questions.append(1)
        if len(self.questions) % 2:
            raise Refused("not today")

    def apply(self, images, noise):
        return images


def test_a_defense_that_refuses_by_whim_breaks_the_contract():
    assert failed(Whimsical()) - HERE == {"admits by what was asked alone"}


@dataclass(frozen=True, kw_only=True)
class Fickle(Dataset):
    """Other ids every time."""

    name: ClassVar[str] = "fickle"
    calls: ClassVar[list[int]] = []

    def load(self):
        self.calls.append(1)
        ids = tuple(f"{len(self.calls)} {row}" for row in range(20))
        return Samples(ids, torch.zeros(20, 1, 4, 4), np.arange(20) < 10)


def test_datasets_that_break_the_contract():
    assert failed(Fickle()) - HERE == {"the same every time", "images show something"}


class Sloppy(Model):
    """Answers that depend on the batch, of the wrong shape and out of range."""

    def __init__(self):
        self.alphas_cumprod = torch.linspace(0.1, 0.9, 100)

    def encode(self, images):
        return images

    def decode(self, inner):
        return inner * 2

    def predict_noise(self, state, timestep, prompts):
        return state - state.mean()

    def reconstruct(self, images, seeds, strength, steps, prompts):
        yield Step(images, images)

    def generate(self, seeds, steps, prompts):
        return torch.zeros(len(seeds), 1, 2, 2)


@dataclass(frozen=True, kw_only=True)
class Careless(Victim):
    """A victim of the sloppy model."""

    name: ClassVar[str] = "careless"

    def open(self, device):
        return Sloppy()


def test_victims_that_break_the_contract(clothes):
    rows = check_component(Careless(), clothes)

    assert {row.check for row in rows if row.outcome == "failed"} - HERE == {
        "noise schedule",
        "encode and decode lead there and back",
        "decode stays in range",
        "predicted noise, independent of the batch",
        "reconstructions",
        "generation",
    }
    assert outcome(rows, "gradients") == ("declined", "Sloppy gives no gradients")


def test_every_plugin_owes_a_contract_a_docstring_and_words_about_its_parameters():
    @dataclass
    class Loose(Distance):
        name: ClassVar[str] = "loose"
        mystery: int

    assert {"contract", "docstring", "parameters have defaults or are documented"} <= failed(Loose)


def test_a_parameter_that_has_no_spelling_is_found():
    @dataclass(frozen=True, kw_only=True)
    class Pathy(Backwards):
        """A parameter that no literal spells."""

        name: ClassVar[str] = "pathy"
        place: Path = dataclasses.field(default_factory=Path)

    assert "canonical spelling reads back" in failed(Pathy)


def test_what_is_no_plugin_at_all_fails_the_first_check():
    class Stranger:
        """Derives from nothing."""

    assert "contract" in failed(Stranger)


@dataclass(frozen=True, kw_only=True)
class Chatty(Defense):
    """Remarks another thing each time."""

    name: ClassVar[str] = "chatty"
    remarks: ClassVar[list[int]] = []

    def remark(self, asked, pooled):
        self.remarks.append(1)
        return f"remark {len(self.remarks)}"

    def apply(self, images, noise):
        return images


def test_a_defense_that_remarks_by_whim_breaks_the_contract():
    assert failed(Chatty()) - HERE == {"remarks by what was asked alone"}
