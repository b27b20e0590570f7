"""The recipe of a flow: what it trains opens, is measured and passes the gate."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from helpers import trainings
from helpers.trainings import Stripes, manifest
from leakboard.api import LeakboardError, member_digest
from leakboard.oracle import quality_gate
from leakboard.training import RECIPES, FlowRecipe, PixelRecipe, given_of
from leakboard.training.denoiser import flow_stage, times_of
from leakboard.training.quality import velocity_losses
from leakboard_plugins.victims.pixel.flow import Flow

RECIPE = FlowRecipe(
    name="tiny",
    dataset="stripes",
    checkpoints={"untrained": 0, "light": 5, "heavy": 40},
    channels=(8, 16),
    batch_size=4,
    average=0.8,
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A training that nothing interrupted; read only."""
    out = tmp_path_factory.mktemp("trained")
    trainings.train(RECIPE, Stripes(), out)
    return out


def test_the_shipped_recipe_is_that_of_its_sibling_but_for_what_it_predicts():
    ours, sibling = (next(each for each in RECIPES if each.name == name) for name in ("fashion_flow", "fashion_ddpm"))
    assert isinstance(ours, FlowRecipe)
    shared = {name: value for name, value in vars(ours).items() if name != "u_shape"}
    same = PixelRecipe(**shared | {"name": sibling.name, "summary": sibling.summary})
    assert same == sibling


def test_manifests_tell_velocity_losses_that_training_lowers(trained):
    untrained, heavy = manifest(trained / "untrained"), manifest(trained / "heavy")

    for written in (untrained, heavy):
        assert written["loss"]["rule"].startswith("mean squared error of predicted velocity")
        assert {"members", "held_out", "gap"} <= written["loss"].keys()
        assert np.isfinite(written["quality"]["kernel_distance"])
    assert heavy["loss"]["members"]["mean"] < 0.6 * untrained["loss"]["members"]["mean"]
    assert heavy["members"] == 12


def test_the_victim_opens_every_checkpoint_and_names_its_members(trained):
    samples = Stripes().load()
    for level in RECIPE.checkpoints:
        assert Flow(model=str(trained / level)).open("cpu").encode(samples.images).shape == (24, 1, 8, 8)
    victim = Flow(model=str(trained / "heavy"))
    assert victim.trained_on() == member_digest(samples.ids[::2])
    assert victim.members(samples.ids).tolist() == samples.member.tolist()
    assert Flow(model=str(trained / "untrained")).trained_on() is None


def test_plain_diffusers_opens_a_checkpoint_and_generates(trained):
    from diffusers import DDPMPipeline, FlowMatchEulerDiscreteScheduler

    pipeline = DDPMPipeline.from_pretrained(trained / "heavy")
    pipeline.set_progress_bar_config(disable=True)
    assert isinstance(pipeline.scheduler, FlowMatchEulerDiscreteScheduler)
    made = pipeline(batch_size=4, generator=torch.Generator().manual_seed(0), num_inference_steps=20, output_type="np")
    stripes = made.images[..., 0].mean((0, 1))
    assert stripes[1::2].min() > stripes[::2].max() + 0.3


def test_a_trained_flow_passes_the_gate_and_an_untrained_one_does_not(trained, monkeypatch):
    monkeypatch.setattr(quality_gate, "_passed", set())
    images = Stripes().load().images
    for level in ("heavy", "untrained"):
        victim = Flow(model=str(trained / level))
        model = victim.open("cpu")
        assert quality_gate.wanted(victim, model, (level, "stripes"))
        if level == "heavy":
            quality_gate.check_quality((level, "stripes"), victim, model, images, None)
        else:
            with pytest.raises(LeakboardError, match="denoising loss of flow is at chance"):
                quality_gate.check_quality((level, "stripes"), victim, model, images, None)
    assert not Flow(model=str(trained / "untrained"), allow_untrained=True).gated


def test_an_interrupted_training_ends_with_the_same_bits(trained, tmp_path):
    def interrupt(what, done, total):
        if done == 13:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainings.train(RECIPE, Stripes(), tmp_path, interrupt)
    trainings.train(RECIPE, Stripes(), tmp_path)

    assert trainings.digests(tmp_path) == trainings.digests(trained)


def test_a_step_regresses_noise_minus_image_at_uniform_times(tmp_path):
    """Against the formula, on a network that notes what it is asked."""
    samples = Stripes().load()
    stage = flow_stage(replace(RECIPE, batch_size=12), given_of(samples, None, tmp_path, "cpu"))
    asked = []

    def forward(state, timesteps):
        asked.append((state.detach(), timesteps))
        return SimpleNamespace(sample=torch.zeros_like(state))

    stage.module.forward = forward
    clean = samples.images[::2] * 2 - 1
    losses = [stage.step((clean,), torch.Generator().manual_seed(seed)).item() for seed in range(60)]

    state, timesteps = asked[7]
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(7))
    share = (timesteps / 1000).view(-1, 1, 1, 1)
    torch.testing.assert_close(state, (1 - share) * clean + share * noise)
    assert losses[7] == pytest.approx(float((noise - clean).square().mean()), rel=1e-5)
    times = torch.cat([each for _, each in asked]) / 1000
    assert torch.histc(times, 4, 0, 1).min() > 0.18 * len(times)
    assert 0 <= times.min() < times.max() < 1


@pytest.mark.parametrize("steepness", [0.5, 4.0, 40.0])
def test_times_in_the_shape_of_a_u_have_its_density(steepness):
    """Against the distribution function, (exp(at) - exp(a(1 - t)) + exp(a) - 1) / 2(exp(a) - 1)."""
    places = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    times = times_of(places, steepness).numpy()

    assert 0 <= times.min() < times.max() <= 1
    for at in (0.1, 0.5, 0.8):
        top = np.expm1(steepness)
        below = (np.exp(steepness * at) - np.exp(steepness * (1 - at)) + top) / (2 * top)
        assert (times <= at).mean() == pytest.approx(below, abs=1e-3)
    assert np.sort(times) == pytest.approx(np.sort(1 - times), abs=1e-3)


def test_without_a_u_shape_times_are_those_drawn():
    uniform = torch.rand(9)
    assert times_of(uniform, 0.0) is uniform


def test_a_step_of_a_u_shaped_recipe_seldom_asks_about_the_middle(tmp_path):
    stage = flow_stage(replace(RECIPE, u_shape=8.0), given_of(Stripes().load(), None, tmp_path, "cpu"))
    asked = []

    def forward(state, timesteps):
        asked.append(timesteps)
        return SimpleNamespace(sample=torch.zeros_like(state))

    stage.module.forward = forward
    for seed in range(40):
        stage.step((stage.data[0][:8],), torch.Generator().manual_seed(seed))
    shares = torch.histc(torch.cat(asked) / 1000, 4, 0, 1) / 320
    assert shares[1] + shares[2] < 0.2
    assert abs(shares[0] - shares[3]) < 0.15


def test_velocity_loss_of_a_network_that_predicts_nothing_is_that_of_noise_and_image():
    """1 plus the mean square of the image; the same in any batch size."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    asked = []

    def unet(state, timesteps):
        asked.append(timesteps)
        return SimpleNamespace(sample=torch.zeros_like(state))

    pipeline = SimpleNamespace(scheduler=FlowMatchEulerDiscreteScheduler(), unet=unet)
    images = torch.full((50, 1, 8, 8), 0.5)

    losses = velocity_losses(pipeline, images, 0)

    assert abs(float(losses.mean()) - 1.25) < 4 * float(losses.std()) / 50**0.5 < 0.08
    assert torch.allclose(velocity_losses(pipeline, images, 0, batch_size=7), losses)
    assert not torch.equal(velocity_losses(pipeline, images, 1), losses)
    for stratum, timesteps in enumerate(asked[:8]):
        assert ((timesteps >= stratum * 125) & (timesteps < (stratum + 1) * 125)).all()


def test_the_folder_says_that_it_matches_flows(trained):
    index = json.loads((trained / "heavy" / "model_index.json").read_text())
    assert index["_class_name"] == "DDPMPipeline"
    assert index["scheduler"] == ["diffusers", "FlowMatchEulerDiscreteScheduler"]
