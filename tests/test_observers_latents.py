"""Attacks that only victims with an autoencoder know, on the smallest one there is."""

import numpy as np
import pytest
import torch

from helpers.spied_victim import Spied, observer
from leakboard.api import Unsupported
from leakboard.oracle.door import Door
from leakboard.oracle.memo import Memo
from leakboard.registry.find import shared
from leakboard.samples import Samples


@pytest.fixture(scope="module")
def latent():
    return shared(()).one("victim", "fashion_sd(prompts='empty', level='untrained')").only.open("cpu")


@pytest.fixture
def door(latent):
    images = torch.rand((3, 1, 32, 32), generator=torch.Generator().manual_seed(0))
    samples = Samples(("a", "b", "c"), images, np.array([True, False, True]), None)
    return Door(Memo(latent, 64), samples, 0, "white", default_prompts=("",) * 3)


def test_the_gain_of_the_decoder_is_the_diagonal_of_its_squared_jacobian(door, latent):
    inner = door.encode(door.originals)[:1]
    jacobian = torch.autograd.functional.jacobian(lambda z: latent._decoded(z).flatten(), inner)
    exact = jacobian.flatten(1).square().sum(0)
    probes = [torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(seed)) for seed in range(2000)]
    found = latent.decoder_gain(inner, probes).flatten()
    torch.testing.assert_close(found, exact, rtol=0.25, atol=0)
    assert torch.corrcoef(torch.stack([found, exact]))[0, 1] > 0.98


def test_the_latent_mask_drops_what_the_decoder_hears_least_on_both_sides(door):
    (plain,), (masked,) = (list(observer(spec).observe(door)) for spec in ("pia", "latent_mask(of='pia', drop=0.4)"))
    gain = door.decoder_gain(door.encode(door.originals), 16).flatten(1)
    for row in range(3):
        order = gain[row].argsort()
        dropped = round(0.4 * gain.shape[1])
        for side in ("reference", "observation"):
            before, after = (getattr(pair, side)[row].flatten() for pair in (plain, masked))
            assert not after[order[:dropped]].any()
            assert torch.equal(after[order[dropped:]], before[order[dropped:]])


def test_the_double_reconstruction_ratio_compares_two_passes(door):
    (pair,) = observer("dual_signal(ts=(100,))").observe(door)
    once = door.decode(door.encode(door.originals))
    twice = door.decode(door.encode(once))
    errors = [(a - b).double().square().flatten(1).mean(1) for a, b in ((once, door.originals), (twice, once))]
    torch.testing.assert_close(pair.observation[:, 1], (errors[0] / errors[1]).log())
    assert pair.names == ("first reconstruction", "double reconstruction ratio", "loss t=100")


@pytest.mark.parametrize("spec", ["dual_signal", "latent_mask(of='pia')"])
def test_a_pixel_victim_is_told_apart(spec, samples):
    pixel = Door(Memo(Spied(), 64), samples, 0, "white")
    with pytest.raises(Unsupported):
        list(observer(spec).observe(pixel))


def test_latent_mask_takes_pairs_in_latents_alone(door):
    with pytest.raises(Unsupported, match="one_shot yields others"):
        list(observer("latent_mask(of='one_shot')").observe(door))
