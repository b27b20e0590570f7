"""Answers that were paid for: kept by what was asked, paid once, within a budget, and attacked again without the API."""

import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import leakboard
from helpers.api_servers import served
from helpers.tiny_grids import PLUGIN, payloads, tiny, toml
from leakboard.cli import main
from leakboard.errors import LeakboardError
from leakboard.grid.grid import Grid
from leakboard.runs.money import bills
from leakboard.store import Store
from leakboard.store.answers import answers_in
from leakboard.store.ledger import Ledger
from leakboard.store.merging import merge
from leakboard.store.prune import prune, usage
from leakboard_plugins.victims.api import calls

SAMPLES = 16
TINY = "tiny(count=8)"
GLANCE = "glance(access='black')"


@pytest.fixture(scope="module")
def inside():
    return runpy.run_path(str(PLUGIN))["Linear"](0.25, 0.0)


@pytest.fixture
def server(inside, monkeypatch):
    monkeypatch.setattr(calls, "BACKOFF", 0.02)
    with served(inside) as running:
        yield running


def http(server, **more):
    told = {"url": server.url, "schema": "automatic1111", "size": 8, "prompts": "empty", **more}
    return f"http({', '.join(f'{name}={value!r}' for name, value in told.items())})"


def asked(victim, **axes):
    return tiny(dataset=TINY, victim=victim, observer=GLANCE, **axes)


def done(grid, store):
    report = leakboard.run(grid, store=store, progress=False)
    assert report.ok, Store(store, read_only=True).failures()
    return Store(store)


def identity(registry, store, more=""):
    return registry.one("victim", f"replay(store={str(store)!r}{more})").identity


def failure(store):
    (error,) = set(Store(store, read_only=True).failures()["error"])
    return error


def features(store):
    """Rows of features of the whole store, in order of their samples."""
    frame = Store(store).features().sort_values(["sample", "column"])
    return frame["value"].to_numpy()


def test_an_attack_over_http_is_that_on_the_model_itself_to_8_bits(server, tmp_path):
    """The mean difference of what was sent and what came back, of images that were sent with 8 bits."""
    done(asked(http(server, concurrency=8)), tmp_path / "api.db")
    done(asked("short_linear", plugins=[PLUGIN.with_name("short_seeds.py")]), tmp_path / "inside.db")

    assert np.abs(features(tmp_path / "api.db") - features(tmp_path / "inside.db")).max() <= 1 / 255
    assert len(server.asked) == SAMPLES
    one, other = (Store(tmp_path / name).results("auc")["value"][0] for name in ("api.db", "inside.db"))
    assert one == pytest.approx(other, abs=0.01)
    assert set(Store(tmp_path / "api.db").results("auc")["nfe"]) == {2}, "both steps were made, though one is seen"


def test_a_question_is_paid_once_across_observers_defenses_grids_and_stores(server, tmp_path):
    artifacts = tmp_path / "artifacts"
    victim = http(server, price=0.5)
    grid = asked(victim, defense=["none", "fog(at='output')"], distance=["gap", "gap(power=2.0)"])
    assert leakboard.run(grid, store=tmp_path / "a.db", artifacts=artifacts, progress=False).ok
    assert len(server.asked) == SAMPLES

    (tmp_path / "a.db").unlink()
    prune(Store(tmp_path / "fresh.db", artifacts=artifacts, create=True))  # which knows of nothing there
    more = asked(victim, defense=["none", "fog"])
    assert leakboard.run(more, store=tmp_path / "b.db", artifacts=artifacts, progress=False).ok
    assert len(server.asked) == 2 * SAMPLES, "the fog stands at the query, and its questions are others"
    assert answers_in(artifacts).ledger(server.url).spent == SAMPLES


def test_a_run_that_failed_half_way_pays_for_the_rest_alone(server, tmp_path):
    server.faults.extend([""] * 9 + ["400"])
    victim = http(server, concurrency=1)
    assert not leakboard.run(asked(victim), store=tmp_path / "api.db", progress=False).ok
    assert "answered 400" in failure(tmp_path / "api.db")
    first = len(server.asked)
    done(asked(victim), tmp_path / "api.db")

    assert first < SAMPLES
    assert len(server.asked) == SAMPLES


def test_a_run_that_is_killed_pays_for_nothing_twice_that_had_been_answered(server, tmp_path, write):
    server.nap = 0.3
    grid = write(
        "grid.toml", toml(dataset=[TINY], victim=[http(server, concurrency=2)], observer=[GLANCE], classifier=["mean"])
    )
    command = [sys.executable, "-m", "leakboard", "run", str(grid), "--plugin", str(PLUGIN), "--executor", "serial"]
    running = subprocess.Popen([*command, "--store", "api.db"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    while len(server.asked) < 5 and running.poll() is None:
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    time.sleep(0.4)
    server.nap, killed = 0.0, len(server.asked)
    done(Grid.load(grid, [str(PLUGIN)]), tmp_path / "api.db")

    assert 5 <= killed < SAMPLES
    assert len(server.asked) - SAMPLES <= 2, "those that were on their way"
    kinds = {kind: files for kind, files, _ in usage(Store(tmp_path / "api.db"))}
    assert kinds["answer"] == SAMPLES
    assert len(Store(tmp_path / "api.db").artifact_digests("answer")) == SAMPLES


def test_a_budget_stops_before_it_is_exceeded_and_goes_on_when_it_is_raised(server, tmp_path):
    poor = asked(http(server, price=0.1, cap=0.7, concurrency=8))
    assert not leakboard.run(poor, store=tmp_path / "api.db", progress=False).ok
    assert "the budget is spent: 0.7 of 0.7 for 7 queries" in failure(tmp_path / "api.db")
    assert len(server.asked) == 7

    rich = asked(http(server, price=0.1, cap=5.0))
    assert [cell.key for cell in rich.cells] == [cell.key for cell in poor.cells], "money is no part of what is asked"
    done(rich, tmp_path / "api.db")
    assert len(server.asked) == SAMPLES


def test_what_an_api_refuses_is_not_billed_and_what_breaks_off_is(server, tmp_path):
    server.faults.extend(["429", "500", "truncated"])
    victim = http(server, price=1.0, cap=SAMPLES + 1.0, concurrency=1)
    done(asked(victim), tmp_path / "api.db")

    assert answers_in(Store(tmp_path / "api.db").artifacts).ledger(server.url).entries().spent == SAMPLES + 1


def test_a_plan_tells_the_money_and_what_was_spent(server, tmp_path, write):
    grid = write(
        "grid.toml",
        toml(dataset=[TINY], victim=[http(server, price=0.02, cap=0.6)], observer=[GLANCE], classifier=["mean"]),
    )
    options = [str(grid), "--plugin", str(PLUGIN), "--store", str(tmp_path / "api.db")]
    artifacts = answers_in(tmp_path / "api-artifacts")
    artifacts.ledger(server.url).charge(0.5, None)
    told = CliRunner().invoke(main, ["plan", *options]).output

    assert "money: 0.32 at most: 16 queries at 0.02, http" in told
    assert "0.50 of 0.60 spent so far; the cap may end it early" in told
    (bill,) = json.loads(CliRunner().invoke(main, ["plan", *options, "--json"]).output)["bills"]
    assert (bill["queries"], bill["most"], bill["spent"], bill["cap"]) == (16, pytest.approx(0.32), 0.5, 0.6)
    assert server.asked == []


def test_a_pool_is_billed_once_for_all_its_images(server, tmp_path):
    plan = leakboard.plan(
        tiny(victim=http(server, price=1.0), observer="nearest_generation(count=7, near=3)", distance="value"),
        artifacts=tmp_path,
    )

    assert [bill.queries for bill in bills(plan.observe, plan.costs)] == [7]


def test_replayed_answers_give_the_same_results_without_the_api(server, tmp_path):
    done(asked(http(server)), tmp_path / "api.db")
    before = len(server.asked)
    again = asked(f"replay(store={str(tmp_path / 'api.db')!r}, prompts='empty')", distance=["gap", "gap(power=2.0)"])
    done(again, tmp_path / "replay.db")

    assert len(server.asked) == before
    first = Store(tmp_path / "api.db").results("auc")["value"].to_list()
    assert Store(tmp_path / "replay.db").results("auc")["value"].to_list()[:1] == first
    assert answers_in(tmp_path / "replay-artifacts").apis() == []


def test_a_question_that_was_never_answered_is_an_error_that_says_so(server, tmp_path):
    done(asked(http(server)), tmp_path / "api.db")
    victim = f"replay(store={str(tmp_path / 'api-artifacts')!r}, prompts='empty')"
    grid = tiny(dataset=TINY, victim=victim, observer="glance(access='black', steps=5)")
    assert not leakboard.run(grid, store=tmp_path / "replay.db", progress=False).ok

    assert "16 of 16 questions are not among the answers that were kept" in failure(tmp_path / "replay.db")
    assert "image to image at strength 0.5 in 5 steps" in failure(tmp_path / "replay.db")


def test_a_replay_is_known_by_whose_answers_it_has_and_not_by_where_they_lie(server, tmp_path, registry):
    done(asked(http(server)), tmp_path / "api.db")
    done(asked(http(server)), tmp_path / "later.db")
    folder = tmp_path / "api-artifacts"
    copied = tmp_path / "copy"
    copied.mkdir()
    merge(Store(copied / "merged.db", create=True), [Store(tmp_path / "api.db")])
    places = [folder, tmp_path / "api.db", copied / "merged-artifacts", tmp_path / "later.db"]
    identities = [identity(registry, place) for place in places]

    assert identities[0] == identities[1] == identities[2]
    assert identities[3] != identities[0], "answers that were gathered anew are others"


def test_answers_of_several_apis_are_told_apart_by_name(server, tmp_path, registry):
    done(asked([http(server), http(server, negative_prompt="blur")]), tmp_path / "api.db")
    store = str(tmp_path / "api.db")
    with pytest.raises(LeakboardError, match="answers of 2 APIs") as refused:
        identity(registry, store)
    names = [api.name for api in answers_in(tmp_path / "api-artifacts").apis()]
    assert all(name in str(refused.value) for name in names)

    chosen = registry.one("victim", f"replay(store={store!r}, answers={names[0][:6]!r})")
    assert chosen.only.facts()["answers"] == names[0]
    with pytest.raises(LeakboardError, match="no answers are called 'x'"):
        identity(registry, store, ", answers='x'")


@pytest.mark.parametrize("place", ["nowhere.db", "empty"])
def test_a_store_without_answers_is_told(tmp_path, registry, place):
    (tmp_path / "empty").mkdir()
    with pytest.raises(LeakboardError):
        identity(registry, tmp_path / place)


def test_what_was_paid_for_is_never_pruned_and_travels_with_a_merge(server, tmp_path):
    store = done(asked(http(server)), tmp_path / "api.db")
    prune(store)
    merged = Store(tmp_path / "merged.db", create=True)
    merge(merged, [store])

    for each in (store, merged):
        kinds = {kind: files for kind, files, _ in usage(each)}
        assert (kinds["answer"], kinds["api"]) == (SAMPLES, 1)
    assert payloads(merged, "scores")


def test_a_ledger_adds_up_whoever_writes_and_says_when_it_is_damaged(tmp_path):
    ledger, same = Ledger(tmp_path / "ledger.json"), Ledger(tmp_path / "ledger.json")
    for each in (ledger, same, ledger):
        each.charge(0.1, 0.3)
    with pytest.raises(LeakboardError, match="the budget is spent"):
        same.charge(0.1, 0.3)
    same.refund(0.1)
    assert ledger.spent == pytest.approx(0.2)

    (tmp_path / "ledger.json").write_text("{")
    with pytest.raises(LeakboardError, match="cannot be read"):
        ledger.charge(0.1, None)


def test_whoever_asks_the_same_meanwhile_waits_for_the_answer(tmp_path):
    begun, may_end, counted = threading.Event(), threading.Event(), []

    def ask():
        counted.append(1)
        begun.set()
        may_end.wait(10)
        return b"image"

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(answers_in(tmp_path).get, "question", ask)
        begun.wait(10)
        second = threads.submit(answers_in(tmp_path).get, "question", ask)
        may_end.set()
        assert first.result() == second.result() == b"image"
    assert len(counted) == 1


def test_a_time_limit_ends_the_waiting_and_what_was_answered_is_kept(server, tmp_path):
    server.nap = 0.2
    slow = asked(http(server, concurrency=1), run={"timeout": 1.0, "shard": 16})
    assert not leakboard.run(slow, store=tmp_path / "api.db", progress=False).ok
    server.nap = 0.0
    done(asked(http(server)), tmp_path / "api.db")

    assert len(server.asked) == SAMPLES


def test_a_cap_of_nothing_asks_nothing(server, tmp_path):
    assert not leakboard.run(asked(http(server, price=0.1, cap=0.0)), store=tmp_path / "api.db", progress=False).ok

    assert server.asked == []
    assert Path(tmp_path / "api-artifacts").is_dir()
