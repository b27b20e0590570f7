"""From cells to tasks, and what they will cost."""

import pytest

import leakboard
from helpers.tiny_grids import PLUGIN, statuses, tiny
from leakboard.errors import LeakboardError
from leakboard.grid.grid import Grid
from leakboard.registry.find import Registry
from leakboard.store import Store
from leakboard.store.artifacts import Artifacts
from leakboard.tasks import sample_lists, splits
from leakboard.testing import check_component, summarize

LIRA = PLUGIN.with_name("two_shadow_lira.py")


def shape(plan):
    """What every observation task asks, without keys."""
    return [(task.query, task.start, task.stop, len(task.wanted)) for task in plan.observe]


def test_an_empty_store_needs_everything(tmp_path):
    plan = leakboard.plan(tiny(observer=["glance", "peek"], classifier=["mean", "centred"]), artifacts=tmp_path)
    assert len(plan.todo) == 4
    assert shape(plan) == [("none", start, start + 16, 2) for start in (0, 16, 32)]
    assert plan.evaluations == (3 * 16,) * 3
    assert len(plan.score) == 2


def test_shards_are_cut_by_sample_and_the_last_is_shorter(tmp_path):
    plan = leakboard.plan(tiny(run={"shard": 20}), artifacts=tmp_path)
    assert [(task.start, task.stop) for task in plan.observe] == [(0, 20), (20, 40), (40, 48)]


def test_more_samples_leave_the_shards_of_whole_blocks_as_they_were(tmp_path, monkeypatch):
    """Features of fewer samples are those of more, where a shard holds no part of the last block."""
    monkeypatch.setattr(splits, "BLOCK", 20)
    plan = leakboard.plan(tiny(run={"shard": 20}), artifacts=tmp_path)
    fewer = leakboard.plan(tiny(run={"shard": 20, "samples": 14}), artifacts=tmp_path)
    assert fewer.observe[0].wanted == plan.observe[0].wanted
    assert fewer.observe[1].wanted != plan.observe[1].wanted


def test_samples_are_not_chosen_anew_for_each_combination(tmp_path, monkeypatch):
    """To choose them sorts all ids: a finished grid of 1,000 combinations took three times as long for it."""
    chosen = []
    monkeypatch.setattr(sample_lists, "choose", lambda *given: chosen.append(given) or splits.choose(*given))
    counts = []
    for axes in ({}, {"defense": ["none", "fog"], "observer": ["glance", "peek"]}):
        chosen.clear()
        leakboard.plan(tiny(**axes), artifacts=tmp_path)
        counts.append(len(chosen))
    assert counts[0] == counts[1] > 0


def test_defenses_with_the_same_query_side_are_one_task(tmp_path):
    defenses = ["none", "fog(at='output')", "fog(at='both')", "fog", "fog + fog(at='output')"]
    plan = leakboard.plan(tiny(defense=defenses, run={"shard": 48}), artifacts=tmp_path)
    assert shape(plan) == [("none", 0, 48, 3), ("fog", 0, 48, 2)]
    assert plan.evaluations == (2 * 48, 2 * 48)


def test_a_naive_attacker_needs_the_undefended_features_too(tmp_path):
    grid = tiny(defense=["fog"], attacker=["naive"], run={"shard": 48})
    assert shape(leakboard.plan(grid, artifacts=tmp_path)) == [("fog", 0, 48, 1), ("none", 0, 48, 1)]


def test_shadow_victims_are_asked_about_the_same_samples_as_victims_of_their_own(tmp_path):
    """Behind the same defense; features that another cell needs of them are made once."""
    shadow = "shadow(victims=['micro(seed={1, 2})'])"
    axes = {"victim": "micro", "defense": "fog", "run": {"shard": 48}, "plugins": [LIRA]}
    plan = leakboard.plan(tiny(**axes, attacker=shadow), artifacts=tmp_path)
    asked = [(task.victim, task.query, task.start, task.stop, task.wanted[0].defense) for task in plan.observe]
    assert asked == [(f"micro(seed={seed})", "fog", 0, 48, "fog(at='query', share=0.1)") for seed in (0, 1, 2)]
    (way,) = plan.score[0].cells[0].ways
    assert way.calibrate_on == ()
    assert [(each.victim, each.features) for each in way.shadows] == [
        (task.victim, (task.wanted[0].key,)) for task in plan.observe[1:]
    ]
    assert way.evaluate_on == (plan.observe[0].wanted[0].key,)
    assert way.needs == {task.wanted[0].key for task in plan.observe}
    assert plan.score[0].victim == "micro(seed=0)"

    others = tiny(**axes | {"victim": "micro(seed={1, 2})"})
    alone = leakboard.plan(others, artifacts=tmp_path)
    assert [task.wanted[0].key for task in alone.observe] == [task.wanted[0].key for task in plan.observe[1:]]


def test_an_attacker_without_labels_needs_nothing_but_what_is_scored(tmp_path):
    plan = leakboard.plan(tiny(classifier="threshold", attacker="none", run={"shard": 48}), artifacts=tmp_path)
    (way,) = plan.score[0].cells[0].ways
    assert (way.calibrate_on, way.shadows, way.evaluate_on) == ((), (), (plan.observe[0].wanted[0].key,))


def test_shadow_victims_that_tell_are_refused_by_the_plan_and_by_the_run(tmp_path):
    grid = tiny(victim="linear", attacker="shadow(victims=['linear(gain=0.5)'])")
    for action in (leakboard.plan, leakboard.run):
        with pytest.raises(LeakboardError, match="tell those of linear"):
            action(grid, tmp_path / "store.db")
    assert list(tmp_path.iterdir()) == []


def test_cells_that_do_not_fit_are_left_out_with_the_reason(tmp_path):
    plan = leakboard.plan(tiny(observer=["loss", "glance"]), artifacts=tmp_path)
    assert len(plan.todo) == 1
    assert list(plan.skipped.values()) == ["gap measures image, loss yields noise"]


def test_the_plan_asks_no_victim(tmp_path, monkeypatch):
    monkeypatch.setenv("TINY_OPENED", str(tmp_path / "opened"))
    assert leakboard.plan(tiny(), artifacts=tmp_path).evaluations == (32,) * 3
    assert not (tmp_path / "opened").exists()


def test_a_broken_or_hanging_observer_does_not_stop_the_plan(tmp_path):
    hows = [f"bad_observer(how={how!r})" for how in ("raise", "quit", "hang")]
    plan = leakboard.plan(tiny(observer=[*hows, "glance"], run={"timeout": 0.3, "shard": 48}), artifacts=tmp_path)
    assert plan.evaluations == (2 * 48,)


def test_a_plan_takes_the_place_of_a_store_like_a_run_and_makes_nothing(tmp_path):
    place = tmp_path / "store.db"
    assert len(leakboard.plan(tiny(), place).todo) == 1
    assert list(tmp_path.iterdir()) == []
    leakboard.run(tiny(), place)
    before = place.read_bytes()
    assert leakboard.plan(tiny(), str(place)).todo == ()
    assert leakboard.plan(tiny(classifier="centred"), f"sqlite:///{place}").evaluations == ()
    place.unlink()
    assert len(leakboard.plan(tiny(), place).todo) == 1
    assert leakboard.plan(tiny(), place).evaluations == ()
    assert before
    assert not place.exists()


def test_the_estimate_needs_history(tmp_path):
    grid = tiny()
    plan = leakboard.plan(grid, artifacts=tmp_path)
    assert plan.summary({}, None)["seconds"] is None
    assert plan.summary({"another victim": 0.5}, 2.0)["seconds"] == pytest.approx(96 * 0.5 + 2)
    assert plan.summary({}, None)["denoiser_evaluations"] == 96


@pytest.fixture
def finished(tmp_path):
    """A finished grid with two observers and a defense at the output, and its store."""
    grid = tiny(defense=["none", "fog(at='output')"], observer=["glance", "peek"])
    store = Store(tmp_path / "store.db", create=True)
    assert leakboard.run(grid, store).ok
    return store


AXES = {"defense": ["none", "fog(at='output')"], "observer": ["glance", "peek"]}


def test_a_finished_grid_needs_nothing(finished):
    plan = leakboard.plan(tiny(**AXES), finished)
    assert (plan.todo, plan.observe, plan.score, plan.evaluations) == ((), (), (), ())
    assert plan.summary({}, None)["done"] == 4


def test_another_classifier_asks_nothing(finished):
    plan = leakboard.plan(tiny(**AXES, classifier=["mean", "centred"]), finished)
    assert (len(plan.todo), plan.evaluations) == (4, ())


def test_another_distance_asks_again_and_the_plan_says_how_much(finished):
    grid = tiny(**AXES, distance=["gap", "gap(power=2.0)"])
    plan = leakboard.plan(grid, finished)
    assert plan.evaluations == (3 * 16,) * 3
    report = leakboard.run(grid, finished)
    assert report.evaluations == sum(plan.evaluations)


def test_another_observer_pays_only_for_itself(finished):
    grid = tiny(**AXES | {"observer": ["glance", "peek", "glance(steps=3)"]})
    plan = leakboard.plan(grid, finished)
    assert plan.evaluations == (3 * 16,) * 3
    assert leakboard.run(grid, finished).evaluations == sum(plan.evaluations)


def test_scores_that_are_gone_or_damaged_are_to_do_again(finished):
    cells = finished.cells()
    folder = finished.artifacts
    first, second = (next(folder.glob(f"*/{key}.*")) for key in cells["scores_key"][:2])
    first.unlink()
    second.write_bytes(second.read_bytes()[:-4] + b"\0\1\2\3")
    plan = leakboard.plan(tiny(**AXES), finished)
    assert plan.lost == frozenset(cells["cell"][:2])
    assert (len(plan.todo), plan.evaluations) == (2, ())


def test_a_recorded_skip_is_not_tried_again_but_a_failure_is(tmp_path):
    grid = tiny(observer=["loss", "bad_observer(how='unsupported')", "bad_observer", "glance"])
    store = Store(tmp_path / "store.db", create=True)
    leakboard.run(grid, store)
    assert statuses(store, "observer") == {
        "loss": {"skipped"},
        "bad_observer(how='unsupported')": {"skipped"},
        "bad_observer": {"failed"},
        "glance": {"done"},
    }
    plan = leakboard.plan(grid, store)
    assert [cell.observer.label for cell in plan.todo] == ["bad_observer"]
    assert plan.skipped == {}


def pooling(write):
    """A grid whose observers share pools, under defenses at either side, in several shards."""
    plugin = write("pooler.py", POOLING)
    return {
        "plugins": [plugin],
        "observer": ["pooler", "pooler(draws=2)", "glance"],
        "defense": ["none", "fog", "fog(at='output')"],
        "attacker": ["adaptive", "naive"],
        "run": {"seeds": [0, 1]},
    }


def test_a_pool_is_priced_once_for_the_grid_and_not_at_all_when_it_is_kept(tmp_path, write):
    """What the plan says is what the run pays: with nothing on disk, with some of it, and with all of it."""
    axes, store = pooling(write), Store(tmp_path / "store.db", create=True)
    first = axes | {"observer": ["pooler"], "defense": ["none"], "run": {"seeds": [0]}}
    paid = []
    for more in (first, axes, axes | {"distance": ["gap", "gap(power=2.0)"]}):
        planned = sum(leakboard.plan(tiny(**more), store).evaluations)
        report = leakboard.run(tiny(**more), store)
        assert report.ok, store.failures()
        assert report.evaluations == planned
        paid.append(planned)

    glances = 48 * 2 * 2 * 2  # samples, steps, seeds, and what stands at the query
    assert paid == [24 * 2, (2 * 2 - 1) * 24 * 2 + glances, glances]


def test_who_makes_a_pool_is_billed_no_more_seconds_than_who_finds_it(tmp_path, write):
    """In every shard, under every defense: the seconds of the whole pool once, apart from those of the shard's own."""
    axes, store = pooling(write) | {"observer": ["pooler"], "run": {}}, Store(tmp_path / "store.db", create=True)
    assert leakboard.run(tiny(**axes, victim="linear(nap=0.15)"), store).ok

    found = [Artifacts(store.artifacts).get(key)[1] for key in store.artifact_digests("features")]
    (pool,) = {float(meta["pool_seconds"]) for meta in found}
    assert len(found) == 9
    assert pool >= 2 * 0.15
    assert all(float(meta["seconds"]) < pool / 2 for meta in found)
    assert all(pool <= seconds < 2 * pool for seconds in store.cells()["seconds"])


def test_a_pool_that_is_damaged_is_priced_again(tmp_path, write):
    axes, store = pooling(write) | {"observer": ["pooler"]}, Store(tmp_path / "store.db", create=True)
    assert leakboard.run(tiny(**axes), store).evaluations == 2 * 24 * 2
    for key in store.artifact_digests("pool"):
        path = next(store.artifacts.glob(f"*/{key}.*"))
        path.write_bytes(path.read_bytes()[:-1])
    again = axes | {"distance": "gap(power=2.0)", "run": {"seeds": [0]}}

    planned = sum(leakboard.plan(tiny(**again), store).evaluations)
    assert planned == leakboard.run(tiny(**again), store).evaluations == 24 * 2


POOLING = """
from dataclasses import dataclass
from typing import ClassVar
from leakboard import hookimpl
from leakboard.api import Access, Observer, Pair

@dataclass(frozen=True, kw_only=True)
class Pooler(Observer):
    \"\"\"Compares every image with the first of a pool.\"\"\"

    name: ClassVar[str] = "pooler"
    access: ClassVar[Access] = "black"
    draws: int = 1

    def observe(self, oracle):
        for draw in range(self.draws):
            pool = oracle.pool(24, 2, draw)
            yield Pair(oracle.originals, pool[:1].expand_as(oracle.originals), f"first of pool {draw}")

@hookimpl
def leakboard_observers():
    return [Pooler]
"""


def test_a_pool_is_planned_and_paid_once_for_all_shards(tmp_path, write):
    plugin = write("pooler.py", POOLING)
    axes = {"victim": "fashion_ddpm(level='untrained')", "distance": "rmse", "classifier": "threshold"}
    grid = Grid.of(
        plugins=[plugin], dataset="fashion_mnist", observer="pooler", **axes, run={"shard": 16, "samples": 24}
    )
    store = Store(tmp_path / "store.db", create=True)
    planned = leakboard.plan(grid, store)
    assert len(planned.observe) == 3
    assert sum(planned.evaluations) == 24 * 2

    report = leakboard.run(grid, store)
    assert report.ok, store.failures()
    assert report.evaluations == 24 * 2
    assert set(store.cells()["nfe"]) == {1.0}  # 48 evaluations among 48 samples
    assert not list(store.artifacts.glob("*/*.lock"))
    rows = check_component(Registry.load([plugin]).classes["observer"]["pooler"])
    assert not [row for row in rows if row.outcome == "failed"], summarize(rows)
