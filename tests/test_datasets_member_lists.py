"""Lists of members as they are published: ids, row numbers, arrays; and the official test set as non-members."""

import numpy as np
import pytest
import torch

from helpers.dataset_roots import PIXELS, ROOTS, cifar10
from leakboard.api import LeakboardError
from leakboard.tasks.sample_checks import check_samples
from leakboard_plugins.datasets.cifar import Cifar10

ROWS = [1, 2, 5, 7, 11]


def listed(tmp_path, name, content, **parameters):
    """CIFAR-10 with this list of members: a text, an array, or arrays by name."""
    if not (tmp_path / "cifar-10-batches-bin").is_dir():
        cifar10(tmp_path)
    if isinstance(content, str):
        (tmp_path / name).write_text(content)
    elif isinstance(content, dict):
        np.savez(tmp_path / name, **content)
    else:
        np.save(tmp_path / name, content)
    return Cifar10(root=str(tmp_path), members=str(tmp_path / name), **parameters)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.txt", "1\n2\n5\n\n7\n11\n"),
        ("rows.txt", "[1, 2, 5, 7, 11]"),
        ("rows.csv", "1,2,5,7,11"),
        ("rows.npy", np.array(ROWS)),
        ("rows.npz", {"arr_0": np.array(ROWS, np.int32)}),
        ("rows.npz", {"ratio": np.array(0.5), "member_idxs": np.array(ROWS)}),
        ("flags.npy", np.isin(np.arange(20), ROWS)),
        ("flags.npy", np.isin(np.arange(20), ROWS).astype(np.uint8)),
    ],
)
def test_row_numbers_in_any_form_say_who_is_a_member(tmp_path, name, content):
    samples = listed(tmp_path, name, content).load()

    assert np.flatnonzero(samples.member).tolist() == ROWS
    assert len(samples.ids) == 20
    assert f"members: 5 of the 20 training images, those on {name}" in samples.notes


@pytest.mark.parametrize(
    "names", [("mia_train_idxs", "mia_eval_idxs"), ("members", "nonmembers"), ("member_idx", "non_member_idx")]
)
def test_two_arrays_are_both_sides_and_the_rest_is_not_used(tmp_path, names):
    dataset = listed(tmp_path, "split.npz", {names[1]: np.array([0, 3]), names[0]: np.array(ROWS)})

    samples = dataset.load()

    assert [int(name[-2:]) for name in samples.ids] == sorted([*ROWS, 0, 3])
    assert samples.member.sum() == 5
    assert any(note.endswith("; 13 images are on neither side and are not used") for note in samples.notes)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.txt", "1\n20\n", "no row 20 of the 20 images"),
        ("rows.txt", "9" * 5000, "no row 9"),
        ("rows.npy", np.array([-1]), "no row -1"),
        ("flags.npy", np.ones(7, bool), "7 truth values for 20 images"),
        ("split.npz", {"a": np.arange(3), "b": np.arange(3)}, "the arrays a, b do not say"),
        ("split.npz", {"x": np.zeros((2, 2))}, r"the arrays \(none\) do not say"),
        ("split.npz", {"train": np.arange(3), "eval": np.arange(2, 4)}, "1 rows are in train and in eval"),
        ("split.npz", "damaged", "no plain arrays"),
        ("rows.npy", np.array([{}], object), "no plain arrays"),
    ],
)
def test_wrong_lists_are_refused_with_what_would_do(tmp_path, name, content, message):
    with pytest.raises(LeakboardError, match=message) as caught:
        listed(tmp_path, name, content).load()
    assert name in caught.value.where
    assert caught.value.next


@pytest.mark.parametrize("make", ROOTS)
def test_the_official_test_set_is_the_other_side_if_asked(tmp_path, make):
    dataset = make(tmp_path)(root=str(tmp_path), nonmembers="test", size=16)
    samples = dataset.load()

    check_samples(samples, dataset.name)
    assert samples.member.tolist() == [True] * 20 + [False] * 8
    assert {name.split("-")[1] for name in samples.ids[:20]} == {"train"}
    assert all(name.split("-")[1] in {"test", "val"} for name in samples.ids[20:])
    assert samples.take([21]).images.shape == (1, 3, 16, 16)
    assert "members: 20 of the 20 training images, all; non-members: the 8 images of the test set" in samples.notes


def test_pixels_of_the_test_set_are_its_own(tmp_path):
    cifar10(tmp_path)

    images = Cifar10(root=str(tmp_path), nonmembers="test").load().take([3, 23]).images

    assert torch.equal((images * 255).round().byte(), torch.from_numpy(np.stack([PIXELS[3], 255 - PIXELS[3]])))


def test_a_list_and_the_test_set_leave_the_other_training_images_out(tmp_path):
    samples = listed(tmp_path, "rows.txt", "1 2 5", nonmembers="test").load()

    assert samples.member.tolist() == [True] * 3 + [False] * 8
    assert any("17 images are on neither side" in note for note in samples.notes)


def test_a_list_of_each_side_is_taken(tmp_path):
    (tmp_path / "others.txt").write_text("0\n3\n")
    dataset = listed(tmp_path, "rows.txt", "1 2 5", nonmembers=str(tmp_path / "others.txt"))

    assert dataset.load().member.tolist() == [False, True, True, False, True]
    assert tmp_path / "others.txt" in dataset.files()
    alone = Cifar10(root=str(tmp_path), nonmembers=str(tmp_path / "others.txt")).load()
    assert np.flatnonzero(~alone.member).tolist() == [0, 3]
    with pytest.raises(LeakboardError, match="1 images are on both lists, the first is row 5"):
        listed(tmp_path, "others.txt", "5", nonmembers=str(tmp_path / "rows.txt")).load()


def test_tilde_is_the_home_for_roots_and_lists(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    listed(tmp_path, "rows.txt", "1 2")

    assert Cifar10(root="~", members="~/rows.txt").load().member.sum() == 2
