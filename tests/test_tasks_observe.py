"""From a victim to features, with a real diffusion model.

Bits depend on batch size and number of threads (other kernels are chosen), on nothing else.
"""

import json

import numpy as np
import pytest
import torch

import leakboard
from helpers.pretended_gpu import PretendedGpu
from helpers.tiny_grids import PLUGIN, numbers, payloads, same, tiny
from leakboard.api import Model, Pair
from leakboard.grid.grid import Grid
from leakboard.oracle.memo import Memo
from leakboard.registry.find import shared
from leakboard.store import Store
from leakboard.store.artifacts import Artifacts
from leakboard.tasks import worker
from leakboard.tasks.columns import Column, measure
from leakboard.tasks.task import Wanted
from leakboard.tasks.time_limits import Allowance


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
    store = Store(tmp_path_factory.mktemp("reference") / "store.db", create=True)
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
    store = Store(tmp_path / "store.db", create=True)
    grid = real(observer=["complete(steps=3)", "one_shot(steps=2)"], distance=["rmse", "psnr"])
    assert leakboard.run(grid, store, executor="processes", workers=1, threads=1).ok
    assert same(payloads(store, "features"), payloads(reference, "features"))
    assert same(payloads(store, "scores"), payloads(reference, "scores"))
    assert numbers(store).equals(numbers(reference))


def test_features_made_in_two_runs_have_the_bits_of_one(tmp_path, reference):
    store = Store(tmp_path / "store.db", create=True)
    leakboard.run(real().select(only=["observer=complete*"], skip=["distance=psnr*"]), store, threads=1)
    leakboard.run(real(), store, threads=1)
    assert same(payloads(store, "features"), payloads(reference, "features"))


@pytest.mark.parametrize("run", [{"batch": 24}, {"batch": 5}, {"shard": 7}])
def test_other_batches_and_shards_agree_to_rounding(tmp_path, reference, run):
    store = Store(tmp_path / "store.db", create=True)
    assert leakboard.run(real(run=run), store, threads=1).ok
    found, expected = by_sample(store), by_sample(reference)
    assert found.keys() == expected.keys()
    for key, row in found.items():
        assert np.allclose(row, expected[key], rtol=1e-4, atol=1e-4), key


def test_monotone_distances_of_one_pair_rank_alike(tmp_path):
    """RMSE, MSE and PSNR are functions of each other, so a threshold on one pair gives one and the same AUC."""
    store = Store(tmp_path / "store.db", create=True)
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
    store = Store(tmp_path / "store.db", create=True)
    grid = tiny(
        defense="fog(share=0.01, at='both')", observer=["glance(strength=0.0, steps=2)"], victim="linear(gain=0.0)"
    )
    leakboard.run(grid, store)
    values = np.concatenate(list(payloads(store, "features").values()))
    assert (values > 0.001).all()  # the victim returns the image itself: only the defense can make a difference
    assert (values[:, 0] != values[:, 1]).all()


@pytest.mark.parametrize("side", ["reference", "observation"])
def test_a_defense_before_the_distance_acts_on_both_images(tmp_path, side):
    """One alone would measure the defense and not the victim: the victim gives back the image itself here."""
    store = Store(tmp_path / "store.db", create=True)
    grid = tiny(
        defense="gaussian_blur(at='both')", observer=["glance(strength=0.0, steps=1)"], victim="linear(gain=0.0)"
    )
    with pytest.MonkeyPatch.context() as patch:
        seen = []
        gap = type(shared((str(PLUGIN),)).one("distance", "gap").only)
        inner = gap.measure
        patch.setattr(gap, "measure", lambda self, pair: seen.append(pair) or inner(self, pair))
        assert leakboard.run(grid, store).ok
    samples = shared((str(PLUGIN),)).one("dataset", "tiny").only.load()
    blurred = shared(()).one("defense", "gaussian_blur").only.apply(samples.images, None)
    rows = {tuple(image.flatten().round(decimals=4).tolist()) for image in blurred}
    assert seen
    for pair in seen:
        assert {tuple(image.flatten().round(decimals=4).tolist()) for image in getattr(pair, side)} <= rows


def test_features_of_two_seeds_are_two(tmp_path):
    """They differ in noise, and one must never be taken for the other."""
    store = Store(tmp_path / "store.db", create=True)
    grid = tiny(observer=["loss"], distance=["lp"], run={"seeds": [0, 1], "shard": 48})
    plan = leakboard.plan(grid, store)
    wanted = [want for task in plan.observe for want in task.wanted]
    assert {want.seed for want in wanted} == {0, 1}
    assert len({want.key for want in wanted}) == 2

    leakboard.run(grid, store)
    first, second = payloads(store, "features").values()
    assert not np.array_equal(first, second)


def test_an_attack_is_billed_for_what_another_had_paid_for(tmp_path):
    """The dearer observer runs first and leaves nothing to pay; both bear the price they would have alone."""

    def costs(*observers):
        store = Store(tmp_path / f"{len(observers)}{observers[0][:6]}.db", create=True)
        assert leakboard.run(tiny(observer=list(observers), distance=["gap"], classifier=["mean"]), store).ok
        cells = store.cells()
        return {row.observer: (row.queries, row.nfe) for row in cells.itertuples()}

    alone = costs("glance") | costs("peek")
    assert costs("glance", "peek") == alone
    assert min(nfe for _, nfe in alone.values()) > 0


def test_a_distance_cannot_spoil_the_pair_for_the_next():
    registry = shared((str(PLUGIN),))
    pair = Pair(torch.ones(4, 1, 8, 8), torch.zeros(4, 1, 8, 8), "pair")
    wanted = Wanted("key", 0, "none", "observer", "distance")
    bad, good = (
        Column(wanted, registry.one("distance", spec).only, Allowance(0))
        for spec in ("a_bad_distance(how='in place')", "gap")
    )
    answers = Memo(Model(), 4)
    measure(bad, pair, answers)
    measure(good, pair, answers)
    assert good.values[0].tolist() == [[1], [1], [1], [1]]


@pytest.fixture
def observed(tmp_path):
    """Runs the observation tasks of a grid in this process and gives their outcomes and features."""

    def observed(grid, name="artifacts"):
        plan = leakboard.plan(grid, artifacts=tmp_path / name)
        outcomes = [worker.work(task) for task in plan.observe]
        assert {answer.error for outcome in outcomes for answer in outcome.parts} == {""}
        artifacts = Artifacts(tmp_path / name)
        return outcomes, {key: artifacts.get(key)[0]["values"] for task in plan.observe for key in keys(task)}

    worker.forget()
    yield observed
    worker.forget()


def keys(task):
    return [wanted.key for wanted in task.wanted]


@pytest.fixture
def denoised(monkeypatch):
    """Sizes of the batches that tiny's victim denoises; it has memory for five samples."""
    model = type(shared((str(PLUGIN),)).one("victim", "linear").only.open("cpu"))
    denoise, sizes = model.denoise, []

    def limited(self, state, timestep):
        sizes.append(len(state))
        if len(state) > 5:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return denoise(self, state, timestep)

    monkeypatch.setattr(model, "denoise", limited)
    return sizes


def test_a_task_on_another_device_keeps_no_more_than_a_batch_there(observed):
    """Images, defenses, what observers make of them and what is remembered stay where they were read."""
    axes = {
        "observer": ["glance", "peek(noisy=True)", "loss", "blind"],
        "defense": ["none", "gaussian_blur + fog(at='output') + fog(at='both')", "fog(at='output')"],
        "distance": ["gap", "lp", "psnr"],
    }
    grid = tiny(**axes, run={"shard": 16, "batch": 3, "samples": 20})
    _, expected = observed(grid, "here")
    with PretendedGpu() as gpu:
        _, found = observed(grid.on("cuda"), "there")
    assert gpu.rows == 3
    assert found.keys() == expected.keys()
    for key, values in found.items():
        np.testing.assert_allclose(values, expected[key], rtol=1e-5, err_msg=key)


def test_images_are_measured_where_the_victim_computes_and_the_rest_at_home(observed, monkeypatch):
    seen = []
    for spec in ("psnr", "lp"):
        distance = type(shared(()).one("distance", spec).only)
        measure = distance.measure
        monkeypatch.setattr(
            distance,
            "measure",
            lambda self, pair, measure=measure: (
                seen.append((pair.space, pair.reference.device.type, len(pair.reference))) or measure(self, pair)
            ),
        )
    grid = tiny(observer=["blind", "loss"], distance=["psnr", "lp"], run={"shard": 48, "batch": 30})
    with PretendedGpu():
        observed(grid.on("cuda"))
    assert set(seen) == {("image", "cuda", 30), ("image", "cuda", 18), ("noise", "cpu", 48)}


def test_a_distance_that_runs_out_of_memory_is_given_fewer_images(observed, monkeypatch):
    gap = type(shared((str(PLUGIN),)).one("distance", "gap").only)
    measure, sizes = gap.measure, []

    def limited(self, pair):
        sizes.append(len(pair.reference))
        if len(pair.reference) > 5:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return measure(self, pair)

    monkeypatch.setattr(gap, "measure", limited)
    with PretendedGpu():
        observed(tiny(observer="peek", run={"shard": 48, "batch": 16}).on("cuda"))
    assert sizes == [16, 8, *[4] * 12]


def test_the_batch_that_a_victim_has_memory_for_is_known_to_its_next_task(observed, denoised):
    grid = tiny(observer="peek", run={"shard": 16, "batch": 16})
    outcomes, _ = observed(grid)
    assert denoised == [16, 8, *[4] * 12]
    assert [outcome.batch for outcome in outcomes] == [4, 4, 4]

    denoised.clear()
    observed(tiny(observer="peek", victim="linear(gain=0.5)", run={"shard": 48, "batch": 16}))
    assert denoised[:3] == [16, 8, 4]


def test_a_smaller_batch_that_is_wished_for_is_kept_to(observed, denoised):
    observed(tiny(observer="peek", run={"batch": 16}))
    denoised.clear()
    observed(tiny(observer="peek(noisy=True)", run={"batch": 2}))
    assert set(denoised) == {2}


def test_a_new_run_tries_the_full_batch_again(observed, denoised):
    observed(tiny(observer="peek", run={"batch": 16}))
    worker.forget()
    denoised.clear()
    observed(tiny(observer="peek", run={"batch": 16}), "again")
    assert denoised[:3] == [16, 8, 4]


def test_a_refusal_ends_a_series_and_stands_beside_its_result(tmp_path):
    """What was learnt before is the result; where that is nothing, the cell says so and shows no number."""
    store = Store(tmp_path / "store.db", create=True)
    grid = real(
        observer=["progressive(access='black', steps=3)", "loss(draws=3)"],
        distance=["psnr", "lp"],
        defense=["budget(queries=2)", "budget(evaluations=2)"],
        attacker=["adaptive", "naive"],
        attack=["sima"],
    )
    leakboard.run(grid, store, threads=1)
    cells = store.cells()
    found = cells[cells["distance"] == "lp"].set_index(["defense", "observer", "attacker"])
    two = found.loc[("budget(queries=2)", "progressive(steps=3, access='black')", "adaptive")]
    assert (two["status"], two["queries"], two["nfe"]) == ("done", 2, 6)
    assert two["note"] == "budget(queries=2) refused more after 2 queries a sample"
    assert found.loc[("budget(queries=2)", "loss(draws=3)", "adaptive")]["queries"] == 2
    nothing = found.loc[("budget(evaluations=2)", "progressive(steps=3, access='black')", "adaptive")]
    assert nothing["status"] == "skipped"
    assert "refused before there was anything to measure: budget(evaluations=2)" in nothing["error"]
    naive = found.loc[("budget(queries=2)", "progressive(steps=3, access='black')", "naive")]
    assert (naive["status"], naive["queries"]) == ("done", 2)
    assert naive["note"] == f"{two['note']}; calibrated and evaluated on the first 2 of 3 columns"
    assert set(store.results()["cell"]) == set(cells[cells["status"] == "done"]["cell"])


ROWS = """
from dataclasses import dataclass
from typing import ClassVar
import torch
from leakboard.api import Access, Observer, Pair, Space
from leakboard.hookspecs import hookimpl

@dataclass(frozen=True, kw_only=True)
class Places(Observer):
    \"\"\"Looks at where a sample stands, who stands beside it, and what it is called, as far as it can see.\"\"\"

    name: ClassVar[str] = "places"
    access: ClassVar[Access] = "black"
    space: ClassVar[Space] = "statistic"

    def observe(self, oracle):
        row = torch.arange(len(oracle.originals), dtype=torch.float64)
        names = torch.tensor([int(sample[:8], 16) for sample in oracle.samples.ids], dtype=torch.float64)
        told = torch.tensor([float("member" in sample) for sample in oracle.samples.ids], dtype=torch.float64)
        seen = torch.stack([row % 2, row, names / 2**32, told, torch.from_numpy(oracle.samples.member).double()], 1)
        yield Pair(torch.zeros_like(seen), seen, "place")

@hookimpl
def leakboard_observers():
    return [Places]
"""


def test_what_an_observer_sees_beside_the_images_tells_nothing(tmp_path):
    """Rows alternated once, and an observer of their parity was always right."""
    plugin = tmp_path / "places.py"
    plugin.write_text(ROWS.replace('"place")', '"place", "statistic")'), encoding="utf-8")
    grid = Grid.of(
        plugins=[plugin],
        dataset="fashion_mnist",
        victim="fashion_ddpm(level='untrained')",
        observer="places",
        distance="value",
        classifier=["logistic_regression", "decision_tree"],
        run={"samples": 256},
    )
    store = Store(tmp_path / "store.db", create=True)
    assert leakboard.run(grid, store).ok
    aucs = store.results().query("measure == 'auc'")
    assert len(aucs) == 2
    assert (aucs["low"] < 0.5).all()
    assert (aucs["high"] > 0.5).all()
