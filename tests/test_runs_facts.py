"""What a run found, for programs."""

import json

import pytest

import leakboard
from helpers.command_line import call
from helpers.tiny_grids import PLUGIN, tiny, toml
from leakboard.runs.facts import facts
from leakboard.store import Store


def test_facts_are_json_and_agree_with_the_store(tmp_path):
    store = Store(tmp_path / "s.db", create=True)
    grid = tiny(observer=["glance", "peek"], defense=["none", "fog"], checks={"permuted_labels": True})
    told = facts(leakboard.run(grid, store, progress=False), store)

    assert json.loads(json.dumps(told, allow_nan=False)) == told
    results = store.results()
    attacks = results[(results["measure"] == "auc") & (results["role"] == "attack")]
    assert [row["value"] for row in told["best"]] == pytest.approx(
        attacks.groupby(["victim", "defense", "access"])["value"].max().tolist()
    )
    assert {each["kind"] for each in told["null_checks"]} == {"permuted labels"}
    for each in told["null_checks"]:
        assert sum(each["verdicts"].values()) == each["distinct"]
    assert sum(told["cells"].values()) == len(grid.cells)


def test_run_prints_them_and_nothing_else(tmp_path, write):
    path = write("g.toml", toml(classifier=["mean"]))
    done = call("run", path, "--plugin", PLUGIN, "--store", tmp_path / "s.db", "--executor", "serial", "--json")
    told = json.loads(done.stdout)
    assert (told["ok"], told["stopped"], told["cells"]) == (True, "", {"done": 1})
    assert told["store"] == str(tmp_path / "s.db")
    assert told["report"] is None


def test_set_changes_a_run_and_a_plan(tmp_path, write):
    path = write("g.toml", toml(classifier=["mean"]))
    done = call("plan", path, "--plugin", PLUGIN, "--store", tmp_path / "s.db", "--json", "--set", "run.seeds=[1, 2]")
    assert json.loads(done.stdout)["cells"] == 2
    refused = call("run", path, "--plugin", PLUGIN, "--store", tmp_path / "s.db", "--set", "run.seed=1", code=2)
    assert "run.seeds" in refused.output
