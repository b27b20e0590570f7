"""The blind checks' numbers, their distance and their classifiers: what each measures, and that no batch changes it."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.fft import dctn
from scipy.stats import kurtosis, skew

from helpers.contract_checks import failed
from helpers.spied_victim import Halving
from leakboard.api import Model, Pair, Samples, Unsupported
from leakboard.errors import LeakboardError
from leakboard.oracle.door import Door
from leakboard.oracle.memo import Memo
from leakboard.oracle.provider import Provider
from leakboard.registry.find import shared
from leakboard_plugins.classifiers import RandomForest, TfidfLogistic
from leakboard_plugins.distances import Value
from leakboard_plugins.observers import BlindCaptions, BlindPixels, BlindStatistics
from leakboard_plugins.observers import blind_numbers as numbers

CHECKS = [
    BlindPixels(),
    BlindPixels(size=3),
    BlindStatistics(),
    BlindCaptions(),
    BlindCaptions(columns=7),
]
CAPTIONS = ("a red hat", "A red hat.", "", "hat hat hat", "ein rotes Hütchen", "word " * 2000, "帽子", "<b>&amp;</b>")


def images(count=8, channels=3, height=21, width=34):
    return torch.rand((count, channels, height, width), generator=torch.Generator().manual_seed(1))


def sampled(pictures, captions=CAPTIONS, **metadata):
    ids = tuple(f"image {row}" for row in range(len(pictures)))
    known = {name: np.array(values, np.float64) for name, values in metadata.items()}
    return Samples(ids, pictures, np.arange(len(pictures)) % 2 == 0, captions, metadata=known)


def asked(observer, samples):
    """Its numbers by name; the door leads to a victim that answers nothing."""
    door = Door(Memo(Model(), 64), samples, 0, observer.access, Provider((Halving(),)))
    (pair,) = observer.observe(door)
    assert door.asked.queries == 0
    assert pair.reference.shape == pair.observation.shape == (len(samples.ids), len(pair.names))
    assert pair.space == observer.space == "statistic"
    assert not pair.reference.any()
    assert pair.observation.isfinite().all()
    assert len(set(pair.names)) == len(pair.names)
    return {name: pair.observation[:, place].numpy() for place, name in enumerate(pair.names)}


def through_jpeg(image, quality):
    """A byte image (C, H, W) written as JPEG and read again."""
    file = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)


@pytest.mark.parametrize("observer", CHECKS, ids=str)
def test_a_samples_numbers_do_not_depend_on_its_batch(observer, monkeypatch):
    samples = sampled(images(), bytes=[4, 5, 6, 7, np.nan, 9, 10, 11])
    whole = asked(observer, samples)
    monkeypatch.setattr(numbers, "CHUNK", 5000)
    chunked = asked(observer, samples)
    alone = [asked(observer, samples.take([row])) for row in range(8)]
    for name, values in whole.items():
        np.testing.assert_allclose(values, chunked[name], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(values, [one[name][0] for one in alone], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "part", [BlindPixels(), BlindStatistics(), Value(), RandomForest(trees=9), TfidfLogistic()], ids=str
)
def test_parts_of_blind_checks_keep_to_the_contract(part):
    assert failed(part) == set()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (8, 8), (7, 40), (64, 64)])
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("fill", [0.0, 0.5, 1.0, None])
def test_any_size_colour_and_flat_images_give_finite_numbers(shape, channels, fill):
    pictures = images(3, channels, *shape) if fill is None else torch.full((3, channels, *shape), fill)
    assert len(asked(BlindPixels(), sampled(pictures, None))) == 64 * channels
    assert len(asked(BlindStatistics(), sampled(pictures, None))) >= 19


# --- what is measured -------------------------------------------------------------------------------------------------


def test_pixels_are_means_of_areas():
    pictures = images(2, 2, 6, 9)
    found = asked(BlindPixels(size=3), sampled(pictures, None))
    assert len(found) == 2 * 3 * 3
    np.testing.assert_allclose(found["channel 1 row 2 column 0"], pictures[:, 1, 4:6, 0:3].mean((1, 2)), rtol=1e-6)


def test_statistics_equal_their_definitions():
    pictures = (images() * 255).round() / 255
    found = asked(BlindStatistics(), sampled(pictures))
    plain = pictures.double().numpy()
    flat = plain.reshape(8, -1)
    red, green, blue = plain.reshape(8, 3, -1).transpose(1, 0, 2)
    first, second = red - green, (red + green) / 2 - blue
    colourful = np.hypot(first.std(1), second.std(1)) + 0.3 * np.hypot(first.mean(1), second.mean(1))
    steps = [np.diff(plain, axis=axis) ** 2 for axis in (2, 3)]
    expected = {
        "mean": flat.mean(1),
        "standard deviation": flat.std(1),
        "minimum": flat.min(1),
        "maximum": flat.max(1),
        "skewness": skew(flat, axis=1),
        "kurtosis": kurtosis(flat, axis=1, fisher=False),
        "mean of channel 2": blue.mean(1),
        "colourfulness": colourful,
        "gradient energy": sum(step.mean((1, 2, 3)) for step in steps),
        "distinct levels": [len(np.unique(row)) for row in flat],
        "black": (flat == 0).mean(1),
        "white": (flat == 1).mean(1),
        "off the levels": np.zeros(8),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-6, atol=1e-9, err_msg=name)


def test_vanished_waves_are_counted_in_cosine_blocks():
    pictures = images(2, 1, 16, 24)
    pictures[0] = torch.linspace(0, 1, 24)
    found = asked(BlindStatistics(), sampled(pictures, None))["vanished waves"]
    tiles = (pictures.double().numpy() * 255).reshape(2, 2, 8, 3, 8).transpose(0, 1, 3, 2, 4)
    expected = (np.abs(dctn(tiles, axes=(-2, -1), norm="ortho")) < 0.5).mean((1, 2, 3, 4))
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert found[0] > 0.8 > found[1]


def test_traces_show_what_was_done_to_an_image():
    from torchvision.transforms.v2.functional import gaussian_blur

    def told(pictures):
        return {name: values.mean() for name, values in asked(BlindStatistics(), sampled(pictures, None)).items()}

    smooth = torch.nn.functional.interpolate(images(8, 3, 12, 12), (48, 48), mode="bilinear")
    noise = torch.randn(smooth.shape, generator=torch.Generator().manual_seed(0))
    bytes_ = ((smooth + 0.05 * noise).clamp(0, 1) * 255).round().byte()
    plain = told(bytes_ / 255)
    compressed = told(torch.stack([through_jpeg(one, 60) for one in bytes_]) / 255)
    blurred = told(gaussian_blur(bytes_ / 255, [3, 3], [0.5, 0.5]))
    stretched = told((bytes_ // 2 * 2) / 255)
    assert (
        compressed["vanished waves, less those off the grid"] > plain["vanished waves, less those off the grid"] + 0.1
    )
    assert compressed["steps at block borders"] > plain["steps at block borders"]
    assert blurred["high-frequency share"] < 0.7 * plain["high-frequency share"]
    assert blurred["second difference energy"] < 0.7 * plain["second difference energy"]
    assert blurred["off the levels"] > 0.9
    assert plain["off the levels"] == 0
    assert stretched["holes between levels"] > 0.45 > plain["holes between levels"]


def test_facts_of_files_are_numbers_with_a_mark_where_unknown():
    found = asked(BlindStatistics(), sampled(images(3), None, quality=[90, np.nan, 75], bytes=[1e9, np.inf, 3]))
    assert found["file quality"].tolist() == [90, 0, 75]
    assert found["file quality unknown"].tolist() == [0, 1, 0]
    assert found["file bytes"].tolist() == [1e9, 0, 3]
    assert found["file bytes unknown"].tolist() == [0, 1, 0]
    assert not any(name.startswith("file") for name in asked(BlindStatistics(), sampled(images(3), None)))


def test_captions_are_counts_of_words_and_marks_as_they_are_written():
    counts = np.stack(list(asked(BlindCaptions(columns=4096), sampled(images())).values()), axis=1)
    assert counts.shape == (8, 5 * 4096)
    counts = counts[:, :4096]
    assert counts.sum(1).tolist() == [3, 4, 0, 3, 3, 2000, 1, 7]
    assert counts.max(1).tolist()[3:6] == [3, 1, 2000]
    red, capital = counts[0], counts[1]
    assert np.minimum(red, capital).sum() == 2, "a capital letter makes another word"


@pytest.mark.parametrize("between", [" ", "", "_"])
def test_captions_without_blanks_between_words_are_seen_as_well(between):
    """Members are about animals, the others about vehicles, and the rest of a caption says nothing."""
    rng = np.random.default_rng(0)
    member = np.arange(128) % 2 == 0
    words = [("猫狗鸟鱼", "车船机艇")[not flag][rng.integers(4)] for flag in member]
    captions = tuple(
        between.join(("一", "只条张个"[rng.integers(4)], word, "坐躺站跑"[rng.integers(4)], f"第{row}号"))
        for row, word in enumerate(words)
    )
    counts = np.stack(list(asked(BlindCaptions(), sampled(images(128, 1, 2, 2), captions)).values()), axis=1)
    scores = TfidfLogistic().fit(counts[:64], member[:64], [str(column) for column in range(counts.shape[1])])(
        counts[64:]
    )
    wins = scores[member[64:]][:, None] > scores[~member[64:]]
    assert wins.mean() > 0.9


def test_a_dataset_without_captions_does_not_fit():
    with pytest.raises(Unsupported, match="the dataset has none"):
        asked(BlindCaptions(), sampled(images(), None))


# --- distance and classifiers -----------------------------------------------------------------------------------------


def test_value_is_the_signed_number_in_double_precision():
    column = torch.tensor([[-2.5], [0.0], [1e9 + 0.25]], dtype=torch.float64)
    pair = Pair(torch.tensor([[0.0], [1.0], [0.0]], dtype=torch.float64), column, "x", "statistic")
    assert Value().measure(pair).tolist() == [[-2.5], [-1.0], [1e9 + 0.25]]
    assert Value.larger_is_closer, "the harness must not turn its sign"
    assert Value.spaces == {"statistic", "gradient"}


def test_a_forest_finds_limits_that_no_line_does():
    """Members lie inside a band: their mean is that of the others."""
    rng = np.random.default_rng(0)
    member = np.arange(400) % 2 == 0
    features = np.where(member[:, None], 0.3, 1.0) * rng.uniform(-1, 1, (400, 2))
    features = np.column_stack([features, np.full(400, 7.0)])
    scores = RandomForest(trees=20).fit(features[:200], member[:200], list("abc"))(features[200:])
    assert scores[member[200:]].mean() > 0.75 > 0.45 > scores[~member[200:]].mean()
    flat = RandomForest(trees=5).fit(np.ones((40, 3)), member[:40], list("abc"))(np.ones((4, 3)))
    assert np.ptp(flat) == 0


def test_rare_words_weigh_more_and_the_weights_come_from_calibration_alone():
    """Everybody says the first word, members say the second; a row is scored by itself, empty captions too."""
    member = np.arange(60) % 2 == 0
    counts = np.column_stack([np.full(60, 3.0), member * (np.arange(60) % 4 == 0), np.zeros(60)])
    scorer = TfidfLogistic().fit(counts, member, [f"word {word}" for word in range(counts.shape[1])])
    unseen = np.array([[3.0, 1, 0], [3, 0, 0], [0, 0, 0], [0, 0, 5]])
    scores = scorer(unseen)
    assert scores[0] == max(scores) > scores[1]
    np.testing.assert_array_equal(scores, np.concatenate([scorer(row[None]) for row in unseen]))
    longer = scorer(unseen * 10)
    np.testing.assert_allclose(longer, scores, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("observer", "blind_pixels(size=0)"),
        ("observer", "blind_pixels(size=65)"),
        ("observer", "blind_captions(columns=1)"),
        ("classifier", "random_forest(trees=0)"),
        ("classifier", "random_forest(min_samples_leaf=0)"),
        ("classifier", "tfidf_logistic(C=0)"),
    ],
)
def test_senseless_parameters_are_refused(kind, spec):
    with pytest.raises(LeakboardError):
        shared(()).one(kind, spec)


@pytest.mark.parametrize("name", ["blind_pixels", "blind_statistics", "blind_captions"])
def test_named_blind_checks_are_null_and_fit_together(name):
    registry = shared(())
    attack = registry.value("attack", name)
    observer = registry.one("observer", attack.observer).only
    assert observer.null
    assert observer.access == "black"
    assert observer.space in registry.one("distance", attack.distance).only.spaces
    assert registry.one("classifier", attack.classifier).only.name != "threshold", (
        "their numbers mean neither near nor far"
    )
