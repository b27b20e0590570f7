"""What the tests of training share."""

import hashlib
import json

from leakboard.training import train_recipe


def quiet(what, done, total):
    """Progress that says nothing."""


def train(recipe, dataset, out, progress=quiet):
    """Train and measure with few images."""
    return train_recipe(recipe, dataset, out, progress=progress, generated=8)


def manifest(folder):
    """What is noted beside a checkpoint."""
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def digests(out):
    """Of all files that a training writes before it is measured."""
    files = sorted(path for path in out.rglob("*") if path.is_file() and path.name != "manifest.json")
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
