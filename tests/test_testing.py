"""The contract checks pass for every built-in plugin, and each of them can fail."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.contract_checks import failed, outcome
from helpers.pixel_models import SIZE, save_tiny
from leakboard.api import Classifier, Distance, Samples
from leakboard.registry.find import shared
from leakboard.testing import CheckRow, check_component, summarize

SPECS = {
    "lpips": "lpips(weights='random')",
    "fashion_ddpm": "fashion_ddpm(level='light')",
    "low_pass": "low_pass(of='pia')",
    "latent_mask": "latent_mask(of='pia')",
    "repeats": "repeats(of='loss', n=3)",
    "budget": "budget(queries=10)",
    "dropout": "dropout(of='fashion_small')",
    "base_difference": "base_difference(of='pia')",
    "compiled": "compiled(of='fashion_small')",
    "pruned": "pruned(of='fashion_small')",
    "quantized": "quantized(of='fashion_small')",
    "merged": "merged(models=['fashion_small', \"fashion_small(level='untrained')\"])",
}
BUILT_IN = [
    (kind, SPECS.get(name, name))
    for kind, classes in shared(()).classes.items()
    for name in classes
    if name
    not in {
        "folder",
        "ddpm",
        "flow",
        "stable_diffusion",
        "hf",
        "cifar10",
        "cifar100",
        "stl10",
        "celeba",
        "imagenet",
        "arrays",
        "diffpure",
        "copied",
        "http",
        "replay",
    }
]


VELOCITY = "predicted velocity, independent of the batch"
ADAPTED = "the base under an adapter"
ON_A_SCHEDULE = ("fashion_ddpm(level='light')", "fashion_small", "fashion_sd", "emoji_sd", "openclipart_sd")
FLIPPED, SHADOWS_FLIPPED = "labels flip the ranking", "labels of shadow victims flip the ranking"
BATCH = "independent of the batch"
UNFITTED = [
    "one finite score a sample", "features that never vary", "members score higher", FLIPPED,
    "labels matter to those that train alone", "told the names of columns", "independent of the batch",
    "repeatable, inputs untouched", "learns from shadow victims", SHADOWS_FLIPPED,
    "shadow attacks score each sample by itself",
]  # fmt: skip
"""What a classifier that takes the pairs of one observer alone has no answer to."""
OF_ITS_TABLE = [
    "pairs fit each other and the declared space", "same pairs and cost for any batch size",
    "independent of the batch", "repeatable, images untouched", "within the declared access",
    "blind to membership", "sends no image that was defended already",
]  # fmt: skip
"""What an observer cannot show on images that no shadow victim was asked about; with their table it shows all."""
DECLINED = {
    "loss_beside_shadows": OF_ITS_TABLE,
    "lira_columns": UNFITTED,
    "threshold": [FLIPPED, SHADOWS_FLIPPED],
    "farther": ["members score higher", FLIPPED, "learns from shadow victims", SHADOWS_FLIPPED],
    "weighted": UNFITTED,
    "fluctuation": UNFITTED,
    "clid": UNFITTED,
    "ratio": ["one finite score a sample", FLIPPED, SHADOWS_FLIPPED],
    "resnet": [FLIPPED, SHADOWS_FLIPPED],
    "fashion_flow": ["noise schedule", "predicted noise, independent of the batch", "gradients", ADAPTED],
    "quantile": [FLIPPED, SHADOWS_FLIPPED],
    "lira": [FLIPPED, BATCH],
    "lira_offline": [FLIPPED, BATCH, SHADOWS_FLIPPED],
    "rmia": [FLIPPED, BATCH, SHADOWS_FLIPPED, "shadow attacks score each sample by itself"],
    "calibrated_loss": [FLIPPED, BATCH, SHADOWS_FLIPPED],
    "value": ["closer measures closer"],
    **{key: [VELOCITY, ADAPTED] for key in ON_A_SCHEDULE},
    **{SPECS[name]: [VELOCITY, ADAPTED] for name in ("compiled", "merged", "pruned", "quantized")},
    "dropout(of='fashion_small')": [VELOCITY, "gradients", ADAPTED],
}


@pytest.mark.parametrize(("kind", "spec"), BUILT_IN, ids=[spec for _, spec in BUILT_IN])
def test_built_in_plugins_keep_to_the_contract(kind, spec, clothes):
    drawn = {"emoji_sd": "emoji", "openclipart_sd": "openclipart"}
    given = shared(()).one("dataset", drawn[spec]).only.load() if spec in drawn else clothes
    rows = check_component(shared(()).one(kind, spec).only, given)

    assert len(rows) >= 9
    declined = [row.check for row in rows if row.outcome == "declined"]
    assert declined == DECLINED.get(spec, []), summarize(rows)
    assert not [row for row in rows if row.outcome == "failed"], summarize(rows)


def test_the_folder_dataset_keeps_to_the_contract(tmp_path):
    random = np.random.default_rng(0)
    for side in ("members", "nonmembers"):
        (tmp_path / side).mkdir()
        for number in range(8):
            pixels = random.integers(0, 256, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / side / f"{number}.png")
    folders = {side: str(tmp_path / side) for side in ("members", "nonmembers")}
    rows = check_component(shared(()).classes["dataset"]["folder"](**folders))

    assert {row.outcome for row in rows} == {"ok"}, summarize(rows)


def test_the_arrays_dataset_keeps_to_the_contract(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", images=pixels, member=np.arange(16) < 8)
    rows = check_component(shared(()).classes["dataset"]["arrays"](path=str(tmp_path / "images.npz")))

    assert {row.outcome for row in rows} == {"ok"}, summarize(rows)


def test_the_ddpm_victim_keeps_to_the_contract(tmp_path):
    images = torch.rand((8, 1, SIZE, SIZE), generator=torch.Generator().manual_seed(0))
    samples = Samples(tuple("abcdefgh"), images, np.arange(8) < 4)
    rows = check_component(shared(()).classes["victim"]["ddpm"](model=str(save_tiny(tmp_path / "model"))), samples)

    assert {row.check for row in rows if row.outcome == "declined"} == {VELOCITY, ADAPTED}, summarize(rows)
    assert not [row for row in rows if row.outcome == "failed"]


def test_purification_keeps_to_the_contract(tmp_path):
    """With a victim of the size and colours that the checks show; other images it declines."""
    folder = save_tiny(tmp_path / "model", channels=3, size=32)
    rows = check_component(shared(()).one("defense", f"diffpure(victim=\"ddpm(model='{folder}')\", steps=2)").only)

    assert {row.check: row.outcome for row in rows if row.outcome != "ok"} == {
        "grey images": "declined",
        "images that are not square": "declined",
    }, summarize(rows)


def test_a_class_is_checked_with_its_defaults_or_told_to_need_an_instance():
    psnr, folder = shared(()).classes["distance"]["psnr"], shared(()).classes["dataset"]["folder"]

    assert {row.outcome for row in check_component(psnr)} == {"ok"}
    assert outcome(check_component(folder), "the same every time") == (
        "declined",
        "it needs parameters: check an instance",
    )


def test_a_victim_without_samples_is_not_asked():
    rows = check_component(shared(()).one("victim", "fashion_ddpm(level='light')").only)

    assert outcome(rows, "noise schedule")[0] == "declined"


def test_the_summary_counts_every_outcome():
    rows = [CheckRow("one", "ok"), CheckRow("two", "failed", "why"), CheckRow("three", "declined", "because")]

    lines = summarize(rows).splitlines()
    assert lines[1] == "  failed  two: why"
    assert lines[-1] == "3 checks: 1 ok, 1 failed, 1 declined"


@dataclass(frozen=True, kw_only=True)
class Declining(Classifier):
    """Declines one check that exists and one that does not."""

    name: ClassVar[str] = "declining"
    trains: ClassVar[bool] = False
    declined_checks: ClassVar[dict[str, str]] = {"labels flip the ranking": "it guesses", "no such check": "typo"}

    def fit(self, features, member, columns):
        return lambda unseen: unseen.sum(axis=1)


def test_a_declined_check_shows_its_reason_and_a_wrong_name_is_a_failure():
    rows = check_component(Declining())

    assert outcome(rows, "labels flip the ranking") == ("declined", "it guesses")
    assert failed(Declining()) == {"no such check", "importing it imports no torch"}


# Each class below breaks the contract in its own way; this module imports torch, which is one way more.


def test_one_reason_is_said_once_and_its_traceback_where_it_is_asked_for():
    rows = [
        CheckRow("one", "failed", "KeyError: x (p.py, line 3)", "Traceback\n  p.py"),
        CheckRow("two", "failed", "KeyError: x (p.py, line 3)", "Traceback\n  p.py"),
        CheckRow("three", "ok"),
    ]
    short = summarize(rows).splitlines()
    assert short[:3] == ["  failed  one: KeyError: x (p.py, line 3)", "  failed  two: as one", "      ok  three"]
    assert summarize(rows, tracebacks=True).count("Traceback") == 1


def test_what_a_plugin_raised_has_its_place_and_its_traceback():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Sad(Distance):
        """Sad."""

        name: ClassVar[str] = "sad"

        def measure(self, pair):
            raise ArithmeticError("no number today")

    failed = [row for row in check_component(Sad()) if "no number today" in row.detail]
    assert failed
    assert all(__file__ in row.detail and "no number today" in row.traceback for row in failed)
