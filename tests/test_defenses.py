"""Defenses against independent references, and what every defense promises."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from scipy.ndimage import gaussian_filter

from helpers.defending import SHAPES, SampleNoise, apply, checked, pictures
from helpers.handmade_victim import Handmade
from helpers.oracles import make_door
from leakboard.api import Refused, Unsupported
from leakboard.asking import Cost
from leakboard.errors import LeakboardError
from leakboard.noise import seeder
from leakboard.oracle.provider import defended
from leakboard.registry.bind import at
from leakboard.registry.find import shared
from leakboard_defenses import (
    DEFENSES,
    Bilateral,
    BoxBlur,
    Budget,
    DiffPure,
    GaussianBlur,
    GaussianNoise,
    Jpeg,
    Median,
    NonLocalMeans,
    Nothing,
    QuantizeLevels,
    RandomCropResize,
    RateLimit,
    Resize,
    TotalVariation,
)
from leakboard_defenses.hooks import leakboard_defenses

ALL = [
    Nothing(),
    BoxBlur(),
    BoxBlur(radius=1.5),
    GaussianBlur(),
    GaussianBlur(sigma=9.0),
    GaussianNoise(),
    Jpeg(),
    Jpeg(quality=1),
    Median(),
    Median(radius=3),
    Bilateral(),
    Bilateral(sigma=2.0, contrast=0.5),
    NonLocalMeans(),
    TotalVariation(),
    Resize(),
    Resize(factor=0.1),
    RandomCropResize(),
    QuantizeLevels(),
    QuantizeLevels(levels=2),
]
NEEDS = {DiffPure: {"victim": shared(()).one("victim", "fashion_small").only}, Budget: {"queries": 10}}
"""What those cannot be made without that have no default for it."""
COUNTING = (Budget, RateLimit)


@pytest.mark.parametrize("defense", ALL, ids=str)
@pytest.mark.parametrize("shape", SHAPES)
def test_shape_range_and_type_are_kept(defense, shape):
    images = pictures(shape).clamp(0.3, 0.7).round(decimals=1)
    images[:, :, ::2] = 1 - images[:, :, ::2].round()
    before = images.clone()
    out = apply(defense, images)
    assert out.shape == images.shape
    assert out.dtype == torch.float32
    assert 0 <= out.min() <= out.max() <= 1
    assert torch.equal(images, before)


@pytest.mark.parametrize("defense", ALL, ids=str)
@pytest.mark.parametrize("shape", SHAPES)
def test_an_image_does_not_depend_on_its_batch(defense, shape):
    """Bit for bit: alone, together, or in reverse, the victim is asked about the same image."""
    images = pictures(shape)
    together = apply(defense, images)
    for sample, image in enumerate(images):
        assert torch.equal(apply(defense, image[None], [sample])[0], together[sample])
    backwards = apply(defense, images.flip(0), range(len(images) - 1, -1, -1))
    assert torch.equal(backwards.flip(0), together)
    assert torch.equal(apply(defense, images), together)


@pytest.mark.parametrize("defense", [defense for defense in ALL if defense != Nothing()], ids=str)
def test_every_defense_changes_images_but_only_some_flat_ones(defense):
    assert not torch.equal(apply(defense, pictures(SHAPES[0])), pictures(SHAPES[0]))
    flat = torch.full((2, 3, 16, 16), 128 / 255)
    change = (apply(defense, flat) - flat).abs().max()
    rounds = defense == Jpeg(quality=1) or isinstance(defense, QuantizeLevels)
    assert (change > 0.1) if isinstance(defense, GaussianNoise) else (change < 1e-6 or rounds)


def test_none_gives_the_images_back():
    images = pictures(SHAPES[0])
    assert apply(Nothing(), images) is images


@pytest.mark.parametrize("radius", [0.3, 1, 1.5, 2, 7.25, 30])
@pytest.mark.parametrize("shape", SHAPES)
def test_box_blur_equals_pillow_up_to_its_8_bit_rounding(radius, shape):
    """Pillow rounds after each of its two passes, so it may be off by one step of 1/255."""
    images = pictures(shape)
    ours = apply(BoxBlur(radius=radius), images) * 255
    for image, blurred in zip(images, ours, strict=True):
        for channel, mine in zip(image, blurred, strict=True):
            picture = Image.fromarray((channel * 255).round().to(torch.uint8).numpy())
            theirs = np.asarray(picture.filter(ImageFilter.BoxBlur(radius)), np.float64)
            assert np.abs(mine.numpy() - theirs).max() <= 1.02


def test_unit_box_blur_is_the_mean_of_nine_pixels():
    images = pictures((2, 3, 12, 10))
    ours = apply(BoxBlur(), images)
    assert torch.allclose(ours[:, :, 1:-1, 1:-1], torch.nn.functional.avg_pool2d(images, 3, stride=1), atol=1e-6)
    corner = (4 * images[..., 0, 0] + 2 * images[..., 0, 1] + 2 * images[..., 1, 0] + images[..., 1, 1]) / 9
    assert torch.allclose(ours[..., 0, 0], corner, atol=1e-6)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.5, 12.0])
@pytest.mark.parametrize("shape", [*SHAPES, (1, 1, 3, 5)])
def test_gaussian_blur_equals_scipy(sigma, shape):
    """Also where the kernel reaches several times across the image."""
    images = pictures(shape)
    theirs = gaussian_filter(images.double().numpy(), (0, 0, sigma, sigma))
    np.testing.assert_allclose(apply(GaussianBlur(sigma=sigma), images).numpy(), theirs, rtol=0, atol=2e-6)


def test_gaussian_noise_is_the_given_noise_clipped():
    images = pictures(SHAPES[1])
    noise = SampleNoise(0, 1, 2, 3)
    expected = (images + 0.25 * noise(images)).clamp(0, 1)
    assert torch.allclose(apply(GaussianNoise(sigma=0.25), images), expected, atol=1e-7)
    assert not torch.equal(apply(GaussianNoise(), images), apply(GaussianNoise(), images, [4, 5, 6, 7]))


@pytest.mark.parametrize("quality", [5, 50, 95])
@pytest.mark.parametrize("shape", SHAPES)
def test_jpeg_equals_the_codec(quality, shape):
    images = pictures(shape)
    ours = (apply(Jpeg(quality=quality), images) * 255).round().to(torch.uint8)
    for image, coded in zip(images, ours, strict=True):
        pixels = (image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        buffer = io.BytesIO()
        Image.fromarray(pixels.squeeze()).save(buffer, "JPEG", quality=quality)
        assert np.array_equal(np.asarray(Image.open(buffer)), coded.permute(1, 2, 0).numpy().squeeze())


@pytest.mark.parametrize("shape", SHAPES)
def test_jpeg_agrees_with_torchvision(shape):
    """Two builds of the codec may round a pixel differently, no more."""
    images = pictures(shape)
    pixels = (images * 255).round().to(torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchvision.transforms.v2.functional import jpeg

        theirs = jpeg(pixels, quality=50)
    assert (apply(Jpeg(quality=50), images) * 255 - theirs).abs().max() < 3


def test_jpeg_loses_more_at_lower_quality():
    images = pictures(SHAPES[1])
    losses = [(apply(Jpeg(quality=quality), images) - images).square().mean() for quality in (95, 50, 5)]
    assert losses[0] < losses[1] < losses[2]


def test_jpeg_refuses_what_it_cannot_code():
    with pytest.raises(Unsupported, match="not 4 channels"):
        apply(Jpeg(), pictures((1, 4, 8, 8)))


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([BoxBlur, GaussianBlur]),
    st.floats(0.05, 20),
    st.integers(1, 20),
    st.integers(1, 20),
    st.integers(0, 2**31),
)
def test_blurs_average_and_commute_with_mirroring(cls, size, height, width, seed):
    """Whatever the size, a blur stays between the image's extremes and treats all directions alike."""
    defense = cls(radius=size) if cls is BoxBlur else cls(sigma=size)
    images = pictures((2, 1, height, width), seed)
    out = apply(defense, images)
    assert images.min() - 1e-5 <= out.min() <= out.max() <= images.max() + 1e-5
    assert torch.allclose(apply(defense, images.flip(-1, -2)).flip(-1, -2), out, atol=1e-5)
    assert torch.allclose(apply(defense, images.mT), out.mT, atol=1e-5)


@pytest.mark.parametrize("cls", DEFENSES)
def test_the_place_is_a_parameter_of_every_defense(cls):
    # what counts questions has nothing to count right before the distance, and in a training
    more = [] if cls in COUNTING else ["both", "training", "augmentation"]
    places, needs = ["query", "output", *more], NEEDS.get(cls, {})
    assert [checked(cls, at=place, **needs).at for place in places] == places
    with pytest.raises(LeakboardError, match="at="):
        checked(cls, at="nowhere", **needs)


@pytest.mark.parametrize(
    ("cls", "wrong"),
    [
        (BoxBlur, {"radius": 0.0}),
        (BoxBlur, {"radius": float("inf")}),
        (GaussianBlur, {"sigma": -1.0}),
        (GaussianBlur, {"sigma": float("nan")}),
        (GaussianNoise, {"sigma": 0.0}),
        (Jpeg, {"quality": 0}),
        (Jpeg, {"quality": 101}),
        (Jpeg, {"quality": 50.5}),
        (Median, {"radius": 0}),
        (Median, {"radius": 1.5}),
        (Bilateral, {"sigma": 0.0}),
        (Bilateral, {"contrast": -0.1}),
        (NonLocalMeans, {"strength": 0.0}),
        (NonLocalMeans, {"patch": 0}),
        (TotalVariation, {"weight": 0.0}),
        (TotalVariation, {"iterations": 1}),
        (Resize, {"factor": 1.0}),
        (RandomCropResize, {"share": 1.0}),
        (RandomCropResize, {"share": 0.0}),
        (QuantizeLevels, {"levels": 1}),
        (QuantizeLevels, {"levels": 257}),
        (RateLimit, {"per_minute": 0.0}),
        (RateLimit, {"minutes": -1.0}),
        (Budget, {"queries": 0}),
    ],
)
def test_senseless_parameters_are_refused(cls, wrong):
    with pytest.raises(LeakboardError, match=next(iter(wrong))):
        checked(cls, **wrong)


def test_the_hook_announces_all_of_them():
    assert leakboard_defenses() == DEFENSES
    assert [cls.name for cls in DEFENSES] == [
        "none", "box_blur", "gaussian_blur", "median", "bilateral", "non_local_means", "total_variation", "resize",
        "random_crop_resize", "quantize_levels", "jpeg", "gaussian_noise", "diffpure", "horizontal_flip",
        "rand_augment", "cutout", "budget", "rate_limit",
    ]  # fmt: skip
    assert all(checked(cls) == cls() for cls in DEFENSES if cls not in NEEDS)


@pytest.mark.parametrize(
    "package", ["leakboard_defenses.hooks", "leakboard_plugins.distances", "leakboard_plugins.classifiers"]
)
def test_importing_plugins_imports_nothing_heavy(package):
    code = f"import sys, {package}; print({{'torch', 'sklearn', 'skimage', 'scipy', 'PIL'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def refused(budget, queries, evaluations, cost=None):
    try:
        budget.admit(Cost(queries, evaluations), cost or Cost(1, 10))
    except Refused as reason:
        return str(reason)
    return ""


@pytest.mark.parametrize(
    ("budget", "last", "beyond", "reason"),
    [
        (Budget(queries=5), (4, 1000), (5, 1000), "budget(queries=5) refused more after 5 queries a sample"),
        (Budget(evaluations=45), (100, 35), (100, 36), "refused more after 36 evaluations"),
        (Budget(queries=5, evaluations=45), (4, 35), (4, 40), "budget(evaluations=45)"),
    ],
)
def test_a_budget_lets_its_last_question_pass_and_no_more(budget, last, beyond, reason):
    assert refused(budget, *last) == ""
    assert reason in refused(budget, *beyond)


def test_a_budget_never_refuses_what_costs_nothing():
    assert refused(Budget(queries=1), 9, 9, Cost(0, 0)) == ""


def test_a_budget_that_limits_nothing_is_a_slip():
    with pytest.raises(LeakboardError, match="limits nothing"):
        checked(Budget)


def test_a_budget_before_the_distance_would_count_nothing():
    with pytest.raises(LeakboardError, match="counts no question"):
        checked(Budget, queries=1, at="both")


CHAIN = " + ".join(
    f"{name}(at='output')" if name in {"quantize_levels", "rate_limit"} else name
    for name in (
        "box_blur", "gaussian_blur", "median", "bilateral", "non_local_means", "total_variation", "resize",
        "random_crop_resize", "quantize_levels", "jpeg", "gaussian_noise",
        "diffpure(victim='fashion_small(level=\"untrained\")', steps=1)", "budget(queries=2)", "rate_limit",
    )
)  # fmt: skip


def test_all_of_them_chain_and_each_acts_once_in_its_place(clothes):
    chain = shared(()).one("defense", CHAIN).chain
    assert {link.name for link in chain} == {cls.name for cls in DEFENSES} - {
        "none",
        "horizontal_flip",
        "rand_augment",
        "cutout",
    }
    query, output = at(chain, "query"), at(chain, "output")
    samples = clothes.take(range(3))
    door = make_door(Handmade(), "black", samples, query=query, output=output)
    expected = samples.images
    for link, defense in enumerate(query):
        expected = defended(defense, expected, seeder(0, samples.ids), f"query{link}")
    assert torch.equal(door.images, expected)
    returned = door.reconstruct(door.originals, 0.5, 1).output()
    assert torch.allclose(returned * 7, (returned * 7).round(), atol=1e-5)
    door.reconstruct(door.originals, 0.5, 1, draw=1)
    with pytest.raises(Refused):
        door.reconstruct(door.originals, 0.5, 1, draw=2)
    told = door.provider.remarks(door.asked, door.pooled)
    assert told == "rate_limit(per_minute=10): 2 queries a sample take 12 seconds, 3.33 hours for 1,000 samples"
