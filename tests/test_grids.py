"""The grids that ship are what they say they are."""

import itertools
import re
import shutil
from pathlib import Path

import pytest

import leakboard_plugins
from helpers.tiny_adapters import save_stand_in
from leakboard.grid.grid import Grid
from leakboard_defenses import DEFENSES

GRIDS = Path(__file__).parents[1] / "grids"
SHIPPED = Path(leakboard_plugins.__file__).parent / "weights" / "fashion_ddpm" / "light"


@pytest.mark.parametrize("path", sorted(GRIDS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_grid_is_valid_and_has_a_null_check_or_repeats_over_seeds(path):
    grid = Grid.load(path)
    assert grid.cells
    assert any(cell.is_null for cell in grid.cells) or len(grid.run.seeds) >= 3


def test_the_demo_sets_attacks_against_six_defenses_on_pixel_and_latent_victims_and_one_that_cannot_leak():
    cells = Grid.load(GRIDS / "demo.toml").cells
    defenses = {cell.defense.label for cell in cells}
    assert len(defenses) == 6
    assert any(" + " in label for label in defenses)
    assert {cell.victim.label for cell in cells} == {"fashion_ddpm", "fashion_ddpm(level='untrained')", "fashion_sd"}
    for victim in ("fashion_ddpm", "fashion_sd"):
        assert {cell.defense.label for cell in cells if cell.victim.label == victim} == defenses
    assert {"blind_pixels", "blind_statistics", "blind_captions"} <= {cell.attack for cell in cells}
    assert {"loss", "secmi", "pia", "pian", "sima", "cilloni_complete"} <= {cell.attack for cell in cells}
    assert {cell.labels for cell in cells} == {"true", "permuted"}
    assert {cell.attacker.name for cell in cells} == {"adaptive", "naive"}


@pytest.mark.parametrize(("name", "rate"), [("demo_low_fpr", 0.01), ("low_fpr", 0.001)])
def test_grids_for_low_rates_evaluate_ten_false_positives_worth_of_non_members_and_check_themselves(name, rate):
    run = (grid := Grid.load(GRIDS / f"{name}.toml")).run
    assert (1 - run.calibration) * run.nonmembers >= 10 / rate
    assert run.members == 1024
    assert {"loss", "pia", "sima", "blind_pixels"} <= {cell.attack for cell in grid.cells}
    assert any(cell.victim.only.null for cell in grid.cells)
    assert {cell.labels for cell in grid.cells} == {"true", "permuted"}


@pytest.fixture
def adapters(tmp_path, monkeypatch):
    """What stands for the adapters that the grid of adapters takes, in the working folder."""
    monkeypatch.chdir(tmp_path)
    levels = ("light", "heavy", "untrained")
    for number, (kind, level) in enumerate(
        itertools.product(("fashion-1", "fashion-4", "fashion-16", "emoji-4", "emoji-16"), levels)
    ):
        save_stand_in(tmp_path / "lora" / kind / level, float(number), epochs=0 if level == "untrained" else 9)


def test_the_grid_of_adapters_crosses_ranks_epochs_and_the_base(adapters):
    cells = [cell for cell in Grid.load(GRIDS / "after_training" / "lora.toml").cells if cell.labels == "true"]
    asked = [cell for cell in cells if not cell.observer.only.null]
    plain = {(cell.victim.label, cell.observer.label) for cell in asked if not cell.observer.label.startswith("base_")}
    differences = {
        (cell.victim.label, cell.observer.only.of) for cell in asked if cell.observer.label.startswith("base_")
    }

    assert {cell.skip_reason() for cell in cells} == {""}
    assert len({cell.victim.label for cell in cells}) == 12
    assert len(plain) == len(differences) == 12 * 5
    assert len(asked) == 2 * 12 * 5
    assert {cell.victim.label for cell in asked if cell.is_null} == {
        f"{name}_sd(adapter='untrained')" for name in ("fashion", "emoji")
    }
    assert {(cell.dataset.label, cell.victim.only.name) for cell in cells} == {
        ("fashion_mnist_unseen", "fashion_sd"),
        ("emoji_unseen", "emoji_sd"),
    }
    assert {cell.attack for cell in cells if cell.observer.only.null} == {"blind_pixels", "blind_captions"}


def test_the_paper_grid_crosses_observers_access_distances_classifiers_and_blur():
    cells = [cell for cell in Grid.load(GRIDS / "paper.toml").cells if cell.attacker.name == "adaptive"]
    assert {cell.observer.only.name for cell in cells} == {"one_shot", "progressive", "complete"}
    assert {cell.observer.only.access for cell in cells} == {"gray", "black"}
    assert {part.at for cell in cells for part in cell.defense.chain if part.name == "box_blur"} == {"query", "both"}
    assert len(cells) == 3 * 2 * 4 * 5 * 3 * 3


@pytest.mark.parametrize("path", sorted(GRIDS.glob("after_training/*.toml")), ids=lambda path: path.stem)
def test_a_grid_of_victims_that_are_trained_first_says_how_and_is_valid_once_they_are(
    path, tmp_path, monkeypatch, adapters
):
    text = path.read_text(encoding="utf-8")
    assert re.search(r"^#     leakboard train \S+.* --out ", text, re.MULTILINE)
    for folder in re.findall(r"model='([^']+)'", text):
        shutil.copytree(SHIPPED, tmp_path / folder)
    monkeypatch.chdir(tmp_path)

    grid = Grid.load(path)
    assert {cell.labels for cell in grid.cells} == {"true", "permuted"}


def test_the_grid_of_query_defenses_has_every_defense_and_answers_those_that_draw_or_blur():
    cells = Grid.load(GRIDS / "query_defenses.toml").cells
    elsewhere = {"box_blur", "horizontal_flip", "rand_augment", "cutout"}  # in the seed paper's grid, and in trainings
    assert {link.name for cell in cells for link in cell.defense.chain} == {cls.name for cls in DEFENSES} - elsewhere
    answered = {
        name: {cell.defense.label.partition("(")[0] for cell in cells if cell.observer.only.name == name}
        for name in ("repeats", "low_pass")
    }
    assert answered["repeats"] == {"none", "gaussian_noise", "random_crop_resize", "diffpure"}
    assert answered["low_pass"] == {
        "none", "gaussian_blur", "median", "bilateral", "non_local_means", "total_variation", "resize",
    }  # fmt: skip
    assert {"adaptive", "naive"} == {cell.attacker.name for cell in cells}
    assert {cell.victim.only.name for cell in cells} == {"fashion_ddpm", "fashion_sd", "dropout"}


def test_the_budgets_of_their_grid_share_the_victims_answers():
    cells = Grid.load(GRIDS / "budget.toml").cells
    limits = {link for cell in cells for link in cell.defense.chain if link.name == "budget"}
    assert {link.at for link in limits} == {"output"}
    assert {link.queries for link in limits} == {None, 1, 2, 4, 8, 16, 32}
    assert {link.evaluations for link in limits} == {None, 4, 8, 16, 32, 64, 128}
    assert {cell.observer.only.access for cell in cells if not cell.observer.only.null} == {"black", "gray"}
