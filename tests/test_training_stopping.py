"""Early stopping: the best weights on images that nobody evaluates, whenever the training was interrupted."""

import json
from dataclasses import dataclass, replace

import pytest
import torch

from helpers import trainings
from helpers.trainings import RECIPE, Stripes, digests, manifest
from leakboard.api import LeakboardError
from leakboard.recipe import Stopping
from leakboard.training import given_of, loop
from leakboard.training.denoiser import stage
from leakboard.training.manifest import WEIGHTS
from leakboard.training.stopping import Best, validation

LOSSES = {10: 3.0, 20: 2.0, 24: 2.5, 30: 2.25, 40: 2.125, 50: 1.0}
"""Of a training that is best at epoch 20, until it would be at 50."""


@dataclass(frozen=True, kw_only=True)
class WithAuxiliary(Stripes):
    """As stripes, with images beside."""

    def auxiliary(self):
        return Stripes(seed=7).load()


def scripted(out, patience):
    """A stage that stops by losses that are written down, and the epochs it was asked for, by their weights."""
    recipe = replace(RECIPE, checkpoints={"untrained": 0, "early": 24, "late": 60}, batch_size=12)
    made = stage(recipe, given_of(Stripes().load(), None, out, "cpu"))
    asked = []

    def loss(weights):
        epoch = [*LOSSES][len(asked)]
        asked.append({name: value.clone() for name, value in weights.items()})
        return LOSSES[epoch]

    return replace(made, stopping=Stopping(loss=loss, patience=patience)), asked


def weights(folder):
    from safetensors.torch import load_file

    return load_file(folder / WEIGHTS)


def same(folder, expected):
    return all(torch.equal(value, expected[name].half()) for name, value in weights(folder).items())


def test_checkpoints_hold_the_best_weights_until_then_and_the_training_ends_without_hope(tmp_path):
    made, asked = scripted(tmp_path, patience=20)
    epochs = []
    with loop.secluded("cpu"):
        loop.run(made, tmp_path, lambda epoch, _: epochs.append(epoch))

    assert epochs[-1] == 40, "20 epochs after the best one"
    assert len(asked) == 5
    assert same(tmp_path / "early", asked[1])
    assert same(tmp_path / "late", asked[1])
    assert not same(tmp_path / "untrained", asked[0])


def test_a_finished_stage_that_stopped_early_is_not_trained_on(tmp_path):
    made, _ = scripted(tmp_path, patience=20)
    with loop.secluded("cpu"):
        loop.run(made, tmp_path)
        loop.run(made, tmp_path, lambda *_: pytest.fail("it trained"))


def test_more_patience_finds_better_weights(tmp_path):
    best = Best(Stopping(loss=lambda weights: LOSSES[int(weights["epoch"])], patience=30))
    for epoch in LOSSES:
        assert not best.over
        best.look(epoch, {"epoch": torch.tensor(epoch)}, saved=epoch == 24)

    assert best.weights["epoch"] == 50
    assert [epoch for epoch, _ in best.history] == [*LOSSES]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A training that stops early, by a loss that never falls for long; read only."""
    out = tmp_path_factory.mktemp("stopped")
    trainings.train(STOPPING, WithAuxiliary(), out)
    return out


STOPPING = replace(RECIPE, checkpoints={"untrained": 0, "light": 10, "heavy": 30}, patience=10, learning_rate=0.05)


def test_an_interrupted_training_stops_where_it_would_have_stopped(stopped, tmp_path, monkeypatch):
    monkeypatch.setattr("leakboard.training.manifest.write_manifests", lambda *_, **__: [])

    def interrupt(what, done, total):
        if done == 14 and what.startswith("training"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainings.train(STOPPING, WithAuxiliary(), tmp_path, interrupt)
    trainings.train(STOPPING, WithAuxiliary(), tmp_path)

    assert digests(tmp_path) == digests(stopped)


def test_the_manifest_says_when_it_stopped_and_on_what(stopped):
    written = manifest(stopped / "heavy")

    assert written["training_defenses"] == ["patience=10"]
    assert written["auxiliary"] == 24
    found = written["early_stopping"]
    assert found["epoch"] in (10, 20, 30)
    assert found["last_epoch"] in (found["epoch"], found["epoch"] + 10)
    assert manifest(stopped / "light")["early_stopping"]["epoch"] == 10
    assert manifest(stopped / "untrained")["early_stopping"] == {}
    assert json.dumps(written["recipe"]).count("patience") == 1


def test_the_images_to_stop_by_are_some_auxiliary_ones_always_the_same():
    auxiliary = WithAuxiliary().auxiliary()
    assert validation(auxiliary).ids == auxiliary.ids, "all, where there are few"
    many = auxiliary.take(list(range(24)) * 20)
    assert len(validation(many).ids) == 256
    assert validation(many).ids == validation(many).ids


def test_without_auxiliary_images_there_is_nothing_to_stop_by(tmp_path):
    with pytest.raises(LeakboardError, match="neither members nor held out"):
        trainings.train(STOPPING, Stripes(), tmp_path)


def test_auxiliary_images_of_another_size_are_refused(tmp_path):
    @dataclass(frozen=True, kw_only=True)
    class Odd(Stripes):
        def auxiliary(self):
            samples = Stripes(seed=7).load()
            return replace(samples, images=samples.images[..., :4, :4])

    with pytest.raises(LeakboardError, match="the auxiliary images are 1x4x4, the members 1x8x8"):
        trainings.train(STOPPING, Odd(), tmp_path)
