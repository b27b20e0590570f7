"""From a victim to features, with a real diffusion model.

Bits depend on batch size and number of threads (other kernels are chosen), on nothing else.
"""

import json

import numpy as np
import pytest

import leakboard
from leakboard.artifacts import Artifacts
from leakboard.grid import Grid
from leakboard.limits import Allowance
from leakboard.observing import Column, _measure
from leakboard.store import Store
from tinygrid import numbers, payloads, same, tiny


def real(**tables):
    axes = {
        "dataset": "fashion_mnist",
        "victim": "fashion_ddpm(level='light')",
        "defense": ["none", "gaussian_noise(sigma=0.1)"],
        "observer": ["one_shot(steps=2)", "complete(steps=3)"],
        "distance": ["psnr", "rmse"],
        "classifier": "threshold",
        "attack": ["pia"],
    }
    run = {"samples": 12, "shard": 12, "batch": 8, **tables.pop("run", {})}
    return Grid.of(**{**axes, **tables}, run=run)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The grid in one process with one thread, undisturbed."""
    store = Store(tmp_path_factory.mktemp("reference") / "store.db")
    assert leakboard.run(real(), store, threads=1).ok
    return store


def by_sample(store):
    """Features by what they are and the sample they belong to, whatever the shards."""
    found = {}
    for entry in Artifacts(store.artifacts).list():
        tensors, meta = Artifacts(store.artifacts).get(entry.key)
        if "values" in tensors:
            what = (meta["victim"], meta["defense"], meta["observer"], meta["distance"], meta["seed"])
            found.update(
                {(*what, name): row for name, row in zip(json.loads(meta["ids"]), tensors["values"], strict=True)}
            )
    return found


def test_a_worker_process_and_another_order_change_no_bit(tmp_path, reference):
    store = Store(tmp_path / "store.db")
    grid = real(observer=["complete(steps=3)", "one_shot(steps=2)"], distance=["rmse", "psnr"])
    assert leakboard.run(grid, store, executor="processes", workers=1, threads=1).ok
    assert same(payloads(store, "features"), payloads(reference, "features"))
    assert same(payloads(store, "scores"), payloads(reference, "scores"))
    assert numbers(store).equals(numbers(reference))


def test_features_made_in_two_runs_have_the_bits_of_one(tmp_path, reference):
    store = Store(tmp_path / "store.db")
    leakboard.run(real().select(only=["observer=complete*"], skip=["distance=psnr*"]), store, threads=1)
    leakboard.run(real(), store, threads=1)
    assert same(payloads(store, "features"), payloads(reference, "features"))


@pytest.mark.parametrize("run", [{"batch": 24}, {"batch": 5}, {"shard": 7}])
def test_other_batches_and_shards_agree_to_rounding(tmp_path, reference, run):
    store = Store(tmp_path / "store.db")
    assert leakboard.run(real(run=run), store, threads=1).ok
    found, expected = by_sample(store), by_sample(reference)
    assert found.keys() == expected.keys()
    for key, row in found.items():
        assert np.allclose(row, expected[key], rtol=1e-4, atol=1e-4), key


def test_monotone_distances_of_one_pair_rank_alike(tmp_path):
    """RMSE, MSE and PSNR are functions of each other, so a threshold on one pair gives one and the same AUC."""
    store = Store(tmp_path / "store.db")
    grid = real(observer="one_shot(steps=2)", distance=["rmse", "mse", "psnr"], attack=["loss"], run={"samples": 24})
    assert leakboard.run(grid, store, threads=1).ok
    frame = store.results()
    aucs = frame[(frame["measure"] == "auc") & (frame["attack"].astype(str) == "")].groupby("defense", observed=True)[
        "value"
    ]
    assert aucs.size().tolist() == [3, 3]
    assert aucs.nunique().tolist() == [1, 1]


def test_noise_at_both_images_differs_from_image_to_image(tmp_path):
    """A random defense before the distance is drawn anew for each of the two images and for every pair."""
    store = Store(tmp_path / "store.db")
    grid = tiny(
        defense="fog(share=0.01, at='both')", observer=["glance(strength=0.0, steps=2)"], victim="linear(gain=0.0)"
    )
    leakboard.run(grid, store)
    values = np.concatenate(list(payloads(store, "features").values()))
    assert (values > 0.001).all()  # the victim returns the image itself: only the defense can make a difference
    assert (values[:, 0] != values[:, 1]).all()


def test_a_distance_cannot_spoil_the_pair_for_the_next():
    import torch

    from leakboard.api import Pair
    from leakboard.registry import shared
    from leakboard.tasks import Wanted
    from tinygrid import PLUGIN

    registry = shared((str(PLUGIN),))
    pair = Pair(torch.ones(4, 1, 8, 8), torch.zeros(4, 1, 8, 8), "pair")
    wanted = Wanted("key", 0, "none", "observer", "distance")
    bad, good = (
        Column(wanted, registry.one("distance", spec).only, Allowance(0))
        for spec in ("a_bad_distance(how='in place')", "gap")
    )
    _measure(bad, pair)
    _measure(good, pair)
    assert good.values[0].tolist() == [1, 1, 1, 1]
