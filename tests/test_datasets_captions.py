"""Captions: found in any format, encoding and spelling of names, or refused with their place."""

import json
import unicodedata

import pytest

from helpers.image_folders import folder, make_sides, picture
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
        ("file,caption\nmembers/a.png,x\n", "3 of 4 images have no caption, the first is members/sub/b.PNG"),
        ("file,caption\na.png,x\n", "caption of a.png fits members/a.png and nonmembers/a.png"),
        ('file,caption\nmembers/a.png,"x\n', "not CSV"),
        ("file,caption\nmembers/a.png," + "x" * 200_000, "not CSV: field larger than field limit"),
        ("file,licence\nmembers/a.png,x\n", "columns file, licence"),
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


# --- other formats and spellings --------------------------------------------------------------------------------------

ROWS = {"members/a.png": "one", "members/sub/b.PNG": "two", "nonmembers/a.png": "three", "nonmembers/c.bmp": "four"}


def told(root, name, text, **parameters):
    """Captions of a file of this name and content."""
    (root / name).write_text(text, encoding="utf-8")
    return folder(root, prompts=str(root / name), **parameters).load()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metadata.csv", "file_name,text\n" + "".join(f"{name},{text}\n" for name, text in ROWS.items())),
        ("p.csv", "width,Caption,File\n" + "".join(f"8,{text},{name}\n" for name, text in ROWS.items())),
        ("p.tsv", "image\tcaption\n" + "".join(f"{name}\t{text}\n" for name, text in ROWS.items())),
        ("p.csv", "image| comment\n" + "".join(f"{name}| {text}\n" for name, text in ROWS.items())),
        ("p.csv", "file,caption,label\n" + "".join(f"{name},{text},\n" for name, text in ROWS.items())),
        ("p.jsonl", "".join(json.dumps({"file_name": name, "text": text}) + "\n" for name, text in ROWS.items())),
        ("p.jsonl", "".join(json.dumps({"file": n, "captions": [t, "other"]}) + "\n" for n, t in ROWS.items())),
        ("p.json", json.dumps(ROWS)),
        ("p.json", json.dumps({name: [text, "other"] for name, text in ROWS.items()})),
        ("p.json", json.dumps([{"image": name, "caption": text} for name, text in ROWS.items()])),
        (
            "coco.json",
            json.dumps(
                {
                    "images": [{"id": place, "file_name": name} for place, name in enumerate(ROWS)],
                    "annotations": [
                        {"image_id": i, "caption": t + more} for more in ("", "x") for i, t in enumerate(ROWS.values())
                    ],
                }
            ),
        ),
        (
            "results.csv",
            "file,caption\n" + "".join(f"{name},{text}\n{name},another\n" for name, text in ROWS.items()),
        ),
    ],
)
def test_tables_are_read_in_every_format_that_people_have(sides, name, text):
    samples = told(sides, name, text)

    assert samples.prompts == tuple(ROWS.values())
    if "other" in text or "coco" in name:
        assert f"4 files of {name} have several captions: the first is taken" in samples.notes


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.jsonl", '{"file": "members/a.png"', "not JSON"),
        ("p.jsonl", "[1]\n", "line 1"),
        ("p.jsonl", '{"file": "members/a.png", "caption": {"en": "x"}}\n', "line 1"),
        ("p.json", "[" * 100_000, "not JSON"),
        ("p.json", "3", "neither a list"),
        ("p.json", '{"images": [], "annotations": [{"image_id": 1}]}', "lacks"),
        ("p.jsonl", '{"id": 3, "text": "x"}\n', "the columns id, text"),
    ],
)
def test_wrong_tables_of_json_are_refused(sides, name, text, message):
    with pytest.raises(LeakboardError, match=message) as caught:
        told(sides, name, text)
    assert name in caught.value.where


@pytest.mark.parametrize(
    "spell",
    [
        lambda root, name: "./" + name,
        lambda root, name: name.replace("/", "\\"),
        lambda root, name: "C:\\data\\" + name.replace("/", "\\"),
        lambda root, name: name[:-4],
        lambda root, name: name.upper(),
        lambda root, name: name.replace("png", "jpg"),
        lambda root, name: str(root / name),
        lambda root, name: f"{root.name}/{name}",
        lambda root, name: f"/home/other/data/{name}",
        lambda root, name: f"  {name} ",
    ],
)
def test_names_are_matched_however_they_are_spelt(sides, spell):
    text = "file,caption\n" + "".join(f"{spell(sides, name)},{text}\n" for name, text in ROWS.items())

    samples = told(sides, "p.csv", text)

    assert samples.prompts == tuple(ROWS.values())
    assert any("images are spelt otherwise in p.csv" in note for note in samples.notes)


def test_names_of_files_alone_are_found_in_folders_below(sides):
    assert told(sides, "p.csv", "file,caption\nmembers/a,1\nb.png,2\nnonmembers/a,3\nc,4\n").prompts == tuple("1234")


def test_composed_and_decomposed_letters_are_the_same(sides):
    composed = unicodedata.normalize("NFC", "é.png")
    picture(sides / "members" / unicodedata.normalize("NFD", composed), 9)

    samples = told(sides, "p.json", json.dumps(ROWS | {composed: "five"}))

    assert "five" in samples.prompts


def test_an_exact_name_goes_before_one_that_differs_in_case(sides):
    picture(sides / "members" / "A.png", 9)

    samples = told(sides, "p.json", json.dumps(ROWS | {"members/A.png": "five"}))

    assert samples.prompts == ("five", *ROWS.values())


def test_one_row_is_not_used_for_two_images_that_differ_in_their_ending(sides):
    picture(sides / "members" / "a.bmp", 9)

    with pytest.raises(LeakboardError, match=r"members/a fits members/a\.bmp and members/a\.png"):
        told(sides, "p.json", json.dumps({name[:-4]: text for name, text in ROWS.items()}))


def test_names_that_are_not_found_are_shown_as_a_pair(sides):
    rows = {name.replace("/a.", "/image_a."): text for name, text in ROWS.items()}

    with pytest.raises(LeakboardError, match=r"the folder has members/a\.png, and the table members/image_a\.png"):
        told(sides, "p.json", json.dumps(rows))


def test_text_files_beside_the_images_are_captions(sides):
    for name, text in ROWS.items():
        (sides / name).with_suffix(".txt").write_text(text + "\n")
    (sides / "members" / "a.txt").write_text("one\nand more\n")
    dataset = folder(sides, prompts="beside")

    samples = dataset.load()

    assert samples.prompts == tuple(ROWS.values())
    assert samples.notes[1:] == ("1 captions have several lines: the first is taken",)
    assert sides / "members/sub/b.txt" in dataset.files()
    (sides / "members/sub/b.txt").rename(sides / "members/sub/b_.txt")
    with pytest.raises(LeakboardError, match=r"1 of 4 images .* the first is members/sub/b\.PNG") as caught:
        dataset.load()
    assert caught.value.nearest == "b_.txt"


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_table_in_each_folder_is_read(sides, kind):
    for side in ("members", "nonmembers"):
        rows = {name.partition("/")[2]: text for name, text in ROWS.items() if name.startswith(side + "/")}
        lines = {
            "csv": ["file_name,text", *(f"{name},{text}" for name, text in rows.items())],
            "jsonl": [json.dumps({"file_name": name, "text": text}) for name, text in rows.items()],
        }
        (sides / side / f"metadata.{kind}").write_text("\n".join(lines[kind]))
    dataset = folder(sides, prompts="metadata")

    assert dataset.load().prompts == tuple(ROWS.values())
    assert dataset.load().notes == ("licence: not stated",)
    (sides / "nonmembers" / f"metadata.{kind}").unlink()
    with pytest.raises(LeakboardError, match=r"no metadata\.csv or metadata\.jsonl in"):
        dataset.files()


def test_folders_are_labels_and_prompts_if_asked(tmp_path):
    for number, name in enumerate(("members/cat/a.png", "members/house_mouse/a.png", "nonmembers/cat/b.png")):
        picture(tmp_path / name, number)

    plain, asked = folder(tmp_path).load(), folder(tmp_path, prompts="folders").load()

    assert plain.prompts is None
    assert plain.labels == asked.labels == ("cat", "house mouse", "cat")
    assert asked.prompts == ("a photo of a cat", "a photo of a house mouse", "a photo of a cat")
    assert plain.notes[-1] == ("labels are the names of 2 folders: cat, house mouse; on one side alone: house mouse")
    with pytest.raises(LeakboardError, match="not every image lies in a folder"):
        folder(make_sides(tmp_path / "flat"), prompts="folders").load()


@pytest.mark.parametrize(
    ("labels", "prompts"), [("cat dog cat dog", ("a photo of a cat", "a photo of a dog") * 2), ("0 1 0 1", None)]
)
def test_a_table_of_labels_gives_labels_and_prompts_if_they_are_words(sides, labels, prompts):
    rows = [
        {"file": name, "label": int(label) if label.isdigit() else label}
        for name, label in zip(ROWS, labels.split(), strict=True)
    ]

    samples = told(sides, "p.json", json.dumps(rows))

    assert samples.labels == tuple(labels.split())
    assert samples.prompts == prompts
