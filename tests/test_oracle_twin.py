"""The counting twin: it predicts to the last evaluation what a real victim is paid for."""

import pytest
import torch
from diffusers import DDPMScheduler

from helpers.oracles import make_door, make_samples
from helpers.pixel_models import tiny_unet
from leakboard.oracle.memo import Memo, digest
from leakboard.oracle.twin import CountingTwin, placeholder_samples
from leakboard.registry.find import Registry
from leakboard_plugins.observers import OBSERVERS
from leakboard_plugins.victims.pixel.model import PixelModel


class Both(PixelModel):
    """Answers questions about noise and about velocities, as no single real victim does, and has a base like itself."""

    def predict_velocity(self, state, time, prompts):
        return self._denoise(state, time * 1000)

    def base(self):
        return self


@pytest.fixture(scope="module")
def pixel_model():
    return Both(tiny_unet().eval(), dict(DDPMScheduler().config))


VARIANTS = ["access='black'", "access='black', requery='steps'", "intermediates='noisy'", "reference='defended'"]
CAPTIONS = ("a boot of brown leather", "a shirt with long sleeves")
OF_LATENTS = {"latent_mask", "dual_signal"}
"""They ask an autoencoder, which the real victim of this file has not."""
OF_OTHERS = {"low_pass", "repeats", "base_difference"}
OF_ONE_DATASET = {"loss_beside_shadows"}
"""It knows other images than the made-up ones; tests/test_shadow_table.py counts what it asks."""
SPECS = [cls.name for cls in OBSERVERS if cls.name not in {*OF_OTHERS, *OF_LATENTS, *OF_ONE_DATASET}] + [
    "low_pass(of='secmi')",
    "repeats(of='pia', n=2)",
    "repeats(of='variations(draws=2)', n=3)",
    "base_difference(of='pia')",
    "base_difference(of='nearest_generation')",
]
SPECS += [
    f"{name}({variant})"
    for name in ("one_shot", "progressive", "complete", "complete_progressive")
    for variant in VARIANTS
]
SPECS += [f"{name}(reference='autoencoder')" for name in ("progressive", "complete", "complete_progressive")]
SPECS += [
    "one_shot(access='gray', reference='autoencoder')",
    "loss(draws=3)",
    "secmi(t=50, k=5)",
    "pia(normalize='code')",
    "pia(normalize='paper')",
    "sima(t=0)",
    "velocity_loss(draws=3, complexity='total_variation')",
    "velocity_curve(points=4)",
]


def paid(answers, samples, specs):
    registry = Registry.load()
    for spec in specs:
        observer = registry.one("observer", spec).only
        list(observer.observe(make_door(answers.model, observer.access, samples, memo=answers)))
    return answers.paid.queries, answers.paid.evaluations


@pytest.mark.parametrize("evaluations_per_step", [1, 2])
def test_the_twin_predicts_exactly_what_all_observers_pay(evaluations_per_step, pixel_model):
    counted = paid(Memo(CountingTwin(), 1, evaluations_per_step), placeholder_samples(), SPECS)
    assert paid(Memo(pixel_model, 64, evaluations_per_step), make_samples(2, CAPTIONS), SPECS) == counted
    assert counted[1] > 0


@pytest.mark.parametrize("spec", SPECS)
def test_the_twin_predicts_exactly_what_one_observer_pays(spec, pixel_model):
    counted = paid(Memo(CountingTwin(), 1), placeholder_samples(), [spec])
    assert paid(Memo(pixel_model, 64), make_samples(2, CAPTIONS), [spec]) == counted
    # a pool is paid by all samples together, which is counted apart
    assert (counted[1] == 0) == spec.startswith(("blind", "nearest_generation", "base_difference(of='nearest"))


def test_the_twin_answers_every_question_in_shape_and_range():
    twin, samples = CountingTwin(), placeholder_samples()
    door = make_door(twin, "white", samples)
    inner = door.encode(door.images)
    noise = door.noise("q", inner)
    answer = door.reconstruct(door.images, 0.3, 4)
    images = [answer.output(), *answer.intermediates(), *answer.states(), door.generate(3), door.decode(inner)]
    assert len(images) == 1 + 4 + 4 + 2
    for image in images:
        assert image.shape == samples.images.shape
        assert 0 <= image.min() <= image.max() <= 1
    assert door.predict_noise(inner, 3).shape == door.predict_velocity(inner, 0.3).shape == inner.shape
    assert door.gradients(inner, noise, 3).shape == (1, 8)
    assert twin.alphas_cumprod.shape == (1000,)
    (caption,) = samples.prompts
    assert len(set(caption.split())) > 5, "observers cut captions into pieces"


def test_the_twin_answers_differ_for_different_questions_only():
    """Else a walk that depends on its answers would look cheaper than it is."""
    twin, state = CountingTwin(), placeholder_samples().images

    def ask(state, timestep, prompts):
        return twin.predict_noise(state, timestep, prompts)

    first = ask(state, 3, None)
    assert torch.equal(first, ask(state.clone(), 3, None))
    for other in (ask(state, 4, None), ask(state + 1e-3, 3, None), ask(state, 3, ["a"])):
        assert not torch.allclose(first, other)
    velocity = twin.predict_velocity(state, 0.3, None)
    assert torch.equal(velocity, twin.predict_velocity(state.clone(), 0.3, None))
    for other in (twin.predict_velocity(state, 0.4, None), twin.predict_velocity(state, 0.3, ["a"]), first):
        assert not torch.allclose(velocity, other)
    steps = list(twin.reconstruct(state, [0], 0.5, 3, None)) + list(twin.reconstruct(state, [0], 0.6, 3, None))
    tensors = [tensor for step in steps for tensor in (step.clean, step.state)]
    assert len({digest(tensor) for tensor in tensors}) == 12
