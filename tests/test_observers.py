"""Observers: what all of them keep to, and the one that asks nothing."""

import math

import pytest
import torch

from helpers.spied_victim import Halving, observer
from leakboard.api import AccessDenied, LeakboardError, Model
from leakboard.oracle.door import Door
from leakboard.oracle.memo import Memo
from leakboard.oracle.provider import Provider
from leakboard.registry.bind import build
from leakboard.registry.specs import Spec
from leakboard_plugins.observers import OBSERVERS

HARDER = {
    "conditional_loss", "prompt_norm", "anisotropy", "generations", "nearest_generation", "gradient_norms", "loss_trace",
    "low_pass", "repeats", "base_difference", "latent_mask", "dual_signal", "loss_beside_shadows",
}  # fmt: skip
"""They ask for texts, generations, gradients, an autoencoder, another observer or images of one dataset: other tests."""
PLAIN = [cls for cls in OBSERVERS if cls.name not in HARDER]


def test_what_is_left_out_here_exists():
    assert {cls.name for cls in OBSERVERS} >= HARDER


@pytest.mark.parametrize("cls", [cls for cls in PLAIN if not cls.null], ids=lambda cls: cls.name)
def test_the_victim_sees_the_defended_image(cls, enter, answers):
    """Nobody but the null observer may see the same with and without a query defense."""
    plain, defended = (list(cls().observe(enter(cls().access, defended=defended))) for defended in (False, True))
    for one, other in zip(plain, defended, strict=True):
        assert not torch.allclose(one.observation, other.observation)


def test_blind_asks_nothing(samples):
    answers = Memo(Model(), 64)
    door = Door(answers, samples, 0, "black", Provider((Halving(),)))
    pairs = list(observer("blind").observe(door))
    assert [pair.label for pair in pairs] == ["mirrored", "upside down", "smoothed", "shifted", "flat"]
    assert observer("blind").null
    assert answers.paid.evaluations == answers.paid.queries == door.asked.queries == len(answers.known) == 0
    for pair in pairs:
        assert torch.equal(pair.reference, samples.images)
        assert not torch.allclose(pair.observation, samples.images)
        assert 0 <= pair.observation.min() <= pair.observation.max() <= 1
    assert torch.equal(pairs[0].observation.flip(-1), samples.images)
    assert pairs[4].observation.std((1, 2, 3)).max() < 1e-6


@pytest.mark.parametrize("cls", PLAIN, ids=lambda cls: cls.name)
def test_every_observer_keeps_the_contract(cls, enter, samples):
    """Pairs of one shape, space and order, one row a sample, under the access that it declares."""
    made = cls()
    first, again = (list(made.observe(enter(made.access))) for _ in range(2))
    labels = [pair.label for pair in first]
    assert len(labels) == len(set(labels)) > 0
    assert labels == [pair.label for pair in again]
    for pair, same in zip(first, again, strict=True):
        assert pair.space == made.space
        shape = (len(samples.ids), len(pair.names)) if made.space == "statistic" else samples.images.shape
        assert pair.reference.shape == pair.observation.shape == shape
        assert pair.observation.isfinite().all()
        assert torch.equal(pair.observation, same.observation)


GRAY = (
    "loss",
    "secmi",
    "pia",
    "sima",
    "velocity_loss",
    "velocity_curve",
    "complete",
    "progressive",
    "complete_progressive",
)


@pytest.mark.parametrize("spec", GRAY)
def test_gray_observers_are_turned_away_at_a_black_door(spec, enter):
    assert observer(spec).access == "gray"
    with pytest.raises(AccessDenied):
        list(observer(spec).observe(enter("black")))


@pytest.mark.parametrize(
    "spec",
    [
        "complete(strength=0)", "complete(strength=1.5)", "complete(steps=0)", "complete(access='white')",
        "one_shot(reference='both')", "loss(t=-1)", "loss(draws=0)", "secmi(k=0)", "pia(normalize='yes')",
        "sima(t=1.5)", "velocity_loss(time=0)", "velocity_loss(time=1)", "velocity_loss(draws=0)",
        "velocity_loss(complexity='png')", "velocity_curve(points=0)", "secmi(access='black')", "blind(access='gray')",
    ],
)  # fmt: skip
def test_parameters_out_of_range_are_refused(spec):
    with pytest.raises(LeakboardError):
        observer(spec)


def test_no_observer_takes_a_number_that_is_none(registry):
    for value in (math.nan, math.inf):
        with pytest.raises(LeakboardError):
            build(registry.find("observer", "complete"), Spec("complete", (("strength", value),)))
