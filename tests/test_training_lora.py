"""Adapters: what is trained and what stays as it is, what a checkpoint holds, and bases that are refused."""

import json
import sys
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from helpers.latent_pipelines import save_latent
from helpers.pipeline_parts import SIDE
from helpers.trainings import digests, manifest, train
from leakboard.api import Dataset, LeakboardError, Samples, member_digest
from leakboard.digests import weights_digest
from leakboard.quiet import quiet
from leakboard.testing import check_extension
from leakboard.training import LoraRecipe
from leakboard.training.adapter import FILE
from leakboard_plugins.datasets.emoji import Emoji
from leakboard_plugins.datasets.emoji_unseen import EmojiUnseen
from leakboard_plugins.datasets.fashion_mnist import FashionMnist
from leakboard_plugins.datasets.fashion_mnist_unseen import FashionMnistUnseen
from leakboard_plugins.victims.latent.emoji_sd import EmojiSd
from leakboard_plugins.victims.latent.fashion_sd import FashionSd


@dataclass(frozen=True, kw_only=True)
class Squares(Dataset):
    """Random colours with captions, 8 members and 8 others."""

    name: ClassVar[str] = "squares"
    channels: int = 3
    side: int = SIDE

    def load(self):
        generator = torch.Generator().manual_seed(1)
        images = torch.rand(16, self.channels, self.side, self.side, generator=generator)
        prompts = tuple(f"a {name}" for name in "abcdefghijklmnop")
        return Samples(tuple(f"square-{row}" for row in range(16)), images, np.arange(16) % 2 == 0, prompts)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The folder of a tiny pipeline; read only."""
    return save_latent(tmp_path_factory.mktemp("base") / "sd1", "sd1")


@pytest.fixture(scope="module")
def recipe(base):
    return LoraRecipe(
        name="tiny_lora",
        dataset="squares",
        base=f"stable_diffusion(model={str(base)!r})",
        checkpoints={"untrained": 0, "trained": 11},
        rank=2,
        alpha=6.0,
        batch_size=4,
        average=0.5,
        summary="An adapter of a few thousand weights.",
    )


@pytest.fixture(scope="module")
def trained(recipe, tmp_path_factory):
    """A finished training; read only."""
    out = tmp_path_factory.mktemp("trained")
    train(recipe, Squares(), out)
    return out


def refused(recipe, dataset, out, *words):
    with pytest.raises(LeakboardError) as caught:
        train(recipe, dataset, out)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert not any(out.iterdir())
    return caught.value


def test_a_checkpoint_is_the_adapter_alone_and_its_manifest(trained):
    assert sorted(path.name for path in (trained / "trained").iterdir()) == ["manifest.json", FILE]

    tensors = load_file(trained / "trained" / FILE)
    with safe_open(trained / "trained" / FILE, "np") as opened:
        head = opened.metadata()
    assert {name.partition(".")[0] for name in tensors} == {"unet"}
    assert {len(tensor) for name, tensor in tensors.items() if "lora_A" in name} == {2}
    assert json.loads(head["lora_adapter_metadata"])["unet.lora_alpha"] == 6.0


def test_the_manifest_names_base_members_and_size(trained, recipe, base):
    noted = manifest(trained / "trained")

    assert noted["base"] == {"victim": recipe.base, "weights_digest": weights_digest(base.rglob("*.safetensors"))}
    assert noted["adapter"]["rank"] == 2
    assert noted["adapter"]["alpha"] == 6.0
    assert noted["member_digest"] == member_digest([f"square-{row}" for row in range(0, 16, 2)])
    assert noted["weights"]["file"] == FILE


def test_an_untrained_adapter_changes_nothing_and_a_trained_one_lowers_the_loss_of_its_members(trained, recipe, base):
    from leakboard.training.measuring import LatentCheckpoint

    members = Squares().load().take(range(0, 16, 2))
    plain = LatentCheckpoint(base, "cpu", recipe.seed, SIDE).losses(members)
    losses = {level: recipe.opened(trained / level, "cpu").losses(members) for level in recipe.checkpoints}

    assert torch.allclose(losses["untrained"], plain, rtol=1e-5)
    assert losses["trained"].mean() < 0.995 * plain.mean()


def test_diffusers_opens_it_as_any_adapter(trained, base):
    """Alpha counts: with 6 of rank 2, what the matrices make is added three times."""
    import diffusers

    with quiet():
        pipeline = diffusers.StableDiffusionPipeline.from_pretrained(base)
        pipeline.load_lora_weights(trained / "trained")
    layer = next(module for module in pipeline.unet.modules() if hasattr(module, "lora_A"))

    assert list(layer.scaling.values()) == [3.0]


def test_an_interrupted_training_ends_with_the_same_adapter(trained, recipe, tmp_path):
    def stop(what, done, total):
        if "training" in what and done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, Squares(), tmp_path, stop)
    train(recipe, Squares(), tmp_path)

    assert digests(tmp_path) == digests(trained)


def test_it_keeps_the_contract_of_recipes(recipe):
    rows = check_extension(recipe, samples=Squares().load())

    assert not [row for row in rows if row.outcome == "failed"], rows
    assert {row.check for row in rows if row.outcome == "ok"} >= {
        "the same weights twice, finite losses",
        "checkpoints open and are measured",
        "manifest facts are JSON",
    }


def test_a_base_that_has_seen_a_sample_is_refused(tmp_path):
    recipe = LoraRecipe(name="lora", dataset="fashion_mnist", base="fashion_sd", checkpoints={"heavy": 1})

    refused(recipe, FashionMnist(), tmp_path, "trained on 1024 of the members and 0 of the others", "never saw")


@pytest.mark.parametrize(
    ("changed", "dataset", "words"),
    [
        ({"targets": ("to_qq",)}, Squares(), ("ends with 'to_qq'", "did you mean: to_q")),
        ({}, Squares(channels=1), ("1 channels, those of the base 3",)),
        ({}, Squares(side=32), ("32x32, larger than",)),
        ({"base": "fashion_ddpm"}, Squares(), ("the base of 'tiny_lora' is a DDPMPipeline",)),
        ({"base": "stable_diffusion(model='nowhere')"}, Squares(), ("there is no folder 'nowhere'",)),
    ],
)
def test_what_no_adapter_can_be_trained_of_is_refused_before_anything_is_written(
    recipe, tmp_path, changed, dataset, words
):
    refused(replace(recipe, **changed), dataset, tmp_path, *words)


def test_a_base_that_predicts_velocity_is_refused(recipe, tmp_path):
    folder = save_latent(tmp_path / "base", "sd2")
    (tmp_path / "out").mkdir()

    changed = replace(recipe, base=f"stable_diffusion(model={str(folder)!r})")
    refused(changed, Squares(), tmp_path / "out", "predicts v_prediction")


def test_without_peft_the_command_that_installs_it_is_told(recipe, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)

    assert refused(recipe, Squares(), tmp_path, "peft").next == "pip install 'leakboard[lora]'"


@pytest.mark.parametrize(
    ("unseen", "base", "known"),
    [(FashionMnistUnseen(), FashionSd(), FashionMnist()), (EmojiUnseen(), EmojiSd(), Emoji())],
)
def test_the_unseen_datasets_are_new_to_the_bases(unseen, base, known):
    samples, seen = unseen.load(), known.load()

    assert base.trained_on() == member_digest(
        [name for name, member in zip(seen.ids, seen.member, strict=True) if member]
    )
    assert not {*samples.ids} & {*known.auxiliary().ids}
    assert not {*samples.ids} & {name for name, member in zip(seen.ids, seen.member, strict=True) if member}
    assert samples.member.sum() == 256
    assert not samples.member.all()
    assert len({*samples.ids}) == len(samples.ids)
