"""Purification of images by another victim."""

import pytest
import torch
from diffusers import DDIMScheduler

from helpers.defending import SampleNoise, apply, pictures
from helpers.pixel_models import SIZE, save_tiny, save_tiny_flow, tiny_unet
from leakboard.api import LeakboardError, Unsupported
from leakboard.grid.grid import Grid
from leakboard.registry.find import shared
from leakboard_defenses import diffpure as diffpure_file


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("purifier") / "model")


def purifier(folder, **parameters):
    told = "".join(f", {name}={value!r}" for name, value in parameters.items())
    return shared(()).one("defense", f'diffpure(victim="ddpm(model={str(folder)!r})"{told})').only


def test_it_noises_up_and_goes_down_as_ddim_does(folder):
    """Against diffusers' sampler on its own even timesteps, which are the same where steps divide the schedule."""
    images = pictures((3, 1, SIZE, SIZE))
    ours = apply(purifier(folder, strength=0.4, steps=4), images)

    network = tiny_unet().half().float().eval()
    sampler = DDIMScheduler(timestep_spacing="trailing", clip_sample=False, set_alpha_to_one=True)
    sampler.set_timesteps(10)
    timesteps = sampler.timesteps[-4:]
    inner = images * 2 - 1
    with torch.no_grad():
        state = sampler.add_noise(inner, SampleNoise(0, 1, 2)(inner), timesteps[:1])
        for timestep in timesteps:
            state = sampler.step(network(state, timestep).sample, timestep, state, eta=0.0).prev_sample
    torch.testing.assert_close(ours, (state / 2 + 0.5).clamp(0, 1), atol=1e-5, rtol=0)


def test_an_image_does_not_depend_on_its_batch_or_on_how_many_fit_at_once(folder, monkeypatch):
    defense, images = purifier(folder, steps=3), pictures((5, 1, SIZE, SIZE))
    together = apply(defense, images)
    monkeypatch.setattr(diffpure_file, "MOST", 2)
    torch.testing.assert_close(apply(defense, images), together, atol=1e-5, rtol=0)
    torch.testing.assert_close(apply(defense, images[3:4], [3]), together[3:4], atol=1e-5, rtol=0)
    assert not torch.allclose(apply(defense, images, range(5, 10)), together, atol=1e-3)


def test_more_strength_changes_more(folder):
    images = pictures((4, 1, SIZE, SIZE))
    moved = [
        (apply(purifier(folder, strength=strength, steps=1), images) - images).abs().mean() for strength in (0.01, 0.3)
    ]
    assert moved[0] < moved[1]


def test_weights_that_change_are_opened_anew(tmp_path):
    images, folder = pictures((2, 1, SIZE, SIZE)), save_tiny(tmp_path / "model")
    defense = purifier(folder, strength=0.3, steps=1)
    before = apply(defense, images)
    save_tiny(folder, prediction_type="v_prediction")
    assert not torch.allclose(apply(defense, images), before, atol=1e-3)


def test_images_that_do_not_fit_the_model_are_told(folder):
    with pytest.raises(Unsupported, match="10x10 grey and it takes 8x8 grey"):
        apply(purifier(folder), pictures((1, 1, 10, 10)))


def test_a_victim_that_predicts_no_noise_cannot_purify(tmp_path):
    flow = save_tiny_flow(tmp_path / "flow")
    with pytest.raises(LeakboardError, match="flow predicts no noise, so it cannot purify"):
        shared(()).one("defense", f'diffpure(victim="flow(model={str(flow)!r})")')


def test_a_way_down_needs_a_timestep_a_step(folder):
    with pytest.raises(LeakboardError, match="has 5 timesteps to go down"):
        apply(purifier(folder, strength=0.005, steps=6), pictures((1, 1, SIZE, SIZE)))


@pytest.mark.parametrize("wrong", ["victim='psnr'", "victim='fashion_small', strength=0.0", "strength=0.1"])
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(LeakboardError):
        shared(()).one("defense", f"diffpure({wrong})")


def test_a_plan_opens_no_model_and_counts_what_the_attacker_asks(monkeypatch):
    """Its own evaluations are the provider's. Each of two askings meets another purified image."""
    from leakboard import plan

    monkeypatch.setattr(diffpure_file, "_opened", None)
    grid = Grid.of(
        dataset="fashion_mnist",
        victim="fashion_ddpm",
        defense="diffpure(victim='fashion_small')",
        observer=["pia", "repeats(of='pia', n=3)"],
        distance="lp",
        classifier="threshold",
        run={"samples": 16},
    )
    assert sum(plan(grid).evaluations) == 32 * 6
