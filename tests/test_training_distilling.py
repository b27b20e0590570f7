"""The recipe of few-step students: whom it learns from, what it learns, and that its folders are victims like others."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers import trainings
from helpers.trainings import RECIPE as PLAIN
from helpers.trainings import Stripes, manifest
from leakboard.api import LeakboardError
from leakboard.training import DistilledRecipe
from leakboard.training.distilling import taught
from leakboard.training.measuring import PixelCheckpoint
from leakboard.training.quality import sample_images
from leakboard_plugins.victims.pixel.ddpm import Ddpm


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A trained folder; read only."""
    out = tmp_path_factory.mktemp("teacher")
    trainings.train(replace(PLAIN, checkpoints={"heavy": 15}), Stripes(), out)
    return out / "heavy"


@pytest.fixture(scope="module")
def recipe(teacher):
    return DistilledRecipe(
        name="students",
        dataset="stripes",
        checkpoints={"4-steps": 6, "2-steps": 18},
        teacher=f"ddpm(model={str(teacher)!r})",
        steps=(4, 2),
        batch_size=4,
        learning_rate=1e-3,
        average=0.9,
    )


@pytest.fixture(scope="module")
def trained(recipe, tmp_path_factory):
    out = tmp_path_factory.mktemp("students")
    trainings.train(recipe, Stripes(), out)
    return out


def test_the_target_leads_in_one_step_where_two_steps_of_the_teacher_lead(teacher, batch):
    """The steps are those of the DDIM sampler of diffusers."""
    from diffusers import DDIMScheduler

    network = PixelCheckpoint(teacher, "cpu", 0).network
    sampler = DDIMScheduler(num_train_timesteps=1000)
    sampler.set_timesteps(4)  # each leads 250 timesteps down
    state, times = batch[1], torch.tensor([999, 750, 500, 300, 250])
    with torch.no_grad():
        target, _ = taught(network, sampler.alphas_cumprod, state, times, 500)
        for row, time in enumerate(times.tolist()):
            two = state[row : row + 1]
            for before in (time, time - 250):
                if before >= 0:
                    two = sampler.step(network(two, before).sample, before, two).prev_sample
            alpha = sampler.alphas_cumprod[time]
            after = sampler.alphas_cumprod[time - 500] if time >= 500 else torch.tensor(1.0)
            clean = (state[row] - (1 - alpha).sqrt() * target[row]) / alpha.sqrt()
            one = after.sqrt() * clean + (1 - after).sqrt() * target[row]
            torch.testing.assert_close(one, two[0], rtol=1e-3, atol=1e-3)


def test_a_student_comes_nearer_to_its_teacher_in_few_steps_than_the_teacher_itself(teacher, trained):
    exact = sample_images(PixelCheckpoint(teacher, "cpu", 0)._pipeline, 8, 0, 25)

    def missed(folder, steps):
        return (sample_images(PixelCheckpoint(folder, "cpu", 0)._pipeline, 8, 0, steps) - exact).square().mean().item()

    assert missed(trained / "2-steps", 2) < missed(teacher, 2)


def test_manifests_tell_the_teacher_and_the_steps_that_images_were_made_in(recipe, teacher, trained):
    for level, steps, epochs in (("4-steps", 4, 6), ("2-steps", 2, 18)):
        written = manifest(trained / level)
        assert (written["steps"], written["quality"]["steps"], written["epochs"]) == (steps, steps, epochs)
        assert written["teacher"]["victim"].startswith("ddpm(model='")
        assert str(teacher.parent.parent) not in written["teacher"]["victim"]
        assert np.isfinite(written["quality"]["kernel_distance"])


def test_folders_open_as_victims_with_the_members_of_the_teacher(trained, batch):
    victim = Ddpm(model=str(trained / "2-steps"))
    samples = Stripes().load()
    assert victim.members(samples.ids).tolist() == samples.member.tolist()
    assert victim.open("cpu").predict_noise(batch[1], 123, None).isfinite().all()


def test_other_members_than_the_teachers_are_refused(recipe, tmp_path):
    from leakboard.training import train_recipe

    with pytest.raises(LeakboardError, match="trained on other members"):
        train_recipe(
            recipe, Stripes(), tmp_path / "out", progress=trainings.quiet, members=lambda ids: np.arange(24) < 12
        )


@pytest.mark.parametrize("kind", ["v_prediction", "sample"])
def test_a_teacher_that_predicts_no_noise_is_refused(recipe, tiny, tmp_path, kind):
    other = replace(recipe, teacher=f"ddpm(model={str(tiny[kind])!r})")
    with pytest.raises(LeakboardError, match="cannot teach"):
        trainings.train(other, Stripes(), tmp_path / "out")


def test_steps_and_checkpoints_have_to_be_as_many(recipe):
    with pytest.raises(ValueError, match="1 numbers of steps for 2 checkpoints"):
        replace(recipe, steps=(4,))
