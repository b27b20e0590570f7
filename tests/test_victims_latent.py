"""Latent victims: their numbers against the plain pipelines of diffusers."""

import json
import shutil

import diffusers
import numpy as np
import pytest
import torch

from helpers.latent_pipelines import CLASS_PROMPTS, PROMPTS, SEEDS, generators, plain, save_latent
from helpers.pipeline_parts import SIDE
from leakboard.api import LeakboardError, Samples, Unsupported
from leakboard.testing import check_component
from leakboard_plugins.victims.latent.pipeline import exact_strength
from leakboard_plugins.victims.latent.samplers import CLASSES
from leakboard_plugins.victims.latent.stable_diffusion import StableDiffusion

# diffusers' samplers hand tensors to numpy in a way that numpy is about to change
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

TO_IMAGE = {"sd1": "StableDiffusion", "sd2": "StableDiffusion", "xl": "StableDiffusionXL", "sd3": "StableDiffusion3"}
KINDS = (*TO_IMAGE, "sample", "dit", "pixart")


@pytest.fixture
def images():
    return torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("kind", TO_IMAGE)
def test_output_is_that_of_the_plain_image_to_image_pipeline(folders, images, kind, guidance):
    pipeline = plain(folders[kind], f"{TO_IMAGE[kind]}Img2ImgPipeline", "DDIMScheduler" if kind != "sd3" else None)
    expected = pipeline(
        prompt=list(PROMPTS),
        image=images,
        strength=0.3,
        num_inference_steps=10,
        guidance_scale=guidance,
        generator=generators(),
        output_type="pt",
        **({"height": SIDE, "width": SIDE} if kind == "sd3" else {}),
    ).images

    model = StableDiffusion(model=str(folders[kind]), guidance=guidance).open("cpu")
    steps = list(model.reconstruct(images, SEEDS, 0.3, 3, PROMPTS))

    assert len(steps) == 3
    torch.testing.assert_close(
        model.decode(steps[-1].clean), expected, rtol=0, atol=2e-6
    )  # float32 sums of another number of threads


@pytest.mark.parametrize("name", CLASSES)
def test_output_is_that_of_the_plain_pipeline_under_every_sampler(folders, images, name):
    pipeline = plain(folders["sd2"], "StableDiffusionImg2ImgPipeline", CLASSES[name])
    expected = pipeline(
        prompt=list(PROMPTS),
        image=images,
        strength=0.5,
        num_inference_steps=8,
        guidance_scale=2.0,
        generator=generators(),
        output_type="latent",
    ).images

    model = StableDiffusion(model=str(folders["sd2"]), scheduler=name, guidance=2.0).open("cpu")
    *_, last = model.reconstruct(images, SEEDS, 0.5, 4, PROMPTS)

    torch.testing.assert_close(last.clean, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(last.state, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("kind", ["sd1", "sd2", "sample"])
def test_clean_samples_are_what_the_noise_predicted_from_the_state_before_means(folders, images, kind, name):
    """Against `predict_noise` and the definition: a state is signal times clean plus sigma times noise."""
    model = StableDiffusion(model=str(folders[kind]), scheduler=name).open("cpu")
    if (kind, name) == ("sample", "euler_ancestral"):
        with pytest.raises(NotImplementedError):  # diffusers' own gap
            model.reconstruct(images, SEEDS, 0.5, 4, PROMPTS)
        return
    steps = list(model.reconstruct(images, SEEDS, 0.5, 4, PROMPTS))
    sampler = getattr(diffusers, CLASSES[name]).from_config(model._own.config)
    sampler.set_timesteps(8)

    for before, step, timestep in zip(steps[:-2], steps[1:-1], sampler.timesteps[-3:-1], strict=True):
        level = model.alphas_cumprod[int(timestep)]
        growing = name.startswith("euler")  # its states have a signal of one
        state = before.state * level.sqrt() if growing else before.state
        noise = model.predict_noise(state, int(timestep), PROMPTS)
        expected = (state - (1 - level).sqrt() * noise) / level.sqrt()
        torch.testing.assert_close(step.clean, expected, rtol=1e-3, atol=2e-3)


def test_clean_samples_of_a_flow_lie_on_its_straight_line(folders, opened, images):
    steps = list(opened["sd3"].reconstruct(images, SEEDS, 0.5, 4, PROMPTS))
    sampler = diffusers.FlowMatchEulerDiscreteScheduler.from_config(opened["sd3"]._own.config)
    sampler.set_timesteps(8)

    for place in (1, 2):
        sigma, after = sampler.sigmas[4 + place : 6 + place]
        velocity = (steps[place].state - steps[place - 1].state) / (after - sigma)
        expected = steps[place - 1].state - sigma * velocity
        torch.testing.assert_close(steps[place].clean, expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(steps[-1].clean, steps[-1].state)


@pytest.mark.parametrize("cls", ["StableDiffusionImg2ImgPipeline", "StableDiffusion3Img2ImgPipeline"])
def test_strength_gives_exactly_the_steps_asked_for(cls):
    """The product of a float strength and a number of steps is a whole number only nearly."""
    pipeline = object.__new__(getattr(diffusers, cls))
    for total in (*range(1, 60), 100, 333, 1000):
        for steps in {*range(1, min(total, 60) + 1), total}:
            assert 0 < exact_strength(pipeline, steps, total) <= 1


def test_nothing_is_decoded_by_a_reconstruction(opened, images, monkeypatch):
    def decode(*_, **__):
        raise AssertionError("decoded")

    monkeypatch.setattr(opened["sd1"]._vae, "decode", decode)

    assert len(list(opened["sd1"].reconstruct(images, SEEDS, 0.3, 3, PROMPTS))) == 3


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize(("kind", "cls"), [("sd1", "StableDiffusion"), ("xl", "StableDiffusionXL")])
def test_generation_is_that_of_the_plain_text_to_image_pipeline(folders, kind, cls, guidance):
    pipeline = plain(folders[kind], f"{cls}Pipeline", "DDIMScheduler")
    expected = pipeline(
        list(PROMPTS), guidance_scale=guidance, num_inference_steps=4, generator=generators(), output_type="pt"
    ).images

    model = StableDiffusion(model=str(folders[kind]), guidance=guidance).open("cpu")

    torch.testing.assert_close(model.decode(model.generate(SEEDS, 4, PROMPTS)), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_generation_of_classes_is_that_of_the_plain_pipeline(folders, guidance):
    expected = plain(folders["dit"], "DiTPipeline")(
        [7, 207, 1000], guidance_scale=guidance, generator=generators(), num_inference_steps=4, output_type="pt"
    ).images

    model = StableDiffusion(model=str(folders["dit"]), guidance=guidance, scheduler="own").open("cpu")

    torch.testing.assert_close(model.decode(model.generate(SEEDS, 4, CLASS_PROMPTS)), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_generation_of_pixart_is_that_of_the_plain_pipeline(folders, guidance):
    expected = plain(folders["pixart"], "PixArtAlphaPipeline")(
        list(PROMPTS),
        guidance_scale=guidance,
        generator=generators(),
        num_inference_steps=4,
        use_resolution_binning=False,
        output_type="latent",
        clean_caption=False,
    ).images

    model = StableDiffusion(model=str(folders["pixart"]), guidance=guidance, scheduler="own").open("cpu")

    # guidance multiplies the rounding of single precision, whose size differs from processor to processor
    torch.testing.assert_close(model.generate(SEEDS, 4, PROMPTS), expected, rtol=0, atol=1e-5 * guidance**4)


def test_reconstruction_without_a_pipeline_of_its_own_is_the_loop_of_diffusers(folders, opened, images):
    pipeline = plain(folders["dit"], "DiTPipeline")
    scheduler, labels = pipeline.scheduler, torch.tensor([7, 207, 1000])
    scheduler.set_timesteps(8)
    noise = torch.cat([torch.randn(1, 4, SIDE // 2, SIDE // 2, generator=each) for each in generators()])
    with torch.no_grad():
        latents = pipeline.vae.encode(images * 2 - 1).latent_dist.mode() * pipeline.vae.config.scaling_factor
        state = scheduler.add_noise(latents, noise, scheduler.timesteps[4:5].repeat(3))
        for timestep in scheduler.timesteps[4:]:
            output = pipeline.transformer(state, timestep.expand(3), labels).sample[:, :4]
            state = scheduler.step(output, timestep, state).prev_sample

    *_, last = opened["dit"].reconstruct(images, SEEDS, 0.5, 4, CLASS_PROMPTS)

    torch.testing.assert_close(last.clean, state, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_encode_is_the_scaled_mode_and_decode_the_way_back(opened, images, kind):
    model = opened[kind]
    vae = model._vae
    shift = vae.config.shift_factor or 0
    with torch.no_grad():
        latents = (vae.encode(images * 2 - 1).latent_dist.mode() - shift) * vae.config.scaling_factor
        back = (vae.decode(latents / vae.config.scaling_factor + shift).sample / 2 + 0.5).clamp(0, 1)

    assert model.image_shape == (3, SIDE, SIDE)
    torch.testing.assert_close(model.encode(images), latents, rtol=0, atol=1e-6)
    torch.testing.assert_close(model.decode(latents), back, rtol=0, atol=1e-6)
    assert (shift != 0) == (kind == "sd3")


def test_noise_schedule_is_the_models_own(opened):
    scaled = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)

    for kind in ("sd1", "sd2", "xl"):
        np.testing.assert_allclose(opened[kind].alphas_cumprod, scaled, rtol=2e-5)
    linear = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
    np.testing.assert_allclose(opened["dit"].alphas_cumprod, linear, rtol=2e-5)


def test_gray_box_questions_to_a_flow_are_unsupported(opened, images):
    model = opened["sd3"]
    inner = model.encode(images)

    with pytest.raises(Unsupported, match="matches flows"):
        model.alphas_cumprod  # noqa: B018
    with pytest.raises(Unsupported, match="matches flows"):
        model.predict_noise(inner, 5, None)
    with pytest.raises(Unsupported, match="matches flows"):
        model.gradients(inner, inner, (5,), None)


@pytest.mark.parametrize("kind", ["sd1", "sd2", "sample"])
def test_every_prediction_type_answers_with_noise(folders, opened, kind):
    model, pipeline = opened[kind], plain(folders[kind], "StableDiffusionPipeline")
    state = torch.randn(3, 4, SIDE // 2, SIDE // 2, generator=torch.Generator().manual_seed(1))
    alpha = float(np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)[300])
    with torch.no_grad():
        texts, empty = pipeline.encode_prompt(list(PROMPTS), "cpu", 1, True)
        texts[1] = empty[1]
        output = pipeline.unet(state, 300, texts).sample
    expected = {
        "sd1": output,
        "sd2": alpha**0.5 * output + (1 - alpha) ** 0.5 * state,
        "sample": (state - alpha**0.5 * output) / (1 - alpha) ** 0.5,
    }[kind]

    answer = model.predict_noise(state, 300, (PROMPTS[0], "", PROMPTS[2]))

    torch.testing.assert_close(answer, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["sd1", "sd2", "xl", "dit", "pixart"])
def test_gradients_are_those_of_a_loop_of_backward_calls(folders, opened, images, kind):
    model = StableDiffusion(model=str(folders[kind])).open("cpu")
    prompts = CLASS_PROMPTS if kind == "dit" else PROMPTS
    inner = model.encode(images)
    noise = torch.randn(inner.shape, generator=torch.Generator().manual_seed(2))
    level = model.alphas_cumprod[100]
    answer = model.gradients(inner, noise, (100,), prompts)

    assert not any(weight.requires_grad for weight in model._denoiser.parameters())
    model._denoiser.requires_grad_(True)
    for row in range(3):
        model._denoiser.zero_grad()
        clean, target = inner[row : row + 1], noise[row : row + 1]
        state = level.sqrt() * clean + (1 - level).sqrt() * target
        condition = model._conditions.arguments(prompts[row : row + 1])
        torch.nn.functional.mse_loss(model._noise(state, 100, condition, model._denoiser), target).backward()
        expected = [
            0.0 if weight.grad is None else float(weight.grad.norm()) for weight in model._denoiser.parameters()
        ]
        torch.testing.assert_close(answer[row], torch.tensor(expected), rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("kind", ["sd1", "dit"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_answers_in_single_precision(folders, opened, images, kind, dtype):
    model = StableDiffusion(model=str(folders[kind]), dtype=dtype).open("cpu")
    prompts = CLASS_PROMPTS if kind == "dit" else PROMPTS
    inner = model.encode(images)
    *_, last = model.reconstruct(images, SEEDS, 0.5, 2, prompts)
    noise = model.predict_noise(inner, 200, prompts)

    assert {weight.dtype for weight in model._denoiser.parameters()} == {getattr(torch, dtype)}
    for answer in (inner, last.clean, last.state, noise, model.decode(inner), model.generate(SEEDS, 2, prompts)):
        assert answer.dtype == torch.float32
    torch.testing.assert_close(noise, opened[kind].predict_noise(inner, 200, prompts), rtol=0.1, atol=0.1)


def test_attention_slicing_changes_nothing_but_memory(folders, opened, images):
    model = StableDiffusion(model=str(folders["sd1"]), attention_slicing=True).open("cpu")
    *_, sliced = model.reconstruct(images, SEEDS, 0.5, 2, PROMPTS)
    *_, whole = opened["sd1"].reconstruct(images, SEEDS, 0.5, 2, PROMPTS)

    torch.testing.assert_close(sliced.clean, whole.clean, rtol=0, atol=1e-5)
    assert "Sliced" in type(next(iter(model._denoiser.attn_processors.values()))).__name__


@pytest.mark.parametrize("strength", [0.0, -0.1, 1.01, float("nan")])
@pytest.mark.parametrize("kind", ["sd1", "dit"])
def test_strength_out_of_range_is_refused_before_anything_runs(opened, images, kind, strength):
    with pytest.raises(LeakboardError, match="strength"):
        opened[kind].reconstruct(images, SEEDS, strength, 10, None)


def test_what_the_schedule_lacks_is_unsupported(opened, images):
    with pytest.raises(Unsupported, match="need 2000 sampler steps, but the victim has 1000"):
        opened["sd1"].reconstruct(images, SEEDS, 0.005, 10, None)
    with pytest.raises(Unsupported, match="timestep 1000"):
        opened["sd1"].predict_noise(opened["sd1"].encode(images), 1000, None)
    with pytest.raises(LeakboardError, match="0 steps"):
        opened["sd1"].generate(SEEDS, 0, None)


@pytest.mark.parametrize("shape", [(2, 1, SIDE, SIDE), (2, 3, SIDE + 3, SIDE)])
def test_images_of_another_shape_are_unsupported(opened, shape):
    with pytest.raises(Unsupported, match=f"it takes 3x{SIDE}x{SIDE}"):
        opened["sd1"].encode(torch.zeros(shape))
    with pytest.raises(Unsupported, match="do not fit"):
        opened["sd1"].reconstruct(torch.zeros(shape), (1, 2), 0.5, 2, None)


@pytest.mark.parametrize("scheduler", ["PNDMScheduler", "HeunDiscreteScheduler"])
def test_samplers_of_more_than_one_evaluation_a_step_are_unsupported(tmp_path, images, scheduler):
    folder = str(save_latent(tmp_path, "sd1", scheduler=scheduler))
    model = StableDiffusion(model=folder, scheduler="own").open("cpu")

    with pytest.raises(Unsupported, match="choose scheduler='auto' or 'ddim'"):
        model.reconstruct(images, SEEDS, 0.5, 4, None)
    assert model.predict_noise(model.encode(images), 5, None).isfinite().all()
    assert len(list(StableDiffusion(model=folder).open("cpu").reconstruct(images, SEEDS, 0.5, 4, None))) == 4


@pytest.mark.parametrize("kind", ["sd1", "xl", "flux"])
def test_folders_of_image_to_image_pipelines_are_the_same_victims(folders, tmp_path, kind):
    """diffusers saves the same components under either name."""
    folder = shutil.copytree(folders[kind], tmp_path / kind)
    index = json.loads((folder / "model_index.json").read_text())
    name = index["_class_name"].replace("Pipeline", "Img2ImgPipeline")
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": name}))
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(3))

    mine, other = (
        list(StableDiffusion(model=str(each), size=32).open("cpu").reconstruct(images, SEEDS, 0.5, 2, PROMPTS))
        for each in (folder, folders[kind])
    )

    torch.testing.assert_close(mine[-1].clean, other[-1].clean, rtol=0, atol=1e-6)


def test_a_learned_variance_is_not_asked_for_by_the_sampler(folders, images, tmp_path):
    """It comes beside the prediction, which is all that a sampler is given."""
    folder = shutil.copytree(folders["dit"], tmp_path / "dit")
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"variance_type": "learned_range"}))
    model = StableDiffusion(model=str(folder), scheduler="ddpm").open("cpu")

    steps = list(model.reconstruct(images, SEEDS, 0.5, 2, CLASS_PROMPTS))

    assert len(steps) == 2
    assert steps[-1].clean.isfinite().all()


def test_a_flow_follows_no_other_sampler(folders, images):
    model = StableDiffusion(model=str(folders["sd3"]), scheduler="ddim").open("cpu")

    with pytest.raises(Unsupported, match="ddim does not follow"):
        model.reconstruct(images, SEEDS, 0.5, 4, None)


@pytest.mark.parametrize(("kind", "prompts"), [("sd1", "a cat"), ("dit", "cock")])
def test_it_keeps_the_contract(folders, kind, prompts):
    images = torch.rand(6, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    ids = tuple(f"sample {row}" for row in range(6))
    samples = Samples(ids, images, np.arange(6) % 2 == 0, (prompts,) * 6)

    rows = check_component(StableDiffusion(model=str(folders[kind])), samples)

    assert not [row for row in rows if row.outcome == "failed"]
    assert len(rows) > 7
