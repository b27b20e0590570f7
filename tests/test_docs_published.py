"""The published experiments of the docs are grids that `leakboard plan` accepts once their files are there."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file, save_file

from helpers.dataset_roots import cifar10, cifar100
from helpers.latent_pipelines import save_latent
from helpers.pixel_models import save_tiny
from leakboard.cli import main
from leakboard.grid.grid import Grid

PAGE = (Path(__file__).parents[1] / "docs" / "published.md").read_text(encoding="utf-8")
GRIDS = dict(re.findall(r"^```toml title=(\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
SIDES = {"members": range(10), "nonmembers": range(10, 20)}


def pictures(folder):
    """Twenty photographs in two folders, with COCO's table of captions."""
    for side, rows in (("train", SIDES["members"]), ("heldout", SIDES["nonmembers"])):
        (folder / side).mkdir(parents=True)
        for row in rows:
            pixels = np.random.default_rng(row).integers(0, 256, (12, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / side / f"{row:012d}.jpg")
    table = {
        "images": [{"id": row, "file_name": f"{row:012d}.jpg"} for row in range(20)],
        "annotations": [{"image_id": row, "caption": f"caption {row}"} for row in range(20)],
    }
    (folder / "captions_train2017.json").write_text(json.dumps(table))


def tables(folder):
    """Saved datasets: two splits with a caption each, and pairs of datasets with lists of captions."""
    datasets = pytest.importorskip("datasets")

    def made(rows, **texts):
        images = [{"bytes": None, "path": str(next((folder / "coco").rglob(f"{row:012d}.jpg")))} for row in rows]
        table = datasets.Dataset.from_dict({"image": images, **texts})
        return table.cast_column("image", datasets.Image())

    parts = {
        split: made(rows, text=[f"caption {row}" for row in rows])
        for split, rows in zip(("train", "test"), SIDES.values(), strict=True)
    }
    datasets.DatasetDict(parts).save_to_disk(str(folder / "pokemon"))
    for name in ("coco", "flickr"):
        for part, rows in zip(("members", "heldout"), SIDES.values(), strict=True):
            captions = [[f"caption {row}", f"another of {name}"] for row in rows]  # equal ones are one dataset
            made(rows, captions=captions).save_to_disk(str(folder / f"{name}-{part}"))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Everything that the page names, as small as it can be."""
    folder = tmp_path_factory.mktemp("published")
    (folder / "data").mkdir()
    cifar10(folder / "data")
    cifar100(folder / "data")
    (folder / "member_splits").mkdir()
    for name in ("CIFAR10", "CIFAR100"):
        rows = np.random.default_rng(0).permutation(20)
        np.savez(folder / f"member_splits/{name}_train_ratio0.5.npz", mia_train_idxs=rows[:10], mia_eval_idxs=rows[10:])
    pictures(folder / "coco")
    tables(folder)
    for name in ("ddpm-cifar10-half", "ddpm-cifar100-half", "ddpm-cifar10-32"):
        save_tiny(folder / name, channels=3, size=32)
    for number, name in enumerate(("sd-pokemon", "sd-coco", "sd-flickr")):
        weights = save_latent(folder / name, "sd1") / "unet" / "diffusion_pytorch_model.safetensors"
        moved = {key: value + number / 1000 for key, value in load_file(weights).items()}  # equal ones are one victim
        save_file(moved, weights, {"format": "pt"})
    return folder


def test_the_page_has_the_experiments():
    assert len(GRIDS) >= 6
    assert all(attack in PAGE for attack in ("secmi", "sima", "pia", "loss"))


@pytest.mark.parametrize("name", GRIDS)
def test_a_published_experiment_is_planned_once_its_files_are_there(files, monkeypatch, name):
    monkeypatch.chdir(files)
    text = re.sub(r"^(device|members|nonmembers) = .*\n", "", GRIDS[name], flags=re.MULTILINE)
    (files / name).write_text(text, encoding="utf-8")

    result = CliRunner().invoke(main, ["plan", name, "--store", f"{name}.db"])

    assert result.exit_code == 0, result.output
    assert re.search(r"skipped\s+0\b", result.output)
    for point in {cell.axes["dataset"] for cell in Grid.parse(text).cells}:
        samples = point.only.load()
        assert samples.member.sum() == (20 if "test" in name and "cifar" in name else 10)
        assert samples.prompts[0] == ("caption 0" if "cifar" not in name else samples.prompts[0])


@pytest.mark.parametrize("name", GRIDS)
def test_without_its_files_the_first_that_is_missing_is_named(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(GRIDS[name], encoding="utf-8")

    result = CliRunner().invoke(main, ["plan", name])

    assert result.exit_code != 0
    assert "there is no" in result.output
