"""Everything that README and docs show is run here."""

import re
import runpy
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import leakboard
from helpers.pixel_models import save_tiny
from leakboard.cli import main
from leakboard.grid.grid import Grid

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(?P<language>\w+)(?: title=(?P<title>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    return [match.groupdict() for match in BLOCK.finditer((ROOT / page).read_text(encoding="utf-8"))]


def write_titled(page, folder):
    for block in blocks(page):
        if block["title"]:
            (folder / block["title"]).write_text(block["text"], encoding="utf-8")


def command(line, expected=0):
    result = CliRunner().invoke(main, shlex.split(line)[1:], catch_exceptions=False)
    assert result.exit_code == expected, result.output
    return result.output


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_readme_commands_run(folder):
    write_titled("README.md", folder)
    lines = [
        line for block in blocks("README.md") if block["language"] == "console" for line in block["text"].splitlines()
    ]
    assert len(lines) >= 5
    for line in lines:
        command(line + (" --executor serial" if line.startswith("leakboard run") else ""))
    assert (folder / "report" / "index.html").is_file()
    assert (folder / "results.csv").read_text().count("\n") > 100


def test_readme_notebook_runs(folder, capsys):
    code = [block["text"] for block in blocks("README.md") if block["language"] == "python" and not block["title"]]
    (folder / "notebook.py").write_text("\n".join(code), encoding="utf-8")
    runpy.run_path(str(folder / "notebook.py"))
    assert re.search(r"pia\s+0\.\d+", capsys.readouterr().out)


def test_readme_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^    make (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_guide_notebook_runs(folder):
    code = [block["text"] for block in blocks("docs/guide.md") if block["language"] == "python"]
    (folder / "notebook.py").write_text("\n".join(code), encoding="utf-8")
    names = runpy.run_path(str(folder / "notebook.py"))
    assert names["report"].ok
    assert set(names["scores"]["member"]) == {0, 1}
    assert len(names["features"]) > 0


def test_guide_grid_is_valid():
    first = next(block for block in blocks("docs/guide.md") if block["language"] == "toml")
    assert len(Grid.parse(first["text"]).cells) > 50


def test_guide_grid_for_your_own_model_runs(folder):
    """The grid of the guide, on a small model, untrained and said to be, and a few image files in the places it names."""
    second = [block["text"] for block in blocks("docs/guide.md") if block["language"] == "toml"][1]
    save_tiny(folder / "my-model", size=64)
    random = np.random.default_rng(0)
    for side in ("train", "heldout"):
        (folder / "photos" / side).mkdir(parents=True)
        for number in range(8):
            pixels = random.integers(0, 256, (70, 80), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / side / f"{number}.png")
    untrained = second.replace("model='my-model'", "model='my-model', allow_untrained=True")
    assert untrained != second
    assert leakboard.run(Grid.parse(untrained), store="own.db").ok


def test_plugin_tutorial_runs(folder, capsys):
    write_titled("docs/plugins.md", folder)
    assert "brightness" in command("leakboard list distances --plugin mine.py")
    assert "darken" in command("leakboard list defenses --plugin limits.py")
    assert "complete_dssim" in command("leakboard list attacks --plugin attack.py")
    runpy.run_path(str(folder / "check.py"))
    assert "ok" in capsys.readouterr().out
    grid = Grid.of(
        plugins=[folder / "mine.py", folder / "limits.py"],
        dataset="fashion_mnist",
        victim="fashion_ddpm",
        observer="one_shot(steps=1)",
        distance="brightness",
        classifier="threshold",
        defense="darken(factor={0.5, 0.9})",
        run={"samples": 16},
    )

    assert leakboard.run(grid, store="tutorial.db").ok


def test_reference_is_up_to_date():
    made = runpy.run_path(str(ROOT / "docs" / "build_reference.py"))["reference"]()
    assert (ROOT / "docs" / "reference.md").read_text(encoding="utf-8") == made, "run python docs/build_reference.py"


def test_links_between_pages_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
