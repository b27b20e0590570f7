"""The difference to the base: what is asked twice, what is drawn once, what it costs, and whom it skips."""

import pytest
import torch

from helpers.handmade_victim import Handmade
from helpers.oracles import make_door
from leakboard.api import Pair, Unsupported
from leakboard.grid.grid import Grid
from leakboard.oracle.memo import Memo
from leakboard.oracle.twin import CountingTwin
from leakboard.tasks.columns import Column, measure
from leakboard.tasks.task import Wanted
from leakboard.tasks.time_limits import Allowance
from leakboard.testing import check_component
from leakboard_plugins.distances.mse import Mse
from leakboard_plugins.observers.base_difference import BaseDifference
from leakboard_plugins.observers.blind_pixels import BlindPixels
from leakboard_plugins.observers.image_to_image import OneShot
from leakboard_plugins.observers.loss import Loss
from leakboard_plugins.observers.low_pass import LowPass, low_passed
from leakboard_plugins.observers.sima import Sima


class Wearing(Handmade):
    """Predicts three times the state; its base, which notes its calls by itself, the state."""

    def __init__(self, factor=3.0):
        super().__init__()
        self.factor = factor

    def predict_noise(self, state, timestep, prompts):
        self._note("predict_noise", state)
        return self.factor * state

    def base(self):
        if self.factor == 1:
            raise Unsupported("it wears none")
        self.below = getattr(self, "below", None) or Wearing(1.0)
        return self.below


def by_mse(pair):
    column = Column(Wanted("key", 0, "none", "observer", "mse"), Mse(), Allowance(0))
    measure(column, pair, Memo(Handmade(), 64))
    assert column.failure is None, column.failure
    return column.values[0][:, 0]


def test_the_numbers_are_those_of_the_victim_minus_those_of_its_base():
    (pair,) = BaseDifference(of=Sima(t=2)).observe(make_door(Wearing()))
    (plain,) = Sima(t=2).observe(make_door(Wearing()))
    (base,) = Sima(t=2).observe(make_door(Wearing(1.0)))

    assert pair.label == plain.label
    assert torch.allclose(by_mse(pair), by_mse(plain) - by_mse(base))
    assert torch.allclose(by_mse(pair), 8 * by_mse(base), rtol=1e-5)


def test_both_sides_are_asked_about_the_same_noise_and_each_is_paid_once():
    model = Wearing()
    door = make_door(model)
    (pair,) = BaseDifference(of=Loss(t=3)).observe(door)
    list(BaseDifference(of=Loss(t=3)).observe(make_door(model, memo=door.memo)))

    assert torch.equal(pair.reference, pair.less.reference)
    assert torch.allclose(pair.observation, 3 * pair.less.observation)
    assert (door.asked.queries, door.asked.evaluations, door.memo.paid.evaluations) == (2, 2, 2)
    assert [query for query, _ in model.calls] == [query for query, _ in model.below.calls] == ["predict_noise"]


def test_what_victim_and_base_draw_is_not_the_same():
    """Else the noise of a reconstruction could be subtracted away."""
    door = make_door(Wearing())
    first, second = (side.reconstruct(door.originals, 0.5, 1).states() for side in (door, door.base()))

    assert not torch.equal(next(first), next(second))
    assert not torch.equal(door.generate(2), door.base().generate(2))
    assert not torch.equal(door.pool(2, 2), door.base().pool(2, 2))
    assert torch.equal(door.noise("mine", door.originals), door.base().noise("mine", door.originals))
    assert door.asked.queries == 4
    assert door.pooled.queries == 4


def test_noise_of_the_base_cannot_be_asked_for():
    door = make_door(Wearing())
    with pytest.raises(ValueError, match="base@generate"):
        door.noise("base@generate", door.originals)


def test_the_plan_counts_every_question_twice():
    door = make_door(CountingTwin(), "black")
    (pair,) = BaseDifference(of=OneShot(steps=3)).observe(door)

    assert (door.asked.queries, door.asked.evaluations) == (2, 6)
    assert not torch.equal(pair.observation, pair.less.observation)


@pytest.mark.parametrize("of", [Loss(t=3), OneShot(steps=2)])
def test_it_keeps_the_contract(of):
    rows = check_component(BaseDifference(of=of))

    assert {row.outcome for row in rows} == {"ok"}, rows


def test_victims_without_an_adapter_are_skipped_by_the_plan():
    grid = Grid.of(
        dataset="fashion_mnist",
        victim=["fashion_ddpm", "fashion_sd"],
        observer="base_difference(of='loss')",
        distance="mse",
        classifier="threshold",
    )
    told = "base_difference(of='loss') needs an adapter that can be switched off, which {} does not give"

    assert {cell.skip_reason() for cell in grid.cells} == {told.format(name) for name in ("fashion_ddpm", "fashion_sd")}


@pytest.mark.parametrize(
    ("of", "model", "words"),
    [
        (Loss(t=3), Handmade(), "wears no adapter"),
        (BlindPixels(), Wearing(), "asks nothing"),
        (BaseDifference(of=Loss(t=3)), Wearing(), "wears none"),
    ],
)
def test_what_has_no_base_or_asks_nothing_is_skipped(of, model, words):
    with pytest.raises(Unsupported, match=words):
        list(BaseDifference(of=of).observe(make_door(model)))


def test_other_observers_change_both_pairs_alike():
    (pair,) = LowPass(of=BaseDifference(of=Loss(t=3)), keep=1).observe(make_door(Wearing()))
    (plain,) = BaseDifference(of=Loss(t=3)).observe(make_door(Wearing()))

    assert torch.equal(pair.less.observation, low_passed(plain.less.observation, 1, 0.2))
    assert pair.label == plain.label


def test_a_pair_less_one_in_another_space_or_of_another_size_is_refused():
    from leakboard.tasks.observe import _check

    door = make_door(Wearing())
    images = door.originals
    whole = Pair(images, images, "a")
    for less, words in (
        (Pair(images, images, "a", "noise"), "what is subtracted from it noise"),
        (Pair(images[:1], images[:1], "a"), "expected two equal ones of 5 samples"),
    ):
        with pytest.raises(ValueError, match=words):
            _check(Pair(whole.reference, whole.observation, "a", less=less), door)
