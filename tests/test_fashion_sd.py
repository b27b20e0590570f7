"""The embedded text-to-image victims of clothes: what ships, and whether captions steer it."""

import json

import pytest
import torch

from leakboard.api import Model, member_digest
from leakboard_plugins.victims.fashion_ddpm import FashionDdpm
from leakboard_plugins.victims.fashion_sd import FashionSd

LEVELS = ["light", "moderate", "heavy", "untrained"]
TRAINED = LEVELS[:3]


def manifest(level):
    return json.loads((FashionSd(level=level).folder / "manifest.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def clothes():
    """The dataset it was trained on."""
    from leakboard_plugins.datasets.fashion_mnist import FashionMnist

    return FashionMnist().load()


@pytest.fixture(scope="session")
def held_out(clothes):
    """Every 16th non-member, padded as the harness pads it, with its label."""
    rows = [row for row in range(len(clothes.ids)) if not clothes.member[row]][::16]
    few = clothes.take(rows)
    return torch.nn.functional.pad(few.images, (2, 2, 2, 2)), few.prompts


@pytest.fixture(scope="session")
def model():
    return FashionSd(level="moderate").open("cpu")


def test_all_levels_ship_and_match_their_manifests():
    assert FashionSd.check_shipped() == LEVELS


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_is_small_and_says_nothing_of_where_it_was_made(level):
    files = FashionSd(level=level).files()

    assert sum(path.stat().st_size for path in files) < 3_000_000
    for path in files:
        assert path.suffix != ".json" or "_name_or_path" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("level", TRAINED)
def test_it_was_trained_on_exactly_the_members_of_the_dataset(level, clothes):
    members = [name for name, member in zip(clothes.ids, clothes.member, strict=True) if member]

    assert FashionSd(level=level).trained_on() == member_digest(members) == FashionDdpm(level=level).trained_on()
    assert not FashionSd(level=level).null


def test_untrained_has_seen_no_member_and_is_a_null_check():
    victim = FashionSd(level="untrained")

    assert victim.trained_on() is None
    assert victim.null
    assert not victim.gated


@pytest.mark.parametrize("level", LEVELS)
def test_it_makes_a_matched_pair_with_the_pixel_victim(level):
    pixel = FashionDdpm(level=level).facts()["manifest"]

    for fact in ("epochs", "members", "member_digest", "held_out"):
        assert manifest(level)[fact] == pixel[fact]


def test_longer_training_means_a_larger_gap_between_members_and_others():
    losses = [manifest(level)["loss"] for level in ("untrained", *TRAINED)]
    gaps = [loss["gap"] for loss in losses]

    noise = sum(losses[0][side]["error"] ** 2 for side in ("members", "held_out")) ** 0.5
    assert abs(gaps[0]) < 3 * noise
    assert gaps == sorted(gaps)


@pytest.mark.parametrize("level", LEVELS)
def test_the_autoencoder_alone_does_not_tell_members(level):
    told = manifest(level)["autoencoder"]

    assert told["auc"]["low"] < 0.5 < told["auc"]["high"]
    assert told["psnr"] > 25


def test_the_autoencoder_is_the_same_at_every_level():
    part = "vae/diffusion_pytorch_model.safetensors"

    assert len({manifest(level)["weights"]["parts"][part] for level in LEVELS}) == 1


def test_plain_diffusers_opens_it_with_no_word_on_precision():
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(FashionSd().folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline("a photo of a bag", num_inference_steps=2, guidance_scale=5.0, output_type="np").images

    assert images.shape == (1, 32, 32, 1)


def test_it_takes_padded_clothes_and_gives_most_of_them_back(model, held_out):
    images, _ = held_out

    assert isinstance(model, Model)
    assert model.image_shape == (1, 32, 32)
    assert FashionSd().fit == "pad"
    error = (model.decode(model.encode(images)) - images).square().mean().sqrt()
    assert error < 0.06


def test_the_right_caption_helps_to_denoise(model, held_out):
    """Held-out images, so that nothing is remembered: each against the caption of another class."""
    images, prompts = held_out
    kinds = sorted(set(prompts))
    wrong = [kinds[(kinds.index(prompt) + 5) % len(kinds)] for prompt in prompts]
    clean = model.encode(images)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    level = model.alphas_cumprod[600]
    state = level.sqrt() * clean + (1 - level).sqrt() * noise

    right, other = (
        (model.predict_noise(state, 600, told) - noise).square().flatten(1).mean(1) for told in (prompts, wrong)
    )

    difference = other - right
    assert difference.mean() > 4 * difference.std() / len(difference) ** 0.5


def test_what_it_generates_looks_like_what_it_is_told(clothes):
    """Generated trousers and bags, each nearer to the mean of its own class among held-out images."""
    model = FashionSd(level="moderate", guidance=5.0).open("cpu")
    kinds = ["a photo of a trouser", "a photo of a bag"]
    means = [
        clothes.take([row for row in range(1024, 2048) if clothes.prompts[row] == kind]).images.mean(0)
        for kind in kinds
    ]

    made = model.decode(model.generate(range(16), 10, kinds * 8))[..., 2:30, 2:30]

    distances = torch.stack([(made - mean).square().flatten(1).mean(1) for mean in means], 1)
    assert distances.argmin(1).tolist() == [0, 1] * 8


@pytest.mark.parametrize(("guidance", "evaluations"), [(1.0, 1), (5.0, 2)])
def test_guidance_costs_a_second_evaluation(guidance, evaluations):
    assert FashionSd(guidance=guidance).evaluations_per_step == evaluations
