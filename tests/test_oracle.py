"""The one door to a victim: what is remembered, what is paid, who is let in, what defenses do."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from diffusers import DDPMScheduler

from denoisers import SIZE, tiny_unet
from doors import make_door, make_samples
from leakboard.api import AccessDenied, Defense, Model, Step
from leakboard.fitting import Fitting
from leakboard.noise import standard_normal
from leakboard.oracle import Answers, Cost, Door, defended, digest
from leakboard.registry import Registry
from leakboard_plugins.victims.pixel_model import PixelModel


class Halving(Model):
    """A victim by hand: every answer is easy to foretell. It has memory for ``room`` samples at once."""

    def __init__(self, room=1000):
        self.alphas_cumprod = torch.linspace(0.99, 0.01, 10)
        self.room, self.calls = room, []

    def _note(self, query, part):
        self.calls.append((query, len(part)))
        if len(part) > self.room:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    def encode(self, images):
        return images * 2 - 1

    def decode(self, inner):
        return ((inner + 1) / 2).clamp(0, 1)

    def predict_noise(self, state, timestep, prompts):
        self._note("predict_noise", state)
        lengths = [len(prompt) for prompt in prompts] if prompts else [0] * len(state)
        return state + timestep + torch.tensor(lengths).view(-1, 1, 1, 1)

    def reconstruct(self, images, seeds, strength, steps, prompts):
        self._note("reconstruct", images)
        inner = self.encode(images)
        noise = standard_normal(seeds, inner)
        for step in range(steps):
            yield Step(inner / (step + 2), inner + strength * noise)

    def generate(self, seeds, steps, prompts):
        noise = standard_normal(seeds, torch.zeros(len(seeds), 1, SIZE, SIZE))
        self._note("generate", noise)
        return noise / steps

    def gradients(self, inner, noise, timestep, prompts):
        self._note("gradients", inner)
        return (inner - noise).flatten(1)[:, :2].abs()


@dataclass(frozen=True, kw_only=True)
class Adding(Defense):
    """Adds its noise, or a number."""

    name: ClassVar[str] = "adding"
    amount: float = 0.0

    def apply(self, images, noise):
        return (images + self.amount + 0.05 * noise(images)).clamp(0, 1)


@pytest.fixture
def model():
    return Halving()


@pytest.fixture(scope="module")
def pixel_model():
    return PixelModel(tiny_unet().eval(), dict(DDPMScheduler().config))


# What is remembered


def test_the_same_question_is_asked_once_by_content(model):
    """Another tensor object with the same numbers is the same question, from another door too."""
    door = make_door(model)
    other = make_door(model, answers=door.answers, seed=7)
    first = door.predict_noise(door.encode(door.images), 3)
    again = other.predict_noise(other.encode(other.images.clone()), 3)
    assert model.calls == [("predict_noise", 5)]
    assert torch.equal(first, again)
    assert door.answers.paid.evaluations == 1


def test_questions_that_differ_are_all_asked(model):
    samples = make_samples(prompts=tuple("abcde"))
    door = make_door(model, samples=samples)
    state = door.encode(door.images)
    door.predict_noise(state, 3)
    for other in (lambda: door.predict_noise(state, 4), lambda: door.predict_noise(state + 1, 3)):
        before = len(model.calls)
        other()
        assert len(model.calls) == before + 1
    door.predict_noise(state, 3, prompts=("",) * 5)
    door.predict_noise(state, 3, prompts=samples.prompts)
    assert door.answers.paid.evaluations == len(model.calls) == 4


@pytest.mark.parametrize(
    "question",
    [(0.5, 3, 0), (0.4, 4, 0), (0.4, 3, 1)],
    ids=["strength", "steps", "draw"],
)
def test_reconstructions_differ_by_strength_steps_and_draw(question, model):
    door = make_door(model, "black")
    door.reconstruct(door.images, 0.4, 3)
    door.reconstruct(door.images, 0.4, 3)
    assert len(model.calls) == 1
    door.reconstruct(door.images, *question)
    assert len(model.calls) == 2


def test_digest_tells_numbers_shapes_and_types_apart():
    zeros = torch.zeros(2, 8)
    others = [torch.zeros(4, 4), torch.zeros(2, 8, dtype=torch.int32), torch.zeros(2, 8).bfloat16(), zeros + 1e-9]
    assert digest(zeros) == digest(torch.zeros(8, 2).T)
    assert len({digest(tensor) for tensor in (zeros, *others)}) == 5


def test_cost_does_not_depend_on_who_asked_first(model):
    first, second = make_door(model), make_door(model)
    second.answers = first.answers
    for door in (first, second):
        door.predict_noise(door.encode(door.images), 3)
        door.reconstruct(door.images, 0.5, 4)
    assert first.asked == second.asked
    assert first.asked.seconds > 0
    assert (first.asked.queries, first.asked.evaluations) == (2, 5)
    assert (first.answers.paid.queries, first.answers.paid.evaluations) == (2, 5)


def test_guidance_doubles_what_a_sampler_step_costs_and_nothing_else(model):
    door = make_door(model, "white", answers=Answers(model, 64, evaluations_per_step=2))
    inner = door.encode(door.images)
    door.predict_noise(inner, 3)
    door.reconstruct(door.images, 0.5, 4)
    door.generate(6)
    door.gradients(inner, door.noise("g", inner), 3)
    assert (door.asked.queries, door.asked.evaluations) == (4, 1 + 2 * (4 + 6) + 2)
    assert Cost(1, 2, 3.0) + Cost(10, 20, 30.0) == Cost(11, 22, 33.0)


def test_an_observer_that_writes_into_answers_harms_no_other(model):
    door = make_door(model)
    other = make_door(model, answers=door.answers)
    clean = other.encode(other.images)
    expected = (clean + 3, clean.clone(), other.decode(clean))
    door.predict_noise(clean, 3).zero_()
    door.encode(door.images).zero_()
    door.decode(clean).zero_()
    door.reconstruct(door.images, 0.5, 2).output().zero_()
    found = (other.predict_noise(clean, 3), other.encode(other.images), other.decode(clean))
    for one, wanted in zip(found, expected, strict=True):
        assert torch.equal(one, wanted)
    assert torch.equal(other.reconstruct(other.images, 0.5, 2).output(), other.decode(clean / 3))


def test_an_observer_that_writes_into_its_images_harms_no_other(model):
    samples = make_samples()
    original = samples.images.clone()
    door = make_door(model, samples=samples)
    door.images.zero_()
    door.originals.zero_()
    assert torch.equal(samples.images, original)


def test_no_door_shows_who_is_a_member(model):
    samples = make_samples()
    assert samples.member.any()
    assert not make_door(model, samples=samples).samples.member.any()


# Batches and memory


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
    assert door.answers.paid.evaluations == 1 + 3


def test_batch_is_halved_when_memory_runs_out_and_stays_so():
    model = Halving(room=2)
    door = make_door(model, samples=make_samples(10), batch_size=64)
    state = door.encode(door.images)
    assert torch.equal(door.predict_noise(state, 3), state + 3)
    assert [rows for _, rows in model.calls] == [10, 5, 2, 2, 2, 2, 2]
    assert door.answers.batch_size == 2
    door.reconstruct(door.images, 0.5, 3)
    assert [rows for _, rows in model.calls[7:]] == [2] * 5
    assert door.answers.paid.evaluations == 1 + 3


def test_memory_that_is_too_small_for_one_sample_is_an_error():
    door = make_door(Halving(room=0))
    with pytest.raises(RuntimeError, match="out of memory"):
        door.predict_noise(door.encode(door.images), 3)
    assert door.answers.paid == Cost(seconds=door.answers.paid.seconds)


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


@pytest.mark.parametrize("attack", ["cilloni_complete", "loss", "secmi", "pia", "pian", "sima"])
def test_features_agree_across_batch_sizes(attack, pixel_model):
    """To float rounding, and so do those of samples observed in a shard of their own."""
    registry, samples = Registry.load(), make_samples(7)
    named = registry.attack(attack)
    observer, distance = (registry.one(kind, getattr(named, kind)).only for kind in ("observer", "distance"))

    def features(part, batch_size):
        door = make_door(pixel_model, observer.access, part, batch_size)
        return torch.stack([distance.measure(pair) for pair in observer.observe(door)], 1)

    whole = features(samples, 64)
    for batch_size in (1, 3):
        torch.testing.assert_close(features(samples, batch_size), whole, rtol=1e-4, atol=0)
    shards = [features(samples.take([row]), 64) for row in range(7)]
    torch.testing.assert_close(torch.cat(shards), whole, rtol=1e-4, atol=0)


# Access

ASKED = {
    "predict_noise": ("gray", lambda door: door.predict_noise(door.images, 3)),
    "encode": ("gray", lambda door: door.encode(door.images)),
    "decode": ("gray", lambda door: door.decode(door.images)),
    "intermediates": ("gray", lambda door: door.reconstruct(door.images, 0.5, 2).intermediates()),
    "states": ("gray", lambda door: door.reconstruct(door.images, 0.5, 2).states()),
    "output": ("black", lambda door: door.reconstruct(door.images, 0.5, 2).output()),
    "generate": ("black", lambda door: door.generate(2)),
    "gradients": ("white", lambda door: door.gradients(door.images, door.noise("g", door.images), 3)),
}
LEVELS = ("black", "gray", "white")


@pytest.mark.parametrize("declared", LEVELS)
@pytest.mark.parametrize("question", ASKED)
def test_access_is_enforced(question, declared, model):
    needed, ask = ASKED[question]
    door = make_door(model, declared)
    if LEVELS.index(declared) >= LEVELS.index(needed):
        ask(door)
    else:
        with pytest.raises(AccessDenied, match=f"{question} needs {needed} access, the observer declares {declared}"):
            ask(door)
        assert {query for query, _ in model.calls} <= {"reconstruct"}


# Defenses


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda images: images[:, :, 1:], "shape"),
        (lambda images: images[:-1], "shape"),
        (lambda images: images - 1, "outside"),
        (lambda images: images + 0.5, "outside"),
        (lambda images: images * torch.nan, "not a number"),
        (lambda images: images.double(), "float64"),
    ],
    ids=["height", "rows", "below", "above", "nan", "type"],
)
def test_a_defense_that_breaks_its_contract_is_named(result, message, monkeypatch):
    samples = make_samples()
    monkeypatch.setattr(Adding, "apply", lambda self, images, noise: result(images))
    with pytest.raises(ValueError, match=f"adding returned .*{message}"):
        defended(Adding(), samples.images, samples, 0, "query0")


def test_a_defense_may_reach_both_ends_of_the_range_and_work_in_place(monkeypatch):
    samples = make_samples()
    original = samples.images.clone()
    monkeypatch.setattr(Adding, "apply", lambda self, images, noise: images.round_())
    assert set(defended(Adding(), samples.images, samples, 0, "query0").unique().tolist()) == {0.0, 1.0}
    assert torch.equal(samples.images, original)


def test_noise_of_a_defense_belongs_to_sample_seed_and_place():
    samples = make_samples(6)

    def noisy(part, seed=0, place="query0"):
        return defended(Adding(), part.images, part, seed, place)

    whole = noisy(samples)
    order = [4, 2, 0, 5, 3, 1]
    assert torch.equal(noisy(samples.take(order)), whole[order])
    assert not torch.allclose(noisy(samples, seed=1), whole)
    assert not torch.allclose(noisy(samples, place="query1"), whole)


def test_output_defenses_act_on_everything_given_out_in_order(model):
    """Clamped at 1 and then darker by 0.2; the other order would give another image."""
    chain = (Adding(amount=0.9), Adding(amount=-0.2))
    plain = make_door(model)
    door = make_door(model, output_defenses=chain, answers=plain.answers)
    given = [door.reconstruct(door.images, 0.5, 2).output(), *door.reconstruct(door.images, 0.5, 2).intermediates()]
    given += [*door.reconstruct(door.images, 0.5, 2).states(), door.generate(2)]
    for images in given:
        assert images.mean() == pytest.approx(0.8, abs=0.05)
    assert torch.equal(door.returned.images, given[-1])
    assert not torch.allclose(plain.reconstruct(plain.images, 0.5, 2).output(), given[0])


def test_output_noise_is_new_for_every_question_and_step_but_not_for_the_same(model):
    """Were it the same, it would cancel between two steps and hide nothing."""
    plain = make_door(model, "white")
    noisy = make_door(model, "white", output_defenses=(Adding(amount=0.0),), answers=plain.answers)

    def added(strength, steps, draw=0):
        asked = [door.reconstruct(door.images / 2 + 0.25, strength, steps, draw) for door in (plain, noisy)]
        steps = [[*answer.intermediates(), answer.output()] for answer in asked]
        return [(after - before).flatten() for before, after in zip(*steps, strict=True)]

    first = added(0.3, 3)
    assert torch.equal(first[2], first[3])
    assert torch.equal(added(0.3, 3)[0], first[0])
    rows = torch.stack([*first[:3], added(0.4, 3)[0], added(0.3, 4)[0], added(0.3, 3, draw=1)[0]])
    assert rows.std() == pytest.approx(0.05, abs=0.005)
    assert torch.corrcoef(rows).fill_diagonal_(0).abs().max() < 0.25


def test_the_attackers_own_image_always_passes_the_query_defense(model):
    """An observer that sends the originals gets the answer for what the provider makes of them."""
    samples = make_samples()
    door = Door(Answers(model, 64), samples, samples.images / 2, "gray", 0)

    sent = door.reconstruct(door.originals, 0.5, 2).output()

    assert torch.equal(sent, door.reconstruct(door.images, 0.5, 2).output())
    assert torch.equal(door.encode(door.originals), door.encode(door.images))
    assert door.answers.paid.queries == 1


# Text, decoding and images of another size


def test_decoded_images_are_kept_within_their_room_and_decoded_anew_beyond(model):
    decoded = []
    decode = model.decode
    model.decode = lambda inner: (decoded.append(len(inner)), decode(inner))[1]
    one_image = make_samples().images.nbytes
    door = make_door(model, answers=Answers(model, 64, room=one_image))
    walk = door.reconstruct(door.images, 0.5, 3)
    first = [image.clone() for image in walk.intermediates()]
    assert len(decoded) == 3
    again = list(walk.intermediates())
    assert len(decoded) == 5
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


def test_an_observer_that_reads_only_the_output_pays_for_one_decoding(model):
    decoded = []
    decode = model.decode
    model.decode = lambda inner: (decoded.append(len(inner)), decode(inner))[1]
    make_door(model, "black").reconstruct(make_samples().images, 0.5, 7).output()
    assert decoded == [5]


def test_the_victim_is_told_what_it_is_to_be_told_unless_a_question_says_otherwise(model):
    samples = make_samples(prompts=tuple("abcde"))
    door = make_door(model, samples=samples)
    door.told = ("told",) * 5
    assert (door.prompts, door.captions) == (("told",) * 5, samples.prompts)
    state = door.encode(door.images)
    lengths = door.predict_noise(state, 0) - state
    assert float(lengths.mean()) == pytest.approx(4)
    assert float((door.predict_noise(state, 0, ("",) * 5) - state).abs().max()) < 1e-6
    with pytest.raises(ValueError, match="2 prompts for 5 samples"):
        door.reconstruct(door.images, 0.5, 2, prompts=("a", "b"))


def test_reconstructions_with_other_prompts_are_other_questions(model):
    door = make_door(model, "black", make_samples(prompts=tuple("abcde")))
    plain = door.reconstruct(door.images, 0.5, 2)
    other = door.reconstruct(door.images, 0.5, 2, prompts=("x",) * 5)
    assert len(model.calls) == 2
    assert plain.question != other.question


def test_images_are_fitted_to_the_victim_and_its_answers_back(model):
    samples = make_samples()
    fitting = Fitting(samples.image_shape, (1, SIZE + 4, SIZE + 4), "pad")
    seen = []
    encode = model.encode
    model.encode = lambda images: (seen.append(images.shape[1:]), encode(images))[1]
    door = make_door(model, answers=Answers(model, 64, fitting=fitting))
    inner = door.encode(door.images)
    output = door.reconstruct(door.images, 0.5, 1).output()
    assert inner.shape[1:] == (1, SIZE + 4, SIZE + 4)
    assert set(seen) == {(1, SIZE + 4, SIZE + 4)}
    assert output.shape == samples.images.shape
    torch.testing.assert_close(door.decode(inner), samples.images)
