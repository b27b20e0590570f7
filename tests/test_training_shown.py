"""What a denoiser is shown of its members: copies, deduplication, defenses once or each time; and resumed the same."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import trainings
from helpers.trainings import RECIPE, Stripes, digests, manifest
from leakboard.api import Defense, LeakboardError, Refused
from leakboard.training import given_of
from leakboard.training.claim import describe, training_defenses
from leakboard.training.manifest import WEIGHTS
from leakboard.training.shown import augmenting, copies_of, distinct, shown
from leakboard_defenses import Budget, Cutout, GaussianBlur, GaussianNoise, HorizontalFlip

SHORT = replace(RECIPE, checkpoints={"light": 12})
ONCE = (GaussianBlur(at="training"), GaussianNoise(at="training"))


@pytest.fixture
def unmeasured(monkeypatch):
    """Train without writing manifests."""
    monkeypatch.setattr("leakboard.training.manifest.write_manifests", lambda *_, **__: [])


def given(out="out"):
    return given_of(Stripes().load(), None, out, "cpu")


def members_shown(**changes):
    return shown(replace(RECIPE, **changes), given()).members


def test_a_plain_recipe_is_shown_its_members_as_they_are():
    members = given().members
    assert torch.equal(members_shown().images, members.images)
    assert augmenting(RECIPE) is None


def test_copies_go_to_equal_parts_of_the_members_that_their_ids_choose():
    ids = [f"image-{row}" for row in range(90)]
    counts = copies_of(ids, (1, 4, 16))

    assert sorted(counts) == [1] * 30 + [4] * 30 + [16] * 30
    shuffled = np.random.default_rng(0).permutation(90)
    assert copies_of([ids[row] for row in shuffled], (1, 4, 16)) == [counts[row] for row in shuffled]
    assert abs(np.corrcoef(np.arange(90), counts)[0, 1]) < 0.3, "not by the order of the dataset"


def test_members_stand_in_the_training_set_as_often_as_their_copies():
    members, found = given().members, members_shown(copies=(1, 4, 16)).ids

    assert [found.count(name) for name in members.ids] == copies_of(members.ids, (1, 4, 16))


def test_deduplication_takes_planted_copies_out_and_keeps_the_order():
    members = given().members
    kept = members_shown(copies=(3, 5), deduplicated=True)

    assert kept.ids == members.ids
    assert torch.equal(kept.images, members.images)


def test_images_are_equal_that_are_to_eight_bits():
    image = torch.full((1, 1, 2, 2), 0.5)
    assert distinct(torch.cat([image, image + 0.0001, image + 0.01, image])) == [0, 2]


def test_defenses_at_training_transform_each_member_once_with_noise_of_its_own():
    members = members_shown(defense=ONCE, copies=(2,))
    plain = members_shown(copies=(2,))

    first, second = (torch.stack([members.images[row] for row in range(start, 24, 2)]) for start in (0, 1))
    assert torch.equal(first, second), "copies of a member are alike"
    noise = members.images - members_shown(defense=ONCE[:1], copies=(2,)).images
    assert noise.flatten(1).std(1).min() > 0.02
    assert not torch.equal(noise[0], noise[2])
    assert plain.ids == members.ids
    assert not torch.equal(members.images, members_shown(defense=ONCE, copies=(2,), seed=1).images)


def test_augmentation_draws_anew_each_time_and_from_the_generator_of_the_step_alone():
    augment = augmenting(replace(RECIPE, defense=(HorizontalFlip(), Cutout())))
    images, generator = torch.rand(6, 1, 8, 8), torch.Generator().manual_seed(3)
    first, second = augment(images, generator), augment(images, generator)
    torch.manual_seed(99)

    assert not torch.equal(first, second)
    assert torch.equal(augment(images, torch.Generator().manual_seed(3)), first)


def test_the_manifest_says_what_a_training_was_defended_by(tmp_path):
    recipe = replace(SHORT, defense=(*ONCE, HorizontalFlip(chance=0.25)), copies=(1, 2), deduplicated=True)
    trainings.train(replace(recipe, checkpoints={"light": 1}), Stripes(), tmp_path)
    written = manifest(tmp_path / "light")

    assert written["training_defenses"] == [
        "gaussian_blur(at='training')",
        "gaussian_noise(at='training')",
        "horizontal_flip(chance=0.25)",
        "copies=(1, 2)",
        "deduplicated=True",
    ]
    assert written["recipe"]["defense"][0] == "gaussian_blur(at='training', sigma=1.0)"
    assert written["copies"] == {"1": 6, "2": 6}
    assert sorted(written["copied_ids"]["1"] + written["copied_ids"]["2"]) == written["member_ids"]
    assert written["deduplicated"] == {"before": 18, "after": 12}
    assert written["members"] == 12


def test_a_plain_recipe_is_described_as_if_there_were_no_defenses():
    assert training_defenses(RECIPE) == []
    assert not {"defense", "weight_decay", "patience", "copies", "deduplicated"} & describe(RECIPE).keys()
    assert RECIPE.facts(Path("light"), Stripes().load()) == {}


@pytest.mark.usefixtures("unmeasured")
def test_a_deduplicated_training_with_planted_copies_ends_with_the_plain_weights(tmp_path):
    for name, each in (("plain", SHORT), ("planted", replace(SHORT, copies=(1, 3), deduplicated=True))):
        trainings.train(each, Stripes(), tmp_path / name)

    plain, planted = (digests(tmp_path / name)[f"light/{WEIGHTS}"] for name in ("plain", "planted"))
    assert plain == planted


@pytest.mark.usefixtures("unmeasured")
def test_an_interrupted_training_with_augmentation_ends_with_the_same_bits(tmp_path):
    recipe = replace(SHORT, defense=(HorizontalFlip(), Cutout()), weight_decay=0.5)

    def interrupt(what, done, total):
        if done == 11:
            raise KeyboardInterrupt

    trainings.train(recipe, Stripes(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        trainings.train(recipe, Stripes(), tmp_path / "resumed", interrupt)
    trainings.train(recipe, Stripes(), tmp_path / "resumed")

    assert digests(tmp_path / "resumed") == digests(tmp_path / "whole")


@dataclass(frozen=True, kw_only=True)
class Broken(Defense):
    """Gives images of another size."""

    name = "broken"

    def apply(self, images, noise):
        return images[..., 1:]


@dataclass(frozen=True, kw_only=True)
class Counting(Defense):
    """Acts on no image."""

    name = "counting"

    def admit(self, asked, cost):
        raise Refused("no")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"defense": (GaussianBlur(),)}, r"gaussian_blur\(at='query'\) does nothing in a training"),
        ({"defense": (Counting(at="training"),)}, "it counts questions, and a training asks none"),
        ({"defense": (Broken(at="training"),)}, "broken: apply.. failed: ValueError: broken returned shape"),
        ({"copies": (1, 0)}, "leaves members out"),
    ],
)
def test_what_cannot_be_shown_is_refused_before_anything_is_written(tmp_path, changes, told):
    with pytest.raises(LeakboardError, match=told):
        trainings.train(replace(SHORT, **changes), Stripes(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_budget_has_no_place_in_a_training():
    with pytest.raises(LeakboardError, match="counts no question"):
        Budget(at="training")
