"""What datasets in torchvision's layouts share: the split by seed or list, the limit, and a root that is missing."""

import os

import numpy as np
import pytest
import torch

from helpers.dataset_roots import ROOTS, celeba, cifar10, imagenet
from leakboard.api import LazySamples, LeakboardError, member_digest
from leakboard.tasks.sample_checks import check_samples
from leakboard.testing import check_component, summarize
from leakboard_plugins.datasets.celeba import CelebA
from leakboard_plugins.datasets.cifar import Cifar10, Cifar100
from leakboard_plugins.datasets.imagenet import ImageNet
from leakboard_plugins.datasets.splitting import half, some
from leakboard_plugins.datasets.stl10 import Stl10


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


@pytest.mark.parametrize("make", ROOTS)
def test_a_limit_leaves_the_digest_of_all_members_alone(tmp_path, make):
    dataset = make(tmp_path)
    everybody = dataset(root=str(tmp_path)).load()
    digest = member_digest([name for name, flag in zip(everybody.ids, everybody.member, strict=True) if flag])

    assert everybody.member_digest == dataset(root=str(tmp_path), limit=6).load().member_digest == digest
    assert dataset(root=str(tmp_path), split_seed=1).load().member_digest != digest


@pytest.mark.parametrize("make", [celeba, imagenet])
def test_damaged_photographs_are_skipped_and_change_nothing_about_the_others(tmp_path, make):
    """Also one whose header is whole: nobody would find out before it is needed."""
    dataset = make(tmp_path)(root=str(tmp_path))
    before = dataset.load().take(range(20))
    cut, text = (tmp_path / path for path in dataset.files()[-2:])
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 2 // 3])
    text.write_text("no image")

    samples = dataset.load()

    check_samples(samples, dataset.name)
    assert samples.ids == before.ids[:-2]
    assert (samples.member == before.member[:-2]).all()
    assert torch.equal(samples.images, before.images[:-2])
    assert samples.member_digest == before.member_digest
    (note,) = [note for note in samples.notes if note.startswith("2 of 20 images skipped, they cannot be read: ")]
    assert f"{before.ids[-2]} (image file is truncated" in note
    assert f"{before.ids[-1]} (it is no image)" in note


@pytest.mark.parametrize("make", [celeba, imagenet])
def test_photographs_that_may_not_be_read_are_skipped_and_change_nobodys_membership(tmp_path, make, monkeypatch):
    dataset = make(tmp_path)(root=str(tmp_path))
    before, path = dataset.load(), dataset.files()[-1]
    monkeypatch.setattr(os, "access", lambda asked, mode, access=os.access: asked != path and access(asked, mode))

    samples = dataset.load()

    assert path not in dataset.files()
    assert samples.ids == before.ids[:-1]
    assert (samples.member == before.member[:-1]).all()
    assert samples.member_digest == before.member_digest
    assert f"1 of its 20 images are not there or may not be read: {before.ids[-1]}" in samples.notes


@pytest.mark.parametrize("make", [celeba, imagenet])
def test_a_limit_takes_photographs_that_are_there(tmp_path, make, monkeypatch):
    dataset = make(tmp_path)(root=str(tmp_path), limit=6)
    gone = {path for path in dataset.files() if path.suffix.lower() in {".jpg", ".jpeg"}}
    monkeypatch.setattr(os, "access", lambda asked, mode, access=os.access: asked not in gone and access(asked, mode))

    samples = dataset.load()

    assert len(gone) == len(samples.ids) == 6
    assert not gone & set(dataset.files())


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
