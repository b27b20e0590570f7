"""The one door to a victim: batches, the memory that they need, and where they are computed."""

import weakref

import pytest
import torch
from diffusers import DDPMScheduler

from helpers.handmade_victim import Handmade
from helpers.oracles import make_door, make_samples
from helpers.pixel_models import tiny_unet
from helpers.pretended_gpu import GPU, PretendedGpu
from leakboard.api import Step
from leakboard.asking import Cost
from leakboard.oracle.memo import Memo
from leakboard.registry.find import Registry
from leakboard_plugins.victims.pixel.model import PixelModel


@pytest.fixture
def model():
    return Handmade()


@pytest.fixture(scope="module")
def pixel_model():
    return PixelModel(tiny_unet().eval(), dict(DDPMScheduler().config))


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 64])
def test_batches_join_to_the_same_answer(batch_size, model):
    """Prompts go along with their rows."""
    samples = make_samples(prompts=("", "a", "bb", "ccc", "dddd"))
    door = make_door(model, samples=samples, batch_size=batch_size)
    state = door.encode(door.images)
    found = door.predict_noise(state, 3)
    assert torch.equal(found, state + 3 + torch.arange(5.0).view(-1, 1, 1, 1))
    assert [rows for _, rows in model.calls] == [min(batch_size, 5 - start) for start in range(0, 5, batch_size)]
    walk = list(door.reconstruct(door.images, 0.5, 3).intermediates())
    assert torch.equal(walk[1], door.decode(state / 3))
    assert door.memo.paid.evaluations == 1 + 3


def test_batch_is_halved_when_memory_runs_out_and_stays_so():
    model = Handmade(room=2)
    door = make_door(model, samples=make_samples(10), batch_size=64)
    state = door.encode(door.images)
    assert torch.equal(door.predict_noise(state, 3), state + 3)
    assert [rows for _, rows in model.calls] == [10, 5, 2, 2, 2, 2, 2]
    assert door.memo.batch_size == 2
    door.reconstruct(door.images, 0.5, 3)
    assert [rows for _, rows in model.calls[7:]] == [2] * 5
    assert door.memo.paid.evaluations == 1 + 3


def test_memory_that_is_too_small_for_one_sample_is_an_error():
    door = make_door(Handmade(room=0))
    with pytest.raises(RuntimeError, match="out of memory"):
        door.predict_noise(door.encode(door.images), 3)
    assert door.memo.paid == Cost(seconds=door.memo.paid.seconds)


@pytest.mark.parametrize(
    ("error", "tries"),
    [(MemoryError(), 3), (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 3), (RuntimeError("bug"), 1)],
    ids=["python", "torch", "other"],
)
def test_only_a_lack_of_memory_is_tried_again(error, tries, model, monkeypatch):
    sizes = []

    def failing(state, timestep, prompts):
        sizes.append(len(state))
        raise error

    monkeypatch.setattr(model, "predict_noise", failing)
    door = make_door(model)
    with pytest.raises(type(error)):
        door.predict_noise(door.images, 3)
    assert sizes == [5, 2, 1][:tries]


QUESTIONS = {
    "encode": lambda door: [door.encode(door.images)],
    "decode": lambda door: [door.decode(door.images)],
    "predict_noise": lambda door: [door.predict_noise(door.images, 3)],
    "predict_velocity": lambda door: [door.predict_velocity(door.images, 0.3)],
    "output": lambda door: [door.reconstruct(door.images, 0.5, 3).output()],
    "intermediates": lambda door: [*door.reconstruct(door.images, 0.5, 3).intermediates()],
    "states": lambda door: [*door.reconstruct(door.images, 0.5, 3).states()],
    "generate": lambda door: [door.generate(3)],
    "gradients": lambda door: [door.gradients(door.images, door.noise("g", door.images), 3)],
    "schedule": lambda door: [door.alphas_cumprod],
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_victim_elsewhere_gets_batches_and_its_answers_come_back(question, model):
    samples = make_samples(7, prompts=tuple("abcdefg"))
    expected = QUESTIONS[question](make_door(model, "white", samples))
    with PretendedGpu() as gpu:
        model.alphas_cumprod = model.alphas_cumprod.to(GPU)
        schedule, gpu.rows = gpu.rows, 0
        found = QUESTIONS[question](make_door(model, "white", samples, memo=Memo(model, 3, device=GPU)))
        assert {part.device.type for part in found} == {"cpu"}
    assert gpu.rows == (0 if question == "schedule" else 3)
    assert schedule == 10
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_a_victim_elsewhere_keeps_one_step_of_a_reconstruction_there(model, monkeypatch):
    """The steps of 7 samples in batches of 3 are never there together."""
    alive, most = weakref.WeakSet(), []
    reconstruct = model.reconstruct

    def counted(*question):
        for step in reconstruct(*question):
            there = Step(step.clean, step.state)
            alive.add(there)
            most.append(len(alive))
            del step
            yield there

    monkeypatch.setattr(model, "reconstruct", counted)
    with PretendedGpu():
        door = make_door(model, samples=make_samples(7), memo=Memo(model, 3, device=GPU))
        assert len([*door.reconstruct(door.images, 0.5, 4).intermediates()]) == 4
    assert len(most) == 3 * 4
    assert max(most) <= 2


@pytest.mark.parametrize("attack", ["cilloni_complete", "loss", "secmi", "pia", "pian", "sima"])
def test_features_agree_across_batch_sizes(attack, pixel_model):
    """To float rounding, and so do those of samples observed in a shard of their own."""
    registry, samples = Registry.load(), make_samples(7)
    named = registry.value("attack", attack)
    observer, distance = (registry.one(kind, getattr(named, kind)).only for kind in ("observer", "distance"))

    def features(part, batch_size):
        door = make_door(pixel_model, observer.access, part, batch_size)
        return torch.stack([distance.measure(pair) for pair in observer.observe(door)], 1)

    whole = features(samples, 64)
    for batch_size in (1, 3):
        torch.testing.assert_close(features(samples, batch_size), whole, rtol=1e-4, atol=0)
    shards = [features(samples.take([row]), 64) for row in range(7)]
    torch.testing.assert_close(torch.cat(shards), whole, rtol=1e-4, atol=0)
