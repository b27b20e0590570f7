"""Leases: one run at a time holds a piece of work, and the database's clock tells until when."""

import threading

import pytest
from sqlalchemy import text, update

from helpers.small_stores import COMPONENTS, attempt, cell, put_features
from leakboard.store import RunInfo, Store
from leakboard.store.artifacts import Artifacts
from leakboard.store.leases import Leases, held, is_work, newest_attempt
from leakboard.store.tables import LeaseTable


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store.db", create=True)


def begin(store, name, seconds=60.0):
    info = RunInfo(grid_name=name, uid=name)
    return Leases(store, store.begin_run(info), seconds=seconds)


def age(store, seconds):
    """As if so much time had gone by on the server."""
    with store.writing() as connection:
        connection.execute(update(LeaseTable).values(expires=LeaseTable.expires - seconds))


def test_what_one_run_holds_no_other_gets(store):
    mine, yours = begin(store, "mine"), begin(store, "yours")
    assert mine.claim(["a", "b"], "some work").mine == {"a", "b"}
    assert yours.claim(["b", "c"], "more work").mine == {"c"}
    assert mine.claim(["a", "c"], "again").mine == {"a"}
    assert mine.look()[0] == {"c"}
    assert [(each.key, each.uid, each.grid, each.label) for each in held(store)] == [
        ("a", "mine", "mine", "again"),
        ("b", "mine", "mine", "some work"),
        ("c", "yours", "yours", "more work"),
    ]
    yours.release(["b", "c"])  # of these it holds one
    assert {each.key for each in held(store)} == {"a", "b"}


def test_a_lease_that_is_not_renewed_is_taken_and_one_that_is_stays(store):
    mine, yours = begin(store, "mine"), begin(store, "yours")
    mine.claim(["a"], "")
    age(store, 59)
    assert not yours.claim(["a"], "").mine
    mine.renew()
    age(store, 59)
    assert not yours.claim(["a"], "").mine
    age(store, 2)
    assert held(store) == []
    assert yours.claim(["a"], "").mine == {"a"}
    mine.renew()
    assert not mine.claim(["a"], "").mine


def test_a_run_lives_while_its_block_lasts_and_leaves_nothing(store):
    mine = begin(store, "mine", seconds=0.4)
    ready = threading.Event()
    with mine.renewed("mine"):
        mine.claim(["a"], "")
        ready.wait(1.2)
        assert {each.uid for each in held(store)} == {"mine"}
        assert [each.key for each in held(store) if is_work(each)] == ["a"]
    assert held(store) == []
    with store.reading() as connection:
        assert connection.scalar(text("SELECT count(*) FROM lease")) == 0


def test_a_run_learns_what_others_decided_since_it_last_asked_and_not_what_it_did_itself(store):
    mine, yours = begin(store, "mine"), begin(store, "yours")
    cells = [cell(number) for number in range(4)]
    store.record(yours.run_id, components=COMPONENTS, cells=cells, attempts=[attempt(cells[0])])
    mine.seen = newest_attempt(store)
    store.record(mine.run_id, attempts=[attempt(cells[1])])
    store.record(yours.run_id, attempts=[attempt(cells[2], "failed", error="no")])
    assert mine.look()[1] == {cells[2].key: "failed"}
    store.record(yours.run_id, attempts=[attempt(cells[3])])
    assert mine.claim(["a"], "").decided == {cells[3].key: "done"}
    assert mine.claim(["b"], "").decided == {}


def test_features_that_another_run_recorded_are_told(store):
    mine, yours = begin(store, "mine"), begin(store, "yours")
    row, own = (put_features(Artifacts(store.artifacts), seed) for seed in (0, 1))
    store.record(yours.run_id, artifacts=[row])
    store.record(mine.run_id, artifacts=[own])
    assert mine.claim(["a"], "", [row.key, own.key, "never"]).made == {row.key}


def test_what_is_recorded_and_let_go_of_is_one_step(store):
    mine = begin(store, "mine")
    mine.claim(["a", "b"], "")
    store.record(mine.run_id, components=COMPONENTS, cells=[cell(0)], attempts=[attempt(cell(0))], released=["a"])
    assert {each.key for each in held(store)} == {"b"}
    with pytest.raises(LookupError):
        store.record(mine.run_id, cells=[cell(1, victim="nobody")], released=["b"])
    assert {each.key for each in held(store)} == {"b"}
