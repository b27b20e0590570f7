"""Attacks against the functions of their authors, on one network. Each test needs a checkout, and is skipped without.

Set to the root of a checkout: ``LEAKBOARD_PARITY_SIMA`` (mx-ethan-rao/SimA), ``LEAKBOARD_PARITY_SECMI``
(jinhaoduan/SecMI), ``LEAKBOARD_PARITY_CDI`` (sprintml/copyrighted_data_identification), ``LEAKBOARD_PARITY_MATSUMOTO``
(fseclab-osaka/mia-diffusion), ``LEAKBOARD_PARITY_MIDM`` (HailongHuPri/MIDM) and ``LEAKBOARD_PARITY_ANISOTROPY``
(rohanasthana/memorization-anisotropy). Nothing of theirs is kept here.
"""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from helpers.latent_pipelines import PROMPTS
from helpers.oracles import make_door
from leakboard.api import Samples
from parity.checkouts import agree, module

BETAS = torch.linspace(1e-4, 0.02, 1000).double()
ABAR = torch.cumprod(1 - BETAS, 0)


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
    agree(statistic(name)[0], found, within=1e-4)


def test_sima_repository_noised(unet, clean, enter, registry, monkeypatch):
    """Its class `Epsilon` asks about the noised image: one draw of `sima_mc`."""
    components = module("SIMA", "DDPM/components.py", monkeypatch)
    noise = enter().noise("loss", clean)
    monkeypatch.setattr(torch, "randn_like", lambda _: noise)
    found = components.Epsilon(BETAS, 100, 1, getter(unet))(clean)[1].double()
    (pair,) = registry.one("observer", "sima_monte_carlo(t=100, draws=1)").only.observe(enter())
    agree(pair.observation.double().pow(4).flatten(1).sum(1), found, within=1e-4)


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
    agree(statistic("secmi")[0], found, within=1e-3)


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
    agree(statistic("pia")[0] ** 0.25, found[:, 0], within=1e-4)
    agree(statistic("pian_paper")[0] ** 0.25, found[:, 1], within=1e-4)


def test_cdi_repository_secmi(unet, statistic, clean, monkeypatch):
    """It takes the statistic at 100, as written."""
    made = extractor("secmi", "SecMIExtractor", unet, monkeypatch, t0=0, t=100, step=10)
    found = made.process_batch((clean, None)).double()
    expected = (found[:, 0] - found[:, 1]).square().flatten(1).sum(1)
    agree(statistic("secmi_paper")[0], expected, within=1e-3)


def test_cdi_repository_losses(unet, statistic, clean, enter, monkeypatch):
    """One noise for all timesteps; norms with a root, where `loss_multi` has means of squares."""
    noise = enter().noise("loss", clean)
    monkeypatch.setattr(torch, "randn_like", lambda _: noise)
    timesteps = ",".join(str(t) for t in range(50, 501, 50))
    made = extractor("multiple_loss", "MultipleLossExtractor", unet, monkeypatch, timesteps=timesteps)
    found = made.process_batch((clean, torch.zeros(len(clean))))[..., 0].double()
    expected = found.T**2 / clean[0].numel()
    agree(statistic("loss_multi"), expected, within=1e-4)


def test_matsumoto_repository(unet, statistic, clean, enter, monkeypatch):
    losses = module("MATSUMOTO", "ddim/functions/losses.py", monkeypatch)
    noise, t = enter().noise("loss", clean), torch.full((len(clean),), 100)
    ask = lambda x, at: unet(x, at).sample  # noqa: E731
    found = losses.noise_estimation_loss(ask, clean, t, noise, BETAS.float(), keepdim=True)
    agree(statistic("loss")[0], found.double(), within=1e-4)


def test_midm_repository(unet, statistic, clean, enter, monkeypatch):
    """Its loss attack has the mean of squares at all 1000 timesteps, of one image a call."""
    stubs = {name: {} for name in ("h5py", "models__ddpm", "models__ncsnv2", "models__ncsnpp")}
    theirs = module("MIDM", "attacking_diffusion_models/loss_attack.py", monkeypatch, **stubs)
    asked = torch.nn.Module()
    asked.forward = lambda x, t: unet(x, t).sample
    found = []
    for image, noise in zip(clean[:2], enter().noise("loss", clean)[:2], strict=True):
        monkeypatch.setattr(torch, "randn_like", lambda batch, noise=noise: noise.expand_as(batch))
        found.append(theirs.get_loss_ddpm({"model": asked}, image[None]))
    losses = torch.tensor(found, dtype=torch.float64)
    agree(statistic("loss")[0][:2], losses[:, 100] * clean[0].numel(), within=1e-4)
    agree(statistic("loss_multi")[:, :2], losses[:, 50:501:50].T, within=1e-4)


@pytest.mark.filterwarnings("ignore:CUDA is not available")  # they ask for its autocast
def test_anisotropy_repository(folders, opened, registry, monkeypatch):
    """Its pipeline, on a tiny model like Stable Diffusion: norm at the first of 50 steps, cosine at the third-last."""
    from diffusers import DDIMScheduler

    theirs = module("ANISOTROPY", "local_model/pipe.py", monkeypatch).LocalStableDiffusionPipeline
    pipeline = theirs.from_pretrained(folders["sd1"], safety_checker=None, requires_safety_checker=False)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    images = torch.rand((len(PROMPTS), 3, 16, 16), generator=torch.Generator().manual_seed(1))
    samples = Samples(tuple("abc"), images, np.array([True, False, True]), PROMPTS)
    door = make_door(opened["sd1"], samples=samples)
    noise = door.noise("prompt_norm", door.encode(images))
    settings = SimpleNamespace(sd_ver=1, exp_type="det", hvp_sampling_num=1, mode="x,c|x")
    found = [
        torch.cat(pipeline(prompt, latents=start[None], args=settings))
        for prompt, start in zip(PROMPTS, noise, strict=True)
    ]
    (pair,) = registry.one("observer", "anisotropy").only.observe(door)
    ours = registry.one("distance", "value").only.measure(pair)
    agree(ours, torch.stack(found).double(), within=1e-4)
