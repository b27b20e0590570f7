"""Payload files in a bucket of a real S3 server: whole or not there, and an error says what, where and what next."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

import leakboard
from helpers.s3 import BROKEN, DENIED, SHORT, SKEWED, UNKNOWN
from helpers.small_stores import fill
from helpers.tiny_grids import numbers, payloads, same, tiny
from leakboard.errors import LeakboardError
from leakboard.runs.verify import verify
from leakboard.store import Store, bucket_locks, buckets, file_cache, merge
from leakboard.store.artifacts import Artifacts, Damaged, Missing, OutOfReach, Pruned
from leakboard.store.buckets import Bucket, locate_files
from leakboard.store.file_cache import FileCache
from leakboard.store.prune import prune, usage

KEY = "ab" * 32


@pytest.fixture
def artifacts(bucket):
    return Artifacts.at(f"{bucket}/some/where/")


def put(artifacts, key=KEY, size=500):
    return artifacts.put(key, {"score": np.arange(float(size))}, {"ids": "x"}, "scores")


def fresh(artifacts):
    """As another machine sees the bucket."""
    import shutil

    shutil.rmtree(artifacts.shelf.here, ignore_errors=True)
    return artifacts


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ("here/and/there", Path("here/and/there")),
        ("file:///tmp/a%20b", Path("/tmp/a b")),
        ("s3://box", Bucket("s3://box")),
        ("s3://box//deep/er/", Bucket("s3://box/deep/er")),
        ("gs://box/deep", Bucket("gs://box/deep")),
    ],
)
def test_places_are_told_by_their_spelling(given, place):
    assert locate_files(given) == place
    assert locate_files(place) == place


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("s4://box", "did you mean: s3"),
        ("http://somewhere/x", "no payload files on http"),
        ("file://relative", "expected: file:///path"),
        ("s3://", "names no place"),
        ("s3://box?versionId=3", "names no place"),
        ("s3://key:secret@box", "do not belong into the URL"),
    ],
)
def test_other_urls_are_refused_and_secrets_never_shown(given, says):
    with pytest.raises(LeakboardError) as caught:
        locate_files(given)
    assert says in str(caught.value)
    assert "secret@" not in str(caught.value)


def test_what_was_put_comes_back_on_any_machine(artifacts):
    row = put(artifacts)
    assert row == artifacts.row(KEY, "scores").__class__(
        **{**vars(artifacts.row(KEY, "scores")), "created": row.created}
    )
    tensors, meta = fresh(artifacts).get(KEY)
    np.testing.assert_array_equal(tensors["score"], np.arange(500.0))
    assert meta == {"ids": "x"}
    assert artifacts.has(KEY)
    assert artifacts.whole(KEY)
    assert [(entry.key, entry.bytes) for entry in artifacts.list()] == [(KEY, row.bytes)]
    assert artifacts.survey()(KEY).bytes == row.bytes
    artifacts.drop(KEY)
    artifacts.drop(KEY)
    assert not artifacts.has(KEY)
    with pytest.raises(Missing, match="is missing"):
        artifacts.get(KEY)


def test_a_file_is_fetched_once_and_a_damaged_copy_is_fetched_again(artifacts, s3):
    put(artifacts)
    fresh(artifacts).get(KEY)
    s3.asked.clear()
    artifacts.get(KEY)
    assert s3.asked == []
    (copy,) = artifacts.shelf.here.rglob("*.safetensors")
    copy.write_bytes(copy.read_bytes()[:-9])
    assert artifacts.get(KEY)[1] == {"ids": "x"}
    assert artifacts.whole(KEY)
    s3.asked.clear()
    artifacts.get(KEY)
    assert s3.asked == []


def test_an_object_cut_short_is_damaged_whatever_a_copy_says(artifacts):
    row = put(artifacts)
    files, place = artifacts.shelf._files, artifacts.shelf._at(f"ab/{KEY}.safetensors")
    files.pipe_file(place, files.cat_file(place)[:-9])
    assert artifacts.get(KEY)  # the copy is whole, and says what was written
    assert not artifacts.whole(KEY)
    assert not artifacts.shelf.believed(artifacts.survey()(KEY), row.bytes, 0)
    with pytest.raises(Damaged, match="damaged"):
        fresh(artifacts).get(KEY)


def test_the_least_recently_used_copies_leave_first(tmp_path):
    cache = FileCache(tmp_path, 10_000)
    for number in range(8):
        cache.put(f"key{number}", bytes(1000))
        time.sleep(0.01)
    assert cache.get("key0")
    time.sleep(0.01)
    for number in range(8, 12):
        cache.put(f"key{number}", bytes(1000))
        time.sleep(0.01)
    kept = [number for number in range(12) if cache.get(f"key{number}")]
    assert 0 in kept
    assert 1 not in kept
    assert kept[-4:] == [8, 9, 10, 11]
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors")) <= 10_000
    cache.put("huge", bytes(10_001))
    assert cache.get("huge") is None


def test_a_limit_that_is_no_number_is_refused(monkeypatch):
    monkeypatch.setenv(file_cache.LIMIT, "much")
    with pytest.raises(LeakboardError, match="LEAKBOARD_CACHE_MB"):
        file_cache.cache_of("s3://box")


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (DENIED, "no rights for this in the bucket"),
        (BROKEN, "the bucket's server fails"),
        (SKEWED, "this machine's clock, which is wrong"),
        (UNKNOWN, "does not know these credentials"),
    ],
)
def test_what_the_server_refuses_is_told_and_nothing_is_lost(artifacts, s3, fault, says):
    put(artifacts)
    s3.fault = lambda method, path: fault
    for act in (
        put,
        lambda a: fresh(a).get(KEY),
        lambda a: list(a.list()),
        lambda a: a.drop(KEY),
    ):
        with pytest.raises(OutOfReach, match=says) as caught:
            act(artifacts)
        assert "s3://box-" in caught.value.where
        assert caught.value.next
    s3.fault = lambda method, path: None
    assert artifacts.whole(KEY)


def test_a_put_that_fails_leaves_what_was_there(artifacts, s3):
    put(artifacts)
    s3.fault = lambda method, path: BROKEN if method == "PUT" else None
    with pytest.raises(OutOfReach):
        put(artifacts, size=9)
    s3.fault = lambda method, path: None
    assert len(fresh(artifacts).get(KEY)[0]["score"]) == 500


def test_one_failure_and_one_answer_cut_short_are_tried_again(artifacts, s3):
    faults = iter([BROKEN, SHORT])
    s3.fault = lambda method, path: next(faults, None) if method == "GET" else None
    put(artifacts)
    assert fresh(artifacts).get(KEY)
    assert sum(method == "GET" for method, _ in s3.asked) >= 2


def test_a_missing_bucket_is_no_missing_file(s3):
    artifacts = Artifacts.at("s3://no-such-box/x")
    for act in (put, lambda a: a.get(KEY), lambda a: list(a.list()), lambda a: a.shelf.check("--artifacts")):
        with pytest.raises(OutOfReach, match="there is no such bucket"):
            act(artifacts)


def test_the_package_that_is_missing_is_named(s3, monkeypatch):
    import fsspec

    def refuse(scheme, **options):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "filesystem", refuse)
    with pytest.raises(LeakboardError, match=r"pip install 'leakboard\[s3\]'"):
        buckets._file_system.__wrapped__("s3")


def test_one_of_two_makes_a_file_while_the_other_waits(artifacts, monkeypatch):
    """As on two machines: without the lock that processes of one machine have."""
    monkeypatch.setattr(bucket_locks, "LOOK", 0.05)
    files, place = artifacts.shelf._files, artifacts.shelf._at("ab/lock")
    order = []

    def second():
        with bucket_locks.held(files, place):
            order.append("second")

    with bucket_locks.held(files, place):
        waiting = threading.Thread(target=second)
        waiting.start()
        time.sleep(0.3)
        order.append("first")
    waiting.join(timeout=20)
    assert order == ["first", "second"]
    assert not files.exists(place)


def test_a_lock_whose_owner_was_killed_is_taken(artifacts, monkeypatch):
    monkeypatch.setattr(bucket_locks, "LOOK", 0.05)
    monkeypatch.setattr(bucket_locks, "STALE", 0.3)
    files, place = artifacts.shelf._files, artifacts.shelf._at("ab/lock")
    files.pipe_file(place, b"dead 0")
    with bucket_locks.held(files, place):
        assert files.cat_file(place) != b"dead 0"


def test_a_run_beside_a_bucket_gives_the_numbers_of_one_beside_a_folder(bucket, tmp_path, s3):
    """In a worker process, which finds the bucket as well; then everything that is done with a store."""
    grid = tiny(classifier=["mean", "centred"])
    local = Store(tmp_path / "local.db", create=True)
    assert leakboard.run(grid, local).ok
    assert leakboard.run(grid, tmp_path / "far.db", artifacts=bucket, executor="processes", workers=1, threads=1).ok
    far = Store(tmp_path / "far.db", create=True)
    assert str(far.artifacts) == bucket
    assert not (tmp_path / "far-artifacts").exists()
    assert numbers(far).equals(numbers(local))
    for kind in ("scores", "features"):
        assert same(payloads(far, kind), payloads(local, kind))
    assert leakboard.run(grid, far).evaluations == 0
    assert len(far.runs()) == 1
    assert far.scores().equals(local.scores())
    assert verify(far).wrong == ()
    merged = Store(tmp_path / "merged.db", create=True)
    assert merge(merged, [far]).damaged == 0
    assert same(payloads(merged, "scores"), payloads(local, "scores"))
    assert {kind for kind, *_ in usage(far)} == {kind for kind, *_ in usage(local)}
    # not the other store's bytes: files of features hold how many seconds they took
    for place in (far, local):
        ((_, files, size),) = [row for row in usage(place) if row[0] == "features"]
        assert prune(place) == Pruned(files=files, bytes=size)
        assert files == 3
    assert {kind for kind, *_ in usage(far)} == {"samples", "scores", "preview"}
    assert leakboard.run(grid, far, features=True).evaluations > 0
    assert same(payloads(far, "features"), payloads(merged, "features"))


def test_scores_that_are_gone_or_cut_short_in_the_bucket_are_made_again(bucket, tmp_path):
    grid = tiny(classifier=["mean", "centred"])
    leakboard.run(grid, tmp_path / "far.db", artifacts=bucket)
    far = Store(tmp_path / "far.db", create=True)
    first, second = far.artifact_digests("scores")
    artifacts = Artifacts(far.artifacts)
    artifacts.drop(first)
    artifacts.write(second, artifacts.read(second)[:-9])
    plan = leakboard.plan(grid, far)
    assert len(plan.lost) == 2
    assert leakboard.run(grid, far).evaluations == 0
    assert verify(far).wrong == ()


def test_a_bucket_that_fails_ends_the_run_and_the_same_command_continues(bucket, tmp_path, s3):
    grid = tiny(observer=["glance", "peek"])
    puts = iter(range(1000))

    def fails_later(method, path):
        return DENIED if method == "PUT" and path.endswith(".safetensors") and next(puts) >= 3 else None

    s3.fault = fails_later
    with pytest.raises(LeakboardError, match="no rights for this in the bucket"):
        leakboard.run(grid, tmp_path / "far.db", artifacts=bucket)
    s3.fault = lambda method, path: None
    assert leakboard.run(grid, tmp_path / "far.db").ok
    far = Store(tmp_path / "far.db")
    assert list(far.runs()["status"]) == ["failed", "done"]
    assert verify(far).wrong == ()


def test_a_bucket_that_cannot_be_written_is_refused_before_anything_is_written(bucket, tmp_path, s3):
    s3.fault = lambda method, path: DENIED if method == "PUT" else None
    with pytest.raises(LeakboardError, match="no rights") as caught:
        leakboard.run(tiny(), tmp_path / "far.db", artifacts=bucket)
    assert "s3:PutObject" in caught.value.next
    assert not (tmp_path / "far.db").exists()


def test_a_store_beside_a_folder_merges_into_one_beside_a_bucket(bucket, tmp_path):
    mine = Store(tmp_path / "mine.db", create=True)
    fill(mine)
    into = Store(tmp_path / "into.db", artifacts=bucket, create=True)
    assert merge(into, [mine]).artifacts == 5
    assert merge(into, [mine]).artifacts == 0
    assert into.scores().equals(mine.scores())
