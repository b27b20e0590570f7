"""Training: the same weights whatever happens on the way, and manifests that tell the truth about them."""

import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace

import pytest
import torch

from helpers import trainings
from helpers.command_line import call
from helpers.trainings import RECIPE, Stripes, manifest
from leakboard.api import LeakboardError, member_digest
from leakboard.training import RECIPES, given_of
from leakboard.training.manifest import WEIGHTS, write_manifests
from leakboard_plugins.victims.pixel.ddpm import Ddpm


def train(out, progress=trainings.quiet, recipe=RECIPE, dataset=None):
    return trainings.train(recipe, dataset or Stripes(), out, progress)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A training that nothing interrupted; read only."""
    out = tmp_path_factory.mktemp("trained")
    train(out)
    return out


def test_checkpoints_come_back_least_trained_first(trained):
    assert [folder.name for folder in train(trained)] == ["untrained", "light", "heavy"]


@pytest.mark.parametrize("stop", [3, 10, 13])
def test_an_interrupted_training_ends_with_the_same_bits(trained, tmp_path, stop):
    """Before the first saved state, right at it, and after a checkpoint that is not at a saved state."""

    def interrupt(what, done, total):
        if done == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, interrupt)
    assert not (tmp_path / "heavy").exists()

    train(tmp_path)

    for level in RECIPE.checkpoints:
        assert (tmp_path / level / WEIGHTS).read_bytes() == (trained / level / WEIGHTS).read_bytes()
        assert manifest(tmp_path / level) == manifest(trained / level)


def test_training_leaves_the_settings_of_torch_alone(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)

    train(tmp_path, recipe=replace(RECIPE, checkpoints={"light": 1}))

    assert torch.equal(torch.rand(1), expected)
    assert not torch.are_deterministic_algorithms_enabled()


def test_diffusers_opens_every_checkpoint(trained):
    from diffusers import DDPMPipeline

    for level in RECIPE.checkpoints:
        pipeline = DDPMPipeline.from_pretrained(trained / level)
        pipeline.set_progress_bar_config(disable=True)
        images = pipeline(batch_size=1, num_inference_steps=2, output_type="np").images
        assert images.shape == (1, 8, 8, 1)


def test_the_victim_opens_a_checkpoint_and_names_its_members(trained):
    samples = Stripes().load()
    victim = Ddpm(model=str(trained / "heavy"))

    assert victim.trained_on() == member_digest(
        [name for name, member in zip(samples.ids, samples.member, strict=True) if member]
    )
    assert victim.open("cpu").encode(samples.images).shape == (24, 1, 8, 8)
    assert Ddpm(model=str(trained / "untrained")).trained_on() is None


def test_manifest_tells_what_was_trained(trained):
    written, samples = manifest(trained / "light"), Stripes().load()

    assert written["level"] == "light"
    assert written["epochs"] == 11
    assert written["seed"] == RECIPE.seed
    assert written["device"] == "cpu"
    assert written["recipe"]["channels"] == [8, 16]
    assert written["recipe"]["learning_rate"] == RECIPE.learning_rate
    assert (written["members"], written["held_out"]) == (12, 12)
    assert written["member_ids"] == sorted(samples.ids[row] for row in range(0, 24, 2))
    assert written["member_digest"] == member_digest(written["member_ids"])
    assert written["data"] == ["licence of stripes"]
    assert set(written["versions"]) == {"python", "torch", "diffusers", "numpy", "safetensors"}
    content = (trained / "light" / WEIGHTS).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    assert written["weights"] == {"file": WEIGHTS, "sha256": digest, "bytes": len(content)}


def test_manifest_shows_that_training_helped(trained):
    untrained, heavy = manifest(trained / "untrained"), manifest(trained / "heavy")

    assert heavy["loss"]["members"]["mean"] < 0.9 * untrained["loss"]["members"]["mean"]
    assert heavy["quality"]["untrained"] == untrained["quality"]["kernel_distance"]
    assert heavy["loss"]["gap"] == heavy["loss"]["held_out"]["mean"] - heavy["loss"]["members"]["mean"]


def test_manifests_can_be_written_again(trained):
    before = manifest(trained / "heavy")
    samples, steps = Stripes().load(), []

    given = given_of(samples, None, trained, "cpu")
    write_manifests(RECIPE, samples, given, progress=lambda *step: steps.append(step), generated=8)

    assert manifest(trained / "heavy") == before
    assert steps == [
        ("measuring untrained", 0, 3),
        ("measuring light", 1, 3),
        ("measuring heavy", 2, 3),
        ("measuring", 3, 3),
    ]


def test_progress_counts_epochs(tmp_path):
    steps = []
    train(tmp_path, lambda *step: steps.append(step), replace(RECIPE, checkpoints={"light": 2}))

    assert [(done, total) for what, done, total in steps if what.startswith("training, loss")] == [(1, 2), (2, 2)]


def test_another_recipe_or_dataset_in_the_same_folder_is_refused(trained):
    with pytest.raises(LeakboardError, match="another recipe"):
        train(trained, recipe=replace(RECIPE, seed=1))
    with pytest.raises(LeakboardError, match="other members"):
        train(trained, dataset=Stripes(seed=1))


def test_a_folder_is_trained_in_by_one_process_until_that_one_ends(tmp_path):
    """Killed, so that nothing is tidied up: the lock must not outlive its process."""
    holder = "import sys, time, pathlib; from leakboard.training.claim import held\n"
    holder += "with held(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    recipe = replace(RECIPE, checkpoints={"light": 1})
    with subprocess.Popen([sys.executable, "-c", holder, str(tmp_path)], stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout.readline() == b"held\n"
            with pytest.raises(LeakboardError, match="another process") as caught:
                train(tmp_path, lambda *_: pytest.fail("it trained"), recipe)
        finally:
            other.kill()
    assert caught.value.where == str(tmp_path)
    assert not (tmp_path / "training.json").exists()

    assert [folder.name for folder in train(tmp_path, recipe=recipe)] == ["light"]


@pytest.mark.parametrize("where", ["file/below", "readonly", "full"])
def test_a_folder_that_cannot_be_written_is_told_with_its_place(tmp_path, monkeypatch, where):
    from pathlib import Path

    (tmp_path / "file").touch()
    if where != "file/below":
        number = {"readonly": errno.EACCES, "full": errno.ENOSPC}[where]

        def refuse(path, *_, **__):
            raise OSError(number, os.strerror(number), str(path))

        monkeypatch.setattr(Path, "write_text", refuse)

    with pytest.raises(LeakboardError, match="cannot be kept") as caught:
        train(tmp_path / where)
    assert str(tmp_path / where) in caught.value.where
    assert caught.value.next


def test_a_disk_that_fills_up_in_the_middle_is_told(tmp_path, monkeypatch):
    from safetensors import SafetensorError
    from safetensors import torch as writer

    def full(*_, **__):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(writer, "save_file", full)
    with pytest.raises(LeakboardError, match="No space left on device"):
        train(tmp_path)


@pytest.mark.parametrize("text", ["{\n", None])
def test_a_damaged_note_of_what_is_trained_is_refused(tmp_path, text):
    path = tmp_path / "training.json"
    path.mkdir() if text is None else path.write_text(text)

    with pytest.raises(LeakboardError) as caught:
        train(tmp_path)
    assert caught.value.where == str(path)
    assert caught.value.next


@pytest.mark.parametrize("content", [b"", b"junk" * 9, "others", None])
def test_a_damaged_state_is_refused(trained, tmp_path, content):
    from safetensors.torch import save_file

    path = tmp_path / "state.safetensors"
    (tmp_path / "training.json").write_bytes((trained / "training.json").read_bytes())
    if content is None:
        path.mkdir()
    elif content == "others":
        save_file({"model.x": torch.zeros(1)}, path, metadata={"epoch": "10"})
    else:
        path.write_bytes(content)

    with pytest.raises(LeakboardError, match=r"gone on from|cannot be kept") as caught:
        train(tmp_path)
    assert caught.value.next


def test_a_finished_checkpoint_that_is_gone_is_told_with_its_cure(trained, tmp_path):
    out = shutil.copytree(trained, tmp_path / "out")
    shutil.rmtree(out / "light")

    with pytest.raises(LeakboardError, match="damaged: no such folder") as caught:
        train(out)
    assert caught.value.where == str(out / "light")
    assert caught.value.next.startswith(f"remove {out / 'state.safetensors'},")


def test_a_file_where_a_checkpoint_belongs_is_refused_before_the_training(tmp_path):
    (tmp_path / "heavy").touch()

    with pytest.raises(LeakboardError, match="where a checkpoint belongs"):
        train(tmp_path, lambda *_: pytest.fail("it trained"))


@pytest.mark.parametrize("recipe", [recipe.name for recipe in RECIPES])
def test_the_command_shows_no_bar_where_stderr_is_no_terminal(tmp_path, monkeypatch, recipe):
    from click.testing import CliRunner

    from leakboard import training
    from leakboard.cli import main

    def trained(found, dataset, out, *, levels, progress, device):
        assert (found.name, found.dataset, levels, device) == (recipe, dataset.name, (), "cpu")
        progress("training", 1, 2)
        return [out / "light"]

    monkeypatch.setattr(training, "train_recipe", trained)
    result = CliRunner().invoke(main, ["train", recipe, "--out", str(tmp_path)])

    assert result.exit_code == 0, result.output
    assert result.output == f"{tmp_path / 'light'}\n"


def test_images_that_cannot_be_halved_are_refused(tmp_path):
    with pytest.raises(LeakboardError, match="multiple of 16"):
        train(tmp_path, recipe=replace(RECIPE, channels=(8, 8, 8, 8, 8)))
    assert not list(tmp_path.iterdir())


def test_a_dataset_without_held_out_images_is_refused(tmp_path):
    @dataclass(frozen=True, kw_only=True)
    class Members(Stripes):
        def load(self):
            return super().load().take(range(0, 24, 2))

    with pytest.raises(LeakboardError, match="non-members"):
        train(tmp_path, dataset=Members())


def test_an_unknown_recipe_names_the_nearest():
    refused = call("train", "fashion_dpm", "--out", "nowhere", code=2).output

    assert "unknown recipe 'fashion_dpm'" in refused
    assert "did you mean: fashion_ddpm" in refused


def test_a_device_that_is_not_there_is_refused_before_anything_is_written(tmp_path):
    refused = call("train", "fashion_ddpm", "--out", tmp_path / "out", "--device", "abacus", code=2).output

    assert "this machine has no device 'abacus'\n  where: --device" in refused
    assert not (tmp_path / "out").exists()


def test_the_embedded_victims_are_listed_with_what_their_recipes_make():
    listed = call("list", "recipes").output

    for recipe in RECIPES:
        assert recipe.summary
        assert re.search(rf"{recipe.name} +{re.escape(recipe.summary)}", listed)


def test_recipes_start_from_an_untrained_checkpoint():
    students = {"fashion_distilled"}  # they start from their teacher
    assert {recipe.name for recipe in RECIPES if 0 not in recipe.checkpoints.values()} == students
