"""What contract checks ask of victims: the access they declare, the steps they make, their members and prompts."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from helpers.contract_checks import HERE, outcome
from leakboard.api import Model, Step, Victim
from leakboard.testing import check_component


@dataclass(frozen=True, kw_only=True)
class Behind(Victim):
    """A victim behind an API: images out, and nothing else."""

    name: ClassVar[str] = "behind"
    access = "black"
    extra: int = 0

    def open(self, device):
        return Api(self.extra)


class Api(Model):
    """Returns an image of every step, and as many more as it likes."""

    def __init__(self, extra):
        self.extra = extra

    def decode(self, inner):
        return inner.clamp(0, 1)

    def reconstruct(self, images, seeds, strength, steps, prompts):
        for _ in range(steps + self.extra):
            yield Step(images * 0.9, images)

    def generate(self, seeds, steps, prompts):
        return torch.zeros(len(seeds), 1, 28, 28)


def test_a_victim_behind_an_api_need_answer_no_more(clothes):
    rows = {row.check: row for row in check_component(Behind(), clothes)}

    assert {name for name, row in rows.items() if row.outcome == "declined"} == {
        "noise schedule",
        "encode and decode lead there and back",
        "predicted noise, independent of the batch",
        "predicted velocity, independent of the batch",
        "gradients",
        "the base under an adapter",
    }
    assert rows["noise schedule"].detail == "it answers black access, and this question needs gray"
    assert {name for name, row in rows.items() if row.outcome == "failed"} == HERE


@pytest.mark.parametrize(("extra", "detail"), [(1, "3 steps of a reconstruction"), (2, "4 steps of a reconstruction")])
def test_a_victim_that_makes_other_than_the_steps_asked_for_is_found(clothes, extra, detail):
    rows = check_component(Behind(extra=extra), clothes)

    assert outcome(rows, "reconstructions") == ("failed", f"{detail}, expected 2")


@pytest.mark.parametrize(
    ("members", "detail"),
    [
        (lambda ids: [True] * len(ids), "a list, expected an array or None"),
        (lambda ids: np.zeros(len(ids)), "float64, expected bool"),
        (lambda ids: np.zeros((len(ids), 1), bool), "shape (6, 1) for 6 ids"),
        (lambda ids: np.arange(len(ids)) == 1, "depends on which other ids"),
        (lambda ids: np.arange(len(ids)) < len(ids) // 2, "depends on which other ids"),
        (lambda ids: np.zeros(len(ids), bool) if len(ids) > 3 else None, "some ids apart and others not"),
    ],
)
def test_a_victim_that_is_unsure_of_its_members_is_found(monkeypatch, members, detail):
    monkeypatch.setattr(Behind, "members", lambda _, ids: members(ids))

    found, why = outcome(check_component(Behind()), "members among given ids")
    assert (found, detail in why) == ("failed", True), why


def test_a_victim_may_know_its_members_or_leave_it_to_the_dataset(monkeypatch):
    assert outcome(check_component(Behind()), "members among given ids") == ("ok", "")
    monkeypatch.setattr(Behind, "members", lambda _, ids: np.array([name == "sample 1" for name in ids]))
    assert outcome(check_component(Behind()), "members among given ids") == ("ok", "")


@pytest.mark.parametrize(
    ("prompts", "detail"),
    [
        (lambda samples: ("a cat",), "1 prompts for 6 samples"),
        (lambda samples: tuple(range(len(samples.ids))), "other things than texts"),
        (
            lambda samples: tuple(f"{row} of {len(samples.ids)}" for row in range(len(samples.ids))),
            "which other samples",
        ),
    ],
)
def test_prompts_that_do_not_fit_the_samples_are_found(monkeypatch, prompts, detail):
    monkeypatch.setattr(Behind, "prompts_for", lambda _, samples: prompts(samples))

    found, why = outcome(check_component(Behind()), "prompts fit the samples")
    assert (found, detail in why) == ("failed", True), why


class Dice(Api):
    """Predicts by the seeds that it was given, if it was given any."""

    alphas_cumprod = torch.linspace(0.99, 0.01, 10)

    def __init__(self, seeds=()):
        super().__init__(0)
        self.seeds = seeds

    def seeded(self, seeds):
        return Dice(seeds)

    def encode(self, images):
        return images

    def predict_noise(self, state, timestep, prompts):
        return state + torch.tensor([float(seed) for seed in self.seeds]).view(-1, 1, 1, 1)


class Steady(Dice):
    """Predicts the same whatever it is given."""

    def seeded(self, seeds):
        return self

    def predict_noise(self, state, timestep, prompts):
        return state


@pytest.mark.parametrize(
    ("model", "draws", "detail"),
    [
        (Dice, True, ""),
        (Dice, False, "its predictions depend on the seeds, and it does not say that it draws"),
        (Steady, True, "it says that its predictions are random, and other seeds give the same"),
        (Steady, False, ""),
    ],
)
def test_a_victim_says_whether_its_predictions_are_random(monkeypatch, clothes, model, draws, detail):
    monkeypatch.setattr(Behind, "access", "gray")
    monkeypatch.setattr(Behind, "draws", draws)
    monkeypatch.setattr(Behind, "open", lambda self, device: model())
    rows = check_component(Behind(), clothes)

    assert outcome(rows, "predicted noise, independent of the batch") == ("failed" if detail else "ok", detail)
