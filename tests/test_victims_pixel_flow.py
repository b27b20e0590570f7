"""Pixel victims that match flows: their numbers against plain diffusers, and what is said of other folders."""

import json
import shutil

import numpy as np
import pytest
import torch

from helpers.oracles import make_samples
from helpers.pixel_models import tiny_unet
from helpers.spied_victim import observer
from leakboard.api import LeakboardError, Unsupported
from leakboard.noise import standard_normal
from leakboard.oracle.door import Door
from leakboard.oracle.memo import Memo
from leakboard.testing import check_component
from leakboard_plugins.victims.folders.layout import SCHEDULER_CONFIG, UNET_CONFIG
from leakboard_plugins.victims.latent.stable_diffusion import StableDiffusion
from leakboard_plugins.victims.pixel.ddpm import Ddpm
from leakboard_plugins.victims.pixel.flow import Flow


@pytest.fixture(scope="module")
def flow(tiny_flow):
    return Flow(model=str(tiny_flow)).open("cpu")


@pytest.fixture(scope="module")
def network():
    """The weights of the folder, which are in half precision, in single precision."""
    return tiny_unet().half().float().eval().requires_grad_(False)


@pytest.fixture
def copy(tiny_flow, tmp_path):
    """A folder to spoil."""
    return shutil.copytree(tiny_flow, tmp_path / "copy")


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("time", [0.01, 0.5, 0.7337])
def test_velocity_is_the_network_told_a_thousand_times_the_share_of_noise(flow, network, batch, time):
    state = batch[1]

    torch.testing.assert_close(
        flow.predict_velocity(state, time, None), network(state, torch.full((5,), time * 1000)).sample
    )


def test_velocity_leads_from_state_to_state_of_the_plain_pipeline(tiny_flow, flow, monkeypatch):
    """Noise minus image: along it a step of diffusers goes from one share of noise to the next."""
    from diffusers import DDPMPipeline

    pipeline = DDPMPipeline.from_pretrained(tiny_flow).to(torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    states, step = [], pipeline.scheduler.step

    def noting(output, timestep, state, **options):
        states.append(state)
        return step(output, timestep, state, **options)

    monkeypatch.setattr(pipeline.scheduler, "step", noting)
    pipeline(2, torch.Generator().manual_seed(0), num_inference_steps=5, output_type="np")
    before, after = pipeline.scheduler.sigmas[2:4].tolist()

    torch.testing.assert_close(
        flow.predict_velocity(states[2], before, None), (states[3] - states[2]) / (after - before), rtol=1e-3, atol=1e-4
    )


def test_a_plain_pipeline_on_the_same_shares_of_noise_generates_the_same(tiny_flow, flow, monkeypatch):
    """The folder opens as a DDPMPipeline, which follows whatever its scheduler says."""
    from diffusers import DDPMPipeline
    from diffusers.pipelines.ddpm import pipeline_ddpm

    pipeline = DDPMPipeline.from_pretrained(tiny_flow).to(torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    shares = [1.0, 0.75, 0.5, 0.25]
    monkeypatch.setattr(
        pipeline.scheduler,
        "set_timesteps",
        lambda _: type(pipeline.scheduler).set_timesteps(pipeline.scheduler, sigmas=shares),
    )
    noise = standard_normal((3, 2**90), torch.zeros(2, 1, 8, 8))
    monkeypatch.setattr(pipeline_ddpm, "randn_tensor", lambda *_, **__: noise)
    expected = pipeline(2, num_inference_steps=4, output_type="pt").images

    torch.testing.assert_close(flow.decode(flow.generate((3, 2**90), 4, None)), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("strength", "steps"), [(0.2, 3), (0.5, 1), (1.0, 4), (0.3, 10)])
def test_reconstruct_noises_up_to_the_strength_and_follows_euler_back(flow, network, batch, strength, steps):
    seeds, images = range(5), batch[0]
    walk = list(flow.reconstruct(images, seeds, strength, steps, None))

    shares = np.linspace(1, 0, round(steps / strength) + 1)[-steps - 1 :]
    clean = images * 2 - 1
    state = (1 - shares[0]) * clean + shares[0] * standard_normal(seeds, clean)
    assert len(walk) == steps
    for step, share, after in zip(walk, shares[:-1], shares[1:], strict=True):
        velocity = network(state, torch.full((5,), share * 1000)).sample
        torch.testing.assert_close(step.clean, (state - share * velocity).float(), rtol=1e-4, atol=1e-4)
        state = (state + (after - share) * velocity).float()
        torch.testing.assert_close(step.state, state, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(walk[-1].clean, walk[-1].state, rtol=0, atol=1e-6)
    assert shares[0] == pytest.approx(strength, abs=0.02)


def test_a_shifted_schedule_is_the_schedulers_own(tmp_path, batch, network):
    from diffusers import FlowMatchEulerDiscreteScheduler

    from helpers.pixel_models import save_tiny_flow

    flow = Flow(model=str(save_tiny_flow(tmp_path / "shifted", shift=3.0))).open("cpu")
    sampler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    sampler.set_timesteps(sigmas=[1.0, 0.75, 0.5, 0.25])
    *_, last = flow.reconstruct(batch[0], range(5), 0.5, 2, None)

    clean = batch[0] * 2 - 1
    state = 0.25 * clean + 0.75 * standard_normal(range(5), clean)  # 3 * .5 / (1 + 2 * .5) = .75
    for timestep in sampler.timesteps[2:]:
        state = sampler.step(network(state, timestep).sample, timestep, state).prev_sample
    torch.testing.assert_close(last.clean, state, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("spec", "pairs"), [("one_shot", 1), ("progressive(steps=3)", 3), ("complete(steps=3)", 3), ("velocity_loss", 1)]
)
def test_observers_of_flows_and_of_images_run(spec, pairs, flow, batch):
    samples = make_samples()
    found = list(observer(spec).observe(Door(Memo(flow, 64), samples, 0, "gray")))

    assert len(found) == pairs
    assert all(pair.observation.isfinite().all() for pair in found)


def test_it_keeps_the_contract(tiny_flow):
    rows = check_component(Flow(model=str(tiny_flow)), make_samples(8))

    outcomes = {row.check: row.outcome for row in rows}
    assert not [row for row in rows if row.outcome == "failed"]
    assert outcomes["predicted velocity, independent of the batch"] == "ok"
    assert outcomes["what it is given, untouched"] == "ok"
    assert outcomes["predicted noise, independent of the batch"] == outcomes["noise schedule"] == "declined"


def test_answers_are_ordinary_float32_tensors(flow, batch):
    answer = flow.predict_velocity(batch[1].contiguous(memory_format=torch.channels_last), 0.5, None)

    assert answer.dtype == torch.float32
    assert answer.is_contiguous()
    assert not answer.is_inference()


@pytest.mark.parametrize("time", [0, 1, 1.5, float("nan")])
def test_times_without_a_velocity_are_unsupported(flow, batch, time):
    with pytest.raises(Unsupported, match="is not between 0"):
        flow.predict_velocity(batch[1], time, None)


def test_strengths_and_steps_out_of_range_are_refused(flow, batch):
    with pytest.raises(LeakboardError, match=r"strength 1\.5 is out of range"):
        flow.reconstruct(batch[0], range(5), 1.5, 2, None)
    with pytest.raises(LeakboardError, match="0 steps"):
        flow.generate(range(5), 0, None)
    with pytest.raises(Unsupported, match="need 2000 sampler steps, but the victim has 1000"):
        flow.reconstruct(batch[0], range(5), 0.001, 2, None)
    with pytest.raises(Unsupported, match="do not fit the victim"):
        flow.encode(torch.zeros(1, 3, 8, 8))


def refused(folder, *words):
    """Both opening and listing the files refuse with a clear message."""
    for ask in (lambda: Flow(model=str(folder)).files(), lambda: Flow(model=str(folder)).open("cpu")):
        with pytest.raises(LeakboardError) as caught:
            ask()
        for word in words:
            assert word in str(caught.value)


def test_files_are_configuration_and_weights(tiny_flow):
    assert set(Flow(model=str(tiny_flow)).files()) == {path for path in tiny_flow.rglob("*") if path.is_file()}


def test_a_pipeline_of_betas_is_refused_with_the_victim_that_opens_it(tiny):
    refused(tiny["epsilon"], "scheduler = DDPMScheduler", "ddpm(model=…) for a scheduler of betas")


def test_the_victim_of_betas_refuses_a_flow(tiny_flow):
    with pytest.raises(
        LeakboardError, match="FlowMatchEulerDiscreteScheduler, whose noise schedule is not one of betas"
    ):
        Ddpm(model=str(tiny_flow)).files()


def test_the_victim_of_latents_names_the_one_that_opens_a_flow(tiny_flow):
    with pytest.raises(LeakboardError, match="the pipeline is a DDPMPipeline") as caught:
        StableDiffusion(model=str(tiny_flow)).files()
    assert caught.value.next.startswith("flow(model=")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shift", 0.0),
        ("shift", "wide"),
        ("use_dynamic_shifting", True),
        ("stochastic_sampling", True),
        ("invert_sigmas", True),
        ("num_train_timesteps", 0),
        ("num_train_timesteps", 10**6),
    ],
)
def test_a_senseless_schedule_is_refused(copy, key, value):
    edit(copy / SCHEDULER_CONFIG, **{key: value})
    refused(copy, key)


def test_a_senseless_network_is_refused(copy):
    edit(copy / UNET_CONFIG, out_channels=2)
    refused(copy, "takes 1 channels and returns 2")


def test_other_weights_than_those_of_the_manifest_are_refused(copy):
    (copy / "manifest.json").write_text(
        json.dumps(
            {"member_digest": "abc", "weights": {"file": "unet/diffusion_pytorch_model.safetensors", "sha256": ""}}
        )
    )
    refused(copy, "not those that the manifest describes")


def test_a_denoiser_alone_takes_its_scheduler_from_the_base(tiny_flow, tmp_path, flow, batch):
    alone = shutil.copytree(tiny_flow / "unet", tmp_path / "alone")
    model = Flow(model=str(alone), base=str(tiny_flow)).open("cpu")

    assert torch.equal(model.predict_velocity(batch[1], 0.5, None), flow.predict_velocity(batch[1], 0.5, None))
