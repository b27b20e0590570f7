"""Values of a grid as notebooks and the command line give them."""

import numpy as np
import pytest

from helpers.grids import TEXT, make, refusal
from leakboard.grid.grid import Grid


@pytest.mark.parametrize(
    ("run", "seeds"),
    [
        ({"seeds": range(3)}, [0, 1, 2]),
        ({"seeds": (0, 1)}, [0, 1]),
        ({"seeds": np.arange(2)}, [0, 1]),
        ({"seeds": list(np.arange(2))}, [0, 1]),
    ],
)
def test_ranges_tuples_and_numpy_numbers_are_taken(run, seeds):
    assert make(run=run).run.seeds == seeds


def test_numbers_of_numpy_are_numbers():
    run = make(run={"samples": np.int64(8), "calibration": np.float64(0.25)}).run
    assert (run.samples, run.calibration) == (8, 0.25)
    assert type(run.samples) is int


def test_axes_and_rules_take_tuples():
    assert len(make(distance=("psnr", "rmse"), exclude=({"distance": "rmse"},)).cells) == 1


def test_what_is_no_number_stays_refused():
    assert "samples" in str(refusal(make, run={"samples": "8"}))


def test_settings_stand_in_the_place_of_the_files_values():
    settings = [
        "run.samples=64",
        "run.seeds=3",
        "run.device=cuda",
        "grid.attacker=adaptive",
        "checks.permuted_labels=true",
    ]
    grid = Grid.parse(TEXT, settings=settings)
    assert (grid.run.samples, grid.run.seeds, grid.run.device) == (64, [3], "cuda")
    assert {cell.attacker.label for cell in grid.cells} == {"adaptive"}
    assert {cell.labels for cell in grid.cells} == {"true", "permuted"}


def test_what_was_set_is_written_down_with_the_grid():
    assert "# --set 'run.samples=64'" in Grid.parse(TEXT, settings=["run.samples=64"]).text


def test_a_list_is_set_as_in_the_file():
    grid = Grid.parse(
        TEXT, settings=["grid.distance=['rmse']", "grid.victim=fashion_ddpm(level={'light', 'moderate'})"]
    )
    assert {cell.distance.spec for cell in grid.cells if not cell.attack} == {"rmse"}
    assert len({cell.victim.spec for cell in grid.cells}) == 2


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("samples=64", "run.samples=64"),
        ("run.samples", "run.samples=64"),
        ("run.samples=", "run.samples=64"),
        ("run.sampels=64", "nearest: run.samples"),
        ("exclude.x=1", "run.samples"),
        ("run.samples=many", "samples"),
        ("run.samples=1\nrun.shard=2", "samples"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(setting, said):
    assert said.replace("nearest: ", "") in str(refusal(Grid.parse, TEXT, settings=[setting]))


def test_a_grid_shows_itself_in_a_few_lines():
    shown = repr(make(distance=("psnr", "rmse"), run={"seeds": range(50)}))
    assert shown.splitlines()[0] == "Grid('grid': 100 cells)"
    assert "2 distances" in shown
    assert len(shown) < 400
