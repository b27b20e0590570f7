"""The small victim that ships, with shadow victims and the table of what others said: an attack that needs no training."""

from pathlib import Path

import numpy as np
import pytest

import leakboard
from leakboard.digests import file_digest
from leakboard.grid.grid import Grid
from leakboard.registry.find import shared
from leakboard.store import Store
from leakboard.training.recipes import RECIPES
from leakboard_plugins.data.shadow_table import TABLE, read_table
from leakboard_plugins.victims.folders.shipped import WEIGHTS
from leakboard_plugins.victims.pixel.fashion_small import FashionSmall

SHIPPED = ["untrained", "moderate", *(f"shadow-{number:02d}/moderate" for number in range(4))]
HOME = WEIGHTS / FashionSmall.name


def samples():
    return shared(()).one("dataset", "fashion_mnist_small").only.load()


def test_victim_and_shadow_victims_are_whole_and_small():
    assert sorted(FashionSmall().check_shipped()) == sorted(SHIPPED)
    assert sum(path.stat().st_size for path in [TABLE, *HOME.rglob("*.*")]) < 5_000_000


@pytest.mark.parametrize("pair", [(0, 1), (2, 3)])
def test_shadow_victims_are_pairs_that_share_all_images(pair):
    one, other = (FashionSmall(shadow=number).members(samples().ids) for number in pair)

    assert np.array_equal(one, ~other)
    assert one.sum() == 256


def test_the_table_is_of_all_images_and_of_the_twelve_victims_that_do_not_ship():
    table = read_table(TABLE)
    shipped = {file_digest(Path(HOME, part, "manifest.json")) for part in SHIPPED}

    assert np.isfinite(table.of(samples().images)).all()
    assert list(table.origin["manifests"]) == [f"shadow-{number:02d}" for number in range(4, 16)]
    assert not shipped & set(table.origin["manifests"].values())
    (recipe,) = (recipe for recipe in RECIPES if recipe.name == "fashion_small")
    assert table.origin["recipe"]["checkpoints"] == recipe.checkpoints
    assert TABLE.stat().st_size < 50_000


def test_the_attack_runs_on_all_that_ships_without_shadow_victims_and_labels(tmp_path):
    grid = Grid.of(
        dataset="fashion_mnist_small",
        victim=["fashion_small", "fashion_small(shadow=2)"],
        attack="lira_shipped",
        attacker="none",
        run={"samples": 16},
    )
    store = Store(tmp_path / "store.db", create=True)
    assert leakboard.run(grid, store, progress=False).ok

    results = store.results("auc")
    assert len(results) == 2
    assert set(results["nfe"]) == {20}
