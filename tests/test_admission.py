"""The quality gate: who may be attacked at all."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from leakboard import admission
from leakboard.api import LeakboardError, Model, Unsupported, Victim
from leakboard.registry import Registry


@pytest.fixture(autouse=True)
def nobody_is_known(monkeypatch):
    monkeypatch.setattr(admission, "_admitted", set())


@pytest.fixture(scope="module")
def images():
    return Registry.load().one("dataset", "fashion_mnist").only.load().take(range(24)).images


class Relabelled(Model):
    """A trained model whose configuration lies about what its network predicts."""

    def __init__(self, truth, trained, said):
        self.trained, self.truth, self.said = trained, truth, said
        self.alphas_cumprod, self.encode = trained.alphas_cumprod, trained.encode

    def predict_noise(self, state, timestep, prompts):
        level = self.alphas_cumprod[timestep]
        signal, spread = level.sqrt(), (1 - level).sqrt()
        noise = self.trained.predict_noise(state, timestep, prompts)
        clean = (state - spread * noise) / signal
        output = {"epsilon": noise, "v_prediction": signal * noise - spread * clean}[self.truth]
        return output if self.said == "epsilon" else signal * output + spread * state


@dataclass(frozen=True, kw_only=True)
class Gated(Victim):
    """Any model behind the gate."""

    name: ClassVar[str] = "gated"
    gated: ClassVar[bool] = True


@pytest.fixture(scope="module")
def trained():
    return Registry.load().one("victim", "fashion_ddpm(level='light')").only.open("cpu")


def test_a_trained_victim_is_admitted_and_asked_once(trained, images, monkeypatch):
    admission.admit("one", Gated(), trained, images, None)
    monkeypatch.setattr(trained, "predict_noise", None)
    admission.admit("one", Gated(), trained, images, None)


def test_an_untrained_victim_is_refused_with_its_loss(images):
    model = Registry.load().one("victim", "fashion_ddpm(level='untrained')").only.open("cpu")
    with pytest.raises(LeakboardError, match=r"denoising loss of gated is at chance: [0-9.]+ where a linear guess"):
        admission.admit("one", Gated(), model, images, None)
    admission.admit("one", Victim(), model, images, None)


@pytest.mark.parametrize(("truth", "said"), [("v_prediction", "epsilon"), ("epsilon", "v_prediction")])
def test_a_mislabelled_prediction_type_is_named(truth, said, trained, images):
    with pytest.raises(LeakboardError, match=f"times better when its predictions are read as {truth}") as refusal:
        admission.admit("one", Gated(), Relabelled(truth, trained, said), images, None)
    assert "allow_untrained=True" in str(refusal.value)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_a_truthful_label_is_admitted(kind, trained, images):
    admission.admit("one", Gated(), Relabelled(kind, trained, kind), images, None)


def test_a_victim_without_a_noise_schedule_cannot_be_judged(images):
    class Flowing(Model):
        @property
        def alphas_cumprod(self):
            raise Unsupported("the victim matches flows")

    admission.admit("one", Gated(), Flowing(), images, None)


def test_the_gate_does_not_look_at_more_than_it_says(trained, images):
    seen = []

    class Counting(Relabelled):
        def predict_noise(self, state, timestep, prompts):
            seen.append((len(state), timestep, prompts))
            return self.trained.predict_noise(state, timestep, prompts)

    many = torch.cat([images, images])
    admission.admit("one", Gated(), Counting("epsilon", trained, "epsilon"), many, ("a",) * 48)
    assert seen == [(32, 200, ("a",) * 32), (32, 400, ("a",) * 32), (32, 600, ("a",) * 32)]
