"""Tiny roots in the formats of the real CIFAR, STL-10, CelebA and ImageNet: twenty training images each."""

import pickle

import numpy as np
from PIL import Image

from leakboard_plugins.datasets.celeba import CelebA
from leakboard_plugins.datasets.cifar import Cifar10, Cifar100
from leakboard_plugins.datasets.imagenet import ImageNet
from leakboard_plugins.datasets.stl10 import Stl10

TEN = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (20, 3, 32, 32), dtype=np.uint8)
LABELS = RANDOM.integers(0, 10, 20)


def cifar10(root):
    """The binary version: five batches of four records, label then red, green, blue."""
    folder = root / "cifar-10-batches-bin"
    folder.mkdir()
    for number in range(5):
        rows = slice(4 * number, 4 * number + 4)
        records = np.concatenate([LABELS[rows, None].astype(np.uint8), PIXELS[rows].reshape(4, -1)], 1)
        records.tofile(folder / f"data_batch_{number + 1}.bin")
    tested = np.concatenate([LABELS[:8, None].astype(np.uint8), 255 - PIXELS[:8].reshape(8, -1)], 1)
    tested.tofile(folder / "test_batch.bin")
    (folder / "batches.meta.txt").write_text("\n".join(TEN) + "\n\n")
    return Cifar10


def cifar10_python(root):
    """The Python version: pickles, with the md5 sums of the tiny files put in the place of the official ones."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    for number in range(5):
        rows = slice(4 * number, 4 * number + 4)
        batch = {"data": PIXELS[rows].reshape(4, -1), "labels": LABELS[rows].tolist()}
        (folder / f"data_batch_{number + 1}").write_bytes(pickle.dumps(batch))
    (folder / "test_batch").write_bytes(pickle.dumps({}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": TEN}))
    return Cifar10


def cifar100(root):
    folder = root / "cifar-100-binary"
    folder.mkdir()
    labels = np.stack([np.full(20, 19), LABELS], 1).astype(np.uint8)
    np.concatenate([labels, PIXELS.reshape(20, -1)], 1).tofile(folder / "train.bin")
    np.concatenate([labels[:8], 255 - PIXELS[:8].reshape(8, -1)], 1).tofile(folder / "test.bin")
    (folder / "fine_label_names.txt").write_text("apple\naquarium_fish\n" + "\n".join(TEN[2:]))
    return Cifar100


def stl10(root):
    folder = root / "stl10_binary"
    folder.mkdir()
    large = RANDOM.integers(0, 256, (20, 3, 96, 96), dtype=np.uint8)
    large[0] = np.arange(96)[:, None]
    large.transpose(0, 1, 3, 2).tofile(folder / "train_X.bin")
    large[:12].transpose(0, 1, 3, 2).tofile(folder / "unlabeled_X.bin")
    (LABELS + 1).astype(np.uint8).tofile(folder / "train_y.bin")
    (255 - large[:8]).transpose(0, 1, 3, 2).tofile(folder / "test_X.bin")
    (LABELS[:8] + 1).astype(np.uint8).tofile(folder / "test_y.bin")
    (folder / "class_names.txt").write_text("\n".join(TEN))
    return Stl10


def photograph(path, seed, size=(178, 218)):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, quality=80)


def celeba(root):
    for number in range(1, 33):
        photograph(root / f"celeba/img_align_celeba/{number:06d}.jpg", number)
    (root / "celeba/list_eval_partition.txt").write_text(
        "".join(f"{number:06d}.jpg {0 if number <= 20 else 1 if number <= 24 else 2}\n" for number in range(1, 33))
    )
    (root / "celeba/list_attr_celeba.txt").write_text(
        "32\nSmiling Wavy_Hair Young \n"
        + "".join(f"{number:06d}.jpg -1  1 {-1 + 2 * (number % 2)}\n" for number in range(1, 33))
    )
    return CelebA


def imagenet(root):
    for number in range(20):
        wnid = "n01440764" if number < 10 else "n02123045"
        photograph(root / f"train/{wnid}/{wnid}_{number}.JPEG", number, (300 + number, 280))
    for number in range(8):
        photograph(root / f"val/n02123045/ILSVRC2012_val_{number:08d}.JPEG", 50 + number)
    (root / "LOC_synset_mapping.txt").write_text("n01440764 tench, Tinca tinca\nn02123045 tabby, tabby cat\n")
    return ImageNet


ROOTS = [cifar10, cifar100, stl10, celeba, imagenet]
