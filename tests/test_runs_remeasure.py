"""After a change of measures the numbers come from stored scores: no victim is asked, and no classifier fitted."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import leakboard
from helpers.small_stores import COMPONENTS, attempt, cell
from helpers.tiny_grids import PLUGIN, payloads, same
from leakboard import keys
from leakboard.runs.remeasure import outdated, remeasure
from leakboard.runs.summary import summary
from leakboard.statistics.measures import BUILT_IN
from leakboard.store import RunInfo, Store
from leakboard.store.artifacts import Artifacts

KS = Path(__file__).parent / "plugins" / "kolmogorov_smirnov.py"
AXES = {
    "dataset": "tiny",
    "victim": "linear",
    "defense": ["none", "fog"],
    "observer": "glance",
    "distance": "gap",
    "classifier": ["mean", "centred"],
}
CELLS = 4
MEASURES = {measure.name for measure in BUILT_IN}
UNTOLD = {"set_size"}
"""So few samples tell no such number."""
KEPT = [
    "queries",
    "nfe",
    "seconds",
    "fit",
    "n_calibration",
    "n_evaluation",
    "scores_key",
    "batch_size",
    "peak_mb",
    "bypass",
]

ODD = """
    import leakboard
    from leakboard.api import Estimate, Measure

    def odd(scores, member, threshold):
        BODY

    @leakboard.hookimpl
    def leakboard_measures():
        return [Measure("odd", odd)]
"""


def tiny(*plugins):
    return leakboard.Grid.of(plugins=[PLUGIN, *plugins], run={"shard": 16}, checks={"permuted_labels": True}, **AXES)


@pytest.fixture
def store(tmp_path):
    """A store of a finished grid."""
    store = Store(tmp_path / "store.db", create=True)
    assert leakboard.run(tiny(), store).ok
    return store


def attempts(store):
    return store.cells().sort_values("cell", ignore_index=True)


def numbers(store):
    columns = ["cell", "measure", "value", "low", "high", "n_member", "n_nonmember", "method", "flag"]
    return store.results()[columns].sort_values(["cell", "measure"], ignore_index=True)


def test_a_finished_grid_is_up_to_date(store):
    assert outdated(tiny(), store) == frozenset()
    assert leakboard.plan(tiny(), store).outdated == frozenset()
    assert {frozenset(found) for found in store.measured_by().values()} == {frozenset(MEASURES)}


def test_a_new_measure_is_computed_from_stored_scores(store, monkeypatch):
    before, scores, old = attempts(store), payloads(store, "scores"), numbers(store)
    monkeypatch.setenv("TINY_OPENED", str(store.artifacts / "opened"))
    plan = leakboard.plan(tiny(KS), store)
    assert (plan.outdated, plan.todo, plan.observe, plan.score) == (frozenset(before["cell"]), (), (), ())
    assert plan.summary({}, None)["measured_again"] == len(before) == 2 * CELLS

    report = leakboard.run(tiny(KS), store)

    assert (report.ok, report.evaluations, report.counts) == (True, 0, {"done": 2 * CELLS})
    assert f"measured again from their scores: {2 * CELLS} cells" in summary(report, store)
    assert not (store.artifacts / "opened").exists()
    found = numbers(store)
    assert set(found[found["measure"] == "kolmogorov_smirnov"]["cell"]) == set(before["cell"])
    rest = found[found["measure"] != "kolmogorov_smirnov"].reset_index(drop=True)
    pd.testing.assert_frame_equal(rest, old, check_exact=True)
    after = attempts(store)
    pd.testing.assert_frame_equal(after[KEPT], before[KEPT], check_exact=True)
    assert (after["created"] > before["created"]).all()
    assert set(after["run"]) == {2}
    assert same(payloads(store, "scores"), scores)
    assert store.runs()["status"].tolist() == ["done", "done"]


def test_old_attempts_stay(store):
    leakboard.run(tiny(KS), store)

    with store.reading() as connection:
        rows = connection.exec_driver_sql("SELECT cell_key, run_id FROM attempt").all()
    assert sorted(rows) == sorted((key, run) for key in attempts(store)["cell"] for run in (1, 2))


def test_measuring_again_is_done_once(store):
    leakboard.run(tiny(KS), store)

    report = leakboard.run(tiny(KS), store)
    assert (report.plan.outdated, len(store.runs())) == (frozenset(), 2)


def test_a_raised_format_of_measures_measures_again_and_no_more(store, monkeypatch):
    before, old = attempts(store), numbers(store)
    monkeypatch.setitem(keys.FORMATS, "measures", keys.FORMATS["measures"] + 1)

    report = leakboard.run(tiny(), store)

    assert len(report.plan.outdated) == 2 * CELLS
    assert (report.plan.todo, report.evaluations) == ((), 0)
    pd.testing.assert_frame_equal(numbers(store), old, check_exact=True)
    for old_keys, new_keys in zip(before["measured_by"], attempts(store)["measured_by"], strict=True):
        assert old_keys.keys() == new_keys.keys()
        assert not old_keys.items() & new_keys.items()


def test_measuring_again_imports_no_torch_and_no_classifier(tmp_path, store):
    """In a fresh process, where nothing has been imported yet."""
    code = f"""
import sys
import leakboard
plugins = [{str(PLUGIN)!r}, {str(KS)!r}]
grid = leakboard.Grid.of(plugins=plugins, run={{"shard": 16}}, checks={{"permuted_labels": True}}, **{AXES!r})
report = leakboard.run(grid, {str(tmp_path / "store.db")!r})
assert report.ok and len(report.plan.outdated) == {2 * CELLS}
assert not {{"torch", "sklearn", "diffusers", "pandas"}} & set(sys.modules), "too much was imported"
"""
    opened = tmp_path / "opened"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"TINY_OPENED": str(opened)})
    assert not opened.exists()
    assert (store.results()["measure"] == "kolmogorov_smirnov").sum() == 2 * CELLS


def test_a_measure_that_fails_is_told_in_the_note_until_it_is_mended(store, write):
    bad = write("bad/odd.py", ODD.replace("BODY", "raise ValueError('not today')"))
    assert leakboard.run(tiny(bad), store).ok
    results = store.results()
    assert set(results["note"]) == {"measure odd: ValueError: not today"}
    assert "odd" not in set(results["measure"])

    good = write("good/odd.py", ODD.replace("BODY", "return Estimate(0.5, None, None, '')"))
    assert leakboard.run(tiny(good), store).ok
    results = store.results()
    assert set(results["note"]) == {""}
    assert (results["measure"] == "odd").sum() == 2 * CELLS


def test_numbers_of_a_measure_that_is_not_installed_here_stay_and_two_machines_do_not_undo_each_other(store, write):
    """One has the one measure, the other another: each adds its own once, and then both are content."""
    other = write("gini.py", ODD.replace("odd", "gini").replace("BODY", "return Estimate(0.5, None, None, '')"))
    here, there = tiny(KS), tiny(other)
    for grid in (here, there):
        assert len(leakboard.run(grid, store).plan.outdated) == 2 * CELLS
    both, made_by = numbers(store), store.measured_by()
    assert {*both["measure"]} == MEASURES - UNTOLD | {"kolmogorov_smirnov", "gini"}
    assert {frozenset(found) for found in made_by.values()} == {frozenset(both["measure"]) | UNTOLD}

    for grid in (here, there, tiny()):
        report = leakboard.run(grid, store)
        assert (report.plan.outdated, report.plan.todo) == (frozenset(), ())
    assert len(store.runs()) == 3
    pd.testing.assert_frame_equal(numbers(store), both, check_exact=True)


def test_a_changed_measure_leaves_numbers_of_others_as_they_were(store, write):
    leakboard.run(tiny(KS), store)
    before = store.measured_by()
    text = ODD.replace("BODY", "return Estimate(NUMBER, None, None, '')")
    for number in ("0.5", "0.25"):
        plugin = write(f"{number}/odd.py", text.replace("NUMBER", number))
        assert len(leakboard.run(tiny(plugin), store).plan.outdated) == 2 * CELLS

    assert set(store.results().query("measure == 'odd'")["value"]) == {0.25}
    for cell_key, found in store.measured_by().items():
        assert found.items() >= before[cell_key].items()


def test_a_measure_that_fails_is_tried_in_every_run_and_adds_an_attempt_only_when_something_came_of_it(store, write):
    log = store.artifacts.parent / "tried"
    log.touch()
    body = (
        "import pathlib; log = pathlib.Path(LOG); log.write_text(log.read_text() + 'x'); raise ValueError('not today')"
    )
    bad = write("odd.py", ODD.replace("BODY", body.replace("LOG", repr(str(log)))))
    for round_ in (1, 2, 3):
        plan = leakboard.run(tiny(bad), store).plan
        assert (len(plan.outdated), plan.observe, plan.score) == (2 * CELLS, (), ())
        assert len(log.read_text()) == 2 * CELLS * round_

    assert set(attempts(store)["run"]) == {2}
    assert {frozenset(found) for found in store.measured_by().values()} == {frozenset(MEASURES)}


def keep_without_threshold(store, count):
    """Make score files as older versions did; gives the cells."""
    artifacts, rows = Artifacts(store.artifacts), attempts(store)[["cell", "scores_key"]][:count]
    run = store.begin_run(RunInfo(grid_name="old"))
    for key in rows["scores_key"]:
        tensors, meta = artifacts.get(key)
        del meta["threshold"]
        store.record(run, artifacts=[artifacts.put(key, tensors, meta, "scores")])
    store.end_run(run, "done")
    return set(rows["cell"])


def test_scores_that_tell_no_threshold_are_made_again_only_if_they_must_be_measured_again(store):
    before = numbers(store)
    old = keep_without_threshold(store, 2)
    assert leakboard.plan(tiny(), store).todo == ()

    plan = leakboard.plan(tiny(KS), store)
    assert (plan.lost, {each.key for each in plan.todo}) == (old, old)
    assert plan.outdated == frozenset(before["cell"]) - old
    assert plan.observe == ()

    assert leakboard.run(tiny(KS), store).ok
    found = numbers(store)
    assert (found["measure"] == "kolmogorov_smirnov").sum() == 2 * CELLS
    rest = found[found["measure"] != "kolmogorov_smirnov"].reset_index(drop=True)
    pd.testing.assert_frame_equal(rest, before, check_exact=True)


@pytest.mark.parametrize("how", ["missing", "cut"])
def test_scores_that_are_spoilt_are_not_measured_but_made_again(store, how):
    key = attempts(store)["scores_key"][0]
    path = Artifacts(store.artifacts).path(key)
    path.unlink() if how == "missing" else path.write_bytes(path.read_bytes()[:-9])

    report = leakboard.run(tiny(KS), store)

    assert (len(report.plan.lost), len(report.plan.outdated)) == (1, 2 * CELLS - 1)
    assert report.ok
    assert (store.results()["measure"] == "kolmogorov_smirnov").sum() == 2 * CELLS


def test_an_attacker_without_labels_has_no_threshold_and_no_balanced_accuracy(store, monkeypatch):
    monkeypatch.setitem(keys.FORMATS, "measures", keys.FORMATS["measures"] + 1)
    artifacts, run = Artifacts(store.artifacts), store.begin_run(RunInfo(grid_name="no labels"))
    (first, *_), grid = tiny(KS).cells, tiny(KS)
    (row,) = store.last_attempts([first.key])
    tensors, meta = artifacts.get(row.scores_key)
    artifacts.put(row.scores_key, tensors, meta | {"threshold": ""}, "scores")

    remeasure(grid, store, run, [first.key])

    found = store.results().query(f"cell == '{first.key}'")["measure"]
    assert set(found) >= {"auc", "kolmogorov_smirnov", "tpr_at_0.1pct_fpr", "tpr_at_1pct_fpr"}
    assert "balanced_accuracy" not in set(found)


def test_many_cells_are_measured_again_in_one_transaction(tmp_path, monkeypatch):
    import numpy as np

    store, count = Store(tmp_path / "many.db", create=True), 50
    artifacts, run = Artifacts(store.artifacts), store.begin_run(RunInfo(grid_name="many"))
    scores = {"score": np.random.default_rng(0).normal(size=256), "member": (np.arange(256) % 2).astype(np.uint8)}
    rows = [cell(number) for number in range(count)]
    stored = [
        artifacts.put(keys.scores_key(row.key), scores, {"threshold": "0.5"}, "scores", durable=False) for row in rows
    ]
    tried = [attempt(row, scores_key=made.key, results=()) for row, made in zip(rows, stored, strict=True)]
    store.record(run, components=COMPONENTS, cells=rows, attempts=tried, artifacts=stored)

    recorded = []
    record = store.record
    monkeypatch.setattr(store, "record", lambda *args, **changes: recorded.append(args) or record(*args, **changes))
    remeasure(tiny(), store, run, [row.key for row in rows])

    assert len(recorded) == 1
    assert len(store.results("auc")) == len(store.results("balanced_accuracy")) == count
