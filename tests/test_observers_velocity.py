"""Attacks on victims that match flows against float64 re-derivations, what they ask and share, and whom they fit."""

import zlib

import numpy as np
import pytest
import torch

from helpers.oracles import make_door
from helpers.pixel_models import tiny_unet
from helpers.spied_victim import Spied, observer
from leakboard.api import Unsupported
from leakboard_plugins.observers.velocity import compressed, total_variation
from leakboard_plugins.victims.pixel.flow import Flow


@pytest.fixture(scope="module")
def predicted():
    """The same network in float64, called with numpy arrays; its timesteps are 1000 times the share of noise."""
    network = tiny_unet().eval().double()

    def predicted(state, time):
        with torch.no_grad():
            return network(torch.from_numpy(state), torch.full((len(state),), time * 1000)).sample.numpy()

    return predicted


@pytest.fixture
def drawn(samples, enter):
    """Clean samples in [-1, 1], and their noise by draw."""

    def noise(draw):
        return enter().noise("velocity", samples.images, draw).double().numpy()

    return samples.images.double().numpy() * 2 - 1, noise


def error_64(predicted, clean, noise, time):
    """Squared norm of what the predicted velocity misses of d/dt of (1 - t) clean + t noise."""
    missed = predicted((1 - time) * clean + time * noise, time) - (noise - clean)
    return (missed**2).reshape(len(clean), -1).sum(1)


def variation_64(images):
    total = []
    for image in images:
        rows, columns = image.shape[1:]
        down = sum(abs(image[0, y + 1, x] - image[0, y, x]) for y in range(rows - 1) for x in range(columns))
        across = sum(abs(image[0, y, x + 1] - image[0, y, x]) for y in range(rows) for x in range(columns - 1))
        total.append(down + across)
    return np.array(total)


def attacked(registry, name, door):
    """Features of a named attack as the harness orients them, and its scores without any labels or those given."""
    attack = registry.value("attack", name)
    distance = registry.one("distance", attack.distance).only
    assert not distance.larger_is_closer
    pairs = list(registry.one("observer", attack.observer).only.observe(door))
    features = -np.stack([distance.measure(pair).numpy() for pair in pairs], 1)
    return features, registry.one("classifier", attack.classifier).only, [pair.label for pair in pairs]


def test_flow_loss_equals_the_float64_formula(registry, enter, predicted, drawn):
    clean, noise = drawn
    features, classifier, labels = attacked(registry, "flow_loss", enter())
    scores = classifier.fit(features[:0], np.zeros(0, bool), labels)(features)

    np.testing.assert_allclose(scores, -error_64(predicted, clean, noise(0), 0.5), rtol=1e-4)


def test_flow_mc_calibrated_equals_the_float64_formula(registry, enter, predicted, drawn, samples):
    """The mean velocity over draws against that of no noise, by the image's own bytes; nothing is fitted."""
    clean, noise = drawn
    features, classifier, labels = attacked(registry, "flow_mc_calibrated", enter())
    scores = classifier.fit(features[:0], np.zeros(0, bool), labels)(features)

    mean = np.mean([predicted(0.5 * clean + 0.5 * noise(draw), 0.5) for draw in range(8)], 0)
    missed = ((clean + mean) ** 2).reshape(len(clean), -1).sum(1)
    pixels = np.rint(samples.images.double().numpy() * 255).astype(np.uint8)
    expected = missed / [len(zlib.compress(image.tobytes(), 9)) for image in pixels]
    np.testing.assert_allclose(scores, -expected, rtol=1e-4)


def test_the_mean_of_losses_by_the_total_variation_equals_the_float64_formula(
    registry, enter, predicted, drawn, samples
):
    clean, noise = drawn
    *pairs, last = observer("velocity_loss(draws=8, complexity='total_variation')").observe(enter())
    distance = registry.one("distance", "lp(p=2.0)").only
    features = -np.stack([distance.measure(pair).numpy() for pair in (*pairs, last)], 1)
    classifier = registry.one("classifier", "ratio").only
    scores = classifier.fit(features[:0], np.zeros(0, bool), ["c"] * 9)(features)

    mean = np.mean([error_64(predicted, clean, noise(draw), 0.5) for draw in range(8)], 0)
    np.testing.assert_allclose(scores, -mean / variation_64(samples.images.double().numpy()), rtol=1e-4)


def test_flow_curve_equals_the_float64_formula(registry, enter, predicted, drawn):
    clean, noise = drawn
    features, classifier, labels = attacked(registry, "flow_curve", enter())

    times = [k / 10 for k in range(1, 10)]
    expected = np.stack([error_64(predicted, clean, noise(0), time) / clean[0].size for time in times], 1)
    np.testing.assert_allclose(features, -expected, rtol=1e-4)
    assert labels == [f"time={time:g} draw 0" for time in times]
    assert classifier.name == "logistic_regression"


def test_the_curve_of_reconstruction_errors_gives_the_scores_of_that_of_velocities(registry, enter, drawn):
    """At each time they are the same up to a factor, and columns are scaled before they are weighed."""
    features, classifier, labels = attacked(registry, "flow_curve", enter())
    member = np.arange(len(features)) % 2 == 0
    squares = np.array([(k / 10) ** 2 for k in range(1, 10)])

    velocities, reconstructions = (
        classifier.fit(each, member, labels)(each) for each in (features, features * squares)
    )
    np.testing.assert_allclose(velocities, reconstructions, rtol=1e-6)


@pytest.mark.parametrize(
    ("spec", "cost"),
    [
        ("velocity_loss", 1),
        ("velocity_loss(draws=3)", 3),
        ("velocity_loss(draws=8, complexity='total_variation')", 8),
        ("velocity_loss(complexity='compressed')", 1),
        ("velocity_curve", 9),
        ("velocity_curve(points=3)", 3),
    ],
)
def test_velocity_observers_cost_their_denoiser_calls(spec, cost, enter, model):
    door = enter()
    list(observer(spec).observe(door))
    assert (door.asked.queries, door.asked.evaluations) == (cost, cost)
    assert len(model.times) == cost
    assert not model.timesteps


def test_all_three_attacks_share_the_first_velocity_at_one_half(registry, enter, answers):
    """Alone they cost 1 + 8 + 9."""
    for name in ("flow_loss", "flow_mc_calibrated", "flow_curve"):
        list(registry.one("observer", registry.value("attack", name).observer).only.observe(enter()))
    assert answers.paid.evaluations == 8 + 9 - 1


@pytest.mark.parametrize("complexity", ["total_variation", "compressed"])
@pytest.mark.parametrize("distance", ["lp(p=2.0)", "mse", "rmse"])
def test_the_complexity_is_measured_on_the_scale_of_the_losses(complexity, distance, registry, enter, samples):
    """So a ratio of the two is the same number whichever way squares are added up."""
    *losses, last = observer(f"velocity_loss(draws=2, complexity={complexity!r})").observe(enter())
    measured = registry.one("distance", distance).only.measure(last).numpy()
    numbers = (total_variation if complexity == "total_variation" else compressed)(samples.images).double().numpy()
    size = samples.images[0].numel()
    wanted = {"lp(p=2.0)": numbers, "mse": numbers / size, "rmse": np.sqrt(numbers / size)}[distance]

    np.testing.assert_allclose(measured, wanted, rtol=1e-5)
    assert last.label == "complexity"
    assert len(losses) == 2


def test_complexities_of_plain_and_of_busy_images():
    flat = torch.full((1, 3, 16, 16), 0.5)
    noisy = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    for measure in (total_variation, compressed):
        assert 0 < measure(flat) < measure(noisy) / 10
        assert torch.equal(measure(torch.cat([flat, noisy])), torch.cat([measure(flat), measure(noisy)]))
    edge = torch.zeros(1, 1, 4, 4)
    edge[..., 2:] = 1
    assert total_variation(edge) == 4
    assert compressed(edge) == len(zlib.compress(bytes([0, 0, 255, 255] * 4), 9))


@pytest.mark.parametrize("spec", ["loss", "secmi", "pia", "sima"])
def test_what_needs_predicted_noise_does_not_fit_a_flow_and_says_what_does(spec, tiny_flow):
    door = make_door(Flow(model=str(tiny_flow)).open("cpu"))
    with pytest.raises(
        Unsupported, match=r"predicts velocities and no noise.* velocity_loss and velocity_curve fit it"
    ):
        list(observer(spec).observe(door))
    assert door.asked.queries == 0


@pytest.mark.parametrize("spec", ["velocity_loss", "velocity_curve"])
def test_what_needs_velocities_does_not_fit_a_noise_schedule_and_says_what_does(spec, models):
    door = make_door(models["epsilon"])
    with pytest.raises(
        Unsupported, match=r"predicts no velocity, for it matches no flow; observers of predicted noise fit"
    ):
        list(observer(spec).observe(door))
    assert door.asked.queries == 0


def test_the_spied_victim_answers_as_the_network_does(predicted):
    state = torch.rand(2, 1, 8, 8)
    np.testing.assert_allclose(
        Spied().predict_velocity(state, 0.4567, None).numpy(),
        predicted(state.double().numpy(), 0.4567),
        rtol=1e-4,
        atol=1e-5,
    )
