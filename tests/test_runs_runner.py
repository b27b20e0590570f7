"""A run from its beginning to its end."""

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

import leakboard
from helpers.tiny_grids import PLUGIN, numbers, payloads, same, statuses, tiny
from leakboard.cli import main
from leakboard.errors import LeakboardError
from leakboard.keys import samples_key
from leakboard.store import Store
from leakboard.store.artifacts import Artifacts, CannotWrite

AXES = {"defense": ["none", "fog"], "observer": ["glance", "peek"], "classifier": ["mean", "centred"]}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store.db", create=True)


def test_a_run_leaves_results_scores_features_and_pictures(store):
    report = leakboard.run(tiny(**AXES), store)
    assert report.ok
    assert report.counts == {"done": 8}
    results = store.results()
    measured = results.groupby("cell")["measure"].agg(set)
    assert len(measured) == 8
    assert all(found >= {"auc", "balanced_accuracy", "tpr_at_1pct_fpr", "tpr_at_0.1pct_fpr"} for found in measured)
    assert set(results["n_member"]) == {12}
    assert len(store.scores()) == 8 * 24
    assert len(store.features()) == 2 * 48 * (2 + 1)
    kinds = [row["status"] for row in store.runs().to_dict("records")]
    assert kinds == ["done"]


def test_the_same_run_again_does_nothing(store):
    leakboard.run(tiny(**AXES), store)
    before = numbers(store)
    report = leakboard.run(tiny(**AXES), store)
    assert (report.ok, report.evaluations) == (True, 0)
    assert len(store.runs()) == 1
    assert numbers(store).equals(before)


def test_a_finished_grid_is_recognised_without_torch_or_a_victim(tmp_path, store):
    """In a fresh process: torch takes seconds to import."""
    leakboard.run(tiny(**AXES), store)
    code = f"""
import sys
sys.path.insert(0, {str(PLUGIN.parents[1])!r})
from helpers.tiny_grids import tiny
import leakboard
from leakboard.runs.summary import summary
report = leakboard.run(tiny(**{AXES!r}), {str(tmp_path / "store.db")!r})
assert report.ok and report.counts == {{"done": 8}}
assert not {{"torch", "sklearn", "diffusers", "pandas"}} & set(sys.modules), "too much was imported"
assert summary(report, leakboard.Store({str(tmp_path / "store.db")!r}))
assert not {{"torch", "sklearn", "scipy"}} & set(sys.modules), "too much was imported to tell what was found"
"""
    opened = tmp_path / "opened"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"TINY_OPENED": str(opened)})
    assert not opened.exists()


def damage(store, kind, how, count=99):
    """Spoil artifact files; gives how many."""
    keys = list(payloads(store, kind)) if kind != "samples" else [samples_key(tiny().cells[0].dataset.identity)]
    for key in keys[:count]:
        path = Artifacts(store.artifacts).path(key)
        if how == "missing":
            path.unlink()
        elif how == "cut":
            path.write_bytes(path.read_bytes()[:-20])
        else:
            data = bytearray(path.read_bytes())
            data[-3] ^= 1
            path.write_bytes(bytes(data))
    return len(keys[:count])


@pytest.mark.parametrize("how", ["missing", "cut", "flipped"])
def test_damaged_scores_are_made_again(store, how, capsys):
    leakboard.run(tiny(**AXES), store)
    before, scores = numbers(store), payloads(store, "scores")
    damage(store, "scores", how, 3)
    report = leakboard.run(tiny(**AXES), store)
    assert (report.ok, report.evaluations) == (True, 0)
    assert "the scores of 3 results are missing or damaged" in capsys.readouterr().err
    assert numbers(store).equals(before)
    assert same(payloads(store, "scores"), scores)


@pytest.mark.parametrize("how", ["missing", "cut", "flipped"])
def test_damaged_features_are_made_again(store, how, capsys):
    """However many they are: a new classifier finds all of them spoilt."""
    leakboard.run(tiny(**AXES | {"classifier": ["mean"]}), store)
    features = payloads(store, "features")
    count = damage(store, "features", how)
    assert leakboard.run(tiny(**AXES), store).ok
    assert same(payloads(store, "features"), features)
    said = f"{count} files of features are missing or damaged: they will be made again" in capsys.readouterr().err
    assert said == (how != "missing")


@pytest.mark.parametrize("how", ["missing", "cut", "flipped"])
def test_a_damaged_list_of_samples_is_made_again(store, how):
    leakboard.run(tiny(**AXES | {"classifier": ["mean"]}), store)
    damage(store, "samples", how)
    assert leakboard.run(tiny(**AXES), store).ok


def test_features_that_spoil_while_the_grid_runs_are_made_again(store, monkeypatch):
    """Every file that the scoring tasks would read is cut short once, after it was written."""
    from leakboard.tasks import score as scoring

    whole, spoilt = scoring.Tables.get, []

    def spoil_first(tables, keys, *, maps):
        if not spoilt:
            spoilt.extend(payloads(store, "features"))
            damage(store, "features", "cut")
            damage(store, "samples", "cut")
            scoring._population.cache_clear()
        return whole(tables, keys, maps=maps)

    monkeypatch.setattr(scoring.Tables, "get", spoil_first)
    report = leakboard.run(tiny(**AXES), store)
    assert report.ok
    assert spoilt


def test_a_full_disk_ends_the_run_and_keeps_what_is_finished(tmp_path, monkeypatch, capsys):
    grid, place = tmp_path / "grid.toml", str(tmp_path / "store.db")
    grid.write_text(
        "[run]\nshard = 16\n[grid]\ndataset = ['tiny']\nvictim = ['linear']\n"
        "observer = ['glance', 'peek']\ndistance = ['gap']\nclassifier = ['mean']\n"
    )
    arguments = ["run", str(grid), "--store", place, "--executor", "serial", "--plugin", str(PLUGIN)]
    write, written = Artifacts.write, []

    def full(artifacts, key, payload, **how):
        written.append(key)
        if len(written) > 7:
            raise CannotWrite(f"no space left for an artifact of {len(payload):,} bytes", where=str(artifacts.root))
        write(artifacts, key, payload, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Artifacts, "write", full)
        stopped = CliRunner().invoke(main, arguments)
    assert stopped.exit_code == 2
    assert "no space left" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    store = Store(place, create=True)
    assert list(store.runs()["status"]) == ["failed"]
    assert len(store.tasks()) >= 2
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert leakboard.run(tiny(observer=["glance", "peek"]), tmp_path / "other.db").ok
    assert numbers(store).equals(numbers(Store(tmp_path / "other.db", create=True)))


def test_a_full_disk_while_scoring_is_no_fault_of_the_classifier(store, monkeypatch):
    write = Artifacts.write

    def full(artifacts, key, payload, **how):
        if b"score" in payload:
            raise CannotWrite("no space left")
        write(artifacts, key, payload, **how)

    monkeypatch.setattr(Artifacts, "write", full)
    with pytest.raises(LeakboardError, match="no space left"):
        leakboard.run(tiny(), store)
    assert "failed" not in {status for found in statuses(store, "classifier").values() for status in found}


BAD_VICTIMS = ["bad_victim(when='open')", "bad_victim(when='asked')"]
DEFENSES = ["none", *(f"fog(share={share})" for share in (0.1, 0.2))]


def test_a_run_of_which_every_part_was_tried_and_failed_alike_is_stopped(store):
    """Two victims by three defenses: three tasks are about each of them."""
    report = leakboard.run(tiny(victim=BAD_VICTIMS, defense=DEFENSES), store)
    assert report.stopped == "the first 3 observation tasks all failed alike: RuntimeError: tiny fault"
    assert not report.ok
    assert list(store.runs()["status"]) == ["failed"]
    assert report.counts == {"failed": 3, "missing": 3}


@pytest.mark.parametrize("bad", [BAD_VICTIMS[:1], BAD_VICTIMS])
def test_broken_victims_do_not_keep_a_healthy_one_from_its_turn(store, bad):
    report = leakboard.run(tiny(victim=[*bad, "linear"], defense=DEFENSES), store)
    assert report.stopped == ""
    assert statuses(store, "victim")["linear"] == {"done"}
    assert report.counts == {"failed": 3 * len(bad), "done": 3}


def test_a_defense_that_fails_in_every_shape_does_not_stop_the_others(store):
    bad = [f"bad_defense + fog(share={share})" for share in (0.1, 0.2, 0.3, 0.4)]
    report = leakboard.run(tiny(defense=[*bad, "none"]), store)
    assert report.stopped == ""
    assert report.counts == {"failed": 4, "done": 1}


def test_a_run_whose_last_task_fails_like_all_others_has_not_ended_early(store):
    report = leakboard.run(tiny(victim="bad_victim", defense=DEFENSES), store)
    assert (report.stopped, report.counts) == ("", {"failed": 3})


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "mps"])
def test_a_device_that_is_not_there_is_refused_before_anything_is_written(tmp_path, device, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(LeakboardError, match=f"no device '{device}'"):
        leakboard.run(tiny(run={"device": device}), tmp_path / "store.db")
    assert list(tmp_path.iterdir()) == []


def test_a_device_is_asked_for_only_when_something_must_be_observed(store):
    leakboard.run(tiny(), store)
    assert leakboard.run(tiny(run={"device": "cuda:63"}), store).ok
    assert leakboard.run(tiny(classifier=["mean", "centred"], run={"device": "cuda:63"}), store).ok
    with pytest.raises(LeakboardError, match="no device"):
        leakboard.run(tiny(observer="peek", run={"device": "cuda:63"}), store)
    assert len(store.runs()) == 2


@pytest.mark.parametrize("place", ["file", "file/below", "file/far/below"])
def test_a_folder_that_cannot_be_made_is_refused_before_the_store_is(tmp_path, place):
    (tmp_path / "file").touch()
    with pytest.raises(LeakboardError, match="is not a folder"):
        leakboard.run(tiny(), tmp_path / "store.db", artifacts=tmp_path / place)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_facts_that_cannot_be_told_are_a_fact_and_no_failure(store, write):
    plugin = write(
        "facts.py",
        """
        from dataclasses import dataclass
        from typing import ClassVar, Literal
        from leakboard import hookimpl
        from leakboard.api import Classifier

        @dataclass(frozen=True, kw_only=True)
        class Sad(Classifier):
            "Tells nothing."
            name: ClassVar[str] = "sad"
            how: Literal["raise", "quit", "object", "nan", "none"]

            def facts(self):
                if self.how in ("raise", "quit"):
                    raise {"raise": RuntimeError, "quit": SystemExit}[self.how]("no facts today")
                return {"object": {"x": object()}, "nan": {"x": float("nan")}, "none": None}[self.how]

            def fit(self, features, member, columns):
                return lambda unseen: unseen.mean(axis=1)

        @hookimpl
        def leakboard_classifiers():
            return [Sad]
        """,
    )
    classifiers = [f"sad(how={how!r})" for how in ("raise", "quit", "object", "nan", "none")]
    axes = {"dataset": "tiny", "victim": "linear", "observer": "glance", "distance": "gap"}
    assert leakboard.run(leakboard.Grid.of(plugins=[PLUGIN, plugin], classifier=classifiers, **axes), store).ok
    found = store.components()
    told = [row["fault"] for row in found[found["kind"] == "classifier"]["info"]]
    assert told[:2] == [f"sad: facts() failed: {kind}: no facts today" for kind in ("RuntimeError", "SystemExit")]
    assert all(text.startswith("sad: facts() failed: ") for text in told)
    assert len(told) == 5


def test_an_interrupt_is_written_down_and_passed_on(store, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(leakboard.runs.source.PlanSource, "settle", interrupt)
    with pytest.raises(KeyboardInterrupt):
        leakboard.run(tiny(), store)
    assert list(store.runs()["status"]) == ["interrupted"]


def test_nothing_is_written_for_a_grid_that_contradicts_itself(tmp_path):
    with pytest.raises(LeakboardError):
        leakboard.run(tiny(dataset="tiny(count=4)"), tmp_path / "store.db")
    assert list(tmp_path.iterdir()) == []


def test_a_bar_shows_when_it_is_asked_for(tmp_path, capsys):
    leakboard.run(tiny(), tmp_path / "other.db", progress=True)
    assert "|" in capsys.readouterr().err


def test_the_answers_of_a_task_are_gone_when_it_is_finished(store):
    """Memory must not grow with the number of shards."""
    import gc

    from leakboard.oracle.memo import Memo

    def alive():
        gc.collect()
        return [found for found in gc.get_objects() if type(found) is Memo]

    before = alive()
    leakboard.run(tiny(**AXES, run={"shard": 4}), store)
    assert len(alive()) == len(before)
