"""The blind checks in a run: at chance on a clean split, far above on a shifted one, and what the report makes of it."""

import pytest

import leakboard
from helpers.synthetic_store import report
from helpers.tiny_grids import PLUGIN, statuses
from leakboard.grid.grid import Grid
from leakboard.statistics.nulls import FAMILY_ERROR, chance_p_value
from leakboard.store import Store
from leakboard.store.artifacts import Artifacts

SPLIT = '''
"""A split of one pool of images with black margins, captions and files; the non-members may be altered a little."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from leakboard import hookimpl
from leakboard.api import Dataset, Model, Samples, Step, Victim

THINGS = ("hat", "shoe", "coat", "bag", "scarf")


def blurred(images):
    from torchvision.transforms.v2.functional import gaussian_blur

    return (gaussian_blur(images, [3, 3], [0.4, 0.4]) * 255).round() / 255


def compressed(images):
    import io

    import torch
    from PIL import Image

    made = []
    for image in (images * 255).round().byte().permute(0, 2, 3, 1).numpy():
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=90)
        made.append(torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1))
    return torch.stack(made) / 255


def brighter(images):
    return (images + 1 / 255).clamp(max=1)


@dataclass(frozen=True, kw_only=True)
class Split(Dataset):
    "Non-members are treated as ``how`` says."

    name: ClassVar[str] = "split"
    how: Literal["clean", "blur", "jpeg", "bright", "words", "files", "silent", "flat"] = "clean"
    count: int = 150

    def load(self):
        import torch

        draw = torch.Generator().manual_seed(5)
        coarse = torch.rand((2 * self.count, 3, 7, 7), generator=draw)
        images = torch.nn.functional.interpolate(coarse, (24, 24), mode="bilinear")
        images = images + 0.03 * torch.randn(images.shape, generator=draw)
        images[..., :3], images[..., -3:] = 0, 0
        images = (images.clamp(0, 1) * 255).round() / 255
        numbers = np.random.default_rng(6)
        member = numbers.permutation(2 * self.count) % 2 == 0
        things = numbers.choice(THINGS, 2 * self.count)
        bytes_ = numbers.normal(4000, 300, 2 * self.count).round()
        captions = [f"a photo of a {thing}" for thing in things]
        other = torch.from_numpy(~member)
        alter = {"blur": blurred, "jpeg": compressed, "bright": brighter}.get(self.how)
        if alter:
            images[other] = alter(images[other])
        if self.how == "words":
            captions = [text if flag else text.replace("photo", "picture") for text, flag in zip(captions, member)]
        if self.how == "flat":
            images[:], captions, bytes_ = 0.5, [""] * len(captions), np.full(2 * self.count, 4000.0)
        if self.how == "files":
            bytes_ = np.where(member, bytes_, bytes_ * 0.8)
        return Samples(
            ids=tuple(f"image {row}" for row in range(2 * self.count)),
            images=images,
            member=member,
            prompts=None if self.how == "silent" else tuple(captions),
            notes=("drawn at random, no licence needed", "2 near duplicates <left> in"),
            metadata={"bytes": bytes_, "quality": np.full(2 * self.count, np.nan)},
        )


class Shrinking(Model):
    "Denoises by shrinking, at a fixed size."

    image_shape = (3, 32, 32)

    def __init__(self):
        import torch

        self.alphas_cumprod = torch.linspace(0.999, 0.01, 1000)

    def encode(self, images):
        return images * 2 - 1

    def decode(self, inner):
        return (inner / 2 + 0.5).clamp(0, 1)

    def reconstruct(self, images, seeds, strength, steps, prompts):
        for step in range(steps):
            yield Step(self.encode(images) * 0.9, self.encode(images))


@dataclass(frozen=True, kw_only=True)
class Fixed(Victim):
    "Takes 32 x 32 only; smaller images are padded."

    name: ClassVar[str] = "fixed"
    fit = "pad"

    def open(self, device):
        return Shrinking()


@hookimpl
def leakboard_datasets():
    return [Split]


@hookimpl
def leakboard_victims():
    return [Fixed]
'''
SEEN_BY = {
    "blur": "blind_statistics",
    "jpeg": "blind_statistics",
    "bright": "blind_statistics",
    "words": "blind_captions",
    "files": "blind_statistics",
}
CHECKS = ["blind_pixels", "blind_statistics", "blind_captions"]


def grid(plugin, dataset, samples=0):
    return Grid.of(
        plugins=[PLUGIN, plugin],
        dataset=dataset,
        victim="fixed",
        observer=["glance", "blind"],
        distance="gap",
        classifier="centred",
        attack=CHECKS,
        run={"samples": samples, "shard": 64, "pictures": True},
    )


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    path = tmp_path_factory.mktemp("plugin") / "split.py"
    path.write_text(SPLIT, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def clean(plugin, tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("clean") / "store.db", create=True)
    assert leakboard.run(grid(plugin, "split"), store).ok
    return store


@pytest.fixture(scope="module")
def shifted(plugin, tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("shifted") / "store.db", create=True)
    hows = ", ".join(map(repr, SEEN_BY))
    assert leakboard.run(grid(plugin, ["split", f"split(how={{{hows}}})"]), store).ok
    return store


@pytest.fixture(scope="module")
def clean_page(clean, tmp_path_factory):
    return report(clean, tmp_path_factory.mktemp("page") / "out", pictures=True).read_text()


def aucs(store, dataset="split"):
    rows = store.results().query("measure == 'auc' and dataset == @dataset")
    return {row.attack or row.observer: row for row in rows.itertuples()}


def test_blind_checks_are_at_chance_on_a_clean_split(clean):
    found = aucs(clean)
    assert {*CHECKS, "blind"} <= found.keys()
    for name in CHECKS:
        assert found[name].low < 0.5 < found[name].high, name
        assert (found[name].role, found[name].access, found[name].nfe) == ("null", "none", 0)


def test_blind_checks_are_at_chance_on_the_embedded_images(plugin, tmp_path):
    store = Store(tmp_path / "store.db", create=True)
    run = {"samples": 256}
    assert leakboard.run(
        Grid.of(plugins=[PLUGIN], dataset="fashion_mnist", victim="linear", attack=CHECKS, run=run), store
    ).ok
    found = aucs(store, "fashion_mnist")
    assert sorted(found) == sorted(CHECKS)
    for name in CHECKS:
        assert found[name].low < 0.5 < found[name].high, name


@pytest.mark.parametrize(("how", "check"), SEEN_BY.items())
def test_a_shifted_split_is_seen_by_the_check_that_should(shifted, how, check):
    found = aucs(shifted, f"split(how={how!r})")
    assert found[check].low > 0.8
    if check == "blind_captions":
        assert found["blind_statistics"].low < 0.5 < found["blind_statistics"].high
    else:
        assert found["blind_captions"].low < 0.5 < found["blind_captions"].high


def test_pixels_see_brightness_that_no_eye_does(shifted):
    assert aucs(shifted, "split(how='bright')")["blind_pixels"].low > 0.9


def test_captions_that_are_not_there_are_a_skip_with_its_reason(plugin, tmp_path):
    store = Store(tmp_path / "store.db", create=True)
    assert leakboard.run(grid(plugin, "split(how='silent', count=16)"), store).ok
    assert statuses(store, "observer")["blind_captions"] == {"skipped"}
    (reason,) = store.failures()["error"]
    assert "reads captions, and the dataset has none" in reason


def test_a_check_whose_numbers_are_the_same_for_all_samples_is_a_skip_and_never_at_chance(plugin, tmp_path):
    """One colour, empty captions, files of one size."""
    store = Store(tmp_path / "store.db", create=True)
    leakboard.run(grid(plugin, "split(how='flat', count=16)"), store)
    assert all(statuses(store, "observer")[check] == {"skipped"} for check in CHECKS)
    assert all("cannot look" in reason for reason in store.failures()["error"])


def sections(text):
    parts = text.split("<section ")[1:]
    return {part.split('aria-labelledby="')[1].split('"')[0]: part for part in parts}


def test_the_report_calls_every_attack_on_a_shifted_split_suspect(shifted, tmp_path):
    page = sections(report(shifted, tmp_path / "out").read_text())
    for how, check in SEEN_BY.items():
        suspect = f"Every attack on split(how=&#39;{how}&#39;) is suspect"
        for name in ("doubts", "leaderboard", "heatmap", "price", "roc", "seeds"):
            warning = page[name][page[name].index(suspect) :].split("Null checks</a>")[0]
            assert check in warning, (name, how)
        assert f"the members of split(how=&#39;{how}&#39;) apart without this victim" in page["summary"]
    assert "Every attack on split is suspect" not in page["doubts"], "the clean one is not"
    assert page["nulls"].count('<strong class="up">not at chance</strong>') >= len(SEEN_BY)


def test_the_report_of_a_clean_split_warns_of_nothing(clean, clean_page):
    results = clean.results().query("measure == 'auc' and role == 'null'")
    chance = [chance_p_value(row.value, row.low, row.high) * len(results) for row in results.itertuples()]
    assert min(chance) > FAMILY_ERROR
    assert "is suspect:" not in clean_page
    assert "null checks differs from chance" in clean_page


def test_the_report_tells_of_the_dataset_and_how_its_images_were_fitted(clean, clean_page):
    page = sections(clean_page)
    artifacts = Artifacts(clean.artifacts)
    (fit,) = {artifacts.get(key)[1]["fit"] for key in clean.artifact_digests("preview")}
    assert "padded" in fit
    assert fit in page["pictures"]
    table = page["subjects"][page["subjects"].index('aria-label="Datasets"') :].split("</table>")[0]
    assert '<td class="number">150</td>' in table
    assert "24 x 24 RGB" in table
    assert "<li>drawn at random, no licence needed</li><li>2 near duplicates &lt;left&gt; in</li>" in table
