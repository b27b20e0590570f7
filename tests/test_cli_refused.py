"""What the command line refuses, how it says so, and that nothing is written."""

import contextlib
import json
import sqlite3
import textwrap

import pytest
from click.testing import CliRunner

import leakboard
from helpers.command_line import GRID, call, left_in, really
from helpers.small_stores import fill
from leakboard.cli import main
from leakboard.store import Store

BAD_GRIDS = {
    "not_toml": "[grid",
    "unknown_plugin": GRID.replace('"psnr"', '"psmr"'),
    "bad_value": GRID.replace('"psnr"', '"psnr(cap=-1)"'),
    "empty_axis": GRID.replace('["psnr", "rmse"]', "[]"),
    "missing_folder": GRID.replace('"fashion_mnist"', "\"folder(members='no', nonmembers='where')\""),
    "no_pipeline": GRID.replace("fashion_ddpm(level='light')", "ddpm(model='.')"),
    "too_many": GRID.replace("samples = 16", "samples = 5000"),
}


@pytest.mark.parametrize("name", BAD_GRIDS)
def test_a_bad_grid_is_exit_code_2_a_message_and_no_file(here, write, name):
    path = write(f"{name}.toml", BAD_GRIDS[name])
    for command in (["plan", path], ["run", path, "--executor", "serial"]):
        if name == "too_many" and command[0] == "plan":
            continue
        result = call(*command, "--store", "r.db", code=2)

        assert result.stderr.startswith("error: ")
        assert "expected: " in result.stderr
        assert not result.stdout
        assert left_in(here) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nowhere.toml"], "cannot read the grid nowhere.toml"),
        (["run", "GRID", "--executor", "serail"], "did you mean: serial"),
        (["run", "GRID", "--only", "distance=psmr"], "did you mean: psnr"),
        (["run", "GRID", "--skip", "distance"], "axis=pattern"),
        (["run", "GRID", "--plugin", "nowhere.py"], "there is no plugin file nowhere.py"),
        (["run", "GRID", "--workers", "-1"], "--workers"),
        (["run", "GRID", "--store", "mysql://host/x"], "no store on mysql"),
        (["plan", "GRID", "--only", "x=y"], "there is no axis 'x'"),
        (["plan", "GRID", "--only", "distance=psmr"], "try: leakboard list distances"),
        (["run", "GRID", "--executor", "serail"], "try: leakboard list executors"),
        (["list", "distancs"], "did you mean: distance"),
        (["show", "psmr"], "did you mean: psnr"),
        (["show", "psnr("], "cannot read the spec"),
        (["show", "psnr(cap=0)"], "greater than 0"),
        (["check", "psmr"], "did you mean: psnr"),
        (["check", "serail"], "did you mean: serial"),
        (["check", "secmi_", "--plugin", "nowhere.py"], "nowhere.py"),
        (["check", "cilloni_complete"], "is an attack"),
        (["failures", "nowhere.db"], "nowhere.db"),
        (["report", "nowhere.db", "--out", "pages"], "nowhere.db"),
        (["export", "nowhere.db", "--out", "table.csv"], "nowhere.db"),
        (["export", "STORE", "--out", "no/folder/table.csv"], "cannot write the table"),
        (["export", "STORE", "--what", "nothing", "--out", "table.csv"], "--what"),
        (["merge", "new.db", "nowhere.db"], "nowhere.db"),
        (["merge", "new.db"], "SOURCES"),
        (["cache", "list", "--store", "nowhere.db"], "nowhere.db"),
        (["cache", "prune", "--store", "nowhere.db"], "nowhere.db"),
        (["train", "fashion_dpm", "--out", "weights"], "fashion_ddpm"),
        (["runn"], "runn"),
    ],
)
def test_bad_input_is_exit_code_2_a_message_and_no_file(here, grid, store, arguments, message):
    places = {"GRID": grid, "STORE": store}
    result = call(*(places.get(argument, argument) for argument in arguments), code=2)

    assert message in result.stderr
    assert not result.stdout
    assert left_in(here) == []


PICKLE = b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94."
CONFIG = '{"_class_name": "UNet2DModel"}'


def pickled_weights(here):
    for part in ("unet", "scheduler"):
        (here / "model" / part).mkdir(parents=True)
    parts = {"unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", "DDPMScheduler"]}
    (here / "model" / "model_index.json").write_text(json.dumps({"_class_name": "DDPMPipeline", **parts}))
    (here / "model" / "scheduler" / "scheduler_config.json").write_text("{}")
    (here / "model" / "unet" / "config.json").write_text(CONFIG)
    (here / "model" / "unet" / "diffusion_pytorch_model.bin").write_bytes(PICKLE)
    return GRID.replace("fashion_ddpm(level='light')", "ddpm(model='model')")


def no_image(here):
    for side in ("a", "b"):
        (here / side).mkdir()
        (here / side / "notes.txt").write_text("no image")
    return GRID.replace('"fashion_mnist"', "\"folder(members='a', nonmembers='b')\"")


def foreign_database(here):
    with contextlib.closing(sqlite3.connect(here / "r.db")) as connection:
        connection.execute("create table songs (title text)")
    return GRID


def newer_store(here):
    fill(Store(here / "r.db", create=True))
    with contextlib.closing(sqlite3.connect(here / "r.db")) as connection:
        connection.execute("update alembic_version set version_num = '9999_from_the_future'")
        connection.commit()
    return GRID


def duplicate_key(here):
    return GRID + 'victim = ["fashion_ddpm"]\n'


def contents(folder):
    """Every file, without those that SQLite keeps beside an open database."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "-" not in path.suffix}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (pickled_weights, "the weights are a pickle"),
        (no_image, "holds no image"),
        (foreign_database, "belongs to another program"),
        (newer_store, "made by a newer Leakboard"),
        (duplicate_key, "is not TOML: Cannot overwrite a value"),
    ],
)
def test_what_may_not_be_used_is_refused_and_nothing_is_written(here, write, make, message):
    path = write("bad.toml", textwrap.dedent(make(here)))
    before = contents(here)
    result = call("run", path, "--store", "r.db", "--executor", "serial", code=2)

    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert contents(here) == before


QUITTER = """
    import sys
    from dataclasses import dataclass
    from typing import ClassVar
    from leakboard import hookimpl
    from leakboard.api import Dataset, Victim

    @dataclass(frozen=True, kw_only=True)
    class Quit(Dataset):
        name: ClassVar[str] = "quitter"
        at: str = "load"

        def __post_init__(self):
            if self.at == "init":
                sys.exit(0)

        def files(self):
            if self.at == "files":
                sys.exit(0)
            return ()

        def load(self):
            sys.exit(0)

    @hookimpl
    def leakboard_datasets():
        return [Quit]
    """


@pytest.mark.parametrize(("at", "method"), [("init", "__post_init__"), ("files", "files()"), ("load", "load()")])
def test_a_plugin_that_quits_cannot_make_the_program_end_well(here, write, at, method):
    plugin = write("quitter.py", QUITTER)
    path = write("quit.toml", GRID.replace('"fashion_mnist"', f"\"quitter(at='{at}')\""))
    for command in ("plan", "run"):
        result = call(command, path, "--plugin", plugin, code=2)

        assert f"{method} failed: SystemExit: 0" in result.stderr
        assert "quitter" in result.stderr
        assert left_in(here) == []


def test_a_fault_that_nobody_foresaw_is_one_line_and_a_code_of_its_own(monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("of our own\nmaking")

    monkeypatch.setattr("leakboard.registry.describe.describe_all", fail)
    stderr = call("list", code=70).stderr
    assert stderr.splitlines()[0] == "internal error: ZeroDivisionError: of our own making"
    assert "LEAKBOARD_TRACEBACK=1" in stderr
    monkeypatch.setenv("LEAKBOARD_TRACEBACK", "1")
    assert isinstance(CliRunner().invoke(main, ["list"]).exception, ZeroDivisionError)


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_plugin_that_could_not_be_loaded_is_named_once(here, grid, write, command):
    broken = write("broken.py", "class Odd(BaseException): pass\nraise Odd('no plugin')")
    options = ["--executor", "serial"] if command == "run" else []
    arguments = [command, grid, "--only", "observer=blind", *options]
    done = really(*arguments, LEAKBOARD_PLUGINS=str(broken))

    assert done.stderr.count("not loaded") == 1
    assert f"not loaded: {broken}: Odd: no plugin" in done.stderr


@pytest.mark.parametrize(("option", "place"), [("--report", "file/pages"), ("--artifacts", "file/payload")])
def test_a_folder_below_a_file_is_refused_before_the_grid_runs(here, grid, option, place):
    (here / "file").touch()
    result = call("run", grid, option, place, "--executor", "serial", code=2)

    assert "is not a folder" in result.stderr
    assert left_in(here) == ["file"]


def test_a_folder_that_is_no_report_is_refused_before_the_grid_runs(here, grid):
    (here / "mine").mkdir()
    (here / "mine" / "thesis.tex").touch()
    before = left_in(here)
    result = call("run", grid, "--report", "mine", "--executor", "serial", code=2)

    assert "no report made what lies there: thesis.tex" in result.stderr
    assert left_in(here) == before


def test_the_public_names_are_listed():
    assert set(leakboard.__all__) <= set(dir(leakboard))


def test_a_foreign_file_is_not_taken_for_a_store(here):
    (here / "notes.db").write_text("not a database at all" * 100)

    assert "notes.db" in call("failures", "notes.db", code=2).stderr


def test_the_real_program_shows_no_traceback_either(here):
    done = really("run", "nowhere.toml", code=2)

    assert done.stderr.startswith("error: cannot read the grid nowhere.toml")
    assert left_in(here) == []


def test_the_real_program_lists_plugins():
    assert "psnr" in really("list", "distance").stdout
