"""Images out of arrays: the names and shapes that people have, and what is said of others."""

import numpy as np
import pytest
import torch

from leakboard.api import LeakboardError
from leakboard.tasks.sample_checks import check_samples
from leakboard.testing import check_component, summarize
from leakboard_plugins.datasets import Arrays

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 3, 6, 7), dtype=np.uint8)
ROWS = PIXELS.transpose(0, 2, 3, 1)


def saved(path, **arrays):
    np.savez(path, **arrays)
    return str(path)


@pytest.mark.parametrize(
    "names", [("members", "nonmembers"), ("x_train", "x_test"), ("train_images", "test_images"), ("train", "test")]
)
def test_two_arrays_are_the_two_sides(tmp_path, names):
    samples = Arrays(path=saved(tmp_path / "a.npz", **{names[1]: ROWS[12:], names[0]: ROWS[:12]})).load()

    check_samples(samples, "arrays")
    assert samples.member.tolist() == [True] * 12 + [False] * 8
    assert samples.ids[11:13] == (f"{names[0]}-0000011", f"{names[1]}-0000000")
    assert torch.equal((samples.images * 255).byte(), torch.from_numpy(PIXELS))
    assert samples.labels is samples.prompts is None


@pytest.mark.parametrize(
    "images", [PIXELS, ROWS, ROWS[..., 0], ROWS[..., :1], PIXELS / 255, (PIXELS / 255).astype(np.float16)]
)
def test_every_usual_shape_and_type_is_read(tmp_path, images):
    samples = Arrays(path=saved(tmp_path / "a.npz", images=images)).load()

    assert tuple(samples.images.shape[2:]) == (6, 7)
    assert torch.allclose(samples.images[:, 0] * 255, torch.from_numpy(PIXELS[:, 0]).float(), atol=0.1)
    assert samples.member.sum() == 10
    assert samples.notes[1] == "members: 10 of the 20 images, half, by split_seed=0"


def test_an_array_or_a_list_says_who_is_a_member(tmp_path):
    flags = np.arange(20) < 9
    path = saved(tmp_path / "a.npz", images=PIXELS, member=flags)
    np.savez(tmp_path / "list.npz", train_idx=np.arange(8), eval_idx=np.arange(10, 20))

    assert Arrays(path=path).load().member.tolist() == flags.tolist()
    listed = Arrays(path=path, members=str(tmp_path / "list.npz"))
    assert listed.load().member.tolist() == [True] * 8 + [False] * 10
    assert tmp_path / "list.npz" in listed.files()


def test_labels_are_found_beside_their_images(tmp_path):
    numbers = np.arange(20) % 3
    words = np.array(["cat", "dog", "emu"])[numbers]
    keras = {"x_train": ROWS[:12], "y_train": numbers[:12, None], "x_test": ROWS[12:], "y_test": numbers[12:, None]}

    named = Arrays(path=saved(tmp_path / "a.npz", images=PIXELS, labels=words)).load()
    counted = Arrays(path=saved(tmp_path / "b.npz", **keras)).load()

    assert named.prompts[:3] == ("a photo of a cat", "a photo of a dog", "a photo of an emu")
    assert counted.labels == tuple(map(str, numbers))
    assert counted.prompts is None


def test_non_members_may_lie_in_another_file_or_array(tmp_path):
    np.save(tmp_path / "in.npy", PIXELS[:10])
    np.save(tmp_path / "out.npy", PIXELS[10:])
    two = Arrays(path=str(tmp_path / "in.npy"), nonmember_path=str(tmp_path / "out.npy"))
    path = saved(tmp_path / "a.npz", seen=PIXELS[:10], unseen=PIXELS[10:])

    assert len(set(two.load().ids)) == 20
    assert two.load().member.sum() == 10
    assert Arrays(path=path, images="seen", nonmember_images="unseen").load().member.sum() == 10
    with pytest.raises(LeakboardError, match="no array goes by a name") as caught:
        Arrays(path=path).load()
    assert "seen uint8 (10, 3, 6, 7)" in caught.value.expected
    with pytest.raises(LeakboardError, match="no array 'unsen'") as caught:
        Arrays(path=path, images="seen", nonmember_images="unsen").load()
    assert caught.value.nearest == "unseen"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": PIXELS.astype(int)}, "int64"),
        ({"images": PIXELS.astype(float)}, "values 0 to 255"),
        ({"images": PIXELS / 127.5 - 1}, "values -1 to 1"),
        ({"images": np.full((20, 1, 4, 4), np.nan)}, "values nan"),
        ({"images": PIXELS[:, 0, 0]}, r"uint8 \(20, 7\)"),
        ({"images": PIXELS[:, :, :, :3]}, "either side may be the channels"),
        ({"images": PIXELS[:0]}, r"uint8 \(0, 3"),
        ({"images": PIXELS, "member": np.arange(20)}, "the array member is int64"),
        ({"members": PIXELS, "nonmembers": PIXELS[:, :1]}, "differ in shape"),
    ],
)
def test_arrays_that_are_no_images_are_refused_with_their_shape(tmp_path, arrays, message):
    with pytest.raises(LeakboardError, match=message) as caught:
        Arrays(path=saved(tmp_path / "a.npz", **arrays)).load()
    assert caught.value.next


@pytest.mark.parametrize("content", [None, b"", b"PK damaged"])
def test_a_file_without_arrays_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(LeakboardError, match="the arrays cannot be read") as caught:
        Arrays(path=str(tmp_path / "a.npz")).load()
    assert caught.value.where == str(tmp_path / "a.npz")


def test_it_keeps_to_the_contract(tmp_path):
    rows = check_component(Arrays(path=saved(tmp_path / "a.npz", images=PIXELS)))

    assert {row.outcome for row in rows} == {"ok"}, summarize(rows)


def test_a_file_that_is_not_there_is_named_with_the_nearest_one(tmp_path):
    (tmp_path / "images.npz").touch()
    with pytest.raises(LeakboardError, match=r"there is no file image\.npz") as caught:
        Arrays(path=str(tmp_path / "image.npz")).files()
    assert caught.value.nearest == "images.npz"
