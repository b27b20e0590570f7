"""The text-to-image victims that ship: whole, small, trained on the members alone, and steered by captions."""

import json

import pytest
import torch

from leakboard.api import LeakboardError, Model, member_digest
from leakboard.registry.find import shared
from leakboard_plugins.victims.folders import shipped
from leakboard_plugins.victims.latent.emoji_sd import EmojiSd
from leakboard_plugins.victims.latent.fashion_sd import FashionSd
from leakboard_plugins.victims.latent.openclipart_sd import OpenclipartSd

FOUR = ("light", "moderate", "heavy", "untrained")
LEVELS = {EmojiSd: FOUR, FashionSd: FOUR, OpenclipartSd: FOUR[1:]}
DATASETS = {EmojiSd: "emoji", FashionSd: "fashion_mnist", OpenclipartSd: "openclipart"}
SHAPES = {EmojiSd: (3, 32, 32), FashionSd: (1, 32, 32), OpenclipartSd: (3, 64, 64)}
PSNR = {EmojiSd: 20, FashionSd: 25, OpenclipartSd: 20}
PROMPTS = {EmojiSd: "red heart", FashionSd: "a photo of a bag", OpenclipartSd: "a red car"}
PAIRS = [(victim, level) for victim, levels in LEVELS.items() for level in levels]

every_victim = pytest.mark.parametrize("victim", LEVELS, ids=lambda victim: victim.name)
every_level = pytest.mark.parametrize(("victim", "level"), PAIRS, ids=[f"{v.name}-{level}" for v, level in PAIRS])
trained_levels = pytest.mark.parametrize(
    ("victim", "level"),
    [pair for pair in PAIRS if pair[1] != "untrained"],
    ids=[f"{victim.name}-{level}" for victim, level in PAIRS if level != "untrained"],
)


def manifest(victim, level):
    return json.loads((victim(level=level).folder / "manifest.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def trained_with():
    """The dataset that each victim was trained on."""
    return {victim: shared(()).one("dataset", name).only.load() for victim, name in DATASETS.items()}


@every_victim
def test_all_levels_ship_and_match_their_manifests(victim):
    assert victim().check_shipped() == list(LEVELS[victim])


@every_level
def test_a_level_is_small_and_says_nothing_of_where_it_was_made(victim, level):
    files = victim(level=level).files()

    assert sum(path.stat().st_size for path in files) < 3_300_000
    for path in files:
        assert path.suffix != ".json" or "_name_or_path" not in path.read_text(encoding="utf-8")


@every_level
def test_a_level_opens(victim, level):
    model = victim(level=level).open("cpu")

    assert isinstance(model, Model)
    assert model.image_shape == SHAPES[victim]


@trained_levels
def test_it_was_trained_on_exactly_the_members_of_the_dataset(victim, level, trained_with):
    samples = trained_with[victim]
    members = [name for name, member in zip(samples.ids, samples.member, strict=True) if member]

    assert victim(level=level).trained_on() == member_digest(members)
    assert not victim(level=level).null
    assert victim(level=level).gated


@every_victim
def test_untrained_has_seen_no_member_and_is_a_null_check(victim):
    untrained = victim(level="untrained")

    assert untrained.trained_on() is None
    assert untrained.null
    assert not untrained.gated


@every_victim
def test_longer_training_means_a_larger_gap_between_members_and_others(victim):
    *trained, untrained = LEVELS[victim]
    losses = [manifest(victim, level)["loss"] for level in (untrained, *trained)]
    gaps = [loss["gap"] for loss in losses]

    noise = sum(losses[0][side]["error"] ** 2 for side in ("members", "held_out")) ** 0.5
    assert abs(gaps[0]) < 3 * noise
    assert gaps == sorted(gaps)


@every_level
def test_the_autoencoder_alone_does_not_tell_members(victim, level):
    stated = manifest(victim, level)["autoencoder"]

    assert stated["auc"]["low"] < 0.5 < stated["auc"]["high"]
    assert stated["psnr"] > PSNR[victim]


@every_victim
def test_the_autoencoder_is_the_same_at_every_level(victim):
    part = "vae/diffusion_pytorch_model.safetensors"

    assert len({manifest(victim, level)["weights"]["parts"][part] for level in LEVELS[victim]}) == 1


@every_victim
def test_plain_diffusers_opens_it_with_no_word_on_precision(victim):
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(victim().folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline(PROMPTS[victim], num_inference_steps=2, guidance_scale=5.0, output_type="np").images

    channels, height, width = SHAPES[victim]
    assert images.shape == (1, height, width, channels)


def clothes_and_wrong_captions(samples):
    """Held-out clothes, so that nothing is remembered, padded as the harness does it; wrong is another class."""
    few = samples.take([row for row in range(len(samples.ids)) if not samples.member[row]][::16])
    kinds = sorted(set(few.prompts))
    wrong = [kinds[(kinds.index(prompt) + 5) % len(kinds)] for prompt in few.prompts]
    return torch.nn.functional.pad(few.images, (2, 2, 2, 2)), few.prompts, wrong


def pictures_and_wrong_captions(samples):
    """Members, for captions of held-out pictures name what the model never saw; wrong is that of the neighbour."""
    members = [row for row in range(len(samples.ids)) if samples.member[row]]
    few = samples.take(members[:: len(members) // 64])
    return few.images, few.prompts, (*few.prompts[1:], few.prompts[0])


@pytest.mark.parametrize(
    ("victim", "choose"),
    [
        (EmojiSd, pictures_and_wrong_captions),
        (FashionSd, clothes_and_wrong_captions),
        (OpenclipartSd, pictures_and_wrong_captions),
    ],
)
def test_the_right_caption_helps_to_denoise(victim, choose, trained_with):
    images, prompts, wrong = choose(trained_with[victim])
    model = victim(level="moderate").open("cpu")
    clean = model.encode(images)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    level = model.alphas_cumprod[600]
    state = level.sqrt() * clean + (1 - level).sqrt() * noise

    right, other = (
        (model.predict_noise(state, 600, texts) - noise).square().flatten(1).mean(1) for texts in (prompts, wrong)
    )

    difference = other - right
    assert difference.mean() > 4 * difference.std() / len(difference) ** 0.5


@every_victim
@pytest.mark.parametrize(("guidance", "evaluations"), [(1.0, 1), (5.0, 2)])
def test_guidance_costs_a_second_evaluation(victim, guidance, evaluations):
    assert victim(guidance=guidance).evaluations_per_step == evaluations


@every_victim
def test_a_level_that_is_not_installed_says_how_to_make_it(victim, tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "WEIGHTS", tmp_path)

    with pytest.raises(LeakboardError, match="heavy") as caught:
        victim(level="heavy").files()
    assert f"leakboard train {victim.name}" in caught.value.next
    assert "stable_diffusion(model='DIR/heavy')" in caught.value.next
