"""CelebA from a tiny root: attributes as prompts, and what is said of files that are damaged, cut short or missing."""

import pytest

from helpers.dataset_roots import celeba
from leakboard.api import LeakboardError
from leakboard_plugins.datasets.celeba import CelebA


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


@pytest.mark.parametrize("lines", [0, 1, 2])
def test_celeba_attributes_that_end_too_early_are_refused(tmp_path, lines):
    celeba(tmp_path)
    path = tmp_path / "celeba/list_attr_celeba.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:lines]))

    with pytest.raises(LeakboardError, match=f"ends after line {lines}") as caught:
        CelebA(root=str(tmp_path)).load()
    assert caught.value.where == str(path)
    assert "do without prompts" in caught.value.next


@pytest.mark.parametrize("name", ["list_attr_celeba.txt", "list_eval_partition.txt"])
def test_a_list_of_celeba_that_is_no_text_is_refused(tmp_path, name):
    celeba(tmp_path)
    (tmp_path / "celeba" / name).write_bytes(b"\xff\xfe\x00")

    with pytest.raises(LeakboardError, match="list of CelebA cannot be read") as caught:
        CelebA(root=str(tmp_path)).load()
    assert name in caught.value.where


def test_a_missing_face_changes_nobodys_membership(tmp_path):
    celeba(tmp_path)
    before = CelebA(root=str(tmp_path)).load()
    (tmp_path / "celeba/img_align_celeba/000005.jpg").unlink()

    samples = CelebA(root=str(tmp_path)).load()

    flags = dict(zip(before.ids, before.member, strict=True))
    assert len(samples.ids) == 19
    assert all(flags[name] == flag for name, flag in zip(samples.ids, samples.member, strict=True))
    assert samples.member_digest == before.member_digest
    assert len(CelebA(root=str(tmp_path)).files()) == 21


def test_broken_and_missing_faces_are_skipped_with_count_and_names(tmp_path):
    celeba(tmp_path)
    (tmp_path / "celeba/img_align_celeba/000002.jpg").write_text("no image")
    (tmp_path / "celeba/img_align_celeba/000005.jpg").unlink()

    samples = CelebA(root=str(tmp_path)).load()

    assert len(samples.ids) == len(samples.images) == 18
    assert not {"celeba-train-000002", "celeba-train-000005"} & set(samples.ids)
    assert "1 of its 20 images are not there or may not be read: celeba-train-000005" in samples.notes
    assert any(note.startswith("1 of 19 images skipped") and "celeba-train-000002" in note for note in samples.notes)
