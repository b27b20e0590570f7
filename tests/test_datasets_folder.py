"""Datasets of two folders: what comes out of them, and what is said when a folder or a file in it is not right."""

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.image_folders import folder, make_sides, picture
from leakboard.api import LeakboardError, member_digest
from leakboard.registry.bind import build
from leakboard.registry.specs import parse
from leakboard.tasks.duplicates import describe
from leakboard_plugins.datasets.folder import Folder


@pytest.fixture
def sides(tmp_path):
    return make_sides(tmp_path)


def test_folder_gives_paths_as_ids_and_flags(sides):
    samples = folder(sides).load()

    assert samples.ids == ("members/a.png", "members/sub/b.PNG", "nonmembers/a.png", "nonmembers/c.bmp")
    assert samples.member.tolist() == [True, True, False, False]
    assert samples.images.shape == (4, 1, 6, 6)
    assert samples.prompts is None
    assert samples.notes == ("licence: not stated",)
    expected = np.asarray(Image.open(sides / "members/a.png"), np.float32) / 255
    assert torch.equal(samples.images[0, 0], torch.from_numpy(expected))


def test_folder_files_are_all_images_and_the_prompts(sides):
    (sides / "p.csv").write_text("file,caption\n")
    (sides / "members" / "readme.txt").write_text("hello")

    names = [path.name for path in folder(sides, prompts=str(sides / "p.csv")).files()]

    assert names == ["a.png", "b.PNG", "a.png", "c.bmp", "p.csv"]


def test_broken_images_are_skipped_with_name_and_count(sides):
    whole = picture(sides / "members" / "cut.png", 9, (60, 60)).read_bytes()
    (sides / "members" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (sides / "members" / "text.jpg").write_text("no image")
    (sides / "members" / "empty.png").touch()

    samples = folder(sides).load()

    assert len(samples.ids) == 4
    assert "3 of 5 members skipped" in samples.notes[1]
    names = ("a.png", "sub/b.PNG", "cut.png", "text.jpg", "empty.png")
    assert samples.member_digest == member_digest([f"members/{name}" for name in names])
    assert all(f"members/{name}" in samples.notes[1] for name in ("cut.png", "text.jpg", "empty.png"))


@pytest.fixture
def forbidden(sides, monkeypatch):
    """No permission to read members/a.png, whoever runs the tests."""
    import os

    path, access = sides / "members" / "a.png", os.access
    monkeypatch.setattr(os, "access", lambda asked, mode: asked != path and access(asked, mode))
    return path


def test_an_image_without_read_permission_is_skipped_like_a_broken_one(sides, forbidden):
    samples = folder(sides).load()

    assert samples.ids == ("members/sub/b.PNG", "nonmembers/a.png", "nonmembers/c.bmp")
    assert samples.notes[1].startswith("1 of 2 members skipped")
    assert "members/a.png (no permission to read it)" in samples.notes[1]
    assert forbidden not in folder(sides).files()
    assert len(folder(sides).files()) == 3


def test_a_folder_of_images_that_may_not_be_read_is_refused(sides, forbidden):
    (sides / "members/sub/b.PNG").unlink()

    assert len(folder(sides).files()) == 2
    with pytest.raises(LeakboardError, match=r"none of the 1 images can be read, the first is members/a\.png"):
        folder(sides).load()


def test_a_folder_that_may_not_be_entered_is_named(sides, monkeypatch):
    import os

    def walk(root, onerror):
        onerror(PermissionError(13, "Permission denied", str(sides / "members" / "sub")))

    monkeypatch.setattr(os, "walk", walk)
    with pytest.raises(LeakboardError, match="Permission denied") as caught:
        folder(sides).files()
    assert caught.value.where == str(sides / "members" / "sub")


def test_files_that_are_no_images_are_counted(sides):
    (sides / "nonmembers" / "notes.txt").write_text("x")

    assert folder(sides).load().notes[1] == (
        "1 files in the folder of nonmembers do not end like an image and were left out: 1 .txt (notes.txt) "
        "(prompts='beside' takes text files beside the images for their captions)"
    )


def test_differing_sizes_are_refused_with_both_sizes_and_a_proposal(sides):
    picture(sides / "nonmembers" / "z.png", 5, (9, 5))

    with pytest.raises(LeakboardError, match=r"members/a.png has 6x6, nonmembers/z.png 9x5") as caught:
        folder(sides).load()
    assert "size=5" in caught.value.next


def test_size_crops_the_centre_and_tells_the_rule(sides):
    wide = np.zeros((6, 12), np.uint8)
    wide[:, 3:9] = 200
    Image.fromarray(wide).save(sides / "nonmembers" / "z.png")

    samples = folder(sides, size=6).load()

    assert samples.images.shape == (5, 1, 6, 6)
    assert torch.all(samples.images[4] == 200 / 255)
    assert "1 of 5 images were resized" in samples.notes[1]
    assert "bicubic" in samples.notes[1]


@pytest.mark.parametrize(
    ("mode", "channels", "note"), [("auto", 3, "4 of 5 grey"), ("RGB", 3, "4 of 5"), ("L", 1, "1 of 5 colour")]
)
def test_grey_and_colour_are_reconciled_openly(sides, mode, channels, note):
    picture(sides / "members" / "colour.png", 7, mode="RGB")

    samples = folder(sides, mode=mode).load()

    assert samples.images.shape == (5, channels, 6, 6)
    assert note in samples.notes[1]


def test_transparency_becomes_white_and_is_told(tmp_path):
    for number, name in enumerate(("members/a.png", "nonmembers/a.png")):
        picture(tmp_path / name, number, mode="RGBA")
    clear = Image.new("RGBA", (6, 6), (10, 20, 30, 0))
    clear.save(tmp_path / "members" / "b.png")

    samples = folder(tmp_path).load()

    assert torch.all(samples.images[1] == 1)
    assert "transparent parts of 3 images" in samples.notes[1]


def test_sixteen_bit_grey_keeps_its_range(sides):
    """Pillow's own conversion would clip almost everything to white."""
    values = np.linspace(0, 65535, 36).reshape(6, 6).astype(np.uint16)
    Image.fromarray(values).save(sides / "members" / "deep.png")

    images = folder(sides).load().images

    assert torch.allclose(images[1, 0], torch.from_numpy(values.astype(np.float32) / 65535), atol=0.5 / 255 + 1e-6)


def test_a_folder_is_read_only_when_samples_are_taken(sides, monkeypatch):
    samples = folder(sides).load()
    whole = samples.images
    read = []
    monkeypatch.setattr(
        "leakboard_plugins.datasets.folder.decode", lambda path: read.append(path.name) or Image.open(path)
    )

    assert torch.equal(samples.take([3, 1]).images, whole[[3, 1]])
    assert read == ["c.bmp", "b.PNG"]


def test_a_file_that_was_cut_after_it_was_looked_at_is_named(sides):
    samples = folder(sides).load()
    (sides / "members/a.png").write_bytes(b"cut")

    with pytest.raises(LeakboardError, match="cannot be decoded") as caught:
        samples.take([0])
    assert "a.png" in caught.value.where


def test_many_broken_images_are_counted_and_the_first_ten_named(sides):
    for number in range(14):
        (sides / "members" / f"bad{number:02}.jpg").write_text("x")

    note = folder(sides).load().notes[1]

    assert note.startswith("14 of 16 members skipped")
    assert "bad09" in note
    assert "bad10" not in note
    assert note.endswith("and 4 more")


@pytest.mark.parametrize("quality", [1, 10, 50, 75, 90, 100])
def test_metadata_tells_bytes_quality_and_original_size(sides, quality):
    path = picture(sides / "members" / "z.jpg", 5, (40, 24), mode="RGB")
    Image.open(path).save(path, quality=quality)

    metadata = folder(sides, size=6).load().metadata

    assert {name: values.dtype for name, values in metadata.items()} == dict.fromkeys(
        ("bytes", "jpeg_quality", "width", "height"), np.float64
    )
    assert metadata["bytes"][2] == path.stat().st_size
    assert metadata["jpeg_quality"][2] == quality
    assert (metadata["width"][2], metadata["height"][2]) == (40, 24)
    assert np.isnan(metadata["jpeg_quality"][0]), "a PNG has none"


def test_metadata_measures_a_turned_photograph_upright(sides):
    path = sides / "members" / "z.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (40, 24)).save(path, exif=exif)

    samples = folder(sides, size=6).load()

    assert (samples.metadata["width"][2], samples.metadata["height"][2]) == (24, 40)


def test_the_licence_is_told(sides):
    assert folder(sides, licence="CC BY 4.0").load().notes == ("licence: CC BY 4.0",)


@pytest.mark.parametrize("ending", ["png", "bmp"])
def test_a_picture_on_both_sides_is_warned_of_whatever_its_format(sides, ending):
    """As for every other dataset: the check of duplicates names it, and the run goes on."""
    Image.open(sides / "members" / "a.png").save(sides / "nonmembers" / f"copy.{ending}")

    samples = folder(sides).load()

    assert len(samples.ids) == 5
    assert any(f"members/a.png = nonmembers/copy.{ending}" in note for note in describe(samples).notes)


def test_a_file_twice_in_one_folder_is_told(sides):
    (sides / "members" / "copy.png").write_bytes((sides / "members" / "a.png").read_bytes())

    assert folder(sides).load().notes[1:] == ("1 files repeat another file of the same folder",)


def test_a_missing_folder_is_named(sides):
    """With the folder beside it whose name is closest."""
    with pytest.raises(LeakboardError, match="membres") as caught:
        Folder(members=str(sides / "membres"), nonmembers=str(sides / "nonmembers")).files()
    assert caught.value.nearest == str(sides / "members")
    assert caught.value.next


def test_a_folder_without_images_is_refused(sides):
    (sides / "none").mkdir()
    (sides / "none" / "a.txt").write_text("x")

    with pytest.raises(LeakboardError, match="holds no image") as caught:
        Folder(members=str(sides / "members"), nonmembers=str(sides / "none")).load()
    assert caught.value.next


def test_a_folder_of_only_broken_images_is_refused(sides):
    (sides / "bad").mkdir()
    (sides / "bad" / "a.png").write_text("x")

    with pytest.raises(LeakboardError, match="none of the 1 images can be read"):
        Folder(members=str(sides / "bad"), nonmembers=str(sides / "nonmembers")).load()


@pytest.mark.parametrize(
    "spec",
    [
        "folder(members='a')",
        "folder(members='a', nonmembers='b', size=-1)",
        "folder(members='a', nonmembers='b', size=8192)",
        "folder(members='a', nonmembers='b', mode='CMYK')",
    ],
)
def test_wrong_parameters_are_refused(spec):
    with pytest.raises(LeakboardError):
        build(Folder, parse(spec)[0][0])
