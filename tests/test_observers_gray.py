"""Gray-box attacks against float64 re-derivations, what they ask and share."""

import math

import numpy as np
import pytest
import torch

from helpers.pixel_models import tiny_unet
from helpers.spied_victim import Spied, observer
from leakboard.api import LeakboardError, Unsupported
from leakboard.oracle.door import Door
from leakboard.oracle.memo import Memo

ABAR = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))


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
    attack = registry.value("attack", name)
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


def test_secmi_walks_up_to_90_then_to_100_and_back(enter, model):
    (pair,) = observer("secmi").observe(enter())
    assert model.timesteps == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    assert (pair.label, pair.space) == ("t=90", "state")


def test_secmi_refuses_a_timestep_its_strides_never_reach():
    with pytest.raises(LeakboardError, match=r"never reaches timestep 95") as error:
        observer("secmi(t=95, k=10)")
    assert "secmi(t=100, k=10)" in str(error.value)


def test_pian_as_in_the_paper_has_a_reference_larger_by_half_pi(enter):
    pairs = [next(observer(f"pia(normalize={kind!r})").observe(enter())) for kind in ("code", "paper")]
    torch.testing.assert_close(pairs[1].reference, pairs[0].reference * (math.pi / 2))
    assert pairs[0].reference.abs().mean((1, 2, 3)).numpy() == pytest.approx(math.sqrt(2 / math.pi))


def test_loss_draws_independent_noises_and_seeds_change_them(enter):
    first, second = observer("loss(draws=2)").observe(enter())
    (other,) = observer("loss").observe(enter(seed=1))
    assert (first.label, second.label) == ("t=100 draw 0", "t=100 draw 1")
    references = torch.stack([first.reference, second.reference, other.reference]).flatten(1)
    assert torch.corrcoef(references).fill_diagonal_(0).abs().max() < 0.2
    assert references.std() == pytest.approx(1, abs=0.1)


def test_sima_compares_with_zero(enter, model):
    (pair,) = observer("sima").observe(enter())
    assert not pair.reference.any()
    assert pair.observation.abs().min() > 0
    assert model.timesteps == [100]


@pytest.mark.parametrize(
    ("spec", "cost"), [("loss", 1), ("loss(draws=3)", 3), ("secmi", 11), ("pia", 2), ("pia(t=0)", 2), ("sima", 1)]
)
def test_gray_box_observers_cost_their_denoiser_calls(spec, cost, enter):
    door = enter()
    list(observer(spec).observe(door))
    assert (door.asked.queries, door.asked.evaluations) == (cost, cost)


@pytest.mark.parametrize("backwards", [False, True])
def test_attacks_share_the_first_prediction(backwards, enter, answers, model):
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
def test_a_timestep_beyond_the_schedule_does_not_fit_and_costs_nothing(spec, samples):
    answers = Memo(Spied(num_train_timesteps=60), 64)
    with pytest.raises(Unsupported, match="60 timesteps, timestep 60"):
        list(observer(spec).observe(Door(answers, samples, 0, "gray")))
    assert answers.paid.evaluations == 0
