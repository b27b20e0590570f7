"""The shipped datasets, and which datasets there are."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from leakboard.api import LeakboardError, member_digest
from leakboard_plugins.datasets import DATASETS
from leakboard_plugins.datasets.emoji import Emoji
from leakboard_plugins.datasets.fashion_mnist import LABELS, FashionMnist
from leakboard_plugins.datasets.fashion_mnist_wide import FashionMnistWide
from leakboard_plugins.victims.folders.shipped import WEIGHTS


def test_fashion_mnist_is_a_balanced_set_in_the_contract():
    samples = FashionMnist().load()

    assert samples.images.shape == (2048, 1, 28, 28)
    assert samples.images.dtype == torch.float32
    assert (samples.images.min(), samples.images.max()) == (0, 1)
    assert samples.member.dtype == np.bool_
    assert samples.member.sum() == 1024
    assert len(set(samples.ids)) == 2048
    assert all(name.startswith("fashion-train-") and len(name) == 19 for name in samples.ids)
    assert samples.prompts[0] == "a photo of a trouser"
    assert samples.labels[0] == "trouser"
    assert {prompt for prompt in samples.prompts if "boot" in prompt} == {"a photo of an ankle boot"}
    assert any("MIT" in note for note in samples.notes)


def test_fashion_mnist_loads_the_same_twice():
    first, second = FashionMnist().load(), FashionMnist().load()

    assert first.ids == second.ids
    assert torch.equal(first.images, second.images)


def test_fashion_mnist_keeps_its_samples_whatever_ships_beside_it():
    """Members, non-members and auxiliary images of the shipped victims, by the digests in their manifests."""
    samples, pool = FashionMnist().load(), FashionMnist().auxiliary()
    held_out = [name for name, member in zip(samples.ids, samples.member, strict=True) if not member]
    members = [name for name, member in zip(samples.ids, samples.member, strict=True) if member]

    for victim in ("fashion_ddpm", "fashion_sd"):
        manifest = json.loads((WEIGHTS / victim / "heavy" / "manifest.json").read_text(encoding="utf-8"))
        assert member_digest(members) == manifest["member_digest"]
        assert member_digest(held_out) == manifest["held_out_digest"]
        assert member_digest(pool.ids) == manifest.get("auxiliary_digest", member_digest(pool.ids))


def test_the_wide_fashion_mnist_begins_with_the_narrow_one():
    narrow, wide = FashionMnist().load(), FashionMnistWide().load()

    assert wide.ids[:2048] == narrow.ids
    assert torch.equal(wide.images[:2048], narrow.images)
    assert wide.prompts[:2048] == narrow.prompts
    assert wide.labels[:2048] == narrow.labels
    assert np.array_equal(wide.member[:2048], narrow.member)


def test_the_wide_fashion_mnist_has_twelve_times_the_non_members_and_no_image_twice():
    wide, pool = FashionMnistWide().load(), FashionMnistWide().auxiliary()
    images = {row.tobytes() for row in (torch.cat([wide.images, pool.images]) * 255).byte().numpy()}

    assert (wide.member.sum(), (~wide.member).sum(), len(pool.ids)) == (1024, 12_288, 4096)
    assert len({*wide.ids, *pool.ids}) == len(images) == 1024 + 12_288 + 4096


def test_the_further_non_members_are_like_the_first():
    """One random permutation: every class takes about a tenth of each part."""
    labels = np.array(FashionMnistWide().load().labels)
    first, further = ([np.mean(part == name) for name in LABELS] for part in (labels[1024:2048], labels[2048:]))

    assert np.abs(np.array(first) - 0.1).max() < 0.03
    assert np.abs(np.array(further) - 0.1).max() < 0.01


def test_only_the_wide_fashion_mnist_depends_on_the_further_non_members():
    """Or results of the narrow one would be made again when the others change."""
    assert FashionMnist().files() == (FashionMnist.file,)
    assert FashionMnistWide().files() == (FashionMnist.file, FashionMnistWide.further)


def test_emoji_is_a_balanced_set_of_captioned_colour_pictures():
    samples = Emoji().load()

    assert samples.images.shape == (1024, 3, 32, 32)
    assert samples.images.dtype == torch.float32
    assert samples.images[:, :, 0, 0].median() == 1, "on white"
    assert samples.member.tolist() == [True] * 512 + [False] * 512
    assert dict(zip(samples.ids, samples.prompts, strict=True))["emoji-1f981"] == "lion"
    assert any("SIL Open Font License 1.1" in note for note in samples.notes)


@pytest.mark.parametrize(("dataset", "count"), [(FashionMnist, 4096), (Emoji, 507)])
def test_auxiliary_images_are_disjoint_from_what_is_attacked(dataset, count):
    pool, samples = dataset().auxiliary(), dataset().load()

    assert len(pool.ids) == len(set(pool.ids)) == count
    assert not pool.member.any()
    assert not set(pool.ids) & set(samples.ids)
    assert not {row.tobytes() for row in pool.images.numpy()} & {row.tobytes() for row in samples.images.numpy()}


@pytest.mark.parametrize("dataset", [FashionMnist, Emoji])
def test_the_only_file_is_the_one_that_ships(dataset):
    (file,) = dataset().files()

    assert file.is_file()
    assert file.stem == dataset.name


def test_a_damaged_shipped_file_is_named(tmp_path, monkeypatch):
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 not really")
    monkeypatch.setattr(FashionMnist, "file", tmp_path / "x.npz")

    with pytest.raises(LeakboardError, match=r"x\.npz"):
        FashionMnist().load()


def test_every_dataset_is_found_under_its_name():
    names = {cls.name for cls in DATASETS}

    assert names == {
        "fashion_mnist",
        "fashion_mnist_wide",
        "emoji",
        "openclipart",
        "folder",
        "arrays",
        "hf",
        "cifar10",
        "cifar100",
        "stl10",
        "celeba",
        "imagenet",
    }


def test_importing_the_plugins_imports_no_torch():
    code = "import sys, leakboard_plugins.datasets, leakboard_plugins.victims, leakboard_plugins.victims.pixel.model; sys.exit(bool({'torch', 'datasets', 'PIL'} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
