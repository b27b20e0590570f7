import pytest

from helpers.small_stores import attempt, cell, fill, put_scores, sha
from leakboard.store import RunInfo, Store
from leakboard.store.artifacts import Artifacts
from leakboard.store.prune import prune, usage


@pytest.fixture
def store(tmp_path):
    """A store with three cells, their scores, features and a sample list."""
    made = Store(tmp_path / "r.db", create=True)
    fill(made)
    return made


def kinds(store):
    return {kind: files for kind, files, _ in usage(store)}


def test_usage_counts_files_and_bytes_by_kind(store):
    Artifacts(store.artifacts).put("a_stranger", {}, {}, "scores")

    assert kinds(store) == {"features": 1, "samples": 1, "scores": 3, "unknown": 1}
    assert all(size > 0 for _, _, size in usage(store))


def test_prune_keeps_current_scores_and_sample_lists(store):
    gone = prune(store)

    assert (gone.files, gone.bytes > 0) == (1, True)
    assert kinds(store) == {"samples": 1, "scores": 3}
    assert len(store.scores()) == 9
    assert prune(store).files == 0


def test_prune_removes_what_nobody_knows_and_what_is_damaged(store):
    artifacts = Artifacts(store.artifacts)
    artifacts.put("a_stranger", {}, {}, "scores")
    path = artifacts.path(store.cells()["scores_key"][0])
    path.write_bytes(path.read_bytes()[:-1])

    assert prune(store).files == 3
    assert kinds(store) == {"samples": 1, "scores": 2}


def test_prune_removes_an_empty_folder_in_the_place_of_a_file(store):
    path = Artifacts(store.artifacts).path(store.cells()["scores_key"][0])
    path.unlink()
    path.mkdir()

    assert prune(store).files == 2
    assert kinds(store) == {"samples": 1, "scores": 2}


def test_prune_removes_the_scores_of_an_attempt_that_was_superseded(store):
    row = cell(0)
    artifacts = Artifacts(store.artifacts)
    run = store.begin_run(RunInfo(grid_name="again", grid_text="", provenance={}))
    newer = artifacts.put(sha("newer"), {}, {}, "scores")
    store.record(run, attempts=[attempt(row, minutes=99, scores_key=newer.key)], artifacts=[newer])

    prune(store)
    assert artifacts.has(newer.key)
    assert not artifacts.has(put_scores(Artifacts(store.artifacts.with_name("x")), row).key)


def test_another_folder_can_be_named(store, tmp_path):
    elsewhere = Artifacts(tmp_path / "elsewhere")
    put_scores(elsewhere, cell(0))

    assert [(kind, files) for kind, files, _ in usage(store, elsewhere.root)] == [("scores", 1)]
    assert prune(store, elsewhere.root).files == 0
