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


def test_a_victim_without_a_noise_schedule_cannot_be_judged():
    class Flowing(Model):
        @property
        def alphas_cumprod(self):
            raise Unsupported("the victim matches flows")

    assert not quality_gate.wanted(Gated(), Flowing(), ONE)
    assert not quality_gate.wanted(Gated(), Model(), ONE)


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
