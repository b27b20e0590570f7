"""CIFAR, STL-10, CelebA and ImageNet from tiny roots in the formats of the real ones."""

import hashlib
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from leakboard.api import LazySamples, LeakboardError
from leakboard.population import check_samples
from leakboard.testing import check_component, summarize
from leakboard_plugins.datasets.celeba import CelebA
from leakboard_plugins.datasets.cifar import Cifar10, Cifar100
from leakboard_plugins.datasets.imagenet import ImageNet
from leakboard_plugins.datasets.splitting import half, some
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
    (folder / "class_names.txt").write_text("\n".join(TEN))
    return Stl10


def photograph(path, seed, size=(178, 218)):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, quality=80)


def celeba(root):
    for number in range(1, 25):
        photograph(root / f"celeba/img_align_celeba/{number:06d}.jpg", number)
    (root / "celeba/list_eval_partition.txt").write_text(
        "".join(f"{number:06d}.jpg {0 if number <= 20 else 1}\n" for number in range(1, 25))
    )
    (root / "celeba/list_attr_celeba.txt").write_text(
        "24\nSmiling Wavy_Hair Young \n"
        + "".join(f"{number:06d}.jpg -1  1 {-1 + 2 * (number % 2)}\n" for number in range(1, 25))
    )
    return CelebA


def imagenet(root):
    for number in range(20):
        wnid = "n01440764" if number < 10 else "n02123045"
        photograph(root / f"train/{wnid}/{wnid}_{number}.JPEG", number, (300 + number, 280))
    (root / "LOC_synset_mapping.txt").write_text("n01440764 tench, Tinca tinca\nn02123045 tabby, tabby cat\n")
    return ImageNet


ROOTS = [cifar10, cifar100, stl10, celeba, imagenet]


@pytest.mark.parametrize("make", ROOTS)
def test_half_of_the_training_set_are_members_by_seed(tmp_path, make):
    dataset = make(tmp_path)
    samples = dataset(root=str(tmp_path), size=16).load()

    check_samples(samples, dataset.name)
    assert isinstance(samples, LazySamples)
    assert len(samples.ids) == 20
    assert samples.member.sum() == 10
    assert all(name.startswith(f"{dataset.name}-train-") for name in samples.ids)
    assert samples.image_shape == (3, 16, 16) == tuple(samples.take([3]).images.shape[1:])
    assert (dataset(root=str(tmp_path)).load().member == samples.member).all()
    assert (dataset(root=str(tmp_path), split_seed=1).load().member != samples.member).any()
    assert "members: 10 of the 20 training images, half, by split_seed=0" in samples.notes
    assert any("centre crop to a square and antialiased bicubic resize to 16x16" in note for note in samples.notes)


@pytest.mark.parametrize("make", ROOTS)
def test_every_root_keeps_to_the_contract(tmp_path, make):
    rows = check_component(make(tmp_path)(root=str(tmp_path), size=16))

    assert {row.outcome for row in rows} == {"ok"}, summarize(rows)


@pytest.mark.parametrize("make", ROOTS)
def test_a_list_says_who_is_a_member(tmp_path, make):
    dataset = make(tmp_path)
    ids = dataset(root=str(tmp_path)).load().ids
    (tmp_path / "members.txt").write_text("\n".join([*ids[2:11], "", ids[2]]) + "\n")
    listed = dataset(root=str(tmp_path), members=str(tmp_path / "members.txt"))

    samples = listed.load()

    assert np.flatnonzero(samples.member).tolist() == list(range(2, 11))
    assert "members: 9 of the 20 training images, those on members.txt" in samples.notes
    assert tmp_path / "members.txt" in listed.files()


@pytest.mark.parametrize("make", ROOTS)
def test_a_limit_takes_fewer_images_and_changes_nobodys_membership(tmp_path, make):
    dataset = make(tmp_path)
    everybody = dataset(root=str(tmp_path)).load()
    flags = dict(zip(everybody.ids, everybody.member, strict=True))

    samples = dataset(root=str(tmp_path), limit=6).load()

    assert len(samples.ids) == 6
    assert samples.member.sum() == 3
    assert all(flags[name] == flag for name, flag in zip(samples.ids, samples.member, strict=True))
    rows = [everybody.ids.index(name) for name in samples.ids]
    assert torch.equal(samples.images, everybody.take(rows).images)
    assert samples.prompts == everybody.take(rows).prompts
    assert "6 of its 20 images are in use (limit=6)" in samples.notes


@pytest.mark.parametrize(
    ("dataset", "wanted"),
    [
        (Cifar10, "cifar-10-batches-bin/ with data_batch_1.bin"),
        (Cifar100, "cifar-100-binary/ with train.bin"),
        (Stl10, "stl10_binary/ with train_X.bin, train_y.bin, class_names.txt"),
        (CelebA, "celeba/ with img_align_celeba/ (000001.jpg and so on) and list_eval_partition.txt"),
        (ImageNet, "train/ with a folder of images a class"),
    ],
)
def test_a_missing_root_says_what_to_place_where(tmp_path, dataset, wanted):
    (tmp_path / "data").mkdir()

    for root, what in ((tmp_path / "data", "is not below"), (tmp_path / "date", "there is no folder")):
        for ask in ("load", "files"):
            with pytest.raises(LeakboardError, match=what) as caught:
                getattr(dataset(root=str(root)), ask)()
            assert wanted in caught.value.expected
            assert caught.value.where == str(root)
            assert "nothing is downloaded" in caught.value.next
    assert caught.value.nearest == str(tmp_path / "data")


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
    assert isinstance(dataset(root=str(tmp_path)).training_set().pixels.base, np.memmap)


def test_stl10_has_an_unlabelled_split(tmp_path):
    samples = stl10(tmp_path)(root=str(tmp_path), split="unlabeled").load()

    assert samples.ids[11] == "stl10-unlabeled-00011"
    assert samples.labels is samples.prompts is None


def test_stl10_with_too_few_labels_is_refused(tmp_path):
    stl10(tmp_path)
    (tmp_path / "stl10_binary/train_y.bin").write_bytes(b"\1\2")

    with pytest.raises(LeakboardError, match="2 labels for 20 images"):
        Stl10(root=str(tmp_path)).load()


def test_celeba_takes_its_training_images_with_attributes_and_file_facts(tmp_path):
    dataset = celeba(tmp_path)
    samples = dataset(root=str(tmp_path)).load()

    assert samples.ids[0] == "celeba-train-000001"
    assert samples.ids[-1] == "celeba-train-000020"
    assert samples.prompts[:2] == ("a photo of a face: wavy hair, young", "a photo of a face: wavy hair")
    assert samples.image_shape == (3, 64, 64)
    assert set(samples.metadata["jpeg_quality"]) == {80}
    assert set(samples.metadata["width"]) == {178}
    assert any("non-commercial" in note for note in samples.notes)
    assert len(dataset(root=str(tmp_path), limit=4).files()) == 6
    assert len(dataset(root=str(tmp_path)).files()) == 22


def test_celeba_without_attributes_has_no_prompts(tmp_path):
    celeba(tmp_path)
    (tmp_path / "celeba/list_attr_celeba.txt").unlink()

    assert CelebA(root=str(tmp_path)).load().prompts is None


@pytest.mark.parametrize(("line", "message"), [("000003.jpg 1\n", "1 flags for 3"), ("", "2[34] images|19 images")])
def test_celeba_attributes_that_do_not_fit_are_refused(tmp_path, line, message):
    celeba(tmp_path)
    path = tmp_path / "celeba/list_attr_celeba.txt"
    rows = [row for row in path.read_text().splitlines(keepends=True) if not row.startswith("000003")]
    path.write_text("".join(rows[:3]) + line)

    with pytest.raises(LeakboardError, match=message) as caught:
        CelebA(root=str(tmp_path)).load()
    assert "without prompts" in caught.value.next or "do without" in caught.value.next


def test_broken_and_missing_faces_are_skipped_with_count_and_names(tmp_path):
    celeba(tmp_path)
    (tmp_path / "celeba/img_align_celeba/000002.jpg").write_text("no image")
    (tmp_path / "celeba/img_align_celeba/000005.jpg").unlink()

    samples = CelebA(root=str(tmp_path)).load()

    assert len(samples.ids) == len(samples.images) == 18
    assert not {"celeba-train-000002", "celeba-train-000005"} & set(samples.ids)
    assert "1 of 20 training images are not there: 000005.jpg" in samples.notes
    assert any(note.startswith("1 of 19 images skipped") and "celeba-train-000002" in note for note in samples.notes)


def test_imagenet_has_names_of_classes_and_file_facts(tmp_path):
    samples = imagenet(tmp_path)(root=str(tmp_path)).load()

    assert samples.ids[0] == "imagenet-train-n01440764/n01440764_0.JPEG"
    assert set(samples.labels) == {"tench", "tabby"}
    assert samples.prompts[0] == "a photo of a tench"
    assert samples.image_shape == (3, 256, 256)
    assert samples.metadata["width"][0] == 300
    assert (samples.metadata["jpeg_quality"] == 80).all()


def test_imagenet_without_names_has_wnids_and_no_prompts(tmp_path):
    imagenet(tmp_path)
    (tmp_path / "LOC_synset_mapping.txt").unlink()
    samples = ImageNet(root=str(tmp_path)).load()

    assert set(samples.labels) == {"n01440764", "n02123045"}
    assert samples.prompts is None


@pytest.mark.parametrize(("text", "message"), [("n01440764 tench\n", "n02123045"), ("tench\n", "cannot be read")])
def test_imagenet_names_that_do_not_fit_are_refused(tmp_path, text, message):
    imagenet(tmp_path)
    (tmp_path / "LOC_synset_mapping.txt").write_text(text)

    with pytest.raises(LeakboardError, match=message):
        ImageNet(root=str(tmp_path)).load()


def test_grey_photographs_get_three_channels_and_that_is_told(tmp_path):
    imagenet(tmp_path)
    Image.new("L", (300, 300), 128).save(tmp_path / "train/n01440764/n01440764_0.JPEG")
    samples = ImageNet(root=str(tmp_path)).load()

    assert samples.take([0]).images.shape == (1, 3, 256, 256)
    assert "1 of 20 grey images were repeated over 3 channels" in samples.notes


def test_a_root_of_nothing_but_broken_images_is_refused(tmp_path):
    imagenet(tmp_path)
    for path in tmp_path.rglob("*.JPEG"):
        path.write_text("x")

    with pytest.raises(LeakboardError, match="none of the 20 images can be read"):
        ImageNet(root=str(tmp_path)).load()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"cifar10-train-00001\ncifar10-train-0002\n", "no image 'cifar10-train-0002'"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (None, "No such file"),
    ],
)
def test_a_wrong_list_of_members_is_refused(tmp_path, content, message):
    cifar10(tmp_path)
    file = tmp_path / "members.txt"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(LeakboardError, match=message) as caught:
        Cifar10(root=str(tmp_path), members=str(file)).load()
    assert "cifar10-train-00000" in caught.value.expected
    assert caught.value.next
    if content and b"0002" in content:
        assert caught.value.where == f"{file}, line 2"
        assert caught.value.nearest.startswith("cifar10-train-000")


def test_membership_depends_on_ids_and_seed_alone():
    """These flags are on record: another library version or machine must draw the same half."""
    ids = [f"x-{number}" for number in range(9)]
    member = half(ids, 0)
    shuffled = half(ids[::-1], 0)

    assert np.flatnonzero(member).tolist() == [1, 2, 6, 8]
    assert (shuffled[::-1] == member).all()
    assert member.sum() == 4


def test_a_larger_limit_only_adds():
    ids = [f"x-{number}" for number in range(40)]
    member = half(ids, 0)

    assert set(some(ids, member, 6)) < set(some(ids, member, 12)) < set(some(ids, member, 0))
    assert some(ids, member, 0) == list(range(40))
