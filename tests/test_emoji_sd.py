"""The embedded text-to-image victims of emoji: what ships, and whether captions steer it."""

import json

import pytest
import torch

from leakboard.api import LeakboardError, member_digest
from leakboard_plugins.victims import emoji_sd
from leakboard_plugins.victims.emoji_sd import EmojiSd

LEVELS = ["light", "moderate", "heavy", "untrained"]
TRAINED = LEVELS[:3]


def manifest(level):
    return json.loads((EmojiSd(level=level).folder / "manifest.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def pictures():
    """The dataset it was trained on."""
    from leakboard_plugins.datasets.emoji import Emoji

    return Emoji().load()


def test_all_levels_ship_and_match_their_manifests():
    assert EmojiSd.check_shipped() == LEVELS


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_is_small_and_opens(level):
    victim = EmojiSd(level=level)

    assert sum(path.stat().st_size for path in victim.files()) < 3_000_000
    assert victim.open("cpu").image_shape == (3, 32, 32)


@pytest.mark.parametrize("level", TRAINED)
def test_it_was_trained_on_exactly_the_members_of_the_dataset(level, pictures):
    members = [name for name, member in zip(pictures.ids, pictures.member, strict=True) if member]

    assert EmojiSd(level=level).trained_on() == member_digest(members)


def test_untrained_has_seen_no_member_and_is_a_null_check():
    assert EmojiSd(level="untrained").trained_on() is None
    assert EmojiSd(level="untrained").null


def test_longer_training_means_a_larger_gap_between_members_and_others():
    losses = [manifest(level)["loss"] for level in ("untrained", *TRAINED)]
    gaps = [loss["gap"] for loss in losses]

    noise = sum(losses[0][side]["error"] ** 2 for side in ("members", "held_out")) ** 0.5
    assert abs(gaps[0]) < 3 * noise
    assert gaps == sorted(gaps)


def test_the_autoencoder_alone_does_not_tell_members():
    told = manifest("moderate")["autoencoder"]

    assert told["auc"]["low"] < 0.5 < told["auc"]["high"]
    assert told["psnr"] > 20


def test_plain_diffusers_opens_it_with_no_word_on_precision():
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(EmojiSd().folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline("red heart", num_inference_steps=2, guidance_scale=5.0, output_type="np").images

    assert images.shape == (1, 32, 32, 3)


def test_the_right_caption_helps_to_denoise(pictures):
    """Members, each against the caption of its neighbour: captions of held-out pictures name what it never saw."""
    model = EmojiSd(level="moderate").open("cpu")
    few = pictures.take(range(0, 512, 8))
    clean = model.encode(few.images)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    level = model.alphas_cumprod[600]
    state = level.sqrt() * clean + (1 - level).sqrt() * noise

    right, other = (
        (model.predict_noise(state, 600, told) - noise).square().flatten(1).mean(1)
        for told in (few.prompts, (*few.prompts[1:], few.prompts[0]))
    )

    difference = other - right
    assert difference.mean() > 4 * difference.std() / len(difference) ** 0.5


def test_a_level_that_is_not_installed_says_how_to_make_it(tmp_path, monkeypatch):
    monkeypatch.setattr(emoji_sd, "WEIGHTS", tmp_path)

    with pytest.raises(LeakboardError, match="heavy") as caught:
        EmojiSd(level="heavy").files()
    assert "leakboard train emoji_sd" in caught.value.next
    assert "stable_diffusion(model='DIR/heavy')" in caught.value.next
