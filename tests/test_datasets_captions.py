"""Captions from a CSV file: found in any encoding and of any length, or refused with their place."""

import pytest

from helpers.image_folders import folder, make_sides
from leakboard.api import LeakboardError, Samples
from leakboard_plugins.datasets.folder import Folder


@pytest.fixture
def sides(tmp_path):
    return make_sides(tmp_path)


def with_prompts(root, text, encoding="utf-8", read_as="auto") -> Samples:
    (root / "p.csv").write_bytes(text.encode(encoding))
    return folder(root, prompts=str(root / "p.csv"), encoding=read_as).load()


ALL = 'file,caption\nmembers/a.png,"a, quoted"\nsub/b.PNG,bé\nnonmembers/a.png,c\nc.bmp,\n'


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("utf-8", "auto"),
        ("utf-8-sig", "auto"),
        ("utf-16", "auto"),
        ("utf-16-be", "utf-16-be"),
        ("cp1252", "cp1252"),
        ("latin-1", "latin-1"),
    ],
)
def test_prompts_are_found_by_id_or_by_bare_path_in_any_encoding(sides, written, read_as):
    assert with_prompts(sides, ALL, written, read_as).prompts == ("a, quoted", "bé", "c", "")


@pytest.mark.parametrize("written", ["latin-1", "utf-16-le"])
def test_prompts_of_another_encoding_are_refused_with_the_option(sides, written):
    with pytest.raises(LeakboardError, match="not text in UTF-8") as caught:
        with_prompts(sides, ALL, written)
    assert "encoding='cp1252'" in caught.value.next


def test_prompts_that_are_not_in_the_encoding_asked_for_are_refused(sides):
    with pytest.raises(LeakboardError, match="not text in ascii"):
        with_prompts(sides, ALL, read_as="ascii")


def test_an_encoding_that_does_not_exist_is_refused_with_the_nearest():
    with pytest.raises(LeakboardError, match="cp1225") as caught:
        Folder(members="a", nonmembers="b", encoding="cp1225")
    assert caught.value.nearest == "cp1252"


def test_a_caption_of_ten_thousand_characters_arrives_whole(sides):
    long = "ab, " * 2500

    assert with_prompts(sides, ALL.replace("a, quoted", long)).prompts[0] == long


def test_rows_of_prompts_without_an_image_are_told(sides):
    samples = with_prompts(sides, ALL + "gone.png,x\nmembers/gone.png,y\n")

    assert samples.notes[-1] == "2 rows of p.csv name no image that could be read: gone.png, members/gone.png"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,text\na.png,x\n", "columns name, text"),
        ("", r"columns \(none\)"),
        ("file,caption\nmembers/a.png\n", "line 2"),
        ("file,caption\nmembers/a.png,x,y\n", "line 2"),
        ("file,caption\nmembers/a.png,x\nmembers/a.png,y\n", "two captions"),
        ("file,caption\nmembers/a.png,x\n", "3 of 4 images have no caption, the first is members/sub/b.PNG"),
        ("file,caption\na.png,x\n", "fits a member and a non-member"),
        ('file,caption\nmembers/a.png,"x\n', "not CSV"),
        ("file,caption\nmembers/a.png," + "x" * 200_000, "not CSV: field larger than field limit"),
        ("file,caption,licence\nmembers/a.png,x,y\n", "columns file, caption, licence"),
        ("file\nmembers/a.png\n", "the columns file"),
        ("file,caption\n,x\n", "line 2"),
    ],
)
def test_wrong_prompts_are_refused_with_their_place(sides, text, message):
    with pytest.raises(LeakboardError, match=message) as caught:
        with_prompts(sides, text)
    assert "p.csv" in caught.value.where
    assert caught.value.next


@pytest.mark.parametrize("ask", ["files", "load"])
def test_missing_prompts_are_refused(sides, ask):
    (sides / "captions.csv").touch()

    with pytest.raises(LeakboardError, match="no such prompts file") as caught:
        getattr(folder(sides, prompts=str(sides / "caption.csv")), ask)()
    assert caught.value.nearest == str(sides / "captions.csv")


def test_prompts_that_are_a_folder_are_refused(sides):
    with pytest.raises(LeakboardError, match="prompts file cannot be opened"):
        folder(sides, prompts=str(sides)).files()
