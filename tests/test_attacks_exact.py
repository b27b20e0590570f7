"""Published attacks against independent derivations of their formulas in float64, on a tiny seeded network."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from helpers.pixel_models import tiny_unet
from helpers.spied_victim import Spied, observer
from leakboard.api import LeakboardError, Pair, Unsupported
from leakboard.oracle.door import Door
from leakboard.oracle.memo import Memo
from leakboard_plugins.observers.conditional import cut
from leakboard_plugins.observers.crops import cropped

ABAR = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))


class Told(Spied):
    """The spied pixel model, whose prediction leans on the text: longer ones add more."""

    def predict_noise(self, state, timestep, prompts):
        scale = torch.tensor([1 + 0.01 * len(text) for text in prompts]).view(-1, 1, 1, 1)
        return super().predict_noise(state, timestep, None) * scale

    def generate(self, seeds, steps, prompts):
        return self.inside.generate(seeds, steps, None)

    def gradients(self, inner, noise, timesteps, prompts):
        return self.inside.gradients(inner, noise, timesteps, None)

    def state_gradient(self, inner, noise, timestep, prompts):
        return self.inside.state_gradient(inner, noise, timestep, None)


@pytest.fixture
def door(samples):
    return Door(Memo(Told(), 64), samples, 0, "white", default_prompts=samples.prompts)


@pytest.fixture(scope="module")
def network():
    return tiny_unet().eval().double().requires_grad_(False)


@pytest.fixture
def predicted(network, samples):
    """The same network in float64, called with numpy arrays and texts."""

    def predicted(state, timestep, texts=None):
        texts = samples.prompts if texts is None else texts
        scale = np.array([1 + 0.01 * len(text) for text in texts]).reshape(-1, 1, 1, 1)
        return network(torch.from_numpy(state), timestep).sample.numpy() * scale

    return predicted


@pytest.fixture
def clean(samples):
    return samples.images.double().numpy() * 2 - 1


def noise_of(door, name, draw=0):
    return door.noise(name, door.originals, draw).double().numpy()


def mixed(clean, noise, t):
    return math.sqrt(ABAR[t]) * clean + math.sqrt(1 - ABAR[t]) * noise


def moved(predicted, state, start, stop):
    epsilon = predicted(state, start)
    return mixed((state - math.sqrt(1 - ABAR[start]) * epsilon) / math.sqrt(ABAR[start]), epsilon, stop)


def mean(values):
    return values.reshape(len(values), -1).mean(1)


def measured(door, registry, name, **changes):
    """What the parts of a named attack measure: features (N, K), larger = closer, and their columns."""
    attack = registry.value("attack", name)
    specs = {axis: changes.get(axis, getattr(attack, axis)) for axis in ("observer", "distance", "classifier")}
    watch, distance, classifier = (registry.one(axis, spec).only for axis, spec in specs.items())
    pairs = list(watch.observe(door))
    parts = [distance.measure(pair).double().reshape(len(door.originals), -1).numpy() for pair in pairs]
    features = np.concatenate(parts, 1) * (1 if distance.larger_is_closer else -1)
    columns = [
        name for pair, part in zip(pairs, parts, strict=True) for name in (pair.names or (pair.label,) * part.shape[1])
    ]
    return features, columns, classifier


def scored(door, registry, name, **changes):
    """Scores of a named attack that trains nothing."""
    features, columns, classifier = measured(door, registry, name, **changes)
    assert not classifier.trains
    return classifier.fit(np.empty((0, features.shape[1])), np.empty(0, bool), columns)(features)


def test_loss_multi_has_one_noise_at_ten_timesteps(door, registry, predicted, clean):
    noise = noise_of(door, "loss")
    expected = [mean((noise - predicted(mixed(clean, noise, t), t)) ** 2) for t in range(50, 501, 50)]
    np.testing.assert_allclose(scored(door, registry, "loss_multi"), -np.mean(expected, 0), rtol=1e-4)
    assert door.asked.evaluations == 10


def test_secmi_paper_takes_its_statistic_at_100(door, registry, predicted, clean):
    state = clean
    for start in range(0, 100, 10):
        state = moved(predicted, state, start, start + 10)
    back = moved(predicted, moved(predicted, state, 100, 110), 110, 100)
    expected = -((back - state) ** 2).reshape(len(clean), -1).sum(1)
    np.testing.assert_allclose(scored(door, registry, "secmi_paper"), expected, rtol=1e-3)
    assert door.asked.evaluations == 12


def test_sima_mc_averages_predictions_before_the_norm(door, registry, predicted, clean):
    total = sum(predicted(mixed(clean, noise_of(door, "loss", draw), 100), 100) for draw in range(10))
    expected = -(np.abs(total / 10) ** 4).reshape(len(clean), -1).sum(1)
    np.testing.assert_allclose(scored(door, registry, "sima_mc"), expected, rtol=1e-3)


def test_rediffuse_averages_before_the_distance(door, registry):
    made = [door.reconstruct(door.originals, 0.2, 2, draw).output().double() for draw in range(10)]
    expected = -(door.originals.double() - torch.stack(made).mean(0)).square().flatten(1).sum(1)
    np.testing.assert_allclose(scored(door, registry, "rediffuse"), expected.numpy(), rtol=1e-4)
    assert door.asked.queries == 20  # ten here, and ten there: the door bills both, the victim is paid once
    apart = list(observer("variations(average=False)").observe(door))
    assert len(apart) == 10


def test_structural_decodes_the_inverted_state(door, registry, predicted, clean):
    (pair,) = observer("inverted").observe(door)
    state = moved(predicted, moved(predicted, clean, 0, 50), 50, 100)
    np.testing.assert_allclose(pair.observation.numpy(), (state / 2 + 0.5).clip(0, 1), atol=1e-4)
    assert pair.space == "image"
    assert door.asked.evaluations == 2


def test_the_noise_probe_goes_up_and_comes_down_again(door, predicted, clean):
    (pair,) = observer("noise_probe(t=300, k=100)").observe(door)
    state = clean
    for start in (0, 100, 200):
        state = moved(predicted, state, start, start + 100)
    for start in (300, 200, 100):
        state = moved(predicted, state, start, start - 100)
    np.testing.assert_allclose(pair.observation.numpy(), (state / 2 + 0.5).clip(0, 1), atol=1e-3)
    assert door.asked.evaluations == 6


def test_pfami_is_the_relative_rise_of_the_loss(door, registry, predicted, samples):
    from torchvision.transforms.v2.functional import center_crop, resize

    crop = resize(center_crop(samples.images, [int(0.8111 * 8)] * 2), [8, 8]).clamp(0, 1)
    rises = []
    for t in (0, 50, 100, 150, 200, 250, 300, 350, 400, 450):
        losses = []
        for kind, images in (("plain", samples.images), ("crop 0.8111", crop)):
            inner, noise = images.double().numpy() * 2 - 1, noise_of(door, f"crops {kind}", t)
            losses.append(mean((noise - predicted(mixed(inner, noise, t), t)) ** 2))
        rises.append((losses[1] - losses[0]) / losses[0])
    np.testing.assert_allclose(scored(door, registry, "pfami"), np.mean(rises, 0), rtol=1e-3, atol=1e-5)
    assert door.asked.evaluations == 20


@pytest.mark.parametrize(("side", "kept"), [(64, 51), (28, 22)])
def test_crops_are_cut_down_to_whole_pixels(side, kept):
    """As in PFAMI's code: 64 pixels are cut to 51, where rounding would leave 52."""
    images = torch.zeros(1, 1, side, side)
    start = round((side - kept) / 2)
    images[..., start : start + kept, start : start + kept] = 1
    assert cropped(images, 0.8111).min() == 1
    images[..., start, :] = 0
    assert cropped(images, 0.8111).min() < 1


def test_noise_aggregation_is_the_mean_distance_from_the_centroid(door, registry, predicted, clean):
    state, found = mixed(clean, noise_of(door, "noise_aggregation"), 80), []
    for t in (80, 64, 48, 32, 16):
        found.append(predicted(state, t))
        state = moved(predicted, state, t, t - 16)
    centroid = np.mean(found, 0)
    norms = [np.sqrt(((each - centroid) ** 2).reshape(len(clean), -1).sum(1)) for each in found]
    np.testing.assert_allclose(scored(door, registry, "noise_aggregation"), -np.mean(norms, 0), rtol=1e-3)


def conditional(door, predicted, clean, captions):
    """Mean losses (forms, N) with the caption, its thirds by characters, and none."""
    thirds = [(text[: len(text) // 3], text[len(text) // 3 : 2 * len(text) // 3]) for text in captions]
    last = tuple(text[2 * len(text) // 3 :] for text in captions)
    forms = [captions, *zip(*thirds, strict=True), last]
    forms.append(("",) * len(captions))
    losses = []
    for texts in forms:
        each = []
        for t in (485, 495, 505):
            noise = noise_of(door, "conditional_loss", t)
            each.append(mean((noise - predicted(mixed(clean, noise, t), t, texts)) ** 2))
        losses.append(np.mean(each, 0))
    return np.array(losses)


def test_clid_joins_robustly_scaled_discrepancy_and_loss(door, registry, predicted, clean, samples):
    features, columns, classifier = measured(door, registry, "clid")
    losses = conditional(door, predicted, clean, samples.prompts)
    rise, level = (losses[1:] - losses[0]).mean(0), -losses[0]
    known = np.array([0, 1, 2, 4])
    scale = lambda values: (values - np.median(values[known])) / np.subtract(*np.percentile(values[known], (75, 25)))  # noqa: E731
    expected = 0.9 * scale(rise) + 0.1 * scale(level)
    score = classifier.fit(features[known], np.array([True, False, True, False]), columns)(features)
    np.testing.assert_allclose(score, expected, rtol=1e-2, atol=1e-3)
    assert door.asked.evaluations == 15


def test_a_caption_is_cut_into_thirds_of_its_characters():
    assert cut("a red house on a hill", 3) == ["a red h", "ouse on", " a hill"]
    assert cut("ab", 3) == ["", "a", "b"]


def test_clid_needs_captions(samples, door):
    mute = Door(Memo(Told(), 64), samples, 0, "gray", default_prompts=None)
    with pytest.raises(Unsupported, match="needs captions"):
        list(observer("conditional_loss").observe(mute))


def test_memorized_prompt_is_the_norm_of_what_the_caption_adds(door, registry, predicted, clean):
    state = noise_of(door, "prompt_norm")
    added = predicted(state, 999) - predicted(state, 999, [""] * len(clean))
    expected = np.sqrt((added**2).reshape(len(clean), -1).sum(1))
    np.testing.assert_allclose(scored(door, registry, "memorized_prompt"), expected, rtol=1e-4)


def test_anisotropy_weighs_norm_and_angle(door, registry, predicted, clean):
    state, empty = noise_of(door, "prompt_norm"), [""] * len(clean)
    first = predicted(state, 981) - predicted(state, 981, empty)
    norm = np.sqrt((first**2).reshape(len(clean), -1).sum(1))
    bare, added = predicted(state, 41, empty), predicted(state, 41) - predicted(state, 41, empty)
    lengths = np.linalg.norm(bare, axis=1) * np.linalg.norm(added, axis=1)
    angle = mean((bare * added).sum(1) / lengths)
    np.testing.assert_allclose(scored(door, registry, "anisotropy"), norm + 2 * angle, rtol=1e-3)
    assert door.asked.evaluations == 4


@pytest.mark.parametrize("tile", [0, 4])
def test_nearest_generation_is_relative_to_the_next_ones(door, tile):
    (pair,) = observer(f"nearest_generation(count=5, steps=2, near=3, tile={tile})").observe(door)
    pool, images = door.pool(5, 2).double().numpy(), door.originals.double().numpy()
    size = tile or 8
    for row, image in enumerate(images):
        distances = sorted(
            max(
                np.linalg.norm((image - other)[:, top : top + size, left : left + size])
                for top in range(0, 8, size)
                for left in range(0, 8, size)
            )
            for other in pool
        )
        assert float(pair.observation[row, 0]) == pytest.approx(-distances[0] / np.mean(distances[:3]), rel=1e-6)


def test_low_pass_scales_what_lies_outside_the_box_on_both_sides(door):
    (plain,), (passed,) = (
        list(observer(spec).observe(door)) for spec in ("pia", "low_pass(of='pia', keep=2, rest=0.2)")
    )
    for side in ("reference", "observation"):
        spectrum = np.fft.fftshift(np.fft.fft2(getattr(plain, side).double().numpy()), axes=(-2, -1))
        mask = np.full((8, 8), 0.2)
        mask[2:6, 2:6] = 1
        expected = np.fft.ifft2(np.fft.ifftshift(spectrum * mask, axes=(-2, -1))).real
        np.testing.assert_allclose(getattr(passed, side).numpy(), expected, atol=1e-5)
    assert (passed.label, passed.space) == (plain.label, plain.space)


def test_low_pass_blurs_both_sides_as_the_defense_does(door):
    (plain,), (passed,) = (list(observer(spec).observe(door)) for spec in ("pia", "low_pass(of='pia', sigma=0.8)"))
    for side in ("reference", "observation"):
        expected = gaussian_filter(getattr(plain, side).numpy(), (0, 0, 0.8, 0.8))
        np.testing.assert_allclose(getattr(passed, side).numpy(), expected, atol=1e-6)


def test_gsa1_differentiates_the_mean_loss_once_and_gsa2_each_loss(door, samples):
    unet = tiny_unet().eval()
    inner, noise = samples.images * 2 - 1, door.noise("gradient_norms", samples.images)

    def norms(row, ts):
        unet.zero_grad()
        losses = []
        for t in ts:
            state = math.sqrt(ABAR[t]) * inner[row : row + 1] + math.sqrt(1 - ABAR[t]) * noise[row : row + 1]
            losses.append((unet(state, t).sample - noise[row : row + 1]).square().mean())
        torch.stack(losses).mean().backward()
        return torch.stack([weight.grad.norm() for weight in unet.parameters()])

    ts = (100, 400)
    (once,), (each,) = (list(observer(f"gradient_norms(ts={ts}, of={of!r})").observe(door)) for of in ("mean", "each"))
    for row in range(2):
        torch.testing.assert_close(once.observation[row], norms(row, ts), rtol=1e-3, atol=1e-5)
        expected = torch.stack([norms(row, [t]) for t in ts]).mean(0)
        torch.testing.assert_close(each.observation[row], expected, rtol=1e-3, atol=1e-5)
    assert not torch.allclose(once.observation, each.observation, rtol=0.01)


def test_tracing_has_loss_and_both_gradients(door, samples, network):
    (pair,) = observer("loss_trace(ts=(200,))").observe(door)
    unet = tiny_unet().eval()
    inner, noise = samples.images * 2 - 1, door.noise("loss", samples.images)
    state = (math.sqrt(ABAR[200]) * inner + math.sqrt(1 - ABAR[200]) * noise)[:1].requires_grad_()
    (unet(state, 200).sample - noise[:1]).square().mean().backward()
    weights = torch.stack([weight.grad.norm() for weight in unet.parameters()]).norm()
    expected = torch.stack([state.grad.norm(), weights]).log().double()
    torch.testing.assert_close(pair.observation[0, 1:], expected, rtol=1e-3, atol=1e-4)
    assert pair.names == ("loss", "gradient by state", "gradient by weights")


def test_one_pair_and_a_threshold_order_samples_alike_by_sum_mean_and_norm(door, registry):
    """RMSE, MSE and PSNR are monotone in each other: with one pair they are one attack."""
    orders = [
        np.argsort(scored(door, registry, "loss", distance=distance)).tolist()
        for distance in ("lp(p=2.0)", "mse", "lp(p=2.0, root=True)")
    ]
    assert orders[0] == orders[1] == orders[2]


@pytest.mark.parametrize(("name", "plain"), [("secmi_nn", "secmi"), ("rediffuse_nn", "rediffuse")])
def test_network_heads_are_given_the_maps_behind_the_statistic(name, plain, door, registry):
    maps, _, head = measured(door, registry, name)
    np.testing.assert_allclose(-(maps**2).sum(1), scored(door, registry, plain), rtol=1e-4)
    assert head.maps


def test_reconstruction_is_the_mean_cosine_of_patches(registry):
    """Against scikit-image's descriptors, block by block."""
    from skimage.feature import hog

    distance = registry.one("distance", registry.value("attack", "reconstruction").distance).only
    one, other = torch.rand(2, 3, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    found = distance.measure(Pair(one, other, "generation 0")).numpy()
    for row in range(3):
        blocks = [hog(each[row, 0].double().numpy(), feature_vector=False).reshape(-1, 81) for each in (one, other)]
        norms = [np.linalg.norm(each, axis=1) for each in blocks]
        np.testing.assert_allclose(found[row], (blocks[0] * blocks[1]).sum(1) / norms[0] / norms[1], rtol=1e-6)
    assert distance.larger_is_closer


@pytest.mark.parametrize("spec", ["loss(t=())", "crops(ts=())", "gradient_norms(ts=())", "loss_trace(ts=())"])
def test_an_attack_at_no_timestep_is_refused(spec, registry):
    with pytest.raises(LeakboardError, match="cannot take"):
        registry.one("observer", spec)
