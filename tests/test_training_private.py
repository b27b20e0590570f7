"""Training with differential privacy: what opacus is asked for, what the manifest says, what is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import trainings
from helpers.trainings import Stripes, manifest
from leakboard.api import LeakboardError
from leakboard.recipe import Stage
from leakboard.registry.find import shared
from leakboard.testing import check_extension
from leakboard.training import accounting, given_of, loop, train_recipe
from leakboard.training.accounting import Sampling, noise_for, sampling, spent
from leakboard.training.manifest import WEIGHTS
from leakboard.training.private import PrivateRecipe, check_layers, poisson, privately
from leakboard.training.recipes import PixelRecipe

TINY = PrivateRecipe(
    name="tiny_dp",
    dataset="stripes",
    checkpoints={"untrained": 0, "light": 1, "heavy": 3},
    channels=(8, 16),
    batch_size=4,
    average=0.8,
    draws=2,
    epsilon=8.0,
    accountant="rdp",
    summary="A tiny one.",
)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A training that nothing interrupted; read only."""
    out = tmp_path_factory.mktemp("private")
    trainings.train(TINY, Stripes(), out)
    return out


def line(rows, weight=0.0, **more):
    """A stage that fits one weight to the mean of its rows: the gradient of a row is 2 (weight - row)."""
    module = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(module.weight, weight)

    def step(batch, generator):
        return (module(torch.ones(len(batch[0]), 1)).flatten() - batch[0]).square().mean()

    return Stage(
        module=module,
        optimizer=torch.optim.SGD(module.parameters(), lr=1.0),
        data=(torch.tensor(rows),),
        step=step,
        save=lambda folder, weights: None,
        checkpoints={"end": 1},
        batch_size=len(rows),
        clip_norm=1e-9,
        **more,
    )


def stepped(stage, rows, seed=0):
    """The weight after one step on some rows, from 0."""
    loss = stage.step(tuple(part[rows] for part in stage.data), torch.Generator().manual_seed(seed))
    loss.backward()
    torch.nn.utils.clip_grad_norm_(stage.module.parameters(), stage.clip_norm)
    stage.optimizer.step()
    stage.optimizer.zero_grad()
    return stage.module.weight.item()


def test_each_row_is_clipped_by_itself_and_the_sum_divided_by_the_expected_number():
    """Gradients -2, -0.2 and 6, clipped to 1, -0.2 and 1 in length; two of four rows are in the batch, then three."""
    rows = [1.0, 0.1, -3.0, 5.0]
    assert stepped(privately(line(rows), noise=0, clip_norm=1.0), [0, 1]) == pytest.approx((1 + 0.2) / 4)
    assert stepped(privately(line(rows), noise=0, clip_norm=1.0), [0, 1, 2]) == pytest.approx(
        (1 + 0.2 - 1) / 4, abs=1e-5
    )


def test_gradients_of_several_draws_are_averaged_before_they_are_clipped():
    """Draws of +3 and -1 around the row: the average of -6 and 2 is -2, which is clipped to -1."""
    stage = line([0.0])
    shifts = iter([3.0, -1.0])

    def step(batch, generator):
        return stage.step((batch[0] + next(shifts),), generator)

    assert stepped(privately(replace(stage, step=step), noise=0, clip_norm=1.0, draws=2), [0]) == pytest.approx(1.0)


def test_the_noise_has_the_scale_that_was_asked_for_and_follows_from_the_generator():
    moves = [stepped(privately(line([0.0] * 4), noise=3.0, clip_norm=0.5), [0], seed) for seed in range(400)]
    assert np.std(moves) == pytest.approx(3.0 * 0.5 / 4, rel=0.1)
    assert abs(np.mean(moves)) < 4 * 0.375 / 20
    assert moves[7] == stepped(privately(line([0.0] * 4), noise=3.0, clip_norm=0.5), [0], 7)


def test_an_empty_batch_is_a_step_of_noise_alone():
    stage = privately(line([1.0, 1.0]), noise=0, clip_norm=1.0)
    assert stepped(stage, []) == 0
    assert stepped(privately(line([1.0, 1.0]), noise=2.0, clip_norm=1.0), []) != 0


def test_poisson_batches_take_each_row_by_a_chance_of_its_own():
    generator = torch.Generator().manual_seed(0)
    epochs = [poisson(20, 5, generator) for _ in range(500)]
    assert {len(batches) for batches in epochs} == {4}
    sizes = [len(rows) for batches in epochs for rows in batches]
    assert np.mean(sizes) == pytest.approx(5, abs=0.2)
    assert np.var(sizes) == pytest.approx(20 * 0.25 * 0.75, rel=0.15)
    assert all(len(set(rows.tolist())) == len(rows) for rows in epochs[0])
    assert [len(rows) for rows in poisson(3, 8, generator)] == [3]


def test_gradients_of_rows_are_those_of_each_row_alone():
    """Of the network that recipes train, with its convolutions, group norms and time embedding."""
    (stage,) = trainings.RECIPE.prepare(given_of(Stripes().load(), None, Path(), "cpu"))
    network, parameters = stage.module, [*stage.module.parameters()]

    def loss(images, steps):
        return (network(images, steps).sample - images).square().mean()

    steps, images = torch.tensor([0, 300, 900]), stage.data[0][:3]
    alone = [torch.autograd.grad(loss(images[[row]], steps[[row]]), parameters) for row in range(3)]
    private = privately(replace(stage, step=lambda batch, _: loss(batch[0], steps)), noise=1, clip_norm=1)
    private.step((images,), torch.Generator())
    for place, parameter in enumerate(parameters):
        expected = torch.stack([gradients[place] for gradients in alone])
        assert torch.allclose(parameter.grad_sample, expected, atol=1e-5)


def test_an_interrupted_private_training_ends_with_the_same_bits(trained, tmp_path, monkeypatch):
    def interrupt(what, done, total):
        if done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "SAVE_EVERY", 1)
    with pytest.raises(KeyboardInterrupt):
        train_recipe(TINY, Stripes(), tmp_path, progress=interrupt, generated=8, levels=["heavy"])
    assert (tmp_path / "state.safetensors").exists()
    train_recipe(TINY, Stripes(), tmp_path, progress=trainings.quiet, generated=8, levels=["heavy"])

    assert (tmp_path / "heavy" / WEIGHTS).read_bytes() == (trained / "heavy" / WEIGHTS).read_bytes()


def test_the_manifest_says_what_each_checkpoint_has_spent(trained):
    untrained, light, heavy = (manifest(trained / level)["privacy"] for level in TINY.checkpoints)

    assert untrained["epsilon"] == 0
    assert 0 < light["epsilon"] < heavy["epsilon"] <= TINY.epsilon
    assert heavy["epsilon"] > TINY.epsilon - 0.02
    assert heavy["delta"] == pytest.approx(12**-1.1)
    assert (heavy["sampling_rate"], heavy["steps"], light["steps"]) == (4 / 12, 9, 3)
    assert light["noise_multiplier"] == heavy["noise_multiplier"]
    again = spent(heavy["noise_multiplier"], Sampling(4 / 12, 9), heavy["delta"], "rdp")
    assert heavy["epsilon"] == again
    assert (heavy["clip_norm"], heavy["draws"], heavy["accountant"]) == (1.0, 2, "rdp")
    assert "opacus" in manifest(trained / "heavy")["versions"]


def test_less_epsilon_is_more_noise_and_both_accountants_agree_roughly():
    drawn = sampling(256, 64, 5)
    assert drawn == Sampling(0.25, 20)
    noises = [noise_for(epsilon, drawn, 1e-3, "rdp") for epsilon in (1.0, 2.0, 8.0)]
    assert noises == sorted(noises, reverse=True)
    tight = noise_for(2.0, drawn, 1e-3, "prv")
    assert 0.8 * noises[1] < tight <= noises[1]


def test_one_full_batch_spends_what_the_gaussian_mechanism_does():
    """Balle and Wang 1805.06530, theorem 8, solved for epsilon by bisection."""
    from scipy.stats import norm

    noise, delta = 2.0, 1e-3

    def exact(epsilon):
        return norm.cdf(0.5 / noise - epsilon * noise) - math.exp(epsilon) * norm.cdf(-0.5 / noise - epsilon * noise)

    low, high = 0.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if exact(middle) > delta else (low, middle)
    found = spent(noise, Sampling(1.0, 1), delta, "prv")
    assert low <= found < low + 0.03


@pytest.mark.parametrize(
    ("changes", "what", "told"),
    [
        ({"epsilon": 0.01, "delta": 1e-3}, "cannot be reached", "the lowest that these steps reach"),
        ({"epsilon": 0.0}, "cannot be reached", "more than 0"),
        ({"epsilon": 100.0, "accountant": "prv"}, "cannot be reached", "at most 60"),
        ({"delta": 0.2}, "promises nothing", "less than 0.083"),
        ({"accountant": "rpd"}, "no accountant 'rpd'", "rdp"),
        ({"draws": 0}, "draws=0", "1 or more"),
        ({"clip_norm": math.inf}, "clip_norm=inf", "finite"),
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_is_written(tmp_path, changes, what, told):
    with pytest.raises(LeakboardError, match=what) as caught:
        trainings.train(replace(TINY, **changes), Stripes(), tmp_path / "out")
    assert told in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_layers_in_which_samples_meet_are_named_with_the_fix():
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.GroupNorm(2, 4))
    with pytest.raises(LeakboardError, match="cannot train these layers") as caught:
        check_layers(network)
    assert caught.value.where == "1 (BatchNorm2d)"
    assert caught.value.next == "GroupNorm for BatchNorm"
    check_layers(torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.GroupNorm(2, 4)))


def test_without_opacus_the_command_that_installs_it_is_named(monkeypatch, tmp_path):
    import sys

    monkeypatch.setitem(sys.modules, "opacus", None)
    with pytest.raises(LeakboardError, match="opacus") as caught:
        trainings.train(TINY, Stripes(), tmp_path / "out")
    assert "leakboard[dp]" in caught.value.next


def test_a_member_in_several_rows_is_refused(tmp_path, monkeypatch):
    plain = PixelRecipe.prepare

    def doubled(recipe, given):
        for stage in plain(recipe, given):
            yield replace(stage, data=tuple(torch.cat([part, part]) for part in stage.data))

    monkeypatch.setattr(PixelRecipe, "prepare", doubled)
    with pytest.raises(LeakboardError, match="24 rows of 12 members"):
        trainings.train(TINY, Stripes(), tmp_path)


def test_the_recipe_that_ships_samples_a_quarter_of_its_members_a_step():
    recipe = shared(()).value("recipe", "fashion_small_dp")
    assert isinstance(recipe, PrivateRecipe)
    assert accounting.sampling(256, recipe.batch_size, 110) == Sampling(0.25, 440)


def test_the_recipe_keeps_to_the_contract_of_recipes():
    rows = check_extension(replace(TINY, checkpoints={"end": 1}, draws=1))
    assert not [row for row in rows if row.outcome == "failed"]
