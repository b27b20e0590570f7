"""Which files of a folder count: hidden ones do not, those behind links do, and what else is there is named."""

import tarfile

import pytest
from PIL import Image

from helpers.image_folders import folder, make_sides, picture
from leakboard.api import LeakboardError
from leakboard_plugins.datasets.finding import find_images, local
from leakboard_plugins.datasets.folder import Folder


@pytest.fixture
def sides(tmp_path):
    return make_sides(tmp_path)


@pytest.mark.parametrize(
    "name", [".ipynb_checkpoints/a.png", ".Trash-1000/files/a.png", "__MACOSX/a.png", "$RECYCLE.BIN/x/a.png", "._a.png"]
)
def test_hidden_and_trash_files_are_left_out_with_a_note(sides, name):
    picture(sides / "members" / name, 7)

    samples = folder(sides).load()

    assert len(samples.ids) == 4
    assert samples.notes[1].endswith(f"folder of members were left out: {name.split('/')[0]}")


def test_a_folder_that_is_hidden_itself_is_read(tmp_path):
    make_sides(tmp_path / ".data")

    assert len(folder(tmp_path / ".data").load().ids) == 4


def test_links_to_folders_are_followed_and_told(sides):
    picture(sides / "elsewhere" / "z.png", 8)
    (sides / "members" / "shard").symlink_to(sides / "elsewhere")

    samples = folder(sides).load()

    assert "members/shard/z.png" in samples.ids
    assert "1 links to folders in the folder of members were followed: shard" in samples.notes


def test_rings_and_dead_links_end_and_are_told(sides):
    members = sides / "members"
    (members / "sub" / "up").symlink_to(members)
    (members / "above").symlink_to(sides)
    (members / "again").symlink_to(members / "sub")
    (members / "gone.png").symlink_to(sides / "nowhere.png")

    samples = folder(sides).load()

    assert len(samples.ids) == 4
    assert samples.notes[1].startswith("4 links in the folder of members lead nowhere, or to what is read anyway")
    assert samples.notes[1].endswith("above, again, gone.png, sub/up")


def test_an_archive_in_the_place_of_images_is_named_with_what_to_do(tmp_path):
    (tmp_path / "d").mkdir()
    with tarfile.open(tmp_path / "d" / "00000.tar", "w") as archive:
        archive.add(picture(tmp_path / "a.png", 1), arcname="a.png")

    with pytest.raises(LeakboardError, match=r"holds no image, but 1 \.tar \(00000\.tar\)") as caught:
        find_images(tmp_path / "d")
    assert "unpack" in caught.value.next


def test_an_archive_beside_images_is_named_in_a_note(sides):
    (sides / "members" / "more.zip").write_bytes(b"PK")

    (note,) = folder(sides).load().notes[1:]
    assert "1 .zip (more.zip)" in note
    assert "unpack" in note


def test_an_archive_instead_of_a_folder_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "d.zip").write_bytes(b"PK")

    with pytest.raises(LeakboardError, match="is a file") as caught:
        find_images(tmp_path / "d.zip")
    assert "unpack" in caught.value.next


@pytest.mark.parametrize("name", ["0001", "0001.image", "0001.20240101"])
def test_images_without_an_ending_of_their_format_are_named(tmp_path, name):
    Image.new("L", (4, 4)).save(tmp_path / name, "PNG")

    with pytest.raises(LeakboardError, match=name) as caught:
        find_images(tmp_path)
    assert f"{name} begins like an image" in caught.value.next


def test_tilde_is_the_home(sides, monkeypatch):
    monkeypatch.setenv("HOME", str(sides))
    (sides / "p.csv").write_text("file,caption\nmembers/a.png,x\nb.PNG,x\nnonmembers/a.png,x\nc.bmp,x\n")
    dataset = Folder(members="~/members", nonmembers="~/nonmembers", prompts="~/p.csv")

    assert len(dataset.load().ids) == 4
    assert sides / "p.csv" in dataset.files()
    with pytest.raises(LeakboardError, match="no home"):
        local("~nobody-of-this-name/x")
