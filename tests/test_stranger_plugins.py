"""What a stranger writes in one file of fewer than sixty lines: it keeps the contract, and it works."""

from pathlib import Path

import pytest

import leakboard
from leakboard.grid.grid import Grid
from leakboard.registry.find import Registry
from leakboard.store import Store
from leakboard.testing import check_component, check_extension, summarize

PLUGINS = Path(__file__).parent / "plugins"
STRANGERS = sorted(path for path in PLUGINS.glob("*.py") if path.stem != "tiny")
CLOTHES = {"dataset": "fashion_mnist", "victim": "fashion_ddpm(level='heavy')"}


@pytest.mark.parametrize("path", STRANGERS, ids=lambda path: path.stem)
def test_a_plugin_is_one_short_file_that_keeps_the_contract(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 60
    registry = Registry.load([path])
    mine = [key for key, source in registry.sources.items() if source == str(path)]
    assert mine
    for kind, name in mine:
        if kind == "attack":
            continue
        if kind in registry.classes:
            rows = check_component(registry.classes[kind][name])
        else:
            rows = check_extension(registry.values[kind][name])
        assert not [row for row in rows if row.outcome == "failed"], summarize(rows)


def aucs(tmp_path, plugins, **axes):
    grid = Grid.of(plugins=[PLUGINS / f"{plugin}.py" for plugin in plugins], **{**CLOTHES, **axes})
    store = Store(tmp_path / "store.db", create=True)
    assert leakboard.run(grid, store).ok
    results = store.results()
    return results[results["measure"] == "auc"].set_index("classifier")


def test_pfami_finds_members_by_what_a_crop_changes(tmp_path):
    found = aucs(
        tmp_path,
        ["pfami"],
        observer="shrunk(ts=(150, 350), crops=(0.8,))",
        distance="mse",
        classifier="shrinkage",
        attacker=["adaptive", "none"],
        run={"samples": 64},
    )
    assert (found["low"] > 0.5).all()
    assert (found["nfe"] == 4).all()
    assert set(found["attacker"]) == {"adaptive", "none"}
    assert found["value"].nunique() == 1  # it trains nothing, so labels make no difference


def test_maps_go_into_a_network_that_is_fitted_on_them(tmp_path):
    found = aucs(
        tmp_path,
        ["residual_maps"],
        observer="secmi",
        distance="missed",
        classifier=["small_cnn", "threshold"],
        run={"samples": 96},
    )
    assert found.loc["small_cnn", "low"] > 0.5
    store = Store(tmp_path / "store.db", read_only=True)
    assert store.features()["column"].nunique() == 28 * 28


def test_norms_of_gradients_go_into_boosted_trees(tmp_path):
    found = aucs(
        tmp_path,
        ["gradient_trees"],
        observer="weight_gradients(ts=(300,))",
        distance="value",
        classifier="stubborn_trees(trees=30)",
        run={"samples": 48},
    )
    assert (found["low"] > 0.5).all()
    assert set(found["access"]) == {"white"}
