"""The quality gate: who may be attacked at all."""

import itertools
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from leakboard.api import LeakboardError, Model, Unsupported, Victim
from leakboard.oracle import quality_gate
from leakboard.registry.find import Registry

ONE = ("a victim", "a dataset")


@pytest.fixture(autouse=True)
def nobody_is_known(monkeypatch):
    monkeypatch.setattr(quality_gate, "_passed", set())


@pytest.fixture(scope="module")
def images():
    return Registry.load().one("dataset", "fashion_mnist").only.load().take(range(24)).images


class Relabelled(Model):
    """A trained model whose configuration lies about what its network predicts."""

    def __init__(self, truth, trained, claimed):
        self.trained, self.truth, self.claimed = trained, truth, claimed
        self.alphas_cumprod, self.encode = trained.alphas_cumprod, trained.encode

    def predict_noise(self, state, timestep, prompts):
        level = self.alphas_cumprod[timestep]
        signal, spread = level.sqrt(), (1 - level).sqrt()
        noise = self.trained.predict_noise(state, timestep, prompts)
        clean = (state - spread * noise) / signal
        output = {"epsilon": noise, "v_prediction": signal * noise - spread * clean, "sample": clean}[self.truth]
        return {
            "epsilon": output,
            "v_prediction": signal * output + spread * state,
            "sample": (state - signal * output) / spread,
        }[self.claimed]


@dataclass(frozen=True, kw_only=True)
class Gated(Victim):
    """Any model behind the gate."""

    name: ClassVar[str] = "gated"
    gated: ClassVar[bool] = True


@pytest.fixture(scope="module")
def trained():
    return Registry.load().one("victim", "fashion_ddpm(level='light')").only.open("cpu")


def test_a_trained_victim_is_checked_once_a_dataset(trained, images):
    assert quality_gate.wanted(Gated(), trained, ONE)
    quality_gate.check_quality(ONE, Gated(), trained, images, None)
    assert not quality_gate.wanted(Gated(), trained, ONE)
    assert quality_gate.wanted(Gated(), trained, ("a victim", "another dataset"))


def test_an_untrained_victim_is_refused_with_its_loss(images):
    model = Registry.load().one("victim", "fashion_ddpm(level='untrained')").only.open("cpu")
    with pytest.raises(LeakboardError, match=r"denoising loss of gated is at chance: [0-9.]+ where a linear guess"):
        quality_gate.check_quality(ONE, Gated(), model, images, None)
    assert not quality_gate.wanted(Victim(), model, ONE)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(
    ("question", "where"), [("encode", "encoding images"), ("predict_noise", "noise at timestep 200 of 1000")]
)
def test_a_victim_whose_weights_diverged_is_refused_by_name(question, where, value, trained, images):
    """Every comparison with NaN is false, also that of its loss with chance."""

    class Diverged(Relabelled):
        def predict_noise(self, state, timestep, prompts):
            answer = self.trained.predict_noise(state, timestep, prompts).clone()
            answer[0, 0, 0, 0] = value
            return answer

    model = Diverged("epsilon", trained, "epsilon")
    if question == "encode":
        model.encode = lambda part: torch.full_like(part, value)
    with pytest.raises(LeakboardError, match="gated answers with NaN or infinity") as refusal:
        quality_gate.check_quality(ONE, Gated(), model, images, None)
    assert where in str(refusal.value)
    assert "take weights that did not diverge" in str(refusal.value)
    assert quality_gate.wanted(Gated(), model, ONE)


TYPES = ("epsilon", "v_prediction", "sample")


@pytest.mark.parametrize(("truth", "claimed"), [*itertools.permutations(TYPES, 2)])
def test_a_mislabelled_prediction_type_is_named(truth, claimed, trained, images):
    with pytest.raises(LeakboardError, match=f"times better when its predictions are read as {truth}") as refusal:
        quality_gate.check_quality(ONE, Gated(), Relabelled(truth, trained, claimed), images, None)
    assert "allow_untrained=True" in str(refusal.value)


@pytest.mark.parametrize("kind", TYPES)
def test_a_truthful_label_passes(kind, trained, images):
    quality_gate.check_quality(ONE, Gated(), Relabelled(kind, trained, kind), images, None)


def test_a_victim_that_predicts_neither_noise_nor_velocities_cannot_be_judged():
    class Flowing(Model):
        @property
        def alphas_cumprod(self):
            raise Unsupported("the victim matches flows")

    assert not quality_gate.wanted(Gated(), Flowing(), ONE)
    assert not quality_gate.wanted(Gated(), Model(), ONE)


class Remembering(Model):
    """Predicts the mean velocity towards all images that it knows: the best that any flow of these could."""

    def __init__(self, known, told=lambda time: time, reading=lambda velocity, state, time: velocity):
        self.known, self.told, self.reading = known * 2 - 1, told, reading
        self.asked = []

    def encode(self, images):
        return images * 2 - 1

    def predict_velocity(self, state, time, prompts):
        self.asked.append((len(state), time, prompts))
        time = self.told(time)
        distance = torch.cdist(state.flatten(1), (1 - time) * self.known.flatten(1)).square()
        weights = (-distance / (2 * time**2)).softmax(1)
        clean = (weights @ self.known.flatten(1)).view_as(state)
        return self.reading((state - clean) / time, state, time)


def as_noise(velocity, state, time):
    return state + (1 - time) * velocity


def as_clean(velocity, state, time):
    return state - time * velocity


def test_a_flow_that_predicts_velocities_passes(images):
    model = Remembering(images)
    assert quality_gate.wanted(Gated(), model, ONE)
    quality_gate.check_quality(ONE, Gated(), model, images, tuple("ab" * 12), batch=16)

    assert not quality_gate.wanted(Gated(), model, ONE)
    sizes = [(16, tuple("ab" * 8)), (8, tuple("ab" * 4))]
    assert model.asked == [(size, time, texts) for time in (0.25, 0.5, 0.75) for size, texts in sizes]


@pytest.mark.parametrize(
    ("said", "reading", "told"),
    [
        ("a velocity from noise to image", lambda velocity, _state, _time: -velocity, lambda time: time),
        ("noise", as_noise, lambda time: time),
        ("the clean image", as_clean, lambda time: time),
        ("a velocity, with time running from noise to image", lambda velocity, *_: velocity, lambda time: 1 - time),
        (
            "a velocity from noise to image, with time running from noise to image",
            lambda velocity, *_: -velocity,
            lambda time: 1 - time,
        ),
        ("noise, with time running from noise to image", as_noise, lambda time: 1 - time),
    ],
)
def test_a_flow_that_predicts_something_else_is_told_what(said, reading, told, images):
    with pytest.raises(LeakboardError, match=f"times better when its predictions are read as {said}\n") as refusal:
        quality_gate.check_quality(ONE, Gated(), Remembering(images, told, reading), images, None)
    assert "noise minus clean image" in str(refusal.value)
    assert "allow_untrained=True" in str(refusal.value)


@pytest.mark.parametrize("size", [0, 0.1, 1])
def test_a_flow_that_learnt_nothing_is_refused_with_its_loss(size, images):
    """Zero, or whatever an untrained network says."""

    def guess(velocity, state, time):
        return size * torch.randn(state.shape, generator=torch.Generator().manual_seed(round(1000 * time)))

    with pytest.raises(LeakboardError, match=r"denoising loss of gated is at chance: [0-9.]+ where a linear guess"):
        quality_gate.check_quality(ONE, Gated(), Remembering(images, reading=guess), images, None)


def test_a_flow_whose_weights_diverged_is_refused_by_name(images):
    model = Remembering(images, reading=lambda velocity, *_: velocity.index_fill(0, torch.tensor([1]), float("nan")))
    with pytest.raises(LeakboardError, match="gated answers with NaN or infinity") as refusal:
        quality_gate.check_quality(ONE, Gated(), model, images, None)
    assert "predicting a velocity at time 0.25" in str(refusal.value)


def test_the_gate_asks_in_batches_with_the_prompts_of_the_victim(trained, images):
    seen = []

    class Counting(Relabelled):
        def predict_noise(self, state, timestep, prompts):
            seen.append((len(state), timestep, prompts))
            return self.trained.predict_noise(state, timestep, prompts)

    quality_gate.check_quality(
        ONE, Gated(), Counting("epsilon", trained, "epsilon"), images, tuple("ab" * 12), batch=16
    )
    sizes = [(16, tuple("ab" * 8)), (8, tuple("ab" * 4))]
    assert seen == [(size, timestep, texts) for timestep in (200, 400, 600) for size, texts in sizes]
