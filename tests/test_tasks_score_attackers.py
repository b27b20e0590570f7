"""What a classifier sees of whom: shadow victims, no labels at all, maps, and the grid's device."""

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.cell_work import changed
from leakboard.api import Classifier
from leakboard.kinds import Sides
from leakboard.store.artifacts import Artifacts
from leakboard.tasks.fit import Labelled, by_shadows, without_labels
from leakboard.tasks.sample_lists import Population, put
from leakboard.tasks.score import score
from leakboard.tasks.splits import calibration, permuted
from leakboard.tasks.task import CellWork, ScoreTask, Settings, Shadow, Way

COUNT = 80
POPULATION = Population(tuple(f"s{number}" for number in range(COUNT)), np.arange(COUNT) % 2 == 0)
CHOSEN = POPULATION.chosen(Sides(40, 40))
IDS = CHOSEN.ids
PLUGIN = """
import hashlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from leakboard import hookimpl
from leakboard.api import Classifier, Victim


@dataclass(frozen=True, kw_only=True)
class Half(Victim):
    "Trained on a half of the samples; of seed -1 only the dataset knows the members."
    name: ClassVar[str] = "half"
    seed: int = 0

    def members(self, ids):
        if self.seed < 0:
            return None
        return np.array([hashlib.sha256(f"{self.seed} {name}".encode()).digest()[0] % 2 == 0 for name in ids])


@dataclass(frozen=True, kw_only=True)
class Mean(Classifier):
    "The mean of the features."
    name: ClassVar[str] = "mean"
    trains: ClassVar[bool] = False

    def fit(self, features, member, columns):
        return lambda unseen: unseen.mean(axis=1)


@dataclass(frozen=True, kw_only=True)
class Corner(Classifier):
    "The first number of the map of the pair called second; where it was told to compute stands in the last."
    name: ClassVar[str] = "corner"
    maps: ClassVar[bool] = True
    on_device: ClassVar[bool] = True

    def fit(self, features, member, columns):
        import torch

        place, device = list(columns).index("second"), torch.empty(0).device.type

        def score(unseen):
            assert unseen.dtype == np.float32
            assert device == torch.empty(0).device.type == "meta"
            return unseen[:, place, 0, 0]

        return score


@dataclass(frozen=True, kw_only=True)
class Majority(Classifier):
    "How many shadow victims knew a sample, whatever it looks like: what flags alone tell."
    name: ClassVar[str] = "majority"

    def fit(self, features, member, columns):
        raise NotImplementedError

    def fit_shadows(self, features, member, columns):
        return lambda unseen: member.sum(axis=0)


@hookimpl
def leakboard_victims():
    return [Half]


@hookimpl
def leakboard_classifiers():
    return [Mean, Corner, Majority]
"""


def flags(registry, seed):
    return registry.one("victim", f"half(seed={seed})").only.members(IDS)


def features(member, seed=0):
    return np.random.default_rng(seed).random((COUNT, 4)) - 0.5 * member[:, None]


def keep(artifacts, key, values, shapes=None, columns=("a", "b", "c", "d"), seconds=2.0):
    meta = {
        "ids": json.dumps(IDS),
        "columns": json.dumps(columns),
        "larger_is_closer": "false",
        "queries": "1",
        "nfe": "4",
        "seconds": repr(seconds),
    }
    meta |= {"shapes": json.dumps(shapes)} if shapes else {}
    artifacts.put(key, {"values": values}, meta, "features")


@pytest.fixture
def plugins(load):
    return load(PLUGIN)


@pytest.fixture
def task(tmp_path, plugins):
    """One cell whose victim is under attack by what two shadow victims of other halves say."""
    artifacts = Artifacts(tmp_path / "artifacts")
    put(artifacts, "data", POPULATION)
    for seed in (0, 1, 2):
        keep(artifacts, f"half{seed}", features(flags(plugins, seed), seed))
    shadows = tuple(Shadow(f"half(seed={seed})", (f"half{seed}",)) for seed in (1, 2))
    cell = CellWork("cell", "true", 0, 0.5, (Way("mean()", (), ("half0",), shadows),))
    settings = Settings(str(tmp_path / "artifacts"), (), "meta", 8, 0.0)
    return ScoreTask("label", "data", "half(seed=0)", "victim", Sides(40, 40), (cell,), settings)


def outcome(task, plugins, **changes):
    cell = changed(task.cells[0], **{key: value for key, value in changes.items() if key != "victim"})
    other = replace(task, cells=(cell,), victim=changes.get("victim", task.victim))
    return score(other, plugins).parts[0]


def stored(task, found):
    tensors, meta = Artifacts(Path(task.settings.artifacts)).get(found.scores_key)
    return tensors["score"], tensors["member"].astype(bool), json.loads(meta["ids"])


def test_labels_and_halves_are_those_of_the_victim_under_attack(task, plugins):
    found = outcome(task, plugins)
    mine = flags(plugins, 0)
    known = calibration(IDS, mine, 0, 0.5)
    scores, member, ids = stored(task, found)
    assert found.status == "done"
    assert ids == [sample for sample, used in zip(IDS, known, strict=True) if not used]
    assert np.array_equal(member, mine[~known])
    assert np.array_equal(scores, -features(mine)[~known].mean(axis=1))
    assert (found.n_calibration, found.n_evaluation) == (2 * COUNT, int((~known).sum()))


def test_a_victim_that_cannot_tell_has_the_members_of_the_dataset(task, plugins):
    found = outcome(task, plugins, victim="half(seed=-1)", shadows=(), calibrate_on=("half0",))
    known = calibration(IDS, CHOSEN.member, 0, 0.5)
    assert np.array_equal(stored(task, found)[1], CHOSEN.member[~known])


def test_the_price_of_shadow_victims_is_all_they_were_asked(task, plugins, tmp_path):
    keep(Artifacts(tmp_path / "artifacts"), "half1", features(flags(plugins, 1), 1), seconds=100.0)
    found = outcome(task, plugins)
    assert found.seconds == pytest.approx(0.5 * 2 + 100 + 2, abs=0.5)
    assert (found.queries, found.evaluations) == (1, 4)
    assert outcome(task, plugins, shadows=()).seconds == pytest.approx(0.5 * 2, abs=0.5)


def test_permuted_labels_deal_out_the_flags_of_all_victims_alike(task, plugins):
    """What shadow victims are told goes to other samples, and to the same ones as the labels that are evaluated."""
    counted = sum(flags(plugins, seed).astype(int) for seed in (1, 2))
    for key in ("cell 1", "cell 2"):
        found = outcome(task, plugins, classifier="majority()", labels="permuted", key=key)
        scores, member, ids = stored(task, found)
        places = [IDS.index(sample) for sample in ids]
        assert np.array_equal(scores, permuted(IDS, counted, key)[places])
        assert np.array_equal(member, permuted(IDS, flags(plugins, 0), key)[places])
        assert not np.array_equal(scores, counted[places])


def test_without_labels_there_is_no_threshold(task, plugins):
    found = outcome(task, plugins, shadows=())
    assert found.status == "done"
    assert found.n_calibration == 0
    assert "auc" in [row.measure for row in found.results]
    assert "balanced_accuracy" not in [row.measure for row in found.results]
    assert "balanced_accuracy" in [row.measure for row in outcome(task, plugins).results]


@pytest.mark.parametrize("seed", [0, -1])
def test_shadow_victims_that_tell_the_evaluation_samples_fail_the_cell(task, plugins, seed):
    """The victim's own flags, or those of the dataset when both leave it to the dataset."""
    shadows = (task.cells[0].ways[0].shadows[0], Shadow(f"half(seed={seed})", ("half2",)))
    found = outcome(task, plugins, victim=f"half(seed={seed})", shadows=shadows)
    assert found.status == "failed"
    assert f"the members of the shadow victim half(seed={seed}) tell those of half(seed={seed})" in found.error
    assert "drawn independently" in found.error


def test_shadow_victims_with_other_pairs_fail_the_cell(task, plugins, tmp_path):
    keep(Artifacts(tmp_path / "artifacts"), "half2", features(flags(plugins, 2)), columns=("a", "x", "c", "d"))
    found = outcome(task, plugins)
    assert found.status == "failed"
    assert "calibrated and evaluated on different pairs: 'x' / 'b'" in found.error


def test_maps_and_the_device_come_to_those_who_ask(task, plugins, tmp_path):
    for seed in (0, 1, 2):
        keep(
            Artifacts(tmp_path / "artifacts"),
            f"half{seed}",
            features(flags(plugins, seed), seed).astype(np.float16),
            shapes=[["first", [1, 2]], ["second", [1, 2]]],
        )
    for changes in ({}, {"shadows": (), "calibrate_on": ("half0",)}, {"shadows": ()}):
        found = outcome(task, plugins, classifier="corner()", **changes)
        assert found.status == "done", found.error
        scores, _, ids = stored(task, found)
        expected = -features(flags(plugins, 0)).astype(np.float16)[:, 2]
        assert np.array_equal(scores, [expected[IDS.index(sample)] for sample in ids])


def test_maps_of_different_shapes_skip_the_cell(task, plugins, tmp_path):
    keep(
        Artifacts(tmp_path / "artifacts"), "half0", features(flags(plugins, 0)), shapes=[["first", [3]], ["second", []]]
    )
    found = outcome(task, plugins, classifier="corner()")
    assert (found.status, "all of one shape" in found.error) == ("skipped", True)


class Rows(Classifier):
    """Remembers what it was given."""

    name = "rows"

    def __init__(self, how="fit"):
        self.how, self.asked = how, []

    def fit(self, features, member, columns):
        self.given = features.copy(), member.copy(), columns
        features[:], member[:] = 0, True
        return self.scorer

    def fit_shadows(self, features, member, columns):
        return None if self.how == "fit" else self.fit(features, member, columns)

    def scorer(self, unseen):
        self.asked.append(unseen.copy())
        unseen += 1
        return unseen.sum(axis=1)


def shadow_attack(how):
    random = np.random.default_rng(3)
    shadows = [Labelled(random.random((6, 2)), np.arange(6) % (2 + place) == 0) for place in range(2)]
    before = [Labelled(*(part.copy() for part in shadow)) for shadow in shadows]
    victim, evaluated, classifier = random.random((6, 2)), np.array([0, 1, 1, 0, 1, 0], bool), Rows(how)
    asked = victim.copy()
    fitted = by_shadows(classifier, shadows, asked, evaluated, ["a", "b"])
    assert np.array_equal(asked, victim)
    assert all(
        np.array_equal(now, then) for pair in zip(shadows, before, strict=True) for now, then in zip(*pair, strict=True)
    )
    return shadows, victim, evaluated, classifier, fitted


def test_shadows_come_stacked_to_those_that_only_fit():
    shadows, victim, evaluated, classifier, fitted = shadow_attack("fit")
    rows, member, columns = classifier.given
    assert np.array_equal(rows, np.concatenate([shadow.features for shadow in shadows]))
    assert np.array_equal(member, np.concatenate([shadow.member for shadow in shadows]))
    assert columns == ["a", "b"]
    assert np.array_equal(classifier.asked[-2], victim[evaluated]), "what is evaluated is scored by itself"
    assert np.array_equal(classifier.asked[-1], victim[~evaluated]), "and what the attack is chosen by"
    assert np.allclose(fitted.unseen, victim[~evaluated].sum(axis=1) + 2)
    assert np.allclose(fitted.scores, victim[evaluated].sum(axis=1) + 2)


def test_shadows_come_one_by_one_to_those_that_ask_and_every_sample_is_scored_in_its_place():
    shadows, victim, evaluated, classifier, fitted = shadow_attack("fit_shadows")
    features, member, _ = classifier.given
    assert features.shape == (2, 6, 2)
    assert np.array_equal(member, [shadow.member for shadow in shadows])
    assert np.array_equal(classifier.asked[-1], victim)
    assert np.allclose(fitted.unseen, victim[~evaluated].sum(axis=1) + 2)
    assert np.allclose(fitted.scores, victim[evaluated].sum(axis=1) + 2)


@pytest.mark.parametrize("how", ["fit", "fit_shadows"])
def test_the_threshold_is_the_best_one_for_the_shadow_victims(how):
    shadows, _, _, classifier, fitted = shadow_attack(how)
    assert [part.tolist() for part in classifier.asked[:2]] == [shadow.features.tolist() for shadow in shadows]
    scores = np.concatenate([shadow.features.sum(axis=1) + 2 for shadow in shadows])
    member = np.concatenate([shadow.member for shadow in shadows])

    def balanced(threshold):
        return ((scores > threshold)[member].mean() + (scores <= threshold)[~member].mean()) / 2

    assert balanced(fitted.threshold) == max(balanced(level) for level in [*scores, -1])


def test_without_labels_a_classifier_is_given_an_empty_table():
    classifier = Rows()
    fitted = without_labels(classifier, np.ones((7, 2)), np.arange(7) < 5, ["a", "b"])
    rows, member, columns = classifier.given
    assert (rows.shape, member.shape, member.dtype, columns) == ((0, 2), (0,), bool, ["a", "b"])
    assert fitted.threshold is None
    assert fitted.scores.tolist() == [4.0] * 5
    assert fitted.unseen.tolist() == [4.0] * 2


def test_a_scoring_task_imports_no_torch_for_those_who_ask_for_no_device(task, tmp_path):
    settings = replace(task.settings, plugins=(str(tmp_path / "extra.py"),))
    program = f"""if True:
        import pickle, sys
        from leakboard.tasks.worker import work
        found = work(pickle.loads({pickle.dumps(replace(task, settings=settings))!r}))
        assert found.parts[0].status == "done", found
        print("torch" in sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "False", done.stderr
