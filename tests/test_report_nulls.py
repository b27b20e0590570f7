"""What the report says of null checks, and what it makes a reader doubt."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import synthetic_store
from helpers.synthetic_store import SMALL, made
from leakboard.statistics.auc import auc
from leakboard.store import Store
from leakboard_reports import nulls, summary
from leakboard_reports.reading import Estimate, read_cells


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("nulls") / "demo.db"
    synthetic_store.build(path, **SMALL)
    return Store(path, read_only=True)


@pytest.fixture(scope="module")
def cells(store):
    return read_cells(store.results(), store.cells())


def test_null_checks_are_corrected_for_their_number():
    """At n = 4 an interval that just misses one half is chance; a far one is an alarm."""
    near = made(0.57, low=0.505, high=0.633, role="null", access="none")
    far = made(0.75, low=0.68, high=0.81, role="null", labels="permuted")
    found = nulls.null_checks([near, far, made(0.5, role="null"), made(0.49, role="null", seed=1), made(0.99)])
    assert (found.count, found.outside) == (4, 2)
    assert [cell.key for cell, _ in found.alarms] == [far.key]
    assert [row.kind for row in found.rows] == ["blind check", "permuted labels", "untrained victim"]


def alarming(**axes):
    return made(0.9, low=0.85, high=0.95, role="null", **axes)


def test_a_failed_blind_check_makes_the_dataset_suspect_and_names_each_check_once():
    """Whatever victims they ran beside: they ask none of them."""
    found = nulls.null_checks(
        [
            alarming(dataset="odd", access="none", observer="pixels", attack="blind_pixels"),
            alarming(dataset="odd", access="none", observer="pixels", attack="blind_pixels", victim="another"),
            alarming(dataset="odd", access="none", observer="blind(x=1)"),
            made(0.5, dataset="odd", access="none", attack="blind_captions", role="null"),
            made(0.5, dataset="even", access="none", attack="blind_pixels", role="null"),
            alarming(dataset="odd"),
        ]
    )
    assert list(found.suspects) == ["odd"]
    checks = [nulls.check_of(cell) for cell in found.suspects["odd"].worst]
    assert sorted(checks) == ["blind(x=1)", "blind_pixels"]
    assert found.untrained == [], "the dataset explains what attacks find on an untrained victim"
    assert {row.check for row in found.rows if row.kind == nulls.BLIND} == {
        "blind(x=1)",
        "blind_pixels",
        "blind_captions",
    }


def test_other_alarms_are_about_the_harness_and_no_dataset():
    untrained, permuted = alarming(victim="untrained"), alarming(labels="permuted", access="none")
    found = nulls.null_checks([untrained, permuted, made(0.5, access="none", role="null")])
    assert not found.suspects
    assert (found.untrained, found.permuted) == ([untrained], [permuted])


def test_a_fault_that_all_checks_share_is_serious_although_none_is_far_off(store):
    cells = [made(0.53, role="null", labels="permuted", seed=seed) for seed in range(200)]
    found = nulls.null_checks(cells)

    assert not found.alarms
    assert list(found.shared) == [nulls.PERMUTED]
    assert summary.doubts(cells, found, store.failures().iloc[:0]).serious


def test_checks_of_too_few_samples_are_counted_and_not_called_innocent():
    few = Estimate(1.0, 0.3, 1.0, "", 3, 3)
    found = nulls.null_checks([made(1.0, role="null", access="none", measures={"auc": few})])

    assert (found.count, found.too_few) == (1, 1)
    assert [(row.verdict, row.detectable) for row in found.rows] == [("too few to tell", None)]
    assert not found.alarms


def test_null_rows_say_what_would_have_been_found():
    (row,) = nulls.null_checks([made(0.5, role="null", access="none")]).rows
    assert row.verdict == "at chance"
    assert 0.65 < row.detectable < 0.75


def test_thousands_of_sound_null_checks_raise_no_alarm():
    rng = np.random.default_rng(0)
    cells = []
    for number in range(800):
        found = auc(rng.normal(size=120), np.arange(120) < 60)
        cells.append(made(found.value, low=found.low, high=found.high, role="null", seed=number))
    found = nulls.null_checks(cells)
    assert not found.alarms
    assert 20 <= found.outside <= 60


def test_a_store_without_null_checks_is_doubted(store, cells):
    lonely = [cell for cell in cells if cell.role == "attack"]
    assert summary.doubts(lonely, nulls.null_checks(lonely), store.failures().iloc[:0]).serious


def test_failures_and_skipped_cells_are_counted_apart(store, cells):
    found = summary.doubts(cells, nulls.null_checks(cells), store.failures())
    counts = store.failures().groupby("status")["count"].sum()
    assert found.failed == counts["failed"] > 0
    assert found.skipped == 0
    assert found.hidden + found.uncalibrated == len(cells)
