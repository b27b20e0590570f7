"""Every answer of the victim is paid for once, and the plan knows how many there are.

The victim itself writes down every evaluation it makes, so the count does not rest on the harness.
"""

import os

import pytest

import leakboard
from helpers.tiny_grids import tiny
from leakboard.store import Store


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """All evaluations that the victim made since the last call: how many, and how many different ones."""
    log = tmp_path / "log"
    monkeypatch.setenv("TINY_LOG", str(log))

    def count():
        lines = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return len(lines), len(set(lines))

    return count


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Many small files: do not wait until each has reached the disk."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


WIDE = {
    "defense": ["none", "fog", "fog(at='output')", "fog(at='both')", "fog + fog(at='both')"],
    "observer": ["glance", "glance(access='black')", "glance(steps=4)", "peek", "peek(noisy=True)", "loss", "pia"],
    "distance": ["gap", "lp"],
    "attacker": ["adaptive", "naive"],
    "run": {"seeds": [0, 1], "shard": 20},
}


def test_paid_is_distinct_and_planned(tmp_path, asked):
    """Several observers that overlap, defenses at every place, two seeds: each question once, as the plan says."""
    grid, store = tiny(**WIDE), Store(tmp_path / "store.db", create=True)
    plan = leakboard.plan(grid, store)
    report = leakboard.run(grid, store)
    assert report.ok
    made, distinct = asked()
    assert made == distinct == report.evaluations == sum(plan.evaluations)
    tasks = store.tasks()
    assert sorted(tasks[tasks["kind"] == "observe"]["nfe"]) == sorted(plan.evaluations)


def test_cell_by_cell_the_same_grid_costs_many_times_as_much(tmp_path):
    """What every cell would pay alone is kept with it."""
    grid, store = tiny(**WIDE), Store(tmp_path / "store.db", create=True)
    report = leakboard.run(grid, store)
    alone = store.cells()["nfe"].sum() * 48
    assert alone > 5 * report.evaluations


@pytest.mark.parametrize("place", ["output", "both"])
def test_a_defense_behind_the_victim_shares_the_answers_of_none(tmp_path, asked, place):
    grid = tiny(defense=["none", f"fog(at={place!r})"])
    leakboard.run(grid, tmp_path / "both.db")
    together = asked()[0]
    leakboard.run(tiny(), tmp_path / "none.db")
    assert together == asked()[0]


def test_seeds_share_what_does_not_depend_on_noise(tmp_path, asked):
    leakboard.run(tiny(observer="peek", run={"seeds": [0, 1, 2]}), tmp_path / "store.db")
    assert asked() == (48, 48)
    leakboard.run(tiny(observer="peek(noisy=True)", run={"seeds": [0, 1, 2]}), tmp_path / "store.db")
    assert asked() == (3 * 48, 3 * 48)


def test_a_grid_that_was_partly_done_pays_the_rest_as_planned(tmp_path, asked):
    store = Store(tmp_path / "store.db", create=True)
    leakboard.run(tiny(**WIDE).select(only=["observer=glance*", "defense=*both*"]), store)
    asked()
    plan = leakboard.plan(tiny(**WIDE), store)
    report = leakboard.run(tiny(**WIDE), store)
    made, distinct = asked()
    assert made == distinct == report.evaluations == sum(plan.evaluations)


def test_another_classifier_opens_no_victim(tmp_path, asked, monkeypatch):
    store = Store(tmp_path / "store.db", create=True)
    leakboard.run(tiny(), store)
    monkeypatch.setenv("TINY_OPENED", str(tmp_path / "opened"))
    asked()
    assert leakboard.run(tiny(classifier=["mean", "centred"]), store).ok
    assert asked() == (0, 0)
    assert not (tmp_path / "opened").exists()


def test_the_price_of_a_cell_does_not_depend_on_who_asked_first(tmp_path):
    """Two observers that ask the same both carry its full cost in evaluations, and about its seconds."""
    grid = tiny(victim="linear(nap=0.1)", observer=["glance", "glance(access='black')"], run={"shard": 48})
    leakboard.run(grid, tmp_path / "store.db")
    cells = Store(tmp_path / "store.db", create=True).cells()
    assert set(cells["nfe"]) == {2}
    assert cells["seconds"].between(0.2, 0.5).all()
