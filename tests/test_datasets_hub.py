"""Hugging Face datasets on disk: both ways of keeping them, their columns, and what is said when one is not right."""

import io
import socket
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from leakboard.api import LazySamples, LeakboardError, member_digest
from leakboard.tasks.sample_checks import check_samples
from leakboard.testing import check_component, summarize
from leakboard_plugins.datasets import hub, surveys
from leakboard_plugins.datasets.hub import HuggingFace

datasets = pytest.importorskip("datasets")
COUNT = 20


def encoded(seed, size=(12, 12), mode="RGB", kind="PNG"):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, kind)
    return file.getvalue()


def table(**columns):
    """Twenty rows of an image, a text, a class, whether it is a member."""
    content = {
        "image": [{"bytes": encoded(row), "path": None} for row in range(COUNT)],
        "text": [f"caption {row}" for row in range(COUNT)],
        "kind": [row % 2 for row in range(COUNT)],
        "seen": [row < 9 for row in range(COUNT)],
    } | columns
    made = datasets.Dataset.from_dict(content).cast_column("image", datasets.Image())
    if "kind" in columns:
        return made
    return made.cast_column("kind", datasets.ClassLabel(names=["cat", "house_mouse"]))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The cache of `datasets` is a new folder, and there is no network."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a connection was tried"))


def saved(path, made):
    made.save_to_disk(str(path))
    return str(path)


def parquet(path, made):
    (path / "data").mkdir(parents=True)
    made.select(range(8)).to_parquet(path / "data" / "train-00000-of-00002.parquet")
    made.select(range(8, COUNT)).to_parquet(path / "data" / "train-00001-of-00002.parquet")
    made.select(range(2)).to_parquet(path / "data" / "test-00000-of-00001.parquet")
    return str(path)


@pytest.mark.parametrize("write", [saved, parquet])
def test_a_dataset_on_disk_is_read_without_a_network(tmp_path, write):
    dataset = HuggingFace(path=write(tmp_path / "d", table()), caption="text", label="kind", member="seen")
    samples = dataset.load()

    check_samples(samples, "hf")
    assert isinstance(samples, LazySamples)
    assert samples.ids[:2] == ("train-0000000", "train-0000001")
    assert samples.prompts == tuple(f"caption {row}" for row in range(COUNT))
    assert samples.labels[:2] == ("cat", "house mouse")
    assert samples.member.tolist() == [row < 9 for row in range(COUNT)]
    expected = np.asarray(Image.open(io.BytesIO(encoded(17))), np.float32).transpose(2, 0, 1) / 255
    assert torch.equal(samples.take([17]).images[0], torch.from_numpy(expected))
    assert samples.metadata["bytes"][17] == len(encoded(17))
    assert np.isnan(samples.metadata["jpeg_quality"]).all()
    assert samples.notes == ("licence: not stated", "members: 9 of the 20 rows, those that the column seen says")
    assert dataset.files()
    assert all(path.is_file() for path in dataset.files())


def test_it_keeps_to_the_contract(tmp_path):
    rows = check_component(HuggingFace(path=saved(tmp_path / "d", table()), caption="text"))

    assert {row.outcome for row in rows} == {"ok"}, summarize(rows)


def test_files_are_those_of_the_split(tmp_path):
    path = parquet(tmp_path / "d", table())

    assert [file.name for file in HuggingFace(path=path, split="test").files()] == ["test-00000-of-00001.parquet"]
    assert len(HuggingFace(path=path).files()) == 2


def test_one_parquet_file_is_a_dataset(tmp_path):
    parquet(tmp_path / "d", table())
    path = tmp_path / "d/data/train-00001-of-00002.parquet"

    assert len(HuggingFace(path=str(path)).load().ids) == 12


def test_splits_are_chosen_by_name(tmp_path):
    both = datasets.DatasetDict({"train": table(), "validation": table().select(range(16))})
    path = saved(tmp_path / "d", both)

    assert len(HuggingFace(path=path, split="validation").load().ids) == 16
    with pytest.raises(LeakboardError, match="no split 'valid'") as caught:
        HuggingFace(path=path, split="valid").load()
    assert caught.value.nearest == "validation"


def test_half_of_the_rows_are_members_by_seed_and_labels_make_prompts(tmp_path):
    path = saved(tmp_path / "d", table())
    samples = HuggingFace(path=path, label="kind").load()

    assert samples.member.sum() == 10
    assert samples.prompts[:2] == ("a photo of a cat", "a photo of a house mouse")
    assert "members: 10 of the 20 rows, half, by split_seed=0" in samples.notes
    assert (HuggingFace(path=path, split_seed=1).load().member != samples.member).any()


def test_labels_that_are_texts_are_taken_as_they_are(tmp_path):
    made = table(kind=["cat"] * COUNT)

    assert set(HuggingFace(path=saved(tmp_path / "d", made), label="kind").load().labels) == {"cat"}


def test_bytes_without_the_image_type_are_images_too(tmp_path):
    made = datasets.Dataset.from_dict({"jpg": [encoded(row, kind="JPEG") for row in range(COUNT)]})

    samples = HuggingFace(path=saved(tmp_path / "d", made), image="jpg").load()

    assert samples.image_shape == (3, 12, 12)
    assert set(samples.metadata["jpeg_quality"]) == {75}


def test_the_licence_of_the_dataset_is_told(tmp_path):
    made = table()
    made.info.license = "cc-by-4.0"

    assert "licence: cc-by-4.0" in HuggingFace(path=saved(tmp_path / "d", made)).load().notes


def test_broken_and_absent_images_are_skipped_with_count_and_names(tmp_path):
    images = [{"bytes": encoded(row), "path": None} for row in range(COUNT)]
    images[3], images[4] = {"bytes": b"no image", "path": None}, None
    images[5] = {"bytes": None, "path": "https://example.org/a.png"}
    made = datasets.Dataset.from_dict({"image": images})

    samples = HuggingFace(path=saved(tmp_path / "d", made)).load()

    assert len(samples.ids) == len(samples.images) == 17
    assert samples.notes[2].startswith("3 of 20 images skipped")
    assert all(name in samples.notes[2] for name in ("train-0000003", "train-0000004 (no image)", "train-0000005"))


def test_images_cut_short_after_their_header_are_skipped_and_change_nothing_about_the_others(tmp_path):
    images = [{"bytes": encoded(row), "path": None} for row in range(COUNT)]
    before = HuggingFace(path=saved(tmp_path / "whole", table())).load()
    images[7] = {"bytes": encoded(7)[:-150], "path": None}

    samples = HuggingFace(path=saved(tmp_path / "cut", table(image=images))).load()

    kept = [row for row in range(COUNT) if row != 7]
    assert samples.ids == tuple(before.ids[row] for row in kept)
    assert (samples.member == before.member[kept]).all()
    assert torch.equal(samples.images, before.take(kept).images)
    assert samples.member_digest == before.member_digest
    assert any(note.startswith("1 of 20 images skipped") and "train-0000007" in note for note in samples.notes)


def test_rows_without_a_caption_are_skipped_with_count_and_names(tmp_path):
    texts = [None if row in {3, 4} else f"caption {row}" for row in range(COUNT)]
    path = saved(tmp_path / "d", table(text=texts))

    samples = HuggingFace(path=path, caption="text").load()

    assert samples.prompts == tuple(text for text in texts if text is not None)
    assert torch.equal(samples.take([3]).images[0], HuggingFace(path=path).load().take([5]).images[0])
    note = "2 of 20 images skipped, they have no caption or label: train-0000003, train-0000004"
    assert note in samples.notes
    assert samples.member_digest == HuggingFace(path=path).load().member_digest
    assert len(HuggingFace(path=path).load().ids) == COUNT, "who asks for no captions misses none"


def test_rows_without_a_label_are_skipped_too(tmp_path):
    kinds = datasets.ClassLabel(names=["cat", "dog"])
    made = table(kind=[-1 if row == 2 else None if row == 3 else row % 2 for row in range(COUNT)])
    path = saved(tmp_path / "d", made.cast_column("kind", kinds))

    samples = HuggingFace(path=path, label="kind", caption="text").load()

    assert len(samples.ids) == len(samples.labels) == len(samples.prompts) == 18
    assert set(samples.labels) == {"cat", "dog"}
    assert "2 of 20 images skipped, they have no caption or label: train-0000002, train-0000003" in samples.notes


def test_captions_that_are_all_missing_are_refused(tmp_path):
    made = table(text=[None] * COUNT).cast_column("text", datasets.Value("string"))

    with pytest.raises(LeakboardError, match="none of the 20 images has a caption") as caught:
        HuggingFace(path=saved(tmp_path / "d", made), caption="text").load()
    assert "column text" in caught.value.expected


def test_a_row_that_does_not_say_whether_it_is_a_member_is_named(tmp_path):
    made = table(seen=[None if row == 4 else row < 9 for row in range(COUNT)])

    with pytest.raises(LeakboardError, match="train-0000004 has None"):
        HuggingFace(path=saved(tmp_path / "d", made), member="seen").load()


def test_captions_of_ten_thousand_characters_and_any_script_arrive_whole(tmp_path):
    texts = ["ab, " * 2500, "été 日本 🦁", "", *(f"caption {row}" for row in range(3, COUNT))]
    path = parquet(tmp_path / "d", table(text=texts))

    assert HuggingFace(path=path, caption="text").load().prompts == tuple(texts)


@pytest.mark.parametrize("write", [saved, parquet])
def test_what_was_seen_is_kept_until_the_dataset_changes(tmp_path, monkeypatch, write):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "notes"))
    monkeypatch.setattr(surveys, "SLOW", 0)
    looked = []
    monkeypatch.setattr(hub, "look", lambda cell: looked.append(cell) or surveys.look(cell))
    first = HuggingFace(path=write(tmp_path / "d", table())).load()
    assert len(looked) == COUNT
    looked.clear()

    again = HuggingFace(path=str(tmp_path / "d")).load()
    assert looked == []
    assert (again.ids, again.notes) == (first.ids, first.notes)
    assert torch.equal(again.images, first.images)

    (tmp_path / "d").rename(tmp_path / "before")
    write(tmp_path / "d", table(text=["other"] * COUNT))
    HuggingFace(path=str(tmp_path / "d")).load()
    assert len(looked) == COUNT


def test_sizes_and_modes_are_reconciled_openly(tmp_path):
    images = [{"bytes": encoded(row, (12 + row, 12), "L" if row else "RGB"), "path": None} for row in range(COUNT)]
    path = saved(tmp_path / "d", table(image=images))

    samples = HuggingFace(path=path, size=8).load()

    assert samples.image_shape == (3, 8, 8) == tuple(samples.images.shape[1:])
    assert any("19 of 20 grey" in note for note in samples.notes)
    assert any("20 of 20 images were resized" in note for note in samples.notes)
    with pytest.raises(LeakboardError, match="train-0000000 has 12x12, train-0000001 13x12"):
        HuggingFace(path=path).load()


@pytest.mark.parametrize(
    ("given", "message", "near"),
    [
        ({"image": "images"}, "no column 'images'", "image"),
        ({"caption": "txt"}, "no column 'txt'", "text"),
        ({"image": "text"}, "'text' is of type", ""),
        ({"caption": "seen"}, "'seen' is of type", ""),
        ({"member": "text"}, "'text' is of type", ""),
    ],
)
def test_wrong_columns_are_refused(tmp_path, given, message, near):
    with pytest.raises(LeakboardError, match=message) as caught:
        HuggingFace(path=saved(tmp_path / "d", table()), **given).load()
    assert caught.value.expected
    assert caught.value.nearest == near


@pytest.mark.parametrize("ask", ["load", "files"])
def test_a_path_without_a_dataset_is_refused(tmp_path, ask):
    (tmp_path / "data").mkdir()

    for path, what in (("data", "no dataset in"), ("date", "no folder")):
        with pytest.raises(LeakboardError, match=what) as caught:
            getattr(HuggingFace(path=str(tmp_path / path)), ask)()
        assert "save_to_disk" in caught.value.expected
    assert caught.value.nearest == str(tmp_path / "data")


@pytest.mark.parametrize("write", [saved, parquet])
def test_a_damaged_dataset_is_refused(tmp_path, write):
    path = write(tmp_path / "d", table())
    for file in [*tmp_path.rglob("*.arrow"), *tmp_path.rglob("train-*.parquet")]:
        file.write_bytes(b"damaged")

    with pytest.raises(LeakboardError, match="cannot be read"):
        HuggingFace(path=path).load()


def test_without_the_extra_the_command_to_install_it_is_told(tmp_path, monkeypatch):
    path = saved(tmp_path / "d", table())
    monkeypatch.setitem(sys.modules, "datasets", None)

    with pytest.raises(LeakboardError, match="package datasets") as caught:
        HuggingFace(path=path).load()
    assert caught.value.next == "pip install 'leakboard[datasets]'"


def both(path, write):
    """Splits train (12 rows) and test (8 rows)."""
    made = table()
    if write is saved:
        parts = {"train": made.select(range(12)), "test": made.select(range(12, COUNT))}
        return saved(path, datasets.DatasetDict(parts))
    path.mkdir()
    made.select(range(12)).to_parquet(path / "train-00000-of-00001.parquet")
    made.select(range(12, COUNT)).to_parquet(path / "test-00000-of-00001.parquet")
    return str(path)


@pytest.mark.parametrize("write", [saved, parquet])
def test_members_are_one_split_and_non_members_another(tmp_path, write):
    dataset = HuggingFace(path=both(tmp_path / "d", write), nonmember_split="test", caption="text", label="kind")

    samples = dataset.load()

    check_samples(samples, "hf")
    assert samples.member.tolist() == [True] * 12 + [False] * 8
    assert (samples.ids[11], samples.ids[12]) == ("train-0000011", "test-0000000")
    assert samples.prompts == tuple(f"caption {row}" for row in range(COUNT))
    expected = np.stack([np.asarray(Image.open(io.BytesIO(encoded(row)))) for row in (17, 3, 12)])
    assert torch.equal((samples.take([17, 3, 12]).images * 255).byte(), torch.from_numpy(expected).permute(0, 3, 1, 2))
    assert samples.notes[:2] == (
        "licence: not stated",
        "members: the 12 rows of train; non-members: the 8 rows of test",
    )
    assert len({file.parent if write is saved else file for file in dataset.files()}) == 2
    rows = check_component(dataset)
    assert {row.outcome for row in rows} <= {"ok"}, summarize(rows)


def test_members_are_one_dataset_and_non_members_another(tmp_path):
    made = table()
    first, second = (
        saved(tmp_path / name, made.select(rows)) for name, rows in (("a", range(12)), ("b", range(12, COUNT)))
    )

    samples = HuggingFace(path=first, nonmember_path=second).load()

    assert samples.member.sum() == 12
    assert samples.ids[12] == "nonmembers-train-0000000"
    assert samples.member_digest == member_digest(samples.ids[:12])
    assert "members: the 12 rows of train of a; non-members: the 8 rows of train of b" in samples.notes


def test_sides_that_are_said_twice_or_are_the_same_are_refused(tmp_path):
    path = both(tmp_path / "d", saved)
    with pytest.raises(LeakboardError, match="another split too"):
        HuggingFace(path=path, nonmember_split="test", member="seen")
    with pytest.raises(LeakboardError, match="the same split of the same dataset"):
        HuggingFace(path=path, nonmember_split="train").files()
    with pytest.raises(LeakboardError, match="no split 'tset'") as caught:
        HuggingFace(path=path, nonmember_split="tset").load()
    assert caught.value.nearest == "test"


@pytest.mark.parametrize("name", ["default/partial-train/0000.parquet", "default/train/0000.parquet"])
def test_files_are_found_as_the_hub_names_them(tmp_path, name):
    (tmp_path / "d" / name).parent.mkdir(parents=True)
    table().to_parquet(tmp_path / "d" / name)

    samples = HuggingFace(path=str(tmp_path / "d")).load()

    assert len(samples.ids) == COUNT
    assert any("kept in part" in note for note in samples.notes) == ("partial" in name)
    with pytest.raises(LeakboardError, match="no split 'test'") as caught:
        HuggingFace(path=str(tmp_path / "d"), split="test").load()
    assert caught.value.expected == "one of train"


def test_of_lists_of_captions_the_first_is_taken(tmp_path):
    made = table(text=[[f"caption {row}", "another"] for row in range(COUNT)])

    samples = HuggingFace(path=saved(tmp_path / "d", made), caption="text").load()

    assert samples.prompts == tuple(f"caption {row}" for row in range(COUNT))
    assert "20 rows have several texts in the column text: the first is taken" in samples.notes


def test_numbers_are_labels_but_make_no_prompts(tmp_path):
    made = table(kind=[row % 3 for row in range(COUNT)])

    samples = HuggingFace(path=saved(tmp_path / "d", made), label="kind").load()

    assert samples.labels[:4] == ("0", "1", "2", "0")
    assert samples.prompts is None
    assert "labels are the numbers in the column kind, which has no names for them" in samples.notes
