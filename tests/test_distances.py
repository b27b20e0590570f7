"""Every distance against an independent reference, image by image, and the promises all distances share."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from skimage.feature import hog
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch.nn.functional import interpolate

from helpers.image_pairs import CHEAP, SHAPES, checked, expect, ladder, pair
from leakboard.api import Pair, Unsupported
from leakboard.errors import LeakboardError
from leakboard_plugins.distances import DISTANCES, Dssim, Features, Lp, Lpips, Mse, Psnr, Rmse


@pytest.mark.parametrize("shape", SHAPES)
def test_psnr_equals_scikit_image(shape):
    expect(Psnr(), pair(shape), lambda a, b: peak_signal_noise_ratio(a, b, data_range=1))


@pytest.mark.parametrize("shape", SHAPES)
def test_squared_errors_equal_their_definition(shape):
    expect(Mse(), pair(shape), lambda a, b: np.mean((a - b) ** 2), 1e-8)
    expect(Rmse(), pair(shape), lambda a, b: np.sqrt(np.mean((a - b) ** 2)), 1e-7)


@pytest.mark.parametrize("p", [1, 2.0, 4, 0.5])
def test_lp_sums_powers_and_root_makes_it_the_norm(p):
    given = pair((5, 2, 6, 7))
    expect(Lp(p=p), given, lambda a, b: np.sum(np.abs(a - b) ** p))
    expect(Lp(p=p, root=True), given, lambda a, b: np.sum(np.abs(a - b) ** p) ** (1 / p), 2e-3 if p < 1 else 1e-5)


@pytest.mark.parametrize("shape", [*SHAPES, (3, 3, 7, 9), (2, 1, 130, 140)])
@pytest.mark.parametrize("window", [3, 7])
def test_dssim_equals_scikit_image(shape, window):
    def reference(a, b):
        return (1 - structural_similarity(a, b, win_size=window, data_range=1, channel_axis=0)) / 2

    expect(Dssim(window=window), pair(shape), reference)


@pytest.mark.parametrize("shape", SHAPES)
def test_gaussian_dssim_is_the_published_one(shape):
    """The settings that scikit-image names for the paper: sigma 1.5, 11 taps, population covariance."""
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": 0}

    def reference(a, b):
        return (1 - structural_similarity(a, b, data_range=1, **options)) / 2

    expect(Dssim(window=11, gaussian=True), pair(shape), reference)


@pytest.mark.parametrize("spread", [0.02, 0.001])
def test_dssim_keeps_its_digits_on_bright_flat_images(spread):
    """There a variance is a small difference of large numbers, and careless float32 is off by more than 1e-5."""
    draw = torch.Generator().manual_seed(1)
    reference = torch.ones(4, 1, 28, 28)
    reference[..., 14:] = 0
    images = [(reference + torch.randn(reference.shape, generator=draw) * spread).clamp(0, 1) for _ in range(2)]

    def similarity(a, b):
        return (1 - structural_similarity(a, b, data_range=1, channel_axis=0)) / 2

    expect(Dssim(), Pair(images[0], images[1], "output"), similarity, 4e-6)


LEVELS = [(0.3, 1.0), (0.9, 0.2), (0.9, 0.35), (0.1, 0.95), (1.0, 1.0)]


@pytest.mark.parametrize("spread", [0, 1e-4, 1e-2])
@pytest.mark.parametrize("window", [3, 7, 11, 21])
@pytest.mark.parametrize("gaussian", [False, True])
def test_dssim_keeps_its_promise_on_flat_and_nearly_flat_pairs(gaussian, window, spread):
    """Flat, and of two flat halves: there are windows far from the mean of the image, without any variance."""
    draw = torch.Generator().manual_seed(1)
    images = torch.tensor(LEVELS * 3).T.reshape(2, -1, 1, 1, 1).repeat(1, 1, 1, 28, 28)
    images[0, 5:, ..., 14:], images[1, 10:, ..., 14:] = 0, 0.5
    images = (images + torch.randn(images.shape, generator=draw) * spread).clamp(0, 1)
    sigma, options = 1.5 * window / 11, {}
    if gaussian:
        radius = (window // 2 + 0.1) / sigma  # scikit-image rounds it to the half of the window
        options = {"gaussian_weights": True, "sigma": sigma, "truncate": radius, "use_sample_covariance": False}

    def reference(a, b):
        return (1 - structural_similarity(a[0], b[0], win_size=window, data_range=1, **options)) / 2

    expect(Dssim(window=window, gaussian=gaussian), Pair(images[0], images[1], "output"), reference, 1e-6)


def test_dssim_refuses_images_smaller_than_its_window():
    with pytest.raises(Unsupported, match="window=11"):
        Dssim(window=11).measure(pair((2, 1, 10, 28)))


@pytest.mark.parametrize("shape", [(5, 1, 28, 28), (4, 3, 33, 50), (2, 1, 24, 24)])
def test_hog_equals_scikit_image(shape):
    def reference(a, b):
        one, other = (hog(image, channel_axis=0) if shape[1] > 1 else hog(image[0]) for image in (a, b))
        return np.linalg.norm(one - other)

    expect(Features(net="hog"), pair(shape), reference)


def test_hog_refuses_images_smaller_than_one_block():
    with pytest.raises(Unsupported, match="24 pixels"):
        Features().measure(pair((2, 1, 23, 28)))


@pytest.mark.parametrize("net", ["alex", "squeeze"])
@pytest.mark.parametrize("shape", [(3, 3, 40, 48), (3, 1, 28, 28)])
def test_lpips_equals_the_package(net, shape):
    """Grey images are repeated to RGB, and small ones enlarged to 64 pixels."""
    import lpips

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        package = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)

    def reference(a, b):
        images = [torch.from_numpy(image).float()[None].expand(-1, 3, -1, -1) for image in (a, b)]
        if shape[2] < 32:
            images = [interpolate(image, size=(64, 64), mode="bilinear") for image in images]
        return package(*images, normalize=True).item()

    expect(Lpips(net=net, weights="random"), pair(shape), reference)


def test_lpips_reads_a_local_backbone_and_tells_its_files(tmp_path):
    """Torchvision's own names fit, the answer changes with the file, and both files enter the identity."""
    from torchvision.models import alexnet

    torch.manual_seed(5)
    path = tmp_path / "alexnet.pth"
    torch.save(alexnet(weights=None).state_dict(), path)
    local, random = Lpips(weights=str(path)), Lpips(weights="random")

    assert [file.name for file in local.files()] == ["alex.pth", "alexnet.pth"]
    assert [file.name for file in random.files()] == ["alex.pth"]
    assert (local.measure(pair(SHAPES[1])) != random.measure(pair(SHAPES[1]))).all()


def test_lpips_without_weights_says_which_file_goes_where(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(LeakboardError) as caught:
        Lpips(net="vgg").files()
    assert "vgg16-397923af.pth" in caught.value.next
    assert str(tmp_path / "checkpoints") in caught.value.next


def test_lpips_finds_torchs_cache(tmp_path, monkeypatch):
    from torchvision.models import alexnet

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    torch.save(alexnet(weights=None).state_dict(), tmp_path / "checkpoints" / "alexnet-owt-7be5be79.pth")
    assert Lpips().measure(pair(SHAPES[1])).isfinite().all()


@pytest.mark.parametrize("distance", CHEAP, ids=str)
@pytest.mark.parametrize("shape", [(7, 1, 28, 28), (3, 3, 230, 240)])
def test_a_sample_does_not_depend_on_its_batch(distance, shape):
    """Alone, in reverse order, or across the internal chunks (the second shape): the same number."""
    given = pair(shape)
    together = distance.measure(given)
    singles = zip(given.reference.split(1), given.observation.split(1), strict=True)
    alone = [distance.measure(Pair(one, other, "x")) for one, other in singles]
    reverse = distance.measure(Pair(given.reference.flip(0), given.observation.flip(0), "x")).flip(0)
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(together, reverse, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("distance", CHEAP, ids=str)
def test_the_declared_orientation_is_the_real_one_and_identical_images_are_finite(distance):
    given = ladder((4, 1, 28, 28))
    steps = distance.measure(given).diff()
    assert ((steps < 0) if distance.larger_is_closer else (steps > 0)).all()

    same = distance.measure(Pair(given.reference, given.reference.clone(), "x"))
    assert (same == (120 if distance.larger_is_closer else 0)).all()


@pytest.mark.parametrize("distance", CHEAP, ids=str)
def test_inputs_stay_untouched(distance):
    given = pair((3, 1, 28, 28))
    before = given.reference.clone(), given.observation.clone()
    distance.measure(given)
    assert torch.equal(given.reference, before[0])
    assert torch.equal(given.observation, before[1])


def test_psnr_stops_at_its_cap():
    given = Pair(torch.zeros(2, 1, 4, 4), torch.tensor([0.0, 0.01]).view(2, 1, 1, 1).expand(-1, 1, 4, 4), "x")
    torch.testing.assert_close(Psnr(cap=50).measure(given), torch.tensor([50.0, 40.0]).double(), rtol=0, atol=1e-5)


def test_squared_errors_and_psnr_rank_alike():
    """One pair and a threshold must give the same AUC whichever of the three is used."""
    given = pair((64, 1, 28, 28), seed=4)
    ranks = [
        distance.measure(given).argsort(descending=distance.larger_is_closer).tolist()
        for distance in (Psnr(), Rmse(), Mse(), Lp(), Lp(root=True))
    ]
    assert all(rank == ranks[0] for rank in ranks)


def test_elementwise_distances_take_every_tensor_space():
    noise = Pair(torch.zeros(3, 4, 8, 8), torch.full((3, 4, 8, 8), 2.0), "t=100", space="noise")
    for distance, value in ((Mse(), 4), (Rmse(), 2), (Lp(p=4), 16 * 256)):
        assert {"image", "latent", "state", "noise"} == distance.spaces
        assert distance.measure(noise).tolist() == [value] * 3
    half = Pair(noise.reference.half(), noise.observation.half(), "t=100", space="noise")
    assert Mse().measure(half).tolist() == [4] * 3


@pytest.mark.parametrize("distance", CHEAP, ids=str)
def test_tensors_that_do_not_match_are_refused(distance):
    """Broadcasting would give a number without a meaning."""
    with pytest.raises(Unsupported, match="different shapes"):
        distance.measure(Pair(torch.zeros(2, 3, 28, 28), torch.zeros(2, 1, 28, 28), "x"))


@pytest.mark.parametrize("distance", [Features(), Psnr(), Dssim(), Lpips(weights="random")], ids=str)
def test_image_distances_refuse_what_is_no_image(distance):
    with pytest.raises(Unsupported, match="no images"):
        distance.measure(Pair(torch.zeros(2, 30), torch.zeros(2, 30), "x"))


@pytest.mark.parametrize(
    ("cls", "wrong"),
    [
        (Psnr, {"cap": 0.0}),
        (Psnr, {"cap": float("nan")}),
        (Dssim, {"window": 6}),
        (Dssim, {"window": 1}),
        (Dssim, {"gaussian": 1}),
        (Lp, {"p": 0.0}),
        (Lp, {"p": float("inf")}),
        (Features, {"net": ""}),
        (Features, {"resize": 8}),
        (Lpips, {"net": "resnet"}),
    ],
)
def test_senseless_parameters_are_refused(cls, wrong):
    with pytest.raises(LeakboardError, match=next(iter(wrong))):
        checked(cls, **wrong)


def test_defaults_pass_their_own_checks_and_names_are_unique():
    assert all(checked(cls) == cls() for cls in DISTANCES)
    assert len({cls.name for cls in DISTANCES}) == len(DISTANCES) == 10
