"""Everything that README and docs show is run here."""

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import save_file

import leakboard
from helpers.dataset_roots import cifar10
from helpers.pixel_models import save_tiny
from leakboard.api import AXES, Extension, member_digest
from leakboard.cli import main
from leakboard.digests import file_digest
from leakboard.grid.grid import Grid
from leakboard.registry.find import Registry
from leakboard.store.answers import answers_in
from leakboard_plugins.datasets import Cifar10

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


def test_guide_axes_that_are_tuned_are_valid():
    axes = 'dataset = "fashion_mnist"\nvictim = "fashion_ddpm(level=\'heavy\')"\ndistance = "lp(p=4.0)"\n'
    (cell,) = Grid.parse(f"[grid]\n{axes}{titled('docs/guide.md', 'tuned.toml')}").cells
    assert len(cell.alternatives) == 12


def test_guide_grid_for_your_own_model_runs(folder):
    """The grid of the guide, on a small model, untrained and said to be, and a few image files in the places it names."""
    second = titled("docs/guide.md", "own.toml")
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


def test_grids_of_victims_behind_an_api_are_planned_and_their_price_told(folder):
    """And that of the page which replays, once there are answers of that API."""
    write_titled("docs/api_victims.md", folder)
    told = command("leakboard plan api.toml --store api.db")
    page = (ROOT / "docs" / "api_victims.md").read_text(encoding="utf-8")

    assert re.search(r"`(money: [^`]+)`", page)[1] in told
    (victim,) = {cell.victim.only for cell in Grid.load("api.toml").cells}
    answers_in(leakboard.Store("api.db", create=True).artifacts).introduce(victim.api().told())
    assert re.search(r"todo +8\n", command("leakboard plan replay.toml --store again.db"))


def titled(page, title):
    """The text of the one block of a page that has this title."""
    (text,) = (block["text"] for block in blocks(page) if block["title"] == title)
    return text


def save_victim(folder, split_seed):
    """A small model of CIFAR-10, untrained, whose manifest lists another half of the images for every seed."""
    save_tiny(folder, channels=3, size=32)
    samples = Cifar10(root="images", split_seed=split_seed).load()
    members = [name for name, flag in zip(samples.ids, samples.member, strict=True) if flag]
    (weights,) = folder.rglob("*.safetensors")
    described = {"file": str(weights.relative_to(folder)), "sha256": file_digest(weights)}
    manifest = {"member_digest": member_digest(members), "member_ids": members, "weights": described}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_guide_grid_of_attackers_runs(folder):
    """Each attacker of the page, on small models that stand in for the victim and its shadows."""
    (folder / "images").mkdir()
    cifar10(folder / "images")
    for seed, name in enumerate(("my-model", "shadow-1", "shadow-2")):
        save_victim(folder / name, seed)
    grid = re.sub(r"(model='[\w-]+')", r"\1, allow_untrained=True", titled("docs/guide.md", "attackers.toml"))

    assert leakboard.run(Grid.parse(grid), store="attackers.db").ok
    results = leakboard.Store("attackers.db", create=True).results()
    kinds = results["attacker"].str.partition("(")[0]
    assert set(kinds) == {"adaptive", "none", "shadow"}
    assert "balanced_accuracy" not in set(results[kinds == "none"]["measure"])


def test_guide_grid_of_budgets_ends_as_the_page_says_and_is_measured_again(folder):
    write_titled("docs/guide.md", folder)
    write_titled("docs/plugins.md", folder)
    grid = folder / "budgets.toml"
    grid.write_text(grid.read_text() + 'attacker = ["adaptive", "naive"]\n')
    command(f"leakboard run {grid} --store my.db --executor serial")
    cells = leakboard.Store("my.db", create=True).cells()
    naive, limited = (
        cells[(cells["defense"] != "none") & (cells["attacker"] == attacker)].set_index("observer")
        for attacker in ("naive", "adaptive")
    )

    assert limited["status"].to_dict() == {"loss(draws=8)": "done", "pia": "done", "secmi": "skipped"}
    assert naive["status"].to_dict() == limited["status"].to_dict()
    assert naive.loc["loss(draws=8)", "note"].endswith("on the first 4 of 8 columns")
    assert limited.loc["loss(draws=8)", "nfe"] == 4
    assert limited["note"].astype(bool).to_dict() == {"loss(draws=8)": True, "pia": False, "secmi": False}

    again = "budgets.toml --store my.db --plugin advantage.py"
    assert re.search(r"measured again +7\n", command(f"leakboard plan {again}"))
    assert " 0 denoiser evaluations paid" in command(f"leakboard run {again}")
    assert (leakboard.Store("my.db", create=True).results()["measure"] == "advantage").sum() == 7


def known_images(folder):
    """The members of the tutorial's dataset, where its victim looks for what it remembers."""
    samples = runpy.run_path(str(folder / "stripes.py"))["Stripes"]().load()
    save_file({"known": samples.images[torch.tensor(samples.member)].contiguous()}, folder / "known.safetensors")
    return "nearest(weights='known.safetensors')"


def examples():
    """File names of the plugin modules on the page."""
    return [block["title"] for block in blocks("docs/plugins.md") if "hookimpl" in block["text"]]


def test_the_plugin_page_shows_every_kind(folder):
    write_titled("docs/plugins.md", folder)
    registry = Registry.load(examples())
    brought = {kind for (kind, _), source in registry.sources.items() if source in examples()}

    assert brought == {*AXES, *get_args(Extension)}


def test_plugin_examples_keep_the_contract(folder):
    write_titled("docs/plugins.md", folder)
    registry = Registry.load(examples())
    names = {name: source for (kind, name), source in registry.sources.items() if source in examples()}
    names[known_images(folder)] = f"{names.pop('nearest')} --dataset stripes --plugin stripes.py"
    for name, source in names.items():
        if name == "complete_dssim":
            command(f"leakboard show {name} --plugin {source}")
        else:
            assert "0 failed" in command(f'leakboard check "{name}" --plugin {source}')


def test_show_prints_what_the_plugin_page_says(folder):
    write_titled("docs/plugins.md", folder)

    assert (folder / "darken.txt").read_text() in command("leakboard show darken --plugin darken.py")


def test_plugin_tutorial_runs(folder, capsys):
    """The plugins of the page together in a grid, on an executor and with a page of their own."""
    write_titled("docs/plugins.md", folder)
    runpy.run_path(str(folder / "check.py"))
    assert "0 failed" in capsys.readouterr().out
    grid = Grid.of(
        plugins=[folder / name for name in examples()],
        dataset="stripes",
        victim=known_images(folder),
        observer="mirrored",
        distance="brightness",
        classifier="contrast",
        defense=["none", "darken(factor={0.5, 0.9})"],
    )

    assert leakboard.run(grid, store="tutorial.db", executor="pool", workers=2).ok
    measures = leakboard.Store("tutorial.db", create=True).results().groupby("measure")["value"]
    assert measures.count()["advantage"] == 3
    assert measures.max()["auc"] > 0.7, "the victim remembers its members, and no mirror image"
    command("leakboard report tutorial.db --out report --plugin hardest.py")
    assert "The ten lowest AUCs" in (folder / "report" / "hardest.html").read_text()


def test_plugin_distribution_is_found(folder):
    """The files of the page as a wheel: whoever installs it has the plugins."""
    write_titled("docs/plugins.md", folder)
    package = folder / "src" / "leakboard_examples"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    for name in examples():
        (folder / name).rename(package / name)
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel"], check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "installed")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder / "installed"), *sys.path])}
    listed = subprocess.run(
        [sys.executable, "-m", "leakboard", "list", "--json"],
        check=True, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    rows = [row for row in json.loads(listed.stdout) if row["source"].startswith("leakboard-examples 0.1.0")]

    assert {row["source"].rpartition(".")[2].removesuffix(")") + ".py" for row in rows} == {*examples()}


def test_reference_is_up_to_date():
    made = runpy.run_path(str(ROOT / "docs" / "build_reference.py"))["reference"]()
    assert (ROOT / "docs" / "reference.md").read_text(encoding="utf-8") == made, "run python docs/build_reference.py"


def test_links_between_pages_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


PATH = re.compile(r"`([\w.-]+(?:/[\w.-]+)*(?:/|\.(?:py|toml|md|svg)))(?:::(\w+))?`")
"""A path in backticks: a folder ends with a slash, a file with what it is; after two colons, a name in it."""


def found(path):
    """Where a path of the architecture page leads: into the harness, or from the root of the repository."""
    places = [base / path for base in (ROOT / "bench" / "leakboard", ROOT) if (base / path).exists()]
    return places[0] if places else None


def test_whatever_the_architecture_page_names_is_there():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = PATH.findall(text)
    assert len(named) > 80

    assert {path for path, _ in named if found(path) is None} == set()
    for path, name in named:
        assert not name or re.search(rf"^(def|class) {name}\b", found(path).read_text("utf-8"), re.MULTILINE), name


def test_every_room_is_on_the_architecture_page_and_in_its_picture():
    rooms = {path.parent.name for path in (ROOT / "bench" / "leakboard").glob("*/__init__.py")}
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    picture = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")

    assert {room for room in rooms if f"| `{room}/` |" not in page or f">{room}/<" not in picture} == set()
