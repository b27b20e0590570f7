"""The shipped datasets, and which datasets there are."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from leakboard.api import LeakboardError
from leakboard_plugins.datasets import DATASETS
from leakboard_plugins.datasets.emoji import Emoji
from leakboard_plugins.datasets.fashion_mnist import FashionMnist


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

    assert names == {"fashion_mnist", "emoji", "folder", "hf", "cifar10", "cifar100", "stl10", "celeba", "imagenet"}


def test_importing_the_plugins_imports_no_torch():
    code = "import sys, leakboard_plugins.datasets, leakboard_plugins.victims, leakboard_plugins.victims.pixel.model; sys.exit(bool({'torch', 'datasets', 'PIL'} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
