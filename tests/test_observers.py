"""Observers: the gray-box attacks against float64 re-derivations, the seed's series, what each asks and shares."""

import math

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler

from denoisers import SIZE, tiny_unet
from leakboard.api import AccessDenied, LeakboardError, Model, Samples, Unsupported
from leakboard.noise import seeds_of
from leakboard.oracle import Answers, Door
from leakboard.registry import Registry
from leakboard_plugins.observers import OBSERVERS
from leakboard_plugins.victims.pixel_model import PixelModel

COUNT = 6
ABAR = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))


class Spied(Model):
    """Notes what is asked of a pixel model."""

    def __init__(self, **scheduler):
        self.inside = PixelModel(tiny_unet().eval(), dict(DDPMScheduler(**scheduler).config))
        self.alphas_cumprod = self.inside.alphas_cumprod
        self.encode, self.decode = self.inside.encode, self.inside.decode
        self.timesteps, self.reconstructions = [], []

    def predict_noise(self, state, timestep, prompts):
        self.timesteps.append(timestep)
        return self.inside.predict_noise(state, timestep, prompts)

    def reconstruct(self, images, seeds, strength, steps, prompts):
        self.reconstructions.append((strength, steps))
        return self.inside.reconstruct(images, seeds, strength, steps, prompts)


@pytest.fixture(scope="module")
def registry():
    return Registry.load()


@pytest.fixture(scope="module")
def samples():
    images = torch.rand((COUNT, 1, SIZE, SIZE), generator=torch.Generator().manual_seed(1))
    ids = tuple(f"image {row}" for row in range(COUNT))
    return Samples(ids, images, np.arange(COUNT) < COUNT // 2, tuple(f"a photo of {name}" for name in ids))


@pytest.fixture
def model():
    return Spied()


@pytest.fixture
def answers(model):
    return Answers(model, batch_size=64)


@pytest.fixture
def enter(answers, samples):
    """Opens a door; the victim sees the images at half brightness when ``defended``."""

    def enter(access="gray", *, defended=False, seed=0):
        images = samples.images / 2 if defended else samples.images
        return Door(answers, samples, images, access, seed)

    return enter


@pytest.fixture(scope="module")
def observer(registry):
    return lambda spec: registry.one("observer", spec).only


@pytest.fixture(scope="module")
def predicted():
    """The same network in float64, called with numpy arrays."""
    network = tiny_unet().eval().double()

    def predicted(state, timestep):
        with torch.no_grad():
            return network(torch.from_numpy(state), timestep).sample.numpy()

    return predicted


def total(values):
    return values.reshape(len(values), -1).sum(1)


def mixed(clean, noise, timestep):
    return math.sqrt(ABAR[timestep]) * clean + math.sqrt(1 - ABAR[timestep]) * noise


def loss_64(predicted, clean, noise):
    return total((noise - predicted(mixed(clean, noise, 100), 100)) ** 2)


def secmi_64(predicted, clean, noise, last=90):
    def travelled(state, start, stop):
        epsilon = predicted(state, start)
        origin = (state - math.sqrt(1 - ABAR[start]) * epsilon) / math.sqrt(ABAR[start])
        return mixed(origin, epsilon, stop)

    state = clean
    for start in range(0, last, 10):
        state = travelled(state, start, start + 10)
    back = travelled(travelled(state, last, last + 10), last + 10, last)
    return total((back - state) ** 2)


def pia_64(predicted, clean, noise):
    first = predicted(clean, 0)
    return total(np.abs(first - predicted(mixed(clean, first, 200), 200)) ** 4)


def pian_64(predicted, clean, noise):
    first = predicted(clean, 0)
    first = first / np.abs(first).mean((1, 2, 3), keepdims=True) * math.sqrt(2 / math.pi)
    return total(np.abs(first - predicted(mixed(clean, first, 200), 200)) ** 4)


def sima_64(predicted, clean, noise):
    return total(np.abs(predicted(clean, 100)) ** 4)


STATISTICS = {"loss": loss_64, "secmi": secmi_64, "pia": pia_64, "pian": pian_64, "sima": sima_64}


@pytest.mark.parametrize("name", STATISTICS)
def test_named_attack_equals_the_float64_formula(name, registry, enter, predicted, samples):
    """Through the specs of attacks.toml, so that its parameters are held too."""
    attack = registry.attack(name)
    door = enter()
    (pair,) = registry.one("observer", attack.observer).only.observe(door)
    found = registry.one("distance", attack.distance).only.measure(pair).numpy()
    clean = samples.images.double().numpy() * 2 - 1
    noise = door.noise("loss", samples.images).double().numpy()
    np.testing.assert_allclose(found, STATISTICS[name](predicted, clean, noise), rtol=1e-4)
    assert not registry.one("distance", attack.distance).only.larger_is_closer
    assert registry.one("classifier", attack.classifier).only.name == "threshold"


def test_the_float64_statistics_tell_parameters_apart(predicted, samples):
    """The comparison above would be worthless if a wrong timestep or scale gave nearly the same numbers."""
    clean = samples.images.double().numpy() * 2 - 1
    at_90, at_100 = (secmi_64(predicted, clean, None, last) for last in (90, 100))
    assert np.all(np.abs(at_90 / at_100 - 1) > 0.01)
    assert np.all(np.abs(pian_64(predicted, clean, None) / pia_64(predicted, clean, None) - 1) > 0.01)


def test_secmi_walks_up_to_90_then_to_100_and_back(observer, enter, model):
    (pair,) = observer("secmi").observe(enter())
    assert model.timesteps == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    assert (pair.label, pair.space) == ("t=90", "state")


def test_secmi_refuses_a_timestep_its_strides_never_reach(observer):
    with pytest.raises(LeakboardError, match=r"never reaches timestep 95") as error:
        observer("secmi(t=95, k=10)")
    assert "secmi(t=100, k=10)" in str(error.value)


def test_pian_as_in_the_paper_has_a_reference_larger_by_half_pi(observer, enter):
    pairs = [next(observer(f"pia(normalize={kind!r})").observe(enter())) for kind in ("code", "paper")]
    torch.testing.assert_close(pairs[1].reference, pairs[0].reference * (math.pi / 2))
    assert pairs[0].reference.abs().mean((1, 2, 3)).numpy() == pytest.approx(math.sqrt(2 / math.pi))


def test_loss_draws_independent_noises_and_seeds_change_them(observer, enter):
    first, second = observer("loss(draws=2)").observe(enter())
    (other,) = observer("loss").observe(enter(seed=1))
    assert (first.label, second.label) == ("t=100 draw 0", "t=100 draw 1")
    references = torch.stack([first.reference, second.reference, other.reference]).flatten(1)
    assert torch.corrcoef(references).fill_diagonal_(0).abs().max() < 0.2
    assert references.std() == pytest.approx(1, abs=0.1)


def test_sima_compares_with_zero(observer, enter, model):
    (pair,) = observer("sima").observe(enter())
    assert not pair.reference.any()
    assert pair.observation.abs().min() > 0
    assert model.timesteps == [100]


@pytest.mark.parametrize(
    ("spec", "cost"), [("loss", 1), ("loss(draws=3)", 3), ("secmi", 11), ("pia", 2), ("pia(t=0)", 2), ("sima", 1)]
)
def test_gray_box_observers_cost_their_denoiser_calls(spec, cost, observer, enter):
    door = enter()
    list(observer(spec).observe(door))
    assert (door.asked.queries, door.asked.evaluations) == (cost, cost)


@pytest.mark.parametrize("backwards", [False, True])
def test_attacks_share_the_first_prediction(backwards, observer, enter, answers, model):
    """Alone they cost 11 + 2 + 2 + 1; all four start with the noise predicted at 0 for the clean image."""
    specs = ["secmi", "pia", "pia(normalize='code')", "sima(t=0)"]
    asked = []
    for spec in reversed(specs) if backwards else specs:
        door = enter()
        list(observer(spec).observe(door))
        asked.append(door.asked.evaluations)
    assert sorted(asked) == [1, 2, 2, 11]
    assert answers.paid.evaluations == answers.paid.queries == len(model.timesteps) == 11 + 1 + 1
    assert sorted(model.timesteps) == sorted([*range(0, 101, 10), 200, 200])


@pytest.mark.parametrize("spec", ["loss(t=60)", "secmi(t=50)", "pia(t=60)", "sima(t=60)"])
def test_a_timestep_beyond_the_schedule_does_not_fit_and_costs_nothing(spec, observer, samples):
    answers = Answers(Spied(num_train_timesteps=60), 64)
    with pytest.raises(Unsupported, match="60 timesteps, timestep 60"):
        list(observer(spec).observe(Door(answers, samples, samples.images, "gray", 0)))
    assert answers.paid.evaluations == 0


def test_one_shot_compares_the_image_with_the_returned_one(observer, enter, samples, model):
    door = enter("black")
    (pair,) = observer("one_shot(strength=0.3, steps=4)").observe(door)
    seeds = seeds_of(0, "reconstruct", 0, samples.ids)
    *_, last = model.inside.reconstruct(samples.images, seeds, 0.3, 4, None)
    torch.testing.assert_close(pair.reference, samples.images)
    torch.testing.assert_close(pair.observation, model.inside.decode(last.clean))
    assert (door.asked.queries, door.asked.evaluations) == (1, 4)
    assert torch.equal(door.returned.images, pair.observation)


@pytest.mark.parametrize("kind", ["clean", "state"])
def test_gray_complete_reads_every_intermediate_of_one_query(kind, observer, enter, samples, model):
    door = enter()
    word = {"clean": "clean", "state": "noisy"}[kind]
    pairs = list(observer(f"complete(steps=4, intermediates={word!r})").observe(door))
    seeds = seeds_of(0, "reconstruct", 0, samples.ids)
    walk = list(model.inside.reconstruct(samples.images, seeds, 0.2, 4, None))
    assert [pair.label for pair in pairs] == [f"complete {step}" for step in range(1, 5)]
    for pair, step in zip(pairs, walk, strict=True):
        assert torch.equal(pair.reference, samples.images)
        torch.testing.assert_close(pair.observation, model.inside.decode(getattr(step, kind)))
    assert (door.asked.queries, door.asked.evaluations) == (1, 4)
    assert not torch.equal(pairs[0].observation, pairs[-1].observation)


def test_clean_and_noisy_intermediates_differ(observer, enter):
    clean, noisy = (
        list(observer(f"complete(steps=3, intermediates={kind!r})").observe(enter())) for kind in ("clean", "noisy")
    )
    assert not torch.allclose(clean[0].observation, noisy[0].observation)


def test_progressive_compares_each_step_with_the_one_before(observer, enter, samples):
    complete = list(observer("complete(steps=4)").observe(enter()))
    progressive = list(observer("progressive(steps=4)").observe(enter()))
    assert [pair.label for pair in progressive] == [f"progressive {step}" for step in range(1, 5)]
    images = [samples.images, *(pair.observation for pair in complete)]
    for pair, before, image in zip(progressive, images[:-1], images[1:], strict=True):
        assert torch.equal(pair.reference, before)
        assert torch.equal(pair.observation, image)


@pytest.mark.parametrize("access", ["gray", "black"])
def test_complete_progressive_is_both_for_the_price_of_one(access, observer, enter):
    parts = [
        pair
        for name in ("complete", "progressive")
        for pair in observer(f"{name}(steps=3, access={access!r})").observe(enter(access))
    ]
    door = enter(access)
    both = list(observer(f"complete_progressive(steps=3, access={access!r})").observe(door))
    assert [pair.label for pair in both] == [pair.label for pair in parts]
    for one, other in zip(both, parts, strict=True):
        assert torch.equal(one.reference, other.reference)
        assert torch.equal(one.observation, other.observation)
    assert (door.asked.queries, door.asked.evaluations) == ((1, 3) if access == "gray" else (3, 9))


def test_black_access_asks_again_with_growing_strength(observer, enter, model):
    door = enter("black")
    pairs = list(observer("complete(strength=0.4, steps=4, access='black')").observe(door))
    assert model.reconstructions == [(pytest.approx(0.1 * query), 4) for query in range(1, 5)]
    assert (len(pairs), door.asked.queries, door.asked.evaluations) == (4, 4, 16)


def test_black_access_asks_again_with_growing_step_count(observer, enter, model):
    door = enter("black")
    pairs = list(observer("progressive(strength=0.4, steps=4, access='black', requery='steps')").observe(door))
    assert model.reconstructions == [(0.4, steps) for steps in range(1, 5)]
    assert (len(pairs), door.asked.queries, door.asked.evaluations) == (4, 4, 1 + 2 + 3 + 4)


@pytest.mark.parametrize("requery", ["strength", "steps"])
@pytest.mark.parametrize(("strength", "steps"), [(0.2, 10), (0.7, 10), (0.9, 7), (0.35, 3)])
def test_the_last_black_query_is_the_gray_one(strength, steps, requery, observer, enter, answers):
    """Even where strength x steps / steps rounds to another number, the victim is asked once."""
    list(observer(f"complete(strength={strength}, steps={steps})").observe(enter()))
    list(observer(f"one_shot(strength={strength}, steps={steps})").observe(enter("black")))
    assert answers.paid.queries == 1
    list(
        observer(f"complete(strength={strength}, steps={steps}, access='black', requery={requery!r})").observe(enter())
    )
    assert answers.paid.queries == steps


def test_black_access_gives_no_noisy_states(observer, enter, answers):
    with pytest.raises(Unsupported, match="noisy states"):
        list(observer("complete(access='black', intermediates='noisy')").observe(enter("black")))
    assert answers.paid.queries == 0


@pytest.mark.parametrize("name", ["one_shot", "progressive", "complete", "complete_progressive"])
def test_the_reference_is_the_raw_or_the_defended_image(name, observer, enter, samples):
    raw, defended = (
        list(observer(f"{name}(steps=2, reference={kind!r})").observe(enter(defended=True)))
        for kind in ("raw", "defended")
    )
    assert torch.equal(raw[0].reference, samples.images)
    assert torch.equal(defended[0].reference, samples.images / 2)
    assert torch.equal(raw[0].observation, defended[0].observation)


@pytest.mark.parametrize("cls", [cls for cls in OBSERVERS if not cls.null], ids=lambda cls: cls.name)
def test_the_victim_sees_the_defended_image(cls, enter, answers):
    """Nobody but the null observer may see the same with and without a query defense."""
    plain, defended = (list(cls().observe(enter(cls().access, defended=defended))) for defended in (False, True))
    for one, other in zip(plain, defended, strict=True):
        assert not torch.allclose(one.observation, other.observation)


def test_blind_asks_nothing(observer, samples):
    answers = Answers(Model(), 64)
    door = Door(answers, samples, samples.images / 2, "black", 0)
    pairs = list(observer("blind").observe(door))
    assert [pair.label for pair in pairs] == ["mirrored", "upside down", "smoothed", "shifted", "flat"]
    assert observer("blind").null
    assert answers.paid.evaluations == answers.paid.queries == door.asked.queries == len(answers.memo) == 0
    for pair in pairs:
        assert torch.equal(pair.reference, samples.images)
        assert not torch.allclose(pair.observation, samples.images)
        assert 0 <= pair.observation.min() <= pair.observation.max() <= 1
    assert torch.equal(pairs[0].observation.flip(-1), samples.images)
    assert pairs[4].observation.std((1, 2, 3)).max() < 1e-6


@pytest.mark.parametrize("cls", OBSERVERS, ids=lambda cls: cls.name)
def test_every_observer_keeps_the_contract(cls, enter, samples):
    """Pairs of one shape, space and order, one row a sample, under the access that it declares."""
    made = cls()
    first, again = (list(made.observe(enter(made.access))) for _ in range(2))
    labels = [pair.label for pair in first]
    assert len(labels) == len(set(labels)) > 0
    assert labels == [pair.label for pair in again]
    for pair, same in zip(first, again, strict=True):
        assert pair.space == made.space
        shape = (len(samples.ids), 1) if made.space == "statistic" else samples.images.shape
        assert pair.reference.shape == pair.observation.shape == shape
        assert pair.observation.isfinite().all()
        assert torch.equal(pair.observation, same.observation)


@pytest.mark.parametrize("spec", ["loss", "secmi", "pia", "sima", "complete", "progressive", "complete_progressive"])
def test_gray_observers_are_turned_away_at_a_black_door(spec, observer, enter):
    assert observer(spec).access == "gray"
    with pytest.raises(AccessDenied):
        list(observer(spec).observe(enter("black")))


@pytest.mark.parametrize(
    "spec",
    [
        "complete(strength=0)", "complete(strength=1.5)", "complete(steps=0)", "complete(access='white')",
        "one_shot(reference='both')", "loss(t=-1)", "loss(draws=0)", "secmi(k=0)", "pia(normalize='yes')",
        "sima(t=1.5)", "secmi(access='black')", "blind(access='gray')",
    ],
)  # fmt: skip
def test_parameters_out_of_range_are_refused(spec, observer):
    with pytest.raises(LeakboardError):
        observer(spec)


def test_no_observer_takes_a_number_that_is_none(registry):
    from leakboard.components import build
    from leakboard.specs import Spec

    for value in (math.nan, math.inf):
        with pytest.raises(LeakboardError):
            build(registry.find("observer", "complete"), Spec("complete", (("strength", value),)))


def test_the_autoencoder_reference_is_what_encoding_and_decoding_alone_make(observer, enter, samples, model):
    encode = model.encode
    model.encode = lambda images: encode((images * 8).round() / 8)
    door = enter()
    pairs = list(observer("complete(steps=2, reference='autoencoder')").observe(door))
    expected = model.decode(model.encode(samples.images))
    for pair in pairs:
        assert torch.equal(pair.reference, expected)
    assert not torch.equal(expected, samples.images)


def test_black_access_has_no_autoencoder_to_compare_with(observer, enter):
    with pytest.raises(Unsupported, match="access='gray' does"):
        list(observer("one_shot(reference='autoencoder')").observe(enter("black")))
