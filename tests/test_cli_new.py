"""A plugin to begin with passes its checks as it is."""

import subprocess
import sys

import pytest

from helpers.command_line import call
from leakboard.cli.starters import PARTS


@pytest.mark.parametrize("kind", PARTS)
def test_what_is_written_passes_its_checks(here, kind):
    name = f"my_{kind}"
    told = call("new", kind, name).output
    file = here / f"leakboard-my-{kind}" / "src" / f"leakboard_{name}" / f"{name}.py"
    assert str(file.relative_to(here)) in told
    call("show" if kind == "attack" else "check", name, "--plugin", file)
    for path in (here / f"leakboard-my-{kind}").rglob("*.*"):
        assert path.is_dir() or path.suffix == ".pyc" or "@NAME" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["distance", "measure", "attack"])
def test_its_own_test_passes_and_fails_with_the_plugin(here, kind):
    call("new", kind, "mine")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "leakboard-mine"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    file = here / "leakboard-mine" / "src" / "leakboard_mine" / "mine.py"
    change = {
        "distance": (".mean((1, 2, 3))", ".mean()"),
        "measure": ('"mine", gap', '"my own", gap'),
        "attack": ("psnr", "psnrr"),
    }
    old, new = change[kind]
    file.write_text(file.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    assert subprocess.run(command, capture_output=True, text=True, check=False).returncode == 1


def test_it_is_formatted_as_people_expect(here):
    for kind in PARTS:
        call("new", kind, f"my_{kind}")
    for rules in (["format", "--check"], ["check", "--select", "E,F,I,UP,B"]):
        command = [sys.executable, "-m", "ruff", *rules, "--isolated", "--line-length", "120", str(here)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_nothing_is_overwritten(here):
    call("new", "distance", "mine")
    assert "something already" in call("new", "distance", "mine", code=2).output


def test_a_name_that_somebody_has_is_refused(here):
    assert "there is a distance 'psnr' already" in call("new", "distance", "psnr", code=2).output
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("name", ["My", "class", "a-b", "../x", "1a", "ä"])
def test_names_that_are_no_names_are_refused(here, name):
    assert "cannot be called" in call("new", "distance", "--", name, code=2).output
    assert list(here.iterdir()) == []
