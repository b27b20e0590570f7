"""The shipped shadow attacks from a grid to their numbers, and where they cannot run."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler

import leakboard
from helpers.command_line import call
from helpers.oracles import make_door
from helpers.pixel_models import tiny_unet
from helpers.tiny_grids import PLUGIN, tiny, toml
from leakboard.grid.grid import Grid
from leakboard.store import Store
from leakboard_plugins.distances.lp import Lp
from leakboard_plugins.distances.value import Value
from leakboard_plugins.observers.secmi import SecMi
from leakboard_plugins.observers.secmi_beside_image import SecMiBesideImage
from leakboard_plugins.victims.pixel.model import PixelModel

MICRO = PLUGIN.with_name("two_shadow_lira.py")
SHADOWS = "shadow(victims=['micro(seed={1, 2, 3, 4})'])"
ATTACKS = ["lira", "lira_offline", "rmia(a=1.0)", "calibrated_loss"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Victims that remember half of the images each, attacked by what four others say."""
    store = Store(tmp_path_factory.mktemp("shadows") / "store.db", create=True)
    grid = Grid.of(
        dataset="fashion_mnist",
        victim="micro",
        observer="one_shot(steps=2)",
        distance="mse",
        classifier=[*ATTACKS, "threshold"],
        attacker=["adaptive", SHADOWS],
        checks={"permuted_labels": True},
        run={"samples": 48, "shard": 128},
        plugins=[MICRO],
    )
    assert leakboard.run(grid, store, progress=False).ok
    return store


def test_each_shadow_attack_has_a_null_check_with_permuted_labels_at_chance(finished):
    nulls = finished.results().query("measure == 'auc' and labels == 'permuted'").set_index("classifier")

    shadow = nulls[nulls["attacker"].str.startswith("shadow")]
    assert {name.partition("(")[0] for name in shadow.index} == {"lira", "lira_offline", "rmia", "calibrated_loss"}
    assert nulls.loc["threshold", "attacker"] == "adaptive"
    assert ((shadow["low"] < 0.5) & (shadow["high"] > 0.5)).all()


def test_shadow_attacks_beat_the_threshold_that_they_calibrate(finished):
    results = finished.results()
    shadow = results[(results["measure"] == "auc") & (results["labels"] == "true")]
    shadow = shadow[shadow["attacker"].str.startswith("shadow")]
    found = dict(zip(shadow["classifier"], shadow["value"], strict=True))

    assert len(found) == 5
    assert all(value > found["threshold"] + 0.1 for name, value in found.items() if name != "threshold")


def test_without_shadow_victims_they_are_skipped_and_not_shown_as_anything(finished):
    skipped = finished.cells().query("status == 'skipped'")

    assert set(skipped["attacker"]) == {"adaptive"}
    assert len(skipped) == 4
    assert all("compares with shadow victims: attacker = shadow(victims=[...])" in why for why in skipped["error"])


@pytest.mark.parametrize("attacker", ["adaptive", "naive", "none"])
def test_the_plan_says_which_attacker_they_need(tmp_path, attacker):
    plan = leakboard.plan(tiny(classifier=["lira", "threshold"], attacker=attacker), artifacts=tmp_path)

    assert list(plan.skipped.values()) == ["lira compares with shadow victims: attacker = shadow(victims=[...])"]
    assert len(plan.todo) == 1


def test_the_command_says_it_too(tmp_path):
    (tmp_path / "grid.toml").write_text(toml(classifier=["rmia", "mean"]), encoding="utf-8")
    told = call("plan", tmp_path / "grid.toml", "--store", tmp_path / "store.db", "--plugin", PLUGIN).output

    assert "rmia compares with shadow victims: attacker = shadow(victims=[...])" in told


def test_a_classifier_that_needs_shadow_victims_says_so_when_it_is_shown():
    assert "needs_shadows: True" in call("show", "calibrated_loss").output
    assert "needs_shadows" not in call("show", "knn").output


def test_quantile_regression_runs_as_a_named_attack(tmp_path):
    grid = Grid.of(
        dataset="fashion_mnist",
        victim="fashion_ddpm",
        attack=["quantile", "secmi"],
        run={"samples": 32},
    )
    store = Store(tmp_path / "store.db", create=True)
    assert leakboard.run(grid, store, progress=False).ok

    results = store.results().query("measure == 'auc'")
    assert set(results["attack"]) == {"quantile", "secmi"}
    assert results["nfe"].nunique() == 1
    assert np.isfinite(results["value"]).all()


def test_the_column_that_quantile_regression_explains_is_the_statistic_of_secmi():
    model = PixelModel(tiny_unet().eval(), dict(DDPMScheduler().config))
    (plain,), (joined,) = (observer.observe(make_door(model)) for observer in (SecMi(), SecMiBesideImage()))

    assert joined.names[0] == "closeness"
    assert len(joined.names) > 15
    numbers = Value().measure(joined)
    assert torch.allclose(numbers[:, 0], -Lp().measure(plain), rtol=1e-6)
    assert "gradient energy" in joined.names


RECIPE = """
from leakboard import hookimpl
from leakboard.training import PixelRecipe


@hookimpl
def leakboard_recipes():
    levels = {"untrained": 0, "moderate": 2}
    return [PixelRecipe(name="quick", dataset="tiny", checkpoints=levels, channels=(8, 16), summary="Quick.")]
"""
GUIDE = Path(__file__).parents[1] / "docs" / "guide.md"


def test_the_guide_goes_from_a_recipe_to_shadow_attacks(tmp_path, monkeypatch):
    """Its commands and its grid, of a recipe that takes a second, on victims that learnt next to nothing."""
    monkeypatch.chdir(tmp_path)
    section = GUIDE.read_text(encoding="utf-8").partition("\n### Shadow victims\n")[2].partition("\n## ")[0]
    commands = re.findall(r"^    leakboard (train .+)$", section, re.MULTILINE)
    text = re.search(r"^```toml title=shadows.toml\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)[1]
    (tmp_path / "quick.py").write_text(RECIPE, encoding="utf-8")
    plugins = [word for plugin in ("quick.py", PLUGIN) for word in ("--plugin", plugin)]
    assert len(commands) == 2
    for command in commands:
        call(*command.replace("fashion_small", "quick").replace("16", "8").split(), *plugins)
    text = text.replace("fashion_mnist_small", "tiny")
    text = re.sub(r"(moderate'}?)\)", r"\1, allow_untrained=True)", text)
    (tmp_path / "shadows.toml").write_text(text, encoding="utf-8")
    call("run", "shadows.toml", "--executor", "serial", *plugins)

    cells = Store("leakboard.db").cells()
    assert set(cells["status"]) == {"done"}
    assert {"lira", "lira_offline", "rmia", "calibrated_loss"} <= set(cells["attack"])

    (tmp_path / "pairs.toml").write_text(text.replace("victim/moderate", "shadows/shadow-06/moderate"))
    call("plan", "pairs.toml", *plugins)
    (tmp_path / "pairs.toml").write_text(
        text.replace("victim/moderate", "shadows/shadow-07/moderate").replace("-05", "-06")
    )
    refused = call("plan", "pairs.toml", *plugins, code=2).output
    assert re.search(r"leave ddpm\(.*shadow-06.* out: it was trained on exactly what .* was not", refused)
