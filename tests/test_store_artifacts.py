"""Artifact files: whole or not there, and never trusted unread."""

import errno
import hashlib
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from leakboard.api import Samples
from leakboard.errors import LeakboardError
from leakboard.store.artifacts import Artifacts, Damaged, Missing
from leakboard.tasks.contact_sheet import keep_contact_sheet

KEY = "ab" * 32
TENSORS = {"score": np.linspace(0, 1, 500), "member": np.tile(np.array([0, 1], np.uint8), 250)}
META = {"ids": '["a", "b"]', "note": "naïve"}


@pytest.fixture
def artifacts(tmp_path):
    return Artifacts(tmp_path / "deep" / "folder")


def put(artifacts, key=KEY):
    return artifacts.put(key, TENSORS, META, "scores")


def test_what_was_put_comes_back(artifacts):
    row = put(artifacts)

    tensors, meta = artifacts.get(KEY)

    assert meta == META
    assert set(tensors) == set(TENSORS)
    for name, array in TENSORS.items():
        np.testing.assert_array_equal(tensors[name], array)
        assert tensors[name].dtype == array.dtype
    payload = artifacts.path(KEY).read_bytes()
    assert (row.key, row.kind) == (KEY, "scores")
    assert row.digest == hashlib.sha256(payload).hexdigest()
    assert row.bytes == len(payload)
    assert artifacts.path(KEY) == artifacts.root / "ab" / f"{KEY}.safetensors"


@pytest.mark.parametrize(
    "array",
    [np.float32(3.0), np.zeros((0, 4)), np.arange(12.0).reshape(3, 4).T, np.arange(6)[::-2], np.arange(3, dtype=">f8")],
    ids=["scalar", "empty", "transposed", "strided", "big-endian"],
)
def test_unusual_arrays_survive(artifacts, array):
    """safetensors writes the memory of an array that is not contiguous in the wrong order, unless it is copied."""
    artifacts.put(KEY, {"x": array}, {}, "features")

    found = artifacts.get(KEY)[0]["x"]

    assert found.shape == np.shape(array)
    np.testing.assert_array_equal(found, array)


def test_equal_payloads_give_equal_files(tmp_path):
    """Bit-identical results after a resume include the files; several processes, since hash order differs by process."""
    code = (
        "import sys, numpy as np; from pathlib import Path; from leakboard.store.artifacts import Artifacts;"
        "print(Artifacts(Path(sys.argv[1])).put('abc', {'b': np.ones(3), 'a': np.zeros(2)},"
        " {name: name for name in 'qwertyuiop'}, 'scores').digest)"
    )

    digests = {subprocess.check_output([sys.executable, "-c", code, str(tmp_path / str(i))]) for i in range(3)}

    assert len(digests) == 1


@pytest.mark.parametrize("size", [0, 4, 100, -1], ids=["empty", "in the length", "in the header", "one byte short"])
def test_truncated_file_is_damaged(artifacts, size):
    put(artifacts)
    path = artifacts.path(KEY)
    path.write_bytes(path.read_bytes()[:size])

    with pytest.raises(Damaged) as caught:
        artifacts.get(KEY)

    assert caught.value.key == KEY
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("where", [-1, -2000, 200], ids=["last byte", "payload", "metadata"])
def test_altered_byte_is_damaged(artifacts, where):
    put(artifacts)
    path = artifacts.path(KEY)
    payload = bytearray(path.read_bytes())
    payload[where] ^= 1
    path.write_bytes(payload)

    with pytest.raises(Damaged):
        artifacts.get(KEY)


def test_foreign_safetensors_file_is_damaged(artifacts):
    from safetensors.numpy import save_file

    artifacts.path(KEY).parent.mkdir(parents=True)
    save_file(TENSORS, artifacts.path(KEY))

    with pytest.raises(Damaged, match="damaged"):
        artifacts.get(KEY)


def test_whole_file_of_another_key_is_damaged(artifacts):
    """Moved or copied by hand: what it says is true of something else."""
    put(artifacts)
    other = "ab" + KEY[2:-1] + "c"
    artifacts.path(KEY).rename(artifacts.path(other))

    with pytest.raises(Damaged, match="does not match"):
        artifacts.get(other)


def test_file_that_cannot_be_read_is_damaged(artifacts, monkeypatch):
    """By hand, so that the test also holds for root, who can read everything."""
    put(artifacts)

    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(type(artifacts.root), "read_bytes", refuse)

    with pytest.raises(Damaged, match="Permission denied"):
        artifacts.get(KEY)
    assert not artifacts.whole(KEY)


def test_folder_in_the_place_of_a_file_is_damaged_and_makes_way(artifacts):
    artifacts.path(KEY).mkdir(parents=True)

    with pytest.raises(Damaged):
        artifacts.get(KEY)
    assert not artifacts.has(KEY)
    put(artifacts)
    assert artifacts.whole(KEY)


def test_what_is_none_of_ours_is_set_aside(artifacts):
    """A folder that holds something is nothing that we made."""
    place = artifacts.path(KEY)
    for number in ("", "1"):
        (place / "precious").mkdir(parents=True)
        artifacts.put(KEY, {"x": np.zeros(2)}, {}, "scores")
        assert artifacts.whole(KEY)
        assert (place.with_name(f"{place.name}.aside{number}") / "precious").is_dir()
        artifacts.drop(KEY)


def test_folder_below_a_file_holds_nothing(tmp_path):
    (tmp_path / "taken").write_text("x")
    below = Artifacts(tmp_path / "taken" / "artifacts")

    with pytest.raises(Damaged):
        below.get(KEY)
    below.drop(KEY)
    assert not below.has(KEY)
    assert list(below.list()) == []
    assert below.prune(set()) == (0, 0)


@pytest.mark.parametrize("harm", [lambda path: path.write_bytes(path.read_bytes()[:-1]), lambda path: path.unlink()])
def test_pictures_that_are_not_whole_are_kept_anew(artifacts, harm):
    """Whole ones stay when the victim returned nothing this time, for they may show what it returned before."""
    samples = Samples(("a", "b"), torch.zeros(2, 1, 4, 4), np.array([True, False]))
    task = SimpleNamespace(dataset="d", victim="v", dataset_identity="d1", victim_identity="v1", pictures=True)
    defense = SimpleNamespace(identity="n1", shown="none")
    registry = SimpleNamespace(one=lambda _, spec: SimpleNamespace(shown=spec))

    def keep():
        return keep_contact_sheet(
            task, registry, artifacts, samples, defense, seed=0, seen=samples.images, returned=None, fit=""
        )

    (row,) = keep()
    assert keep() == []
    harm(artifacts.path(row.key))
    assert keep()[0].digest == row.digest
    assert artifacts.whole(row.key)


def test_absent_artifact_is_missing(artifacts):
    assert not artifacts.has(KEY)
    with pytest.raises(Missing) as caught:
        artifacts.get(KEY)
    assert caught.value.key == KEY
    artifacts.drop(KEY)
    assert list(artifacts.list()) == []


def test_failed_write_leaves_no_half_file_and_keeps_the_old_one(artifacts, monkeypatch):
    put(artifacts)
    before = artifacts.path(KEY).read_bytes()

    def fail(handle):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(LeakboardError, match="Input/output"):
        artifacts.put(KEY, {"score": np.zeros(9)}, {}, "scores")

    assert artifacts.path(KEY).read_bytes() == before
    assert [path.name for path in artifacts.path(KEY).parent.iterdir()] == [artifacts.path(KEY).name]


def test_killed_writer_leaves_no_half_file(artifacts):
    """SIGKILL between writing and renaming: the key has no file, and pruning takes the leftover when it is old."""
    code = (
        "import os, signal, sys, numpy as np; from pathlib import Path; from leakboard.store.artifacts import Artifacts;"
        "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL);"
        "Artifacts(Path(sys.argv[1])).put(sys.argv[2], {'x': np.zeros(10_000)}, {}, 'scores')"
    )
    process = subprocess.run([sys.executable, "-c", code, str(artifacts.root), KEY], check=False)
    assert process.returncode < 0

    assert not artifacts.has(KEY)
    assert list(artifacts.list()) == []
    (leftover,) = artifacts.path(KEY).parent.iterdir()
    artifacts.prune(set())
    assert leftover.exists()
    old = time.time() - 7200
    os.utime(leftover, (old, old))
    artifacts.prune(set())
    assert not leftover.exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_says_how_much_and_where(artifacts, monkeypatch, code):
    def full(handle):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(LeakboardError) as caught:
        put(artifacts)

    assert "no space left" in caught.value.what
    assert "bytes" in caught.value.what
    assert caught.value.where == str(artifacts.path(KEY).parent)
    assert "prune" in caught.value.next


def test_folder_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "taken").write_text("x")

    with pytest.raises(LeakboardError, match="cannot write"):
        put(Artifacts(tmp_path / "taken"))


@pytest.mark.parametrize("key", ["../../etc/passwd", "ab/cd", "", "a", "x" * 200])
def test_key_cannot_leave_the_folder(artifacts, key):
    with pytest.raises(ValueError, match="not an artifact key"):
        artifacts.path(key)


def test_prune_keeps_what_it_is_told_to(artifacts):
    rows = [put(artifacts, f"{number:02}" * 32) for number in range(4)]
    keep = {rows[1].key}

    assert [entry.key for entry in artifacts.list()] == [row.key for row in rows]
    assert artifacts.prune(keep) == (3, rows[0].bytes * 3)
    assert {entry.key for entry in artifacts.list()} == keep
