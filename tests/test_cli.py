"""What each command does."""

import json
from pathlib import Path

import pytest

from helpers.command_line import BROKEN, GRID, call, invoked, left_in, loaded, really

POOL = Path(__file__).parent / "plugins" / "pool_executor.py"


def test_every_command_is_there_and_helps():
    listed = call("--help").output

    for command in ("run", "plan", "list", "show", "report", "export", "failures", "merge", "doctor", "train", "cache"):
        assert f"  {command} " in listed
        assert "Usage:" in call(command, "--help").output
    assert call("--version").output.startswith("leakboard, version ")


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        ("stable_diffusion", "Its prompt with each sample: 'caption', 'empty'"),  # below the field
        ("one_shot", "denoiser evaluations of one query; also the number of intermediates."),  # of the base class
    ],
)
def test_parameters_are_explained_as_their_docstrings_do(plugin, words):
    shown = call("show", plugin).output

    assert words in " ".join(shown.split())
    assert "Attributes:" not in shown


def test_training_says_where_its_recipes_are_listed():
    assert "Recipes: leakboard list recipes." in call("train", "--help").output


def test_an_interrupted_training_says_how_to_go_on(tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("leakboard.training.train_recipe", interrupted)
    result = call("train", "fashion_ddpm", "--out", tmp_path, code=130)

    assert "the same command continues" in result.output


def test_help_loads_nothing_heavy():
    assert loaded(invoked("--help"), "torch", "numpy", "sqlalchemy", "pandas", "pydantic", "pluggy") == "[]"


def test_importing_the_package_loads_nothing_heavy():
    assert loaded("import leakboard", "torch", "numpy", "sqlalchemy", "pandas", "pydantic", "pluggy") == "[]"


@pytest.mark.parametrize("arguments", [["list"], ["show", "lpips"]])
def test_looking_at_plugins_loads_no_torch(arguments):
    assert loaded(invoked(*arguments), "torch", "diffusers", "sklearn", "scipy", "skimage") == "[]"


def test_list_shows_plugins_of_every_kind():
    output = call("list").output

    for heading in ("datasets", "victims", "defenses", "observers", "distances", "classifiers", "attacks"):
        assert f"{heading}\n" in output
    assert "psnr(cap=120.0)" in output


@pytest.mark.parametrize("kind", ["distance", "distances"])
def test_list_of_one_kind(kind):
    rows = json.loads(call("list", kind, "--json").output)

    assert {row["kind"] for row in rows} == {"distance"}
    (psnr,) = [row for row in rows if row["name"] == "psnr"]
    assert psnr["parameters"] == {"cap": {"type": "float > 0, <= 300", "default": 120.0}}
    assert psnr["summary"]
    assert psnr["source"].startswith("leakboard ")


def test_list_names_plugins_that_could_not_be_loaded(write):
    broken = write("broken.py", "import missing_package")
    done = really("list", "distance", LEAKBOARD_PLUGINS=str(broken))

    assert "psnr" in done.stdout
    assert f"not loaded: {broken}: ModuleNotFoundError" in done.stderr


def test_show_a_plugin_with_its_parameters_and_source():
    output = call("show", "svm").output

    assert "classifier svm(C=1.0, kernel='rbf', gamma='scale')" in output
    assert "gamma: 'scale' | 'auto' | float > 0 (default 'scale')" in output
    assert "from: leakboard " in output


def test_show_spells_out_sweeps_and_chains():
    output = call("show", "box_blur(radius={1, 2}) + jpeg").output

    assert "canonical spelling: box_blur(at='query', radius=2.0) + jpeg(at='query', quality=75)" in output
    assert "defense jpeg(" in output


def test_show_an_attack_and_the_observer_of_the_same_name():
    output = call("show", "pia").output

    assert "attack pia" in output
    assert "observer pia(t=200, normalize='no')" in output


def test_plan_tells_the_cost_and_writes_nothing(here, grid):
    before = left_in(here)
    numbers = json.loads(call("plan", grid, "--json").output)

    assert (numbers["cells"], numbers["todo"], numbers["done"]) == (8, 8, 0)
    assert numbers["denoiser_evaluations"] == 2 * 32
    assert numbers["seconds"] is None
    assert left_in(here) == before
    assert "64" in call("plan", grid).output


def test_plan_of_a_selection(here, grid):
    numbers = json.loads(call("plan", grid, "--json", "--only", "observer=blind", "--skip", "distance=psnr").output)

    assert (numbers["cells"], numbers["denoiser_evaluations"]) == (2, 0)


def test_run_then_everything_that_can_be_done_with_a_store(here, grid):
    first = call("run", grid, "--store", "r.db", "--executor", "serial", "--only", "defense=none").output
    assert "null checks: 2" in first
    assert "cells: 4 done" in first

    again = call("run", grid, "--store", "r.db", "--executor", "serial", "--only", "defense=none").output
    assert "0 denoiser evaluations paid" in again
    numbers = json.loads(call("plan", grid, "--store", "r.db", "--json").output)
    assert (numbers["done"], numbers["todo"]) == (4, 4)

    assert "no cell failed" in call("failures", "r.db").output
    for what in ("results", "scores", "features", "failures"):
        call("export", "r.db", "--what", what, "--format", "json", "--out", f"{what}.json")
    results = json.loads((here / "results.json").read_text())
    assert {row["measure"] for row in results} >= {"auc"}
    assert len({row["cell"] for row in results}) == 4

    kinds = {line.split()[0] for line in call("cache", "list", "--store", "r.db").output.splitlines()}
    assert kinds == {"features", "preview", "samples", "scores"}
    assert "files removed" in call("cache", "prune", "--store", "r.db").output
    kinds = {line.split()[0] for line in call("cache", "list", "--store", "r.db").output.splitlines()}
    assert kinds == {"preview", "samples", "scores"}

    assert call("merge", "all.db", "r.db").output.startswith("4 cells, 4 attempts")
    assert call("merge", "all.db", "r.db").output.startswith("0 cells, 0 attempts")


def test_a_cell_that_fails_is_exit_code_1_and_is_grouped(here, grid, write):
    plugin = write("sad.py", BROKEN)
    path = write("sad.toml", GRID.replace('"rmse"', '"sad"'))
    output = call("run", path, "--store", "r.db", "--executor", "serial", "--plugin", plugin, code=1).output

    assert "leakboard failures r.db" in output
    assert "4 done, 4 failed" in output
    grouped = call("failures", "r.db", "--traceback").output
    assert "4  failed: ArithmeticError: no number today" in grouped
    assert "in measure" in grouped


def test_check_tells_how_a_plugin_keeps_to_the_contract(write):
    assert "17 checks: 17 ok, 0 failed, 0 declined" in call("check", "knn(k=3)").output
    output = call("check", "sad", "--plugin", write("sad.py", BROKEN), code=1).output
    assert "failed  finite numbers of each sample: ArithmeticError: no number today" in output


def test_check_looks_at_executors_too():
    assert "8 checks: 8 ok, 0 failed, 0 declined" in call("check", "serial").output
    assert "8 checks: 8 ok, 0 failed, 0 declined" in call("check", "pool", "--plugin", POOL).output


def test_an_executor_of_a_plugin_is_found_by_name(here, grid):
    assert "pool" in call("list", "executors", "--plugin", POOL).output
    assert call("show", "pool", "--plugin", POOL).output.startswith("executor pool\n\na process pool of")
    call("run", grid, "--store", "r.db", "--executor", "pool", "--workers", "1", "--threads", "1", "--plugin", POOL)


def test_failures_of_a_store(store):
    assert "no cell failed" in call("failures", store).output


@pytest.mark.parametrize("form", ["csv", "parquet", "json"])
def test_export_writes_a_table(here, store, form):
    output = call("export", store, "--format", form, "--out", f"table.{form}").output

    assert output == f"table.{form}: 6 rows\n"
    assert left_in(here) == [f"table.{form}"]


def test_doctor_looks_at_everything():
    findings = json.loads(call("doctor", "--json").output)

    assert [row["check"] for row in findings] == ["packages", "plugins", "shipped files", "devices", "threads", "disk"]
    (shipped,) = [row["detail"] for row in findings if row["check"] == "shipped files"]
    assert "fashion_ddpm light" in shipped


def test_doctor_finds_a_broken_plugin(write):
    broken = write("broken.py", "import missing_package")
    done = really("doctor", code=1, LEAKBOARD_PLUGINS=str(broken))

    assert f"BAD  plugins: not loaded: {broken}" in done.stdout
