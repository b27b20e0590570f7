"""A pixel victim: its numbers against independent float64 loops."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from helpers.pixel_models import PREDICTIONS, SIZE, save_tiny, tiny_unet
from leakboard.api import LeakboardError, Unsupported
from leakboard.noise import standard_normal
from leakboard_plugins.victims.pixel.ddpm import Ddpm

SEEDS = range(5)


def reference(kind):
    """The network in float64, its noise schedule, and its prediction as noise: written anew from the definitions."""
    unet = tiny_unet().half().double().eval()
    alphas = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))

    def noise(state, timestep):
        alpha = alphas[timestep]
        with torch.no_grad():
            output = unet(state, timestep).sample
        if kind == "epsilon":
            return output
        if kind == "v_prediction":
            return alpha**0.5 * output + (1 - alpha) ** 0.5 * state
        return (state - alpha**0.5 * output) / (1 - alpha) ** 0.5

    return noise, alphas


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_encode_and_decode_are_the_pixel_scaling(models, batch):
    model, (images, _) = models["epsilon"], batch

    assert torch.equal(model.encode(images), images * 2 - 1)
    assert torch.allclose(model.decode(model.encode(images)), images, atol=1e-6)
    assert torch.equal(model.decode(torch.tensor([-3.0, 3.0])), torch.tensor([0.0, 1.0]))


def test_noise_schedule_is_the_cumulative_product(models):
    _, alphas = reference("epsilon")

    assert models["epsilon"].alphas_cumprod.dtype == torch.float32
    np.testing.assert_allclose(models["epsilon"].alphas_cumprod.numpy(), alphas, rtol=2e-5)


@pytest.mark.parametrize("kind", PREDICTIONS)
@pytest.mark.parametrize("timestep", [0, 90, 999])
def test_every_prediction_type_answers_with_noise(models, batch, kind, timestep):
    noise, _ = reference(kind)
    state = batch[1]

    answer = models[kind].predict_noise(state, timestep, ["ignored"] * 5)

    # at t=0 the noise is a hundredth of the state, so predicting it from the clean image loses two digits
    np.testing.assert_allclose(
        answer, noise(state.double(), timestep), rtol=1e-4, atol=2e-3 if kind == "sample" else 1e-5
    )


def test_answers_are_ordinary_tensors(models, batch):
    """An observer may change them in place and differentiate through them."""
    answer = models["epsilon"].predict_noise(batch[1], 5, None)
    answer.add_(1)
    weight = torch.ones(1, requires_grad=True)
    (answer * weight).sum().backward()

    assert not answer.requires_grad
    assert weight.grad is not None


def test_answers_do_not_depend_on_memory_layout(models, batch):
    strided = torch.randn(5, SIZE, SIZE, 2).permute(0, 3, 1, 2)[:, :1]
    strided.copy_(batch[1])

    assert torch.equal(
        models["epsilon"].predict_noise(strided, 9, None), models["epsilon"].predict_noise(batch[1], 9, None)
    )


@pytest.mark.parametrize("kind", PREDICTIONS)
@pytest.mark.parametrize(("strength", "steps"), [(0.2, 10), (1.0, 4), (0.37, 3), (0.01, 1)])
def test_reconstruct_is_ddim_without_randomness(models, batch, kind, strength, steps):
    """Against a float64 loop over equation 12 of the DDIM paper, eta = 0, clean images clipped as configured."""
    predict, alphas = reference(kind)
    images, noise = batch[0], standard_normal(SEEDS, batch[1])
    total = round(steps / strength)
    stride = 1000 // total
    timesteps = [index * stride for index in range(steps)][::-1]
    clean = images.double() * 2 - 1
    state = alphas[timesteps[0]] ** 0.5 * clean + (1 - alphas[timesteps[0]]) ** 0.5 * noise.double()
    expected = []
    for timestep in timesteps:
        alpha, before = alphas[timestep], alphas[timestep - stride] if timestep >= stride else 1.0
        epsilon = predict(state, timestep)
        guess = ((state - (1 - alpha) ** 0.5 * epsilon) / alpha**0.5).clamp(-1, 1)
        state = before**0.5 * guess + (1 - before) ** 0.5 * epsilon
        expected.append((guess, state))

    answer = list(models[kind].reconstruct(images, SEEDS, strength, steps, None))

    assert len(answer) == steps
    for step, (guess, state) in zip(answer, expected, strict=True):
        np.testing.assert_allclose(step.clean, guess, atol=2e-4)
        np.testing.assert_allclose(step.state, state, atol=2e-4)


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize(("strength", "steps"), [(0.2, 10), (0.5, 7), (0.25, 5), (1.0, 8)])
def test_timesteps_are_those_of_the_img2img_pipeline(tmp_path, monkeypatch, batch, spacing, strength, steps):
    from diffusers import DDIMScheduler, StableDiffusionImg2ImgPipeline

    model = Ddpm(model=str(save_tiny(tmp_path, timestep_spacing=spacing))).open("cpu")
    asked = []
    monkeypatch.setattr(model, "_denoise", lambda state, timestep: (asked.append(timestep), state)[1])
    list(model.reconstruct(batch[0], SEEDS, strength, steps, None))

    scheduler = DDIMScheduler(timestep_spacing=spacing)
    scheduler.set_timesteps(round(steps / strength))
    timesteps, _ = StableDiffusionImg2ImgPipeline.get_timesteps(
        SimpleNamespace(scheduler=scheduler), round(steps / strength), strength, "cpu"
    )
    assert asked == timesteps.tolist()


@pytest.mark.parametrize(
    "scheduler", [{}, {"set_alpha_to_one": False, "steps_offset": 1}, {"timestep_spacing": "trailing"}]
)
def test_last_clean_image_is_the_output(tiny, batch, scheduler):
    """The output is what diffusers' own loop ends with, also where the schedule ends above zero noise."""
    from diffusers import DDIMScheduler

    from leakboard_plugins.victims.pixel.model import PixelModel

    config = dict(DDIMScheduler(**scheduler).config)
    unet = tiny_unet().half().float().eval().requires_grad_(False)
    answer = list(PixelModel(unet, config).reconstruct(batch[0], SEEDS, 0.5, 7, None))

    loop = DDIMScheduler(**scheduler)
    loop.set_timesteps(14)
    state = loop.add_noise(batch[0] * 2 - 1, standard_normal(SEEDS, batch[1]), loop.timesteps[7:8])
    for timestep in loop.timesteps[7:]:
        state = loop.step(unet(state, timestep).sample, timestep, state).prev_sample
    assert torch.equal(answer[-1].clean, answer[-1].state)
    torch.testing.assert_close(answer[-1].clean, state, rtol=0, atol=1e-5)


def test_two_reconstructions_may_run_interleaved(models, batch):
    model, images = models["epsilon"], batch[0]
    alone = [step.clean for step in model.reconstruct(images, SEEDS, 0.3, 3, None)]

    both = zip(
        model.reconstruct(images, SEEDS, 0.3, 3, None), model.reconstruct(images, SEEDS, 0.9, 3, None), strict=True
    )

    assert all(torch.equal(first.clean, expected) for (first, _), expected in zip(both, alone, strict=True))


@pytest.mark.parametrize("strength", [0.0, -0.1, 1.01, float("nan")])
def test_strength_out_of_range_is_refused_before_anything_runs(models, batch, strength):
    with pytest.raises(LeakboardError, match="strength"):
        models["epsilon"].reconstruct(batch[0], SEEDS, strength, 10, None)


def test_strength_too_small_for_the_schedule_is_unsupported(models, batch):
    with pytest.raises(Unsupported, match="need 2000 sampler steps, but the victim has 1000"):
        models["epsilon"].reconstruct(batch[0], SEEDS, 0.005, 10, None)


def test_a_strength_that_overflows_is_unsupported(models, batch):
    with pytest.raises(Unsupported, match="need inf sampler steps"):
        models["epsilon"].reconstruct(batch[0], SEEDS, 1e-320, 10, None)


@pytest.mark.parametrize("timestep", [-1, 1000])
def test_timestep_beyond_the_schedule_is_unsupported(models, batch, timestep):
    with pytest.raises(Unsupported, match="timestep"):
        models["epsilon"].predict_noise(batch[0], timestep, None)
    with pytest.raises(Unsupported, match="timestep"):
        models["epsilon"].gradients(*batch, (timestep,), None)


def test_no_steps_are_refused(models, batch):
    with pytest.raises(LeakboardError, match="0 steps"):
        models["epsilon"].generate(SEEDS, 0, None)


def test_generate_is_the_ddim_pipeline(tiny, models, monkeypatch):
    from diffusers import DDIMPipeline, DDPMScheduler

    noise = standard_normal(range(3), torch.zeros(3, 1, SIZE, SIZE))
    monkeypatch.setattr("diffusers.pipelines.ddim.pipeline_ddim.randn_tensor", lambda *_, **__: noise)
    pipeline = DDIMPipeline(tiny_unet().half().float(), DDPMScheduler())
    pipeline.set_progress_bar_config(disable=True)
    expected = pipeline(3, num_inference_steps=5, output_type="np").images

    model = models["epsilon"]
    images = model.decode(model.generate(range(3), 5, None))

    np.testing.assert_allclose(images.permute(0, 2, 3, 1), expected, atol=1e-4)


@pytest.mark.parametrize("kind", PREDICTIONS)
def test_gradients_are_those_of_a_loop_of_backward_calls(models, batch, kind):
    images, noise = batch
    unet = tiny_unet().half().float().eval()
    alpha = models[kind].alphas_cumprod[100]
    rows = []
    for clean, target in zip(images.split(1), noise.split(1), strict=True):
        unet.zero_grad()
        state = alpha**0.5 * clean + (1 - alpha) ** 0.5 * target
        output = unet(state, 100).sample
        if kind == "v_prediction":
            output = alpha**0.5 * output + (1 - alpha) ** 0.5 * state
        if kind == "sample":
            output = (state - alpha**0.5 * output) / (1 - alpha) ** 0.5
        torch.nn.functional.mse_loss(output, target).backward()
        rows.append(torch.stack([weight.grad.norm() for weight in unet.parameters()]))

    answer = models[kind].gradients(images, noise, (100,), None)

    assert answer.shape == (5, len(list(unet.parameters())))
    torch.testing.assert_close(answer, torch.stack(rows), rtol=1e-3, atol=1e-5)


def test_gradients_take_answers_of_the_model(models, batch):
    model, (images, noise) = models["epsilon"], batch
    with torch.inference_mode():
        inner = model.encode(images)

    assert torch.isfinite(model.gradients(inner, noise, (50,), None)).all()


def test_network_is_frozen_and_in_float32(models):
    unet = models["epsilon"]._unet

    assert not unet.training
    assert {weight.dtype for weight in unet.parameters()} == {torch.float32}
    assert not any(weight.requires_grad for weight in unet.parameters())


@pytest.mark.parametrize(("shape", "got"), [((2, 3, SIZE, SIZE), "3x8x8"), ((2, 1, 12, 12), "1x12x12")])
def test_images_of_another_shape_are_unsupported(models, shape, got):
    """The cell is skipped with the reason: the two do not fit, and neither is wrong."""
    with pytest.raises(Unsupported, match=f"they are {got} and it takes 1x8x8"):
        models["epsilon"].encode(torch.zeros(shape))
