"""What the shell offers after TAB, and what is cited."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from helpers.command_line import call
from helpers.small_stores import COMPONENTS, attempt, cell
from leakboard.registry.find import shared
from leakboard.store import RunInfo, Store

ROOT = Path(__file__).parents[1]


def offered(*words):
    """What bash is offered for the last word."""
    code = "from leakboard.cli import main; main(prog_name='leakboard')"
    environment = {
        **os.environ,
        "_LEAKBOARD_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["leakboard", *words]),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("show", "gauss"), ["gaussian_blur", "gaussian_noise"]),
        (("show", "--plugin", "tests/plugins/tiny.py", "glan"), ["glance"]),
        (("run", "g.toml", "--executor", "se"), ["serial"]),
        (("run", "g.toml", "--set", "run.sa"), ["run.samples="]),
        (("plan", "g.toml", "--only", "vic"), ["victim="]),
        (("list", "data"), ["datasets"]),
    ],
)
def test_names_of_plugins_and_keys_are_completed(words, names, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert offered(*words) == names


def test_every_shipped_attack_says_what_to_cite():
    for attack in shared(()).attacks.values():
        assert attack.bibtex, attack.name
        assert attack.source.count("arXiv") == attack.bibtex.count("archivePrefix"), attack.name
    assert "eprint = {2305.18355}" in call("show", "pia").output


def test_the_papers_of_a_store_are_exported_once(tmp_path):
    store = Store(tmp_path / "s.db", create=True)
    rows = [cell(number, attack=name) for number, name in enumerate(("pia", "pian", "sima", "mine", ""))]
    run = store.begin_run(RunInfo(grid_name="g"))
    store.record(run, components=COMPONENTS, cells=rows, attempts=[attempt(row) for row in rows])
    done = call("export", tmp_path / "s.db", "--out", "-", "--format", "bibtex")
    assert [line for line in done.stdout.splitlines() if line.startswith("@")] == [
        "@misc{kong2023efficient,",
        "@misc{rao2025score,",
    ]
    assert "no BibTeX comes with mine" in done.stderr
    call("export", tmp_path / "s.db", "--out", tmp_path / "a.bib")
    assert (tmp_path / "a.bib").read_text(encoding="utf-8") == done.stdout


def test_the_citation_is_of_this_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_demo_installs_no_development_tools():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    demo = makefile.partition("\ndemo: ")[2].splitlines()[0]
    assert demo.startswith("$(PROGRAM) ")
    assert "[dev]" not in makefile.partition("$(PROGRAM): ")[2].partition("\n\n")[0]
