"""Heads that are trained: their digits do not depend on threads, nor on what else is computed beside them."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from leakboard.registry.find import shared

MAPS, NUMBERS = (2, 1, 8, 8), (6,)


def labelled(shape, count=96):
    drawn = np.random.default_rng(0)
    member = np.arange(count) % 2 == 0
    features = drawn.normal(size=(count, *shape)) + member.reshape(-1, *[1] * len(shape))
    return features.astype(np.float32 if len(shape) > 1 else np.float64), member


def scores(spec, shape):
    features, member = labelled(shape)
    scorer = shared().one("classifier", spec).only.fit(features, member, [str(n) for n in range(shape[0])])
    return scorer(features)


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("spec", "shape"),
    [("resnet(width=4, epochs=2, batch=32)", MAPS), ("mlp(epochs=20)", NUMBERS), ("boosted_trees(trees=5)", NUMBERS)],
)
def test_digits_do_not_depend_on_threads_or_on_what_was_drawn_before(threads, spec, shape):
    threads(1)
    alone = scores(spec, shape)
    threads(2)
    torch.rand(3)
    with threadpool_limits(2, user_api="openmp"):
        assert np.array_equal(scores(spec, shape), alone)
    assert torch.get_num_threads() == 2
    assert np.ptp(alone) > 0


def test_heads_that_are_trained_beside_each_other_have_the_digits_of_each_alone():
    spec = "resnet(width=4, epochs=2, batch=32)"
    alone = scores(spec, MAPS)
    with ThreadPoolExecutor(2) as beside:
        for made in beside.map(lambda _: scores(spec, MAPS), range(2)):
            assert np.array_equal(made, alone)


def test_training_leaves_the_random_numbers_of_others_alone():
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    scores("resnet(width=4, epochs=1)", MAPS)
    assert torch.equal(torch.rand(2), expected)


def test_the_published_head_is_resnet_18_and_width_scales_it():
    from torchvision.models import resnet18

    from leakboard_plugins.classifiers.resnet import network

    published = {name: weight.shape for name, weight in resnet18(num_classes=1).named_parameters()}
    ours = {name: weight.shape for name, weight in network(3).named_parameters()}
    assert ours == published | {"conv1.weight": torch.Size([64, 3, 3, 3])}
    small = dict(network(3, width=16).named_parameters())
    assert small["layer4.1.conv2.weight"].shape == (128, 128, 3, 3)
    spread = float(small["layer4.1.conv2.weight"].detach().std())
    assert spread == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)
