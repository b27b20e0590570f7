"""What was seen of images: kept from process to process while the files stay the same, and never what went wrong."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from helpers.dataset_roots import photograph
from leakboard_plugins.datasets import surveys
from leakboard_plugins.datasets.image_files import decode
from leakboard_plugins.datasets.surveys import Surveyed, look, survey, whole


@pytest.fixture
def paths(tmp_path):
    """Four photographs, the third of them cut short."""
    paths = [tmp_path / f"{number}.jpg" for number in range(4)]
    for number, path in enumerate(paths):
        photograph(path, number, (40, 24))
    paths[2].write_bytes(paths[2].read_bytes()[:-200])
    return paths


@pytest.fixture
def notes(tmp_path, monkeypatch):
    """Where notes are kept, of whatever took any time at all."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(surveys, "SLOW", 0)
    return tmp_path / "cache" / "leakboard" / "surveys"


@pytest.fixture
def looked(monkeypatch):
    """Names of the files that were looked at."""
    names = []
    monkeypatch.setattr(surveys, "look", lambda path: names.append(path.name) or look(path))
    return names


def test_a_photograph_is_what_its_header_says_and_has_the_digest_of_its_content(paths):
    seen = look(paths[0])

    assert (seen.facts.size, seen.mode, seen.transparent) == ((40, 24), "RGB", False)
    assert (seen.facts.bytes, seen.facts.jpeg_quality) == (paths[0].stat().st_size, 80)
    assert seen == look(paths[0].read_bytes())
    assert seen.digest != look(paths[1]).digest


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_an_image_that_was_cut_short_is_found_out(tmp_path, suffix, progressive):
    path = tmp_path / f"a{suffix}"
    pixels = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, progressive=progressive)
    assert isinstance(look(path), Surveyed)
    content = path.read_bytes()

    for length in (len(content) // 2, len(content) * 9 // 10):
        assert isinstance(look(content[:length]), str)


def test_reasons_are_the_same_every_time(tmp_path):
    """They are part of what is published: no place in memory may stand in them."""
    (tmp_path / "a.png").write_text("no image")
    values = Image.fromarray(np.zeros((4, 4), np.float32))
    values.save(tmp_path / "f.tiff")

    assert look(tmp_path / "a.png") == look(b"neither") == "it is no image"
    assert look(tmp_path / "gone.png") == "No such file or directory"
    assert look(tmp_path / "f.tiff") == "mode F has no fixed range of values"


def test_what_was_seen_is_kept_and_only_what_could_not_be_read_is_looked_at_again(paths, notes, looked):
    first = survey(paths)
    assert [isinstance(each, Surveyed) for each in first] == [True, True, False, True]
    assert looked == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    looked.clear()

    assert survey(paths) == first
    assert looked == ["2.jpg"]
    assert len(list(notes.iterdir())) == 1, "one note, and no half-written one"


def test_a_file_that_changed_is_looked_at_again(paths, notes, looked):
    before = survey(paths)
    size, times = paths[1].stat().st_size, paths[1].stat()
    photograph(paths[1], 9, (40, 24))
    content = paths[1].read_bytes()
    paths[1].write_bytes(content[:size].ljust(size, b"\0"))
    os.utime(paths[1], ns=(times.st_atime_ns, times.st_mtime_ns))
    looked.clear()

    after = survey(paths)

    assert "1.jpg" in looked, "though it has the size and the time of before"
    assert after[1] != before[1]
    assert (after[0], after[3]) == (before[0], before[3])


def test_a_repaired_file_is_taken(paths, notes):
    survey(paths)
    photograph(paths[2], 2, (40, 24))

    assert isinstance(survey(paths)[2], Surveyed)


@pytest.mark.parametrize(
    "damage", ["[", "null", "[1, 2, 3, 4]", "[[]]", '[["a", false, [1, 2]]]', "[null]", '[{"a": 1}]']
)
def test_a_damaged_note_is_made_anew(paths, notes, damage):
    first = survey(paths)
    (note,) = notes.iterdir()
    note.write_text(damage)

    assert survey(paths) == first
    assert json.loads(note.read_text())[0][0] == first[0].digest


def test_a_note_of_other_types_is_made_anew(paths, notes):
    first = survey(paths)
    (note,) = notes.iterdir()
    rows = json.loads(note.read_text())
    rows[0][2][0] = 5
    rows[0][2] = [5] * len(rows[0][2])
    note.write_text(json.dumps(rows))

    assert survey(paths) == first


def test_only_the_latest_notes_are_kept(paths, notes, monkeypatch):
    monkeypatch.setattr(surveys, "NOTES", 2)
    for count in (1, 2, 3, 4):
        survey(paths[:count])
    kept = set(notes.iterdir())

    assert len(kept) == 2
    survey(paths[:4])
    survey(paths[:3])
    assert set(notes.iterdir()) == kept


def test_nothing_is_kept_of_what_is_seen_quickly(paths, notes, monkeypatch):
    monkeypatch.setattr(surveys, "SLOW", 3600)
    survey(paths)

    assert not notes.exists()


def test_another_pillow_looks_anew(paths, notes, looked, monkeypatch):
    import PIL

    survey(paths)
    looked.clear()
    monkeypatch.setattr(PIL, "__version__", "0.1")
    survey(paths)

    assert len(looked) == 4


def test_a_cache_that_cannot_be_written_costs_time_alone(paths, notes):
    (notes.parents[1]).write_text("a file where the folder should be")

    assert isinstance(survey(paths)[0], Surveyed)


def test_what_is_skipped_is_counted_and_the_first_ten_named():
    facts = look_of_one()
    names = [f"n{row}" for row in range(14)]
    good, notes = whole(names, [facts, *(f"reason {row}" for row in range(1, 14))], "images", "here")

    assert good == {0: facts}
    assert notes[0].startswith("13 of 14 images skipped, they cannot be read: n1 (reason 1), n2 (reason 2)")
    assert notes[0].endswith("n10 (reason 10) and 3 more")
    assert whole(names[:1], [facts], "images", "here") == ({0: facts}, [])


def look_of_one():
    import io

    file = io.BytesIO()
    Image.new("L", (2, 2)).save(file, "PNG")
    return look(file.getvalue())


def test_metadata_that_cannot_be_read_is_a_note_with_the_file_and_no_warning(tmp_path):
    """Photographs with a damaged EXIF block decode well; warnings are errors in these tests."""
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (40, 24), "red").save(path)
    payload = b"Exif\0\0II*\0\x08\0\0\0\x09"
    content = path.read_bytes()
    path.write_bytes(content[:2] + b"\xff\xe1" + (len(payload) + 2).to_bytes(2, "big") + payload + content[2:])

    (seen,) = survey([path])
    good, notes = whole(["photo.jpg"], [seen], "images", "here")

    assert seen.facts.size == decode(path).size == (40, 24)
    assert list(good) == [0]
    (note,) = notes
    assert note.startswith("1 of 1 images read with a remark: photo.jpg (Corrupt EXIF data.")
