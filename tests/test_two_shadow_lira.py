"""A third party's shadow attack, from a grid to its numbers."""

import json

import numpy as np
import pytest

import leakboard
from helpers.contract_checks import outcome
from helpers.tiny_grids import PLUGIN
from leakboard.grid.grid import Grid
from leakboard.registry.find import Registry
from leakboard.statistics.measures import evaluate
from leakboard.store import Store
from leakboard.store.artifacts import Artifacts
from leakboard.tasks.fit import Labelled, by_shadows
from leakboard.testing import check_component, summarize

LIRA = PLUGIN.with_name("two_shadow_lira.py")
SHADOW = "shadow(victims=['micro(seed={1, 2})'])"


def grid(**tables):
    axes = {"dataset": "fashion_mnist", "victim": "micro", "observer": "one_shot(steps=2)", "distance": "rmse"}
    run = {"samples": 64, "shard": 128}
    return Grid.of(**{**axes, "classifier": "pair_lira", **tables}, run=run, plugins=[LIRA])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("lira") / "store.db", create=True)
    made = grid(
        attacker=["adaptive", SHADOW, "none"], classifier=["pair_lira", "threshold"], checks={"permuted_labels": True}
    )
    assert leakboard.run(made, store, progress=False).ok
    return store


def aucs(store):
    results = store.results()
    rows = results[results["measure"] == "auc"].to_dict("records")
    return {(row["classifier"], row["attacker"].partition("(")[0], row["labels"]): row for row in rows}


def test_two_shadow_victims_tell_members_that_no_threshold_does(finished):
    found = aucs(finished)

    assert found["pair_lira", "shadow", "true"]["value"] > 0.9
    assert found["threshold", "shadow", "true"]["value"] < 0.75
    low, high = (found["pair_lira", "adaptive", "permuted"][limit] for limit in ("low", "high"))
    assert low < 0.5 < high


def test_an_attacker_without_labels_has_the_ranking_and_no_threshold(finished):
    found, results = aucs(finished), finished.results()

    assert found["threshold", "none", "true"]["value"] == found["threshold", "adaptive", "true"]["value"]
    measures = {who: set(rows["measure"]) for who, rows in results.groupby("attacker")}
    assert "balanced_accuracy" not in measures["none"]
    assert all("balanced_accuracy" in names for who, names in measures.items() if who != "none")
    skipped = finished.cells().query("status == 'skipped'")
    assert skipped[["classifier", "attacker"]].to_numpy().tolist() == [["pair_lira", "none"]]


def test_everybody_is_measured_on_the_same_samples_with_the_flags_of_the_victim_under_attack(finished):
    victim = Registry.load([LIRA]).one("victim", "micro").only
    artifacts = Artifacts(finished.artifacts)
    true = finished.cells().query("status == 'done' and labels == 'true'")
    evaluated = set()
    for key in true["scores_key"]:
        tensors, meta = artifacts.get(key)
        evaluated.add(meta["ids"])
        assert np.array_equal(tensors["member"].astype(bool), victim.members(json.loads(meta["ids"])))
    assert len(evaluated) == 1


def test_the_attacker_is_stored_by_its_canonical_spelling(finished):
    stored = set(finished.cells()["attacker"])

    assert stored == {"adaptive", "none", "shadow(victims=['micro(seed=1)', 'micro(seed=2)'])"}


def test_flags_unrelated_to_the_features_stay_near_chance():
    """Shadow victims that say something of other members than theirs: nothing can be learned, however it is fitted."""
    lira, random = Registry.load([LIRA]).one("classifier", "pair_lira").only, np.random.default_rng(0)
    ease = random.normal(size=(400, 1))
    found = []
    for _ in range(10):
        shadows = [Labelled(ease + random.normal(size=(400, 1)), random.random(400) < 0.5) for _ in range(2)]
        member, evaluated = random.random(400) < 0.5, random.random(400) < 0.5
        fitted = by_shadows(lira, shadows, ease + random.normal(size=(400, 1)), evaluated, ["one"])
        found.append(evaluate(fitted.scores, member[evaluated], threshold=None)["auc"].value)

    assert abs(np.mean(found) - 0.5) < 0.04


@pytest.mark.parametrize(("kind", "spec"), [("victim", "micro"), ("classifier", "pair_lira")])
def test_it_keeps_to_the_contract(kind, spec, clothes):
    rows = check_component(Registry.load([LIRA]).one(kind, spec).only, clothes)

    assert not [row for row in rows if row.outcome == "failed"], summarize(rows)
    assert sum(row.outcome == "ok" for row in rows) >= 9
    if kind == "classifier":
        assert outcome(rows, "learns from shadow victims") == ("ok", "")
