"""A store in one archive: it opens anywhere, and tells nothing that was not asked for."""

import shutil
import socket
import sqlite3
import tarfile

import pytest
from click.testing import CliRunner

import leakboard
from helpers.shelves import fill, shelf
from helpers.tiny_grids import numbers
from leakboard.cli import main
from leakboard.errors import LeakboardError
from leakboard.store import Store
from leakboard.store.packing import pack

FILTER = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""Python 3.11.0 to 3.11.3 have no such parameter, and need none."""


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store with pictures of a private dataset, written by a run that told of itself."""
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "d")
    made = Store("s.db", create=True)
    command = "leakboard run /home/alice/g.toml --store postgresql://u:tiger@db/x"
    assert leakboard.run(shelf("shelf(root='d')", run={"pictures": True}), made, command=command).ok
    with sqlite3.connect("s.db") as connection:  # as an older version wrote it
        connection.execute("UPDATE run SET command = ?, host = ?", (command, socket.gethostname()))
    return made


def unpacked(archive, folder):
    shutil.unpack_archive(archive, folder, **({} if archive.suffix == ".zip" else FILTER))
    return Store(folder / "s" / "s.db", read_only=True)


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz"])
def test_an_archive_opens_anywhere_and_says_what_the_store_says(store, tmp_path, ending):
    done = pack(store, tmp_path / f"x{ending}")
    there = unpacked(done.path, tmp_path / "there")

    assert numbers(there).equals(numbers(store))
    assert there.scores().equals(store.scores())
    assert there.features().equals(store.features())
    assert there.artifacts.parent == tmp_path / "there" / "s"
    told = leakboard.report(there, tmp_path / "page")
    assert told.told == ()


def test_nothing_of_the_machine_is_in_it_and_no_password(store, tmp_path):
    pack(store, tmp_path / "x.tar")
    payload = (tmp_path / "x.tar").read_bytes()

    for secret in ("alice", "tiger", str(tmp_path), socket.gethostname()):
        assert secret.encode() not in payload, secret


def test_images_of_private_datasets_stay_out_unless_asked_for(store, tmp_path):
    without, with_them = pack(store, tmp_path / "x.zip"), pack(store, tmp_path / "y.zip", pictures=True)

    assert any("--pictures" in line for line in without.left_out)
    assert unpacked(without.path, tmp_path / "x").artifact_digests("preview") == {}
    assert with_them.left_out == ()
    assert unpacked(with_them.path, tmp_path / "y").pictured() == ["shelf(root='d')"]


def test_what_is_missing_is_told(store, tmp_path):
    victim = next(iter(store.artifact_digests("features")))
    next(store.artifacts.rglob(f"{victim}*")).unlink()

    assert pack(store, tmp_path / "x.zip", pictures=True).left_out[0].startswith("1 files that are missing")


def test_names_of_other_formats_are_refused(store):
    with pytest.raises(LeakboardError, match="does not tell its format"):
        pack(store, "x.rar")


def test_a_store_alone_says_what_is_missing_and_finds_its_files_beside_it(store, tmp_path):
    (tmp_path / "away").mkdir()
    shutil.copy("s.db", "away/s.db")
    (line,) = leakboard.report("away/s.db", "page").told
    assert "away/s-artifacts" in line
    assert "--artifacts" in line
    shutil.copytree("s-artifacts", "away/s-artifacts")
    assert not [line for line in leakboard.report("away/s.db", "page").told if "not in" in line]


def test_files_in_a_folder_of_their_own_are_found_after_both_were_copied(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "d")
    (tmp_path / "here").mkdir()
    leakboard.run(shelf("shelf(root='d')"), "here/s.db", artifacts=tmp_path / "payloads")
    (tmp_path / "away").mkdir()
    shutil.copy("here/s.db", "away/s.db")
    shutil.move("payloads", "away/payloads")

    assert not Store("away/s.db", read_only=True).scores().empty


def test_the_command_says_what_it_wrote(store):
    done = CliRunner().invoke(main, ["pack", "s.db", "--out", "x.zip", "--pictures"])

    assert done.exit_code == 0, done.output
    assert "x.zip: the store and" in done.output


def test_a_tilde_is_the_home_after_an_equals_sign_too(store, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    shutil.copy("s.db", "home/s.db")
    for line in (
        ["pack", "~/s.db", "--out=~/x.zip"],
        ["report", "~/s.db", "--out=~/page", "--artifacts=~/../s-artifacts"],
    ):
        done = CliRunner().invoke(main, line)
        assert done.exit_code == 0, done.output
    assert {path.name for path in (tmp_path / "home").iterdir()} >= {"x.zip", "page"}
    assert not (tmp_path / "~").exists()
