"""What shadow victims said, in a table: made of trained ones, found by pixels, and as good as having them at hand."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import torch
from diffusers import DDPMPipeline, DDPMScheduler

import leakboard
from helpers import trainings
from helpers.oracles import make_door, make_samples
from helpers.pixel_models import tiny_unet
from helpers.trainings import Stripes
from leakboard.api import LeakboardError, Unsupported, member_digest
from leakboard.grid.grid import Grid
from leakboard.oracle import quality_gate
from leakboard.oracle.twin import CountingTwin, placeholder_samples
from leakboard.store import Store
from leakboard.testing import check_component, checks, summarize
from leakboard.training.shadows import half
from leakboard_plugins.classifiers.lira_columns import LiraColumns
from leakboard_plugins.data import shadow_table
from leakboard_plugins.data.build_shadow_table import table_of
from leakboard_plugins.data.shadow_table import NUMBERS, ShadowTable, image_digest, read_table
from leakboard_plugins.distances.mse import Mse
from leakboard_plugins.distances.value import Value
from leakboard_plugins.observers.loss import Loss
from leakboard_plugins.observers.loss_beside_shadows import LossBesideShadows
from leakboard_plugins.victims.folders.layout import WEIGHTS
from leakboard_plugins.victims.pixel.ddpm import Ddpm
from leakboard_plugins.victims.pixel.model import PixelModel

PLUGIN = """
from helpers.trainings import Stripes
from leakboard import hookimpl


@hookimpl
def leakboard_datasets():
    return [Stripes]
"""
COLUMNS = ("t=100 closeness", *(f"t=100 {name}" for name in NUMBERS))


def save_shadow(folder, number, ids):
    """A network like no other, and the manifest of a shadow victim: what it would have learnt does not matter here."""
    unet = tiny_unet()
    generator = torch.Generator().manual_seed(number)
    with torch.no_grad():
        for weights in unet.parameters():
            weights.add_(0.05 * torch.randn(weights.shape, generator=generator))
    DDPMPipeline(unet=unet.half(), scheduler=DDPMScheduler()).save_pretrained(folder)
    members = [sample for sample, member in zip(ids, half("tiny", number, ids), strict=True) if member]
    sha256 = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    manifest = {
        "recipe": {"name": "tiny", "dataset": "stripes", "seed": 1000 + number},
        "member_ids": members,
        "member_digest": member_digest(members),
        "weights": {"file": WEIGHTS, "sha256": sha256},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Five shadow victims and the plugin of their dataset; read only. Untrained as they are, the gate lets them pass."""
    home = tmp_path_factory.mktemp("shadows")
    ids = Stripes().load().ids
    for number, folder in enumerate(folders(home, 5)):
        save_shadow(folder, number, ids)
    (home / "plugin.py").write_text(PLUGIN, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quality_gate, "wanted", lambda *_: False)
        yield home


def folders(home, count):
    return [home / f"shadow-{number:02d}" / "heavy" for number in range(count)]


@pytest.fixture(scope="module")
def table(home):
    """The table of four of them."""
    return table_of(folders(home, 4), 100, 2, [home / "plugin.py"])


@pytest.fixture
def ships(monkeypatch, tmp_path):
    """Lets a table be the one that ships."""

    def write(table):
        monkeypatch.setattr(shadow_table, "TABLE", tmp_path / "table.safetensors")
        table.write(shadow_table.TABLE)

    return write


def table_for(images, t=100, draws=20):
    """A table of any numbers for these images."""
    random = np.random.default_rng(0)
    digests = sorted(image_digest(image) for image in images)
    numbers = -0.1 - random.random((len(digests), len(NUMBERS)))
    numbers[:, 1::2] *= -0.01
    origin = {"recipe": {"name": "fashion_small", "dataset": "some"}, "t": t, "draws": draws}
    return ShadowTable(tuple(digests), numbers, origin)


def test_by_the_table_the_ratio_is_that_of_lira_with_the_victims_at_hand(home, table, ships, tmp_path):
    target, *others = [f"ddpm(model={str(folder)!r})" for folder in folders(home, 5)[::-1]]
    at_hand = Grid.of(
        dataset="stripes",
        victim=target,
        observer="loss(draws=2)",
        distance="mse",
        classifier="lira",
        attacker=f"shadow(victims={others!r})",
        run={"samples": 0},
        plugins=[home / "plugin.py"],
    )
    store = Store(tmp_path / "store.db", create=True)
    assert leakboard.run(at_hand, store, progress=False).ok
    expected = store.scores().set_index("sample")["score"]

    ships(table)
    samples = Stripes().load()
    model = Ddpm(model=str(folders(home, 5)[-1])).open("cpu")
    (pair,) = LossBesideShadows(draws=2).observe(make_door(model, samples=samples))
    features = Value().measure(pair).numpy()
    scorer = LiraColumns().fit(features[:0], np.zeros(0, bool), COLUMNS)
    found = dict(zip(samples.ids, scorer(features), strict=True))

    assert len(expected) == 12
    assert expected.std() > 0.1
    assert np.allclose([found[sample] for sample in expected.index], expected, rtol=1e-6, atol=1e-6)


def test_the_table_tells_the_recipe_and_which_victims_made_it(home, table):
    origin = table.origin

    assert origin["recipe"] == {"name": "tiny", "dataset": "stripes"}
    assert origin["manifests"] == {
        f"shadow-{number:02d}": hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
        for number, folder in enumerate(folders(home, 4))
    }
    assert (origin["t"], origin["draws"], origin["seed"], origin["few"]) == (100, 2, 0, 64)


def test_it_has_every_image_in_an_order_that_tells_nothing(table):
    samples = Stripes().load()

    assert list(table.images) == sorted(map(image_digest, samples.images))
    assert np.isfinite(table.of(samples.images)).all()
    assert np.array_equal(table.of(samples.images[3:4]), table.of(samples.images)[3:4])


def test_written_and_read_it_is_the_same_to_the_bit(table, tmp_path):
    for name in ("one", "other"):
        table.write(tmp_path / name)
    found = read_table(tmp_path / "one")

    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert found.images == table.images
    assert np.array_equal(found.numbers, table.numbers)
    assert found.origin == table.origin


def test_victims_that_are_no_whole_pairs_are_refused(home):
    with pytest.raises(LeakboardError, match="24 images have more victims on one side"):
        table_of(folders(home, 3), 100, 2, [home / "plugin.py"])


def test_victims_of_several_recipes_are_refused(home, tmp_path):
    other = tmp_path / "shadow-01" / "heavy"
    shutil.copytree(folders(home, 2)[1], other)
    manifest = trainings.manifest(other)
    manifest["recipe"]["batch_size"] = 7
    (other / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")

    with pytest.raises(LeakboardError, match="of several recipes"):
        table_of([folders(home, 1)[0], other], 100, 2, [home / "plugin.py"])


def model():
    return PixelModel(tiny_unet().eval(), dict(DDPMScheduler().config))


def test_the_loss_is_that_of_the_observer_that_shadow_victims_were_asked_by(ships):
    samples = make_samples()
    ships(table_for(samples.images, draws=3))
    (pair,) = LossBesideShadows(draws=3).observe(make_door(model(), samples=samples))
    plain = torch.stack([Mse().measure(draw) for draw in Loss(draws=3).observe(make_door(model(), samples=samples))])

    assert pair.names == ("closeness", *NUMBERS)
    numbers = Value().measure(pair)
    assert torch.equal(numbers[:, 0], -plain.mean(0))
    assert np.array_equal(numbers[:, 1:].numpy(), read_table(shadow_table.TABLE).of(samples.images))


def test_an_image_that_shadow_victims_were_not_asked_about_is_refused(ships):
    samples = make_samples()
    ships(table_for(samples.images[1:]))

    with pytest.raises(Unsupported, match=r"1 of 5 images are not in the table .* it has the 4 of some"):
        list(LossBesideShadows().observe(make_door(model(), samples=samples)))


def test_one_grey_level_makes_another_image():
    image = torch.full((1, 2, 2), 100 / 255)
    darker = image.clone()
    darker[0, 0, 0] = 99 / 255

    assert len({image_digest(image), image_digest(darker), image_digest(image.reshape(1, 1, 4))}) == 3
    assert image_digest(image.clone().double()) == image_digest(image)


@pytest.mark.parametrize("other", [{"t": 200}, {"draws": 19}])
def test_another_question_than_the_shadow_victims_were_asked_is_refused(ships, other):
    samples = make_samples()
    ships(table_for(samples.images))

    with pytest.raises(Unsupported, match=r"asked loss_beside_shadows\(t=100, draws=20\) alone"):
        list(LossBesideShadows(**other).observe(make_door(model(), samples=samples)))


def test_a_plan_knows_the_cost_though_its_image_is_in_no_table(ships):
    ships(table_for(make_samples().images, draws=3))
    door = make_door(CountingTwin(), samples=placeholder_samples())

    with pytest.raises(Unsupported):
        list(LossBesideShadows(draws=3).observe(door))
    assert door.asked.evaluations == 3


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"no table")])
def test_a_table_that_cannot_be_read_is_said(ships, damage):
    ships(table_for(make_samples().images))
    damage(shadow_table.TABLE)

    with pytest.raises(LeakboardError, match="cannot be read") as caught:
        read_table(shadow_table.TABLE)
    assert caught.value.where == str(shadow_table.TABLE)


def test_the_observer_keeps_to_the_contract(ships):
    ships(table_for(checks.samples().images))
    rows = check_component(LossBesideShadows())

    assert LossBesideShadows().files() == (shadow_table.TABLE,)
    assert {row.outcome for row in rows} == {"ok"}, summarize(rows)


def test_the_classifier_needs_no_labels_and_scores_each_sample_by_itself():
    random = np.random.default_rng(0)
    features = np.abs(random.normal(size=(9, 5))) + 0.1
    scorer = LiraColumns().fit(features[:0], np.zeros(0, bool), COLUMNS)

    assert np.array_equal(np.concatenate([scorer(row[None]) for row in features]), scorer(features))


@pytest.mark.parametrize("columns", [COLUMNS[:3], ("one", "two", "three", "four", "five"), COLUMNS[::-1], ()])
def test_columns_of_another_observer_are_refused(columns):
    with pytest.raises(Unsupported, match="needs the pair of loss_beside_shadows"):
        LiraColumns().fit(np.zeros((2, len(columns))), np.array([True, False]), columns)


def test_the_classifier_keeps_to_the_contract():
    rows = check_component(LiraColumns())

    assert not [row for row in rows if row.outcome == "failed"], summarize(rows)
