"""Filters of images against scikit-image, or against independent derivations where that has another filter."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import correlate
from skimage.filters import median
from skimage.restoration import denoise_bilateral, denoise_nl_means, denoise_tv_chambolle

from helpers.defending import SHAPES, apply, pictures
from leakboard_defenses import (
    Bilateral,
    Median,
    NonLocalMeans,
    QuantizeLevels,
    RandomCropResize,
    Resize,
    TotalVariation,
)
from leakboard_defenses import median as median_file


@pytest.mark.parametrize("radius", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_median_equals_scikit_image(radius, shape):
    images, side = pictures(shape), 2 * radius + 1
    for image, ours in zip(images, apply(Median(radius=radius), images), strict=True):
        theirs = [median(channel, np.ones((side, side)), mode="nearest") for channel in image.numpy()]
        assert np.array_equal(ours.numpy(), theirs)


def test_median_takes_as_many_images_at_once_as_there_is_room_for(monkeypatch):
    images = pictures(SHAPES[0])
    whole = apply(Median(), images)
    monkeypatch.setattr(median_file, "NUMBERS", 2 * 9 * images[0].numel())
    assert torch.equal(apply(Median(), images), whole)


@pytest.mark.parametrize(("weight", "iterations"), [(0.05, 2), (0.1, 50), (0.4, 30)])
@pytest.mark.parametrize("shape", SHAPES)
def test_total_variation_equals_scikit_image_after_as_many_steps(weight, iterations, shape):
    images = pictures(shape)
    ours = apply(TotalVariation(weight=weight, iterations=iterations), images)
    for image, mine in zip(images.numpy(), ours.numpy(), strict=True):
        theirs = denoise_tv_chambolle(image, weight, eps=0, max_num_iter=iterations, channel_axis=0)
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=2e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_non_local_means_are_those_of_scikit_image(shape):
    images = pictures(shape)
    ours = apply(NonLocalMeans(strength=0.3, patch=3, distance=4), images)
    for image, mine in zip(images.numpy(), ours.numpy(), strict=True):
        channels_last = image.transpose(1, 2, 0)
        shown, axis = (channels_last[..., 0], None) if len(image) == 1 else (channels_last, -1)
        theirs = denoise_nl_means(shown, 3, 4, 0.3, fast_mode=True, channel_axis=axis).clip(0, 1)
        np.testing.assert_allclose(mine, theirs.reshape(channels_last.shape).transpose(2, 0, 1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("defense", [Median(), Bilateral(), NonLocalMeans(), TotalVariation(), Resize()], ids=str)
def test_what_filters_leave_of_a_smooth_picture_is_that_picture(defense, channels):
    """One that is not symmetric, so that a filter that turned it over would be seen."""
    ramp = torch.linspace(0, 1, 24)[:, None] * torch.linspace(0.3, 1, 20)
    images = ramp.expand(2, channels, 24, 20).contiguous()
    assert (apply(defense, images) - images).abs().mean() < 0.02


def test_bilateral_weighs_likeness_as_scikit_image_does():
    """Nearness counts for nothing here: scikit-image's table of it lies one pixel askew, which a flat one cannot."""
    image = pictures((1, 1, 20, 18))[0].double()
    theirs = denoise_bilateral(image[0].numpy(), 7, sigma_color=0.3, sigma_spatial=1e9, bins=1_000_000, mode="edge")
    ours = _by_the_definition(image, radius=3, sigma=1e9, contrast=0.3)
    np.testing.assert_allclose(ours[0], theirs, rtol=0, atol=1e-5)


def _by_the_definition(image, radius, sigma, contrast):
    """One image (C, H, W), pixel by pixel."""
    pixels = np.pad(np.asarray(image), ((0, 0), (radius, radius), (radius, radius)), mode="edge")
    out = np.empty(image.shape)
    around = np.arange(-radius, radius + 1)
    far = (around[:, None] ** 2 + around[None] ** 2) / (2 * sigma**2)
    for row in range(out.shape[1]):
        for column in range(out.shape[2]):
            window = pixels[:, row : row + 2 * radius + 1, column : column + 2 * radius + 1]
            unlike = ((window - pixels[:, row + radius, column + radius][:, None, None]) ** 2).sum(0)
            weight = np.exp(-far - unlike / (2 * contrast**2))
            out[:, row, column] = (weight * window).sum((1, 2)) / weight.sum()
    return out


@pytest.mark.parametrize("shape", [(2, 1, 12, 9), (2, 3, 9, 12)])
@pytest.mark.parametrize(("sigma", "contrast"), [(0.5, 0.1), (1.0, 0.3)])
def test_bilateral_is_the_mean_by_nearness_and_likeness(shape, sigma, contrast):
    images = pictures(shape)
    ours = apply(Bilateral(sigma=sigma, contrast=contrast), images)
    for image, mine in zip(images, ours, strict=True):
        expected = _by_the_definition(image.double(), int(np.ceil(3 * sigma)), sigma, contrast)
        np.testing.assert_allclose(mine.numpy(), expected, rtol=0, atol=2e-6)


def test_bilateral_without_regard_to_likeness_is_a_gaussian():
    images = pictures((2, 1, 14, 11))
    around = np.exp(-(np.arange(-3, 4) ** 2) / 2)
    kernel = np.outer(around, around) / around.sum() ** 2
    for image, mine in zip(images, apply(Bilateral(contrast=10.0), images), strict=True):
        np.testing.assert_allclose(mine[0], correlate(image[0].numpy(), kernel, mode="nearest"), atol=3e-3)


def test_bilateral_keeps_edges_that_a_blur_washes_out():
    images = torch.zeros(1, 1, 16, 16)
    images[..., 8:] = 1
    assert (apply(Bilateral(contrast=0.1), images) - images).abs().max() < 1e-6


@pytest.mark.parametrize("factor", [0.5, 0.25])
def test_resize_is_that_of_pillow_down_and_up_again(factor):
    images = pictures((3, 1, 28, 40))
    for image, mine in zip(images, apply(Resize(factor=factor), images), strict=True):
        picture = Image.fromarray(image[0].numpy())
        small = picture.resize((round(40 * factor), round(28 * factor)), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(mine[0], small.resize((40, 28), Image.Resampling.BILINEAR), rtol=0, atol=1e-5)


def test_resize_leaves_at_least_one_pixel():
    flat = apply(Resize(factor=0.01), pictures((2, 3, 3, 8)))
    assert torch.allclose(flat, flat[..., :1, :1].expand_as(flat))


def test_levels_are_evenly_spaced_and_the_nearest_is_taken():
    images = torch.linspace(0, 1, 400).view(1, 1, 20, 20)
    rounded = apply(QuantizeLevels(levels=5), images)
    assert rounded.unique().tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert (rounded - images).abs().max() <= 0.125 + 1e-6
    files = pictures((2, 1, 8, 8))
    assert torch.allclose(apply(QuantizeLevels(levels=256), files), files, atol=1e-7)


def test_crops_lie_at_places_of_their_own_and_reach_all_of_the_image():
    ramp = torch.arange(20.0).div(19).expand(200, 1, 20, 20)
    out = apply(RandomCropResize(share=0.75), ramp)
    left, right = out[:, 0, 0, 0] * 19, out[:, 0, 0, -1] * 19
    assert torch.allclose(right - left, torch.full((200,), 14.0), atol=1e-4)
    assert set(left.round().long().tolist()) == set(range(6))
    counts = left.round().long().bincount()
    assert counts.min() > 15
    down = apply(RandomCropResize(share=0.75), ramp.mT)
    assert not torch.allclose(down[:, 0, 0, 0], out[:, 0, 0, 0])


def test_a_crop_is_the_part_of_the_image_enlarged():
    images = pictures((1, 3, 12, 12))
    out = apply(RandomCropResize(share=0.5), images)
    parts = [
        torch.nn.functional.interpolate(images[..., top : top + 6, left : left + 6], [12, 12], mode="bilinear")
        for top in range(7)
        for left in range(7)
    ]
    assert min(float((part - out).abs().max()) for part in parts) < 1e-6


def test_an_image_of_one_pixel_stays():
    images = pictures((2, 1, 1, 1))
    for defense in (Median(), TotalVariation(), Bilateral(), Resize(), RandomCropResize()):
        assert torch.allclose(apply(defense, images), images)
