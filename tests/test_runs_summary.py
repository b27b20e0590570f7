from collections import Counter
from types import SimpleNamespace

import pytest

from helpers.small_stores import COMPONENTS, attempt, cell, component
from leakboard.runs.summary import summary
from leakboard.store import ResultRow, RunInfo, Store


def planned(rows):
    """A plan of these cells, all of which have run."""
    cells = [SimpleNamespace(key=row.key, dataset=SimpleNamespace(identity=row.dataset)) for row in rows]
    return SimpleNamespace(cells=cells, outdated=(), absent=0)


@pytest.fixture
def report_of(tmp_path):
    """The summary of a run whose cells have these AUCs, each (value, half width, role)."""

    def make(*given, stopped="", unknown=0, access="gray", chosen=(), nfe=(), **told):
        store = Store(tmp_path / "r.db", create=True)
        run = store.begin_run(RunInfo(grid_name="demo", grid_text="", provenance={}))
        rows, attempts = [], []
        for number, (value, half, role) in enumerate(given):
            row = cell(number, role=role, access=access, attack=f"attack {number}" if number % 2 else "")
            auc = ResultRow(
                measure="auc",
                value=value,
                low=value - half,
                high=value + half,
                n_member=40,
                n_nonmember=41,
                method="delong",
            )
            rows.append(row)
            told |= {"calibration_auc": chosen[number]} if chosen else {}
            told |= {"nfe": nfe[number]} if nfe else {}
            attempts.append(attempt(row, results=(auc,), **told))
        store.record(run, components=COMPONENTS, cells=rows, attempts=attempts)
        counts = Counter({"done": len(rows)}) + Counter({"failed": unknown})
        done = SimpleNamespace(
            plan=planned(rows), counts=counts, evaluations=12345.4, stopped=stopped, ok=not (stopped or unknown)
        )
        return summary(done, store, None)

    return make


def test_the_best_attack_of_a_defense_stands_with_its_interval_and_n(report_of):
    text = report_of((0.7, 0.05, "attack"), (0.8, 0.05, "attack"), (0.6, 0.05, "attack"))

    assert "victim_a on dataset_a: best attack" in text
    assert "AUC 0.800 [0.750, 0.850]  n=40+41  attack 1" in text
    assert "0.700" not in text
    assert "null checks: none in this grid" in text
    assert "cells: 3 done; 12,345 denoiser evaluations paid in this run" in text
    assert "--out report" in text


def test_the_attack_that_calibration_samples_chose_is_reported_and_not_the_highest(report_of):
    text = report_of((0.7, 0.05, "attack"), (0.8, 0.05, "attack"), (0.6, 0.05, "attack"), chosen=(0.9, 0.7, 0.8))

    assert "best attack per defense, attacker and access level, chosen on calibration samples" in text
    assert "AUC 0.700" in text
    assert "0.800" not in text


def test_between_equals_on_calibration_samples_evaluation_does_not_decide(report_of):
    text = report_of((0.7, 0.05, "attack"), (0.8, 0.05, "attack"), chosen=(0.9, 0.9), nfe=(1.0, 2.0))

    assert "AUC 0.700" in text


def test_a_store_that_is_older_than_the_choice_says_that_the_maximum_flatters(report_of):
    text = report_of((0.7, 0.05, "attack"), (0.8, 0.05, "attack"))

    assert "the maximum flatters" in text
    assert "AUC 0.800" in text


def test_an_attack_without_a_name_is_told_by_its_parts(report_of):
    assert "observer_a + distance_a + classifier_a" in report_of((0.7, 0.05, "attack"))


def test_images_that_were_fitted_to_the_victim_are_told(report_of):
    assert "  fitted: 8x8 padded to 16x16\n" in report_of((0.7, 0.05, "attack"), fit="8x8 padded to 16x16")


@pytest.mark.parametrize("fit", ["exact", ""])
def test_where_no_image_was_fitted_nothing_is_told(report_of, fit):
    assert "  fitted:" not in report_of((0.7, 0.05, "attack"), fit=fit)


@pytest.mark.parametrize(
    ("bypass", "told"),
    [
        ("query: predict_noise; output: decode", "  past the defense: query: predict_noise; output: decode\n"),
        ("nothing", "attack 1\n"),
        ("", "  past the defense: unknown\n"),
    ],
)
def test_what_went_past_the_defense_stands_beside_the_best_attack(report_of, bypass, told):
    assert told in report_of((0.6, 0.05, "attack"), (0.7, 0.05, "attack"), bypass=bypass)


def test_null_checks_at_chance_are_said_to_be(report_of):
    text = report_of((0.52, 0.1, "null"), (0.45, 0.1, "null"))

    assert "null checks: 2 distinct, family-wise error 1% a kind" in text
    assert "  untrained victim: 2, AUC 0.450 to 0.520, at chance\n" in text
    assert "mean 0.4850, at chance (80% would have found 0.7" in text
    assert "best attack" not in text


def test_a_null_check_that_finds_a_leak_is_an_alarm(report_of):
    text = report_of((0.51, 0.1, "null"), (0.9, 0.05, "null"))

    assert "1 NOT AT CHANCE" in text
    assert "victim_a | defense_a | observer_a | distance_a | classifier_a | true: 0.900" in text
    assert "suspect" not in text


def test_a_blind_check_that_finds_something_makes_the_dataset_suspect(report_of):
    text = report_of((0.51, 0.1, "null"), (0.9, 0.05, "null"), access="none")

    assert "members of dataset_a can be told apart without the victim: every attack on it is suspect" in text


def test_a_run_that_failed_or_stopped_says_what_to_do(report_of):
    text = report_of((0.7, 0.05, "attack"), stopped="the first tasks all failed alike", unknown=2)

    assert "1 done, 2 failed" in text
    assert "stopped early: the first tasks all failed alike" in text
    assert "leakboard failures " in text


def test_cells_of_other_grids_in_the_same_store_are_left_out(tmp_path):
    store = Store(tmp_path / "r.db", create=True)
    run = store.begin_run(RunInfo(grid_name="demo", grid_text="", provenance={}))
    rows = [cell(0), cell(1)]
    attempts = [attempt(rows[0], auc=0.6), attempt(rows[1], auc=0.9)]
    store.record(run, components=COMPONENTS, cells=rows, attempts=attempts)
    done = SimpleNamespace(
        plan=planned(rows[:1]),
        counts=Counter(done=1),
        evaluations=0,
        stopped="",
        ok=True,
    )

    assert "0.900" not in summary(done, store)


def test_what_a_dataset_says_of_itself_is_told(tmp_path):
    store = Store(tmp_path / "r.db", create=True)
    run = store.begin_run(RunInfo(grid_name="demo", grid_text="", provenance={}))
    parts = [component("dataset", "dataset_a", notes=["3 files were skipped"]), *COMPONENTS[1:]]
    other = component("dataset", "dataset_b", notes=["of another grid"])
    rows = [cell(0), cell(1, dataset=other.identity)]
    store.record(run, components=[*parts, other], cells=rows, attempts=[attempt(row, "failed") for row in rows])
    done = SimpleNamespace(
        plan=planned(rows[:1]),
        counts=Counter(failed=1),
        evaluations=0,
        stopped="",
        ok=False,
    )

    text = summary(done, store)
    assert "note on dataset_a: 3 files were skipped" in text
    assert "of another grid" not in text
