"""Attacks against the functions of their authors, on one network. Each test needs a checkout, and is skipped without.

Set to the root of a checkout: ``LEAKBOARD_PARITY_SIMA`` (mx-ethan-rao/SimA), ``LEAKBOARD_PARITY_SECMI``
(jinhaoduan/SecMI), ``LEAKBOARD_PARITY_CDI`` (sprintml/copyrighted_data_identification) and ``LEAKBOARD_PARITY_MATSUMOTO``
(fseclab-osaka/mia-diffusion). Nothing of theirs is kept here.
"""

import importlib.util
import math
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from helpers.pixel_models import tiny_unet

BETAS = torch.linspace(1e-4, 0.02, 1000).double()
ABAR = torch.cumprod(1 - BETAS, 0)


def module(name, file, monkeypatch, **stubs):
    """A module of a checkout, or a skip; ``stubs`` stand in for what it imports and the functions tried do not use."""
    root = os.environ.get(f"LEAKBOARD_PARITY_{name}")
    if not root:
        pytest.skip(f"LEAKBOARD_PARITY_{name} names no checkout")
    path = Path(root) / file
    assert path.is_file(), f"LEAKBOARD_PARITY_{name}: there is no {path}"
    for stub, content in stubs.items():
        made = ModuleType(stub.replace("__", "."))
        made.__dict__.update(content)
        monkeypatch.setitem(sys.modules, made.__name__, made)
    spec = importlib.util.spec_from_file_location(f"parity_{name.lower()}_{path.stem}", path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def unet():
    return tiny_unet().eval().requires_grad_(False)


@pytest.fixture
def statistic(registry, enter):
    """What a named attack measures on the same network: (N,)."""

    def statistic(name):
        attack = registry.value("attack", name)
        pairs = list(registry.one("observer", attack.observer).only.observe(enter()))
        distance = registry.one("distance", attack.distance).only
        return torch.stack([distance.measure(pair) for pair in pairs]).double()

    return statistic


@pytest.fixture
def clean(samples):
    return samples.images * 2 - 1


def getter(unet):
    """How the code of SimA asks a network."""
    return lambda x, condition, noise_level, t: unet(x, t).sample


@pytest.mark.parametrize(
    ("name", "theirs", "interval", "row"),
    [("sima", "SimA", 100, 1), ("pia", "PIA", 200, 0), ("pian", "PIAN", 200, 0), ("secmi", "SecMI", 10, 9)],
)
def test_sima_repository(name, theirs, interval, row, unet, statistic, clean, monkeypatch):
    """Its classes give a row a timestep; SecMI's tenth is the state at 90."""
    components = module("SIMA", "DDPM/components.py", monkeypatch)
    attacker = getattr(components, theirs)(BETAS, interval, 10 if theirs == "SecMI" else 2, getter(unet))
    if theirs == "PIA" or theirs == "PIAN":
        attacker.attack_num = 1
    found = attacker(clean)[row].double()
    torch.testing.assert_close(statistic(name)[0], found, rtol=1e-4, atol=0)


def test_secmi_repository(unet, statistic, clean, monkeypatch):
    """Its walk stops at 90, for its range leaves out the end."""
    absl = {"flags": SimpleNamespace(FLAGS=None)}
    stubs = {"absl": absl, "dataset_utils": {"load_member_data": None}, "model": {"UNet": None}, "resnet": {}}
    theirs = module("SECMI", "mia_evals/secmia.py", monkeypatch, **stubs)
    flags = SimpleNamespace(beta_1=1e-4, beta_T=0.02, T=1000)
    ask = lambda x, t: unet(x, t).sample  # noqa: E731
    monkeypatch.setattr(torch.Tensor, "cuda", lambda self: self)
    one = theirs.ddim_singlestep
    monkeypatch.setattr(theirs, "ddim_singlestep", lambda *given, **more: one(*given, **(more | {"device": "cpu"})))
    result = theirs.get_intermediate_results(ask, flags, [((clean + 1) / 2,)], 100, 10)
    found = (result["internal_diffusions"] - result["internal_denoise"]).double().square().flatten(1).sum(1)
    torch.testing.assert_close(statistic("secmi")[0], found, rtol=1e-3, atol=0)


class Cdi:
    """How the code of CDI asks a network."""

    def __init__(self, unet):
        self.unet = unet

    def encode(self, images):
        return images

    def get_alpha_cumprod(self, timestep):
        return float(ABAR[timestep])

    def predict_noise_from_latent(self, latents, classes, timestep, noise=None):
        if noise is not None:
            level = float(ABAR[timestep])
            latents = math.sqrt(level) * latents + math.sqrt(1 - level) * noise
        return self.unet(latents, timestep).sample


def extractor(file, name, unet, monkeypatch, **settings):
    """One of CDI's feature extractors, without its configuration and data."""
    stubs = {"src__attacks": {"FeatureExtractor": object}, "src": {}}
    made = getattr(module("CDI", f"src/attacks/features_extraction/{file}.py", monkeypatch, **stubs), name)()
    made.model, made.device, made.attack_cfg = Cdi(unet), "cpu", SimpleNamespace(**settings)
    return made


def test_cdi_repository_pia(unet, statistic, clean, monkeypatch):
    """Its norm has a root; its PIAN has the factor of the paper's formula."""
    found = extractor("pia", "PIAExtractor", unet, monkeypatch, t=200, p=4).process_batch((clean, None))[:, 0].double()
    torch.testing.assert_close(statistic("pia")[0] ** 0.25, found[:, 0], rtol=1e-4, atol=0)
    torch.testing.assert_close(statistic("pian_paper")[0] ** 0.25, found[:, 1], rtol=1e-4, atol=0)


def test_cdi_repository_secmi(unet, statistic, clean, monkeypatch):
    """It takes the statistic at 100, as written."""
    made = extractor("secmi", "SecMIExtractor", unet, monkeypatch, t0=0, t=100, step=10)
    found = made.process_batch((clean, None)).double()
    expected = (found[:, 0] - found[:, 1]).square().flatten(1).sum(1)
    torch.testing.assert_close(statistic("secmi_paper")[0], expected, rtol=1e-3, atol=0)


def test_cdi_repository_losses(unet, statistic, clean, enter, monkeypatch):
    """One noise for all timesteps; norms with a root, where `loss_multi` has means of squares."""
    noise = enter().noise("loss", clean)
    monkeypatch.setattr(torch, "randn_like", lambda _: noise)
    timesteps = ",".join(str(t) for t in range(50, 501, 50))
    made = extractor("multiple_loss", "MultipleLossExtractor", unet, monkeypatch, timesteps=timesteps)
    found = made.process_batch((clean, torch.zeros(len(clean))))[..., 0].double()
    expected = found.T**2 / clean[0].numel()
    torch.testing.assert_close(statistic("loss_multi"), expected, rtol=1e-4, atol=0)


def test_matsumoto_repository(unet, statistic, clean, enter, monkeypatch):
    losses = module("MATSUMOTO", "ddim/functions/losses.py", monkeypatch)
    noise, t = enter().noise("loss", clean), torch.full((len(clean),), 100)
    ask = lambda x, at: unet(x, at).sample  # noqa: E731
    found = losses.noise_estimation_loss(ask, clean, t, noise, BETAS.float(), keepdim=True)
    torch.testing.assert_close(statistic("loss")[0], found.double(), rtol=1e-4, atol=0)
