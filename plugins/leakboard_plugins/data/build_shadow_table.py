"""Ask trained shadow victims about every image of their dataset, and write the table of what they said.

    leakboard train fashion_small --shadows 16 --out shadows
    python -m leakboard_plugins.data.build_shadow_table shadows/shadow-{04..15}/moderate

The victims come in whole pairs of complements, so that each image has as many on either side and the table tells
nobody's members. Those that ship as victims are left out: what is attacked has no say in what it is compared with.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from leakboard import Grid, LeakboardError, Registry, Store, run
from leakboard_plugins.classifiers.lira import Lira, gaussians
from leakboard_plugins.data.shadow_table import TABLE, ShadowTable, image_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from leakboard.api import Array, Mask

SEED = 0
"""Of the run, and so of its noises."""


def table_of(folders: Sequence[Path], t: int, draws: int, plugins: Sequence[Path] = ()) -> ShadowTable:
    """What victims say of all images of their dataset.

    Args:
        folders: pipeline folders of pixel victims of one recipe, each with its manifest.
        t: timestep of the loss.
        draws: noises a sample.
        plugins: files that bring the dataset, if it is not a shipped one.

    Raises:
        LeakboardError: they are not of one recipe, a victim cannot be asked, or an image has not as many victims on
            either side.
    """
    manifests = [json.loads((folder / "manifest.json").read_text(encoding="utf-8")) for folder in folders]
    recipe = _one_recipe(manifests)
    samples = Registry.load(plugins).one("dataset", recipe["dataset"]).only.load()
    member = np.stack([np.isin(samples.ids, manifest["member_ids"]) for manifest in manifests])
    _check_halves(member)
    said = np.stack([_in_order(part, samples.ids) for part in _asked(folders, recipe["dataset"], t, draws, plugins)])
    # the mean squared error is smaller for closer, and features are larger for closer
    known, unknown = gaussians(-said, member, Lira().few)
    numbers = np.column_stack([*known, *unknown])
    digests = [image_digest(image) for image in samples.images]
    order = sorted(range(len(digests)), key=digests.__getitem__)
    origin = {
        "recipe": recipe,
        "manifests": {
            folder.parent.name: hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
            for folder in folders
        },
        "t": t,
        "draws": draws,
        "seed": SEED,
        "few": Lira().few,
    }
    return ShadowTable(tuple(digests[row] for row in order), numbers[order], origin)


def _one_recipe(manifests: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The recipe that all have in common, without its seed."""
    recipes = [{key: value for key, value in each["recipe"].items() if key != "seed"} for each in manifests]
    if any(recipe != recipes[0] for recipe in recipes):
        raise LeakboardError("the shadow victims are of several recipes", expected="folders of one training command")
    return recipes[0]


def _check_halves(member: Mask) -> None:
    uneven = int((2 * member.sum(axis=0) != len(member)).sum())
    if uneven:
        raise LeakboardError(
            f"{uneven} images have more victims on one side than on the other, so the table would tell members",
            expected="whole pairs: shadow-04 with shadow-05, and so on",
        )


def _in_order(features: pd.DataFrame, ids: Sequence[str]) -> Array:
    """The features (N, K) of one victim, by sample."""
    wide = features.pivot_table(index="sample", columns="column", values="value", observed=True)
    return wide.loc[list(ids)].to_numpy()


def _asked(folders: Sequence[Path], dataset: str, t: int, draws: int, plugins: Sequence[Path]) -> list[pd.DataFrame]:
    """The features that ``lira`` would see of each victim, one row a sample and draw."""
    victims = [f"ddpm(model={str(folder)!r}, name='victim {place}')" for place, folder in enumerate(folders)]
    grid = Grid.of(
        dataset=dataset,
        victim=victims,
        observer=f"loss(t={t}, draws={draws})",
        distance="mse",
        classifier="threshold",
        attacker="none",
        run={"samples": 0, "seeds": [SEED]},
        plugins=plugins,
    )
    with TemporaryDirectory() as place:
        store = Store(Path(place) / "store.db", create=True)
        report = run(grid, store)
        if not report.ok:
            raise LeakboardError("shadow victims could not be asked", where=str(folders[0].parent.parent))
        frame = store.features()
    return [frame[frame["victim"] == f"victim {number}"] for number in range(len(folders))]


if __name__ == "__main__":
    table_of([Path(folder) for folder in sys.argv[1:]], t=100, draws=20).write(TABLE)
