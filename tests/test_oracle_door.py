"""The one door to a victim: what is remembered, what is paid, who is let in, what the victim is told and shown."""

import contextlib
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from helpers.handmade_victim import Handmade
from helpers.oracles import make_door, make_samples
from helpers.pixel_models import SIZE
from leakboard.api import AccessDenied, Defense, Refused, Unsupported
from leakboard.asking import Cost
from leakboard.noise import normal
from leakboard.oracle.door import Door
from leakboard.oracle.fitting import Fitting
from leakboard.oracle.memo import Memo, digest
from leakboard.oracle.provider import Provider


@pytest.fixture
def model():
    return Handmade()


# What is remembered


def test_the_same_question_is_asked_once_by_content(model):
    """Another tensor object with the same numbers is the same question, from another door too."""
    door = make_door(model)
    other = make_door(model, memo=door.memo, seed=7)
    first = door.predict_noise(door.encode(door.images), 3)
    again = other.predict_noise(other.encode(other.images.clone()), 3)
    assert model.calls == [("predict_noise", 5)]
    assert torch.equal(first, again)
    assert door.memo.paid.evaluations == 1


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
    assert door.memo.paid.evaluations == len(model.calls) == 4


def test_velocities_at_other_times_states_and_prompts_are_other_questions(model):
    samples = make_samples(prompts=tuple("abcde"))
    door = make_door(model, samples=samples)
    state = door.encode(door.images)
    first = door.predict_velocity(state, 0.3)
    assert torch.equal(first, door.predict_velocity(state.clone(), 0.3, prompts=samples.prompts))
    assert torch.equal(first, 0.3 * state + 1)  # the length of the prompts
    for other in (
        lambda: door.predict_velocity(state, 0.4),
        lambda: door.predict_velocity(state + 1, 0.3),
        lambda: door.predict_velocity(state, 0.3, prompts=("",) * 5),
    ):
        assert not torch.equal(other(), first)
    assert door.memo.paid.evaluations == door.memo.paid.queries == len(model.calls) == 4
    assert door.asked.evaluations == door.asked.queries == 5


@pytest.mark.parametrize("time", [0, 1, -0.1, 1.1, float("nan")])
def test_no_velocity_is_asked_at_the_ends_of_the_line(time, model):
    door = make_door(model)
    with pytest.raises(ValueError, match=r"expected one between 0 \(clean\) and 1 \(noise\)"):
        door.predict_velocity(door.originals, time)
    assert not model.calls


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
    second.memo = first.memo
    for door in (first, second):
        door.predict_noise(door.encode(door.images), 3)
        door.reconstruct(door.images, 0.5, 4)
    assert first.asked == second.asked
    assert first.asked.seconds > 0
    assert (first.asked.queries, first.asked.evaluations) == (2, 5)
    assert (first.memo.paid.queries, first.memo.paid.evaluations) == (2, 5)


def test_guidance_doubles_what_a_sampler_step_costs_and_nothing_else(model):
    door = make_door(model, "white", memo=Memo(model, 64, evaluations_per_step=2))
    inner = door.encode(door.images)
    door.predict_noise(inner, 3)
    door.reconstruct(door.images, 0.5, 4)
    door.generate(6)
    door.gradients(inner, door.noise("g", inner), 3)
    assert (door.asked.queries, door.asked.evaluations) == (4, 1 + 2 * (4 + 6) + 2)
    assert Cost(1, 2, 3.0) + Cost(10, 20, 30.0) == Cost(11, 22, 33.0)


def test_an_observer_that_writes_into_answers_harms_no_other(model):
    door = make_door(model)
    other = make_door(model, memo=door.memo)
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


# Access

ASKED = {
    "predict_noise": ("gray", lambda door: door.predict_noise(door.images, 3)),
    "predict_velocity": ("gray", lambda door: door.predict_velocity(door.images, 0.3)),
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


# Text, decoding and images of another size


def test_decoded_images_are_kept_within_their_room_and_decoded_anew_beyond(model):
    decoded = []
    decode = model.decode
    model.decode = lambda inner: (decoded.append(len(inner)), decode(inner))[1]
    one_image = make_samples().images.nbytes
    door = make_door(model, memo=Memo(model, 64, room=one_image))
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


def test_the_victim_gets_its_default_prompts_unless_a_question_says_otherwise(model):
    samples = make_samples(prompts=tuple("abcde"))
    door = make_door(model, samples=samples)
    door.default_prompts = ("told",) * 5
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
    door = make_door(model, memo=Memo(model, 64, fitting=fitting))
    inner = door.encode(door.images)
    output = door.reconstruct(door.images, 0.5, 1).output()
    assert inner.shape[1:] == (1, SIZE + 4, SIZE + 4)
    assert set(seen) == {(1, SIZE + 4, SIZE + 4)}
    assert output.shape == samples.images.shape
    torch.testing.assert_close(door.decode(inner), samples.images)


# What is done, and what is refused


class Hasty(Handmade):
    """Makes one step, however many are asked."""

    def reconstruct(self, images, seeds, strength, steps, prompts):
        return super().reconstruct(images, seeds, strength, 1, prompts)


def test_a_victim_that_makes_other_steps_than_asked_is_no_answer_and_billed_for_what_it_did():
    door = make_door(Hasty(), "black")
    for _ in range(2):
        with pytest.raises(Unsupported, match="made 1 steps where 10 were asked"):
            door.reconstruct(door.originals, 0.5, 10)
    assert (door.memo.paid.queries, door.memo.paid.evaluations) == (1, 1)
    assert (door.asked.queries, door.asked.evaluations) == (2, 2)


def test_a_victim_that_answers_images_alone_gives_no_more_to_anybody(model):
    door = Door(Memo(model, 64), make_samples(), 0, "white", Provider(access="black"))

    assert door.reconstruct(door.originals, 0.5, 2).output().shape == door.originals.shape
    with pytest.raises(Unsupported, match="encode needs gray access, the victim answers black at most"):
        door.encode(door.originals)
    with pytest.raises(Unsupported, match="intermediates needs gray"):
        list(door.reconstruct(door.originals, 0.5, 2).intermediates())


@dataclass(frozen=True, kw_only=True)
class Budget(Defense):
    """Lets so many queries and evaluations of a sample pass."""

    name: ClassVar[str] = "budget"
    queries: float = 1e9
    evaluations: float = 1e9

    def admit(self, asked, cost):
        if asked.queries + cost.queries > self.queries or asked.evaluations + cost.evaluations > self.evaluations:
            raise Refused(f"refused after {asked.queries:g} queries")

    def apply(self, images, noise):
        return images


@pytest.mark.parametrize("at", ["query", "output"])
def test_a_defense_that_counts_refuses_what_goes_beyond(model, at):
    door = make_door(model, **{at: (Budget(queries=2),)})
    door.encode(door.originals)
    door.predict_noise(door.encode(door.originals), 1)
    door.reconstruct(door.originals, 0.5, 3)
    with pytest.raises(Refused, match="after 2 queries"):
        door.reconstruct(door.originals, 0.5, 4)
    assert door.asked.queries == 2
    assert [size for query, size in model.calls] == [5, 5]


def test_a_budget_counts_what_an_attack_asks_whoever_paid_for_it(model):
    """The second observer gets its answers from the memo, and would have had to ask all the same."""
    first = make_door(model)
    first.reconstruct(first.originals, 0.5, 3)
    second = make_door(model, memo=first.memo, query=(Budget(evaluations=5),))
    second.reconstruct(second.originals, 0.5, 3)
    with pytest.raises(Refused):
        second.reconstruct(second.originals, 0.5, 3, draw=1)


# What it gives away of the samples


def test_an_observer_sees_no_names_and_no_labels(model):
    ids = tuple(f"{'members' if row % 2 == 0 else 'others'}/{row}.png" for row in range(5))
    told = replace(make_samples(), ids=ids, notes=("members/0.png looks like others/1.png",), member_digest="digest")
    door = make_door(model, samples=told)

    seen = repr([value for name, value in vars(door).items() if not name.startswith("_")])
    assert not any(word in seen for word in ("members", "others", "digest'"))
    assert not door.samples.member.any()
    assert len(set(door.samples.ids)) == 5


def test_noise_is_that_of_the_real_names(model):
    """Whoever they are called to the observer: numbers do not change with what is hidden."""
    samples = make_samples()
    door = make_door(model, samples=samples, seed=3)

    assert torch.equal(door.noise("loss", samples.images, 2), normal(3, "loss", 2, samples.ids, samples.images))


def test_a_refusal_is_noted_also_where_the_observer_goes_on(model):
    door = make_door(model, query=(Budget(queries=1),))
    door.reconstruct(door.originals, 0.5, 2)
    with contextlib.suppress(Refused):
        door.reconstruct(door.originals, 0.5, 3)

    assert door.refusal == "refused after 1 queries"
