"""CIFAR and STL-10 from tiny archives: either version alike, upright, and refused when damaged."""

import hashlib
import pickle

import numpy as np
import pytest
import torch

from helpers.dataset_roots import LABELS, PIXELS, TEN, cifar10, cifar10_python, cifar100, stl10
from leakboard.api import LeakboardError
from leakboard_plugins.datasets.cifar import Cifar10
from leakboard_plugins.datasets.stl10 import Stl10


@pytest.mark.parametrize("make", [cifar10, cifar10_python])
def test_cifar10_is_read_from_either_version_alike(tmp_path, make, monkeypatch):
    dataset = make(tmp_path)
    if make is cifar10_python:
        official(monkeypatch, tmp_path)

    samples = dataset(root=str(tmp_path)).load()

    assert torch.equal(samples.images, torch.from_numpy(PIXELS).float() / 255)
    assert samples.labels == tuple(TEN[label] for label in LABELS)
    assert samples.prompts[0] == f"a photo of {'an' if LABELS[0] < 2 else 'a'} {TEN[LABELS[0]]}"
    assert samples.ids[17] == "cifar10-train-00017"
    assert len(dataset(root=str(tmp_path)).files()) == 6
    assert all(path.is_file() for path in dataset(root=str(tmp_path)).files())


def official(monkeypatch, root):
    from torchvision.datasets import CIFAR10

    def md5(name):
        return hashlib.md5((root / "cifar-10-batches-py" / name).read_bytes()).hexdigest()

    monkeypatch.setattr(CIFAR10, "train_list", [[name, md5(name)] for name, _ in CIFAR10.train_list])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5("test_batch")]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": md5("batches.meta")})


def test_pickles_that_are_not_the_official_ones_are_not_opened(tmp_path, monkeypatch):
    cifar10_python(tmp_path)
    monkeypatch.setattr(pickle, "load", lambda *_, **__: pytest.fail("a pickle was opened"))

    with pytest.raises(LeakboardError, match="not the official ones") as caught:
        Cifar10(root=str(tmp_path)).load()
    assert "binary version" in caught.value.next


@pytest.mark.parametrize("damage", ["missing batch", "cut batch", "unknown label"])
def test_damaged_cifar_is_refused(tmp_path, damage):
    cifar10(tmp_path)
    folder = tmp_path / "cifar-10-batches-bin"
    if damage == "missing batch":
        (folder / "data_batch_3.bin").unlink()
    elif damage == "cut batch":
        (folder / "data_batch_3.bin").write_bytes(b"x" * 5000)
    else:
        (folder / "batches.meta.txt").write_text("cat")

    with pytest.raises(LeakboardError, match="CIFAR-10 cannot be read") as caught:
        Cifar10(root=str(tmp_path)).load()
    assert "unpack" in caught.value.next


def test_cifar100_takes_the_fine_label(tmp_path):
    samples = cifar100(tmp_path)(root=str(tmp_path)).load()

    assert torch.equal(samples.images, torch.from_numpy(PIXELS).float() / 255)
    assert {samples.labels[row] for row in np.flatnonzero(LABELS == 1)} <= {"aquarium fish"}
    assert samples.labels[0] == ["apple", "aquarium fish", *TEN[2:]][LABELS[0]]


def test_stl10_is_upright_and_stays_on_disk(tmp_path):
    dataset = stl10(tmp_path)
    samples = dataset(root=str(tmp_path)).load()

    assert samples.image_shape == (3, 96, 96)
    assert torch.equal(samples.take([0]).images[0, 0] * 255, torch.arange(96.0)[:, None].expand(96, 96))
    assert samples.labels == tuple(TEN[label] for label in LABELS)
    assert isinstance(dataset(root=str(tmp_path)).training_set().pixels.parts[0].base, np.memmap)


def test_stl10_has_an_unlabelled_split(tmp_path):
    samples = stl10(tmp_path)(root=str(tmp_path), split="unlabeled").load()

    assert samples.ids[11] == "stl10-unlabeled-00011"
    assert samples.labels is samples.prompts is None


def test_stl10_with_too_few_labels_is_refused(tmp_path):
    stl10(tmp_path)
    (tmp_path / "stl10_binary/train_y.bin").write_bytes(b"\1\2")

    with pytest.raises(LeakboardError, match="2 labels for 20 images"):
        Stl10(root=str(tmp_path)).load()
