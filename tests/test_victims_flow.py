"""Victims that match flows: their numbers against the plain pipelines of diffusers."""

import functools
import json
import shutil

import diffusers
import numpy as np
import pytest
import torch

from helpers.latent_pipelines import PROMPTS, SEEDS, generators, plain
from leakboard.api import LeakboardError, Samples, Unsupported
from leakboard.testing import check_component
from leakboard_plugins.victims.latent.stable_diffusion import StableDiffusion

# what diffusers does in ways that are about to change
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning"),
]

SIDE = 32
TO_IMAGE = ("flux", "chroma", "z_image")
TO_TEXT = ("aura", "sana", "lumina")
KINDS = (*TO_IMAGE, *TO_TEXT)


@pytest.fixture
def images():
    return torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))


def class_of(folder):
    return json.loads((folder / "model_index.json").read_text())["_class_name"]


def model_of(folder, **settings):
    return StableDiffusion(model=str(folder), size=SIDE, **settings).open("cpu")


def plain_of(folder, ending="Pipeline"):
    return plain(folder, class_of(folder).replace("Pipeline", ending))


def scale(kind, guidance):
    """Guidance as the plain pipeline counts it: Z-Image's none is 0."""
    return guidance - 1 if kind == "z_image" else guidance


def asked(pipeline, **arguments):
    """What the plain pipeline answers, at a size and with texts that it does not change."""
    options = {"use_resolution_binning": False} if "Sana" in type(pipeline).__name__ else {}

    return pipeline(
        list(PROMPTS), height=SIDE, width=SIDE, generator=generators(), output_type="pt", **options, **arguments
    ).images


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("kind", TO_IMAGE)
def test_output_is_that_of_the_plain_image_to_image_pipeline(folders, images, kind, guidance):
    pipeline = plain_of(folders[kind], "Img2ImgPipeline")
    expected = asked(pipeline, image=images, strength=0.3, num_inference_steps=10, guidance_scale=scale(kind, guidance))

    model = model_of(folders[kind], guidance=guidance)
    steps = list(model.reconstruct(images, SEEDS, 0.3, 3, PROMPTS))

    assert len(steps) == 3
    torch.testing.assert_close(model.decode(steps[-1].clean), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("kind", KINDS)
def test_generation_is_that_of_the_plain_text_to_image_pipeline(folders, kind, guidance):
    expected = asked(plain_of(folders[kind]), num_inference_steps=4, guidance_scale=scale(kind, guidance))

    model = model_of(folders[kind], guidance=guidance)

    torch.testing.assert_close(model.decode(model.generate(SEEDS, 4, PROMPTS)), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", TO_TEXT)
def test_without_an_image_to_image_pipeline_the_last_steps_are_those_of_the_plain_one(
    folders, images, kind, monkeypatch
):
    """From the state that the plain pipeline has before its last steps, they lead to where it leads."""
    states = []
    pipeline = plain_of(folders[kind])
    asked(
        pipeline,
        num_inference_steps=6,
        guidance_scale=3.0,
        callback_on_step_end=lambda _pipeline, _step, _time, tensors: states.append(tensors["latents"]) or tensors,
    )

    count = 1 if kind == "sana" else 3  # its solver looks back on steps that were not made, only not in the last step
    model = model_of(folders[kind], guidance=3.0)
    monkeypatch.setattr(model, "_noisy", lambda *_: states[-count - 1].clone())
    steps = list(model.reconstruct(images, SEEDS, count / 6, count, PROMPTS))

    assert len(steps) == count
    for step, state in zip(steps, states[-count:], strict=True):
        torch.testing.assert_close(step.state, state, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", TO_TEXT)
def test_without_an_image_to_image_pipeline_it_begins_with_the_noise_of_its_schedule(folders, images, kind):
    pipeline = plain_of(folders[kind])
    asked(pipeline, num_inference_steps=6)
    sigma = pipeline.scheduler.sigmas[-3]

    model = model_of(folders[kind])

    noise = torch.cat([torch.randn(1, *model._latent_shape, generator=each) for each in generators()])
    begin = model._noisy(images, model._generators(SEEDS), 2, 6)

    torch.testing.assert_close(begin, (1 - sigma) * model.encode(images) + sigma * noise, rtol=1e-5, atol=1e-6)
    assert 0 < sigma < 1


@pytest.mark.parametrize("kind", KINDS)
def test_clean_samples_lie_on_the_straight_line_from_state_to_state(folders, images, kind):
    model = model_of(folders[kind])
    steps = list(model.reconstruct(images, SEEDS, 0.5, 4, PROMPTS))
    pipeline = plain_of(folders[kind])
    asked(pipeline, num_inference_steps=8)
    sigmas = pipeline.scheduler.sigmas[-5:]

    place = 2
    velocity = (steps[place].state - steps[place - 1].state) / (sigmas[place + 1] - sigmas[place])
    expected = steps[place - 1].state - sigmas[place] * velocity
    if kind != "sana":  # its solver bends the line by the step before
        torch.testing.assert_close(steps[place].clean, expected, rtol=1e-3, atol=1e-4)
    assert torch.equal(steps[-1].clean, steps[-1].state)
    assert steps[0].state.shape == (3, *model._latent_shape)


@pytest.mark.parametrize("kind", KINDS)
def test_answers_do_not_depend_on_the_batch(folders, images, kind):
    model = model_of(folders[kind], guidance=2.0)
    prompts = ("a dog", "two dogs", " ".join(["three cats and a dog in an old garden"] * 3))
    *_, both = model.reconstruct(images, SEEDS, 0.5, 2, prompts)
    *_, alone = model.reconstruct(images[:1], SEEDS[:1], 0.5, 2, prompts[:1])

    torch.testing.assert_close(alone.clean, both.clean[:1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_costs_what_the_victim_says(folders, images, kind, guidance, monkeypatch):
    victim = StableDiffusion(model=str(folders[kind]), size=SIDE, guidance=guidance)
    model = victim.open("cpu")
    sizes, forward = [], model._denoiser.forward

    def counting(hidden_states, *rest, **named):
        sizes.append(len(hidden_states))
        return forward(hidden_states, *rest, **named)

    monkeypatch.setattr(model._denoiser, "forward", functools.wraps(forward)(counting))
    list(model.reconstruct(images, SEEDS, 0.5, 2, PROMPTS))

    assert sum(sizes) == 2 * len(images) * victim.evaluations_per_step


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_answers_in_single_precision(folders, images, kind):
    model = model_of(folders[kind], dtype="bfloat16", guidance=2.0)

    *_, last = model.reconstruct(images, SEEDS, 0.5, 2, PROMPTS)

    assert model._denoiser.dtype == torch.bfloat16
    for answer in (last.clean, last.state, model.generate(SEEDS, 2, PROMPTS), model.encode(images)):
        assert answer.dtype == torch.float32
        assert answer.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_prompts_and_seeds_matter(folders, images, kind):
    model = model_of(folders[kind])

    def last(seeds, prompts):
        return list(model.reconstruct(images, seeds, 0.5, 2, prompts))[-1].clean

    said = last(SEEDS, PROMPTS)
    assert not torch.allclose(said, last(SEEDS, None), atol=1e-6)
    assert not torch.allclose(said, last((1, 2, 3), PROMPTS), atol=1e-3)
    assert torch.equal(last(SEEDS, None), last(SEEDS, ("", "", "")))


def test_flux_pays_one_evaluation_a_step_under_guidance(folders):
    """It was distilled to imitate guidance, which it takes as a number."""
    assert StableDiffusion(model=str(folders["flux"]), guidance=3.5).evaluations_per_step == 1
    assert StableDiffusion(model=str(folders["aura"]), guidance=3.5).evaluations_per_step == 2
    assert StableDiffusion(model=str(folders["aura"])).evaluations_per_step == 1


@pytest.mark.parametrize(
    ("kind", "side"), [("aura", 16), ("sana", 16), ("lumina", 32), ("flux", 256), ("z_image", 1024)]
)
def test_the_size_is_that_of_the_pipeline_unless_asked_otherwise(folders, kind, side):
    assert StableDiffusion(model=str(folders[kind])).open("cpu").image_shape == (3, side, side)


def test_guidance_that_a_distilled_denoiser_does_not_take_is_refused(folders, tmp_path):
    """It would be a victim of another name with the same answers."""
    folder = shutil.copytree(folders["flux"], tmp_path / "schnell")
    transformer = diffusers.FluxTransformer2DModel.from_pretrained(folder, subfolder="transformer")
    config = {name: value for name, value in transformer.config.items() if not name.startswith("_")}
    with torch.random.fork_rng(devices=[]):
        diffusers.FluxTransformer2DModel(**config | {"guidance_embeds": False}).save_pretrained(folder / "transformer")

    assert model_of(folder).image_shape == (3, SIDE, SIDE)
    with pytest.raises(LeakboardError, match=r"takes no guidance, but guidance=3.5"):
        model_of(folder, guidance=3.5)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("flux", {"stochastic_sampling": True}),
        ("sana", {"prediction_type": "epsilon"}),
        ("sana", {"use_flow_sigmas": False}),
    ],
)
def test_a_scheduler_that_follows_no_flow_without_fresh_noise_is_refused(folders, tmp_path, kind, change):
    folder = shutil.copytree(folders[kind], tmp_path / kind)
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))

    with pytest.raises(LeakboardError, match=r"matches flows, which its .* does not follow"):
        StableDiffusion(model=str(folder)).files()


def test_a_size_that_cannot_be_made_is_refused(folders):
    with pytest.raises(LeakboardError, match="images of 33 pixels cannot be made, only multiples of 4"):
        StableDiffusion(model=str(folders["flux"]), size=33).open("cpu")


def test_gray_box_questions_about_noise_are_declined_with_the_reason(folders):
    model = model_of(folders["sana"])

    with pytest.raises(Unsupported, match=r"matches flows: it predicts velocities .* velocity_curve fit"):
        model.predict_noise(torch.zeros(3, *model._latent_shape), 5, None)
    with pytest.raises(Unsupported, match="matches flows"):
        model.gradients(torch.zeros(3, *model._latent_shape), torch.zeros(3, *model._latent_shape), (5,), None)


def test_another_sampler_than_its_own_is_declined(folders, images):
    with pytest.raises(Unsupported, match="matches flows, which ddim does not follow"):
        model_of(folders["aura"], scheduler="ddim").reconstruct(images, SEEDS, 0.5, 2, PROMPTS)


@pytest.mark.parametrize("kind", KINDS)
def test_it_keeps_the_contract(folders, kind):
    images = torch.rand(6, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    ids = tuple(f"sample {row}" for row in range(6))
    samples = Samples(ids, images, np.arange(6) % 2 == 0, ("a cat",) * 6)

    rows = check_component(StableDiffusion(model=str(folders[kind]), size=SIDE), samples)

    assert not [row for row in rows if row.outcome == "failed"]
    assert len(rows) > 5


TOLD = {
    "sd3": (1000.0, 0.0, 1.0),
    "flux": (1.0, 0.0, 1.0),
    "chroma": (1.0, 0.0, 1.0),
    "z_image": (-1.0, 1.0, -1.0),
    "aura": (1.0, 0.0, 1.0),
    "sana": (1000.0, 0.0, 1.0),
    "lumina": (-1.0, 1.0, -1.0),
}
"""What each transformer is told of a time (times the first, plus the second), and the sign of what it says."""


def packed(kind, latents):
    """As the transformer takes them: Flux and Chroma squares of four, by rows; Z-Image a list of films of one frame."""
    if kind == "z_image":
        return [latent.unsqueeze(1) for latent in latents]
    if kind not in ("flux", "chroma"):
        return latents
    count, channels, height, width = latents.shape
    squares = latents.view(count, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return squares.reshape(count, -1, channels * 4)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("kind", TOLD)
def test_velocity_is_that_of_a_direct_call_of_the_transformer(folders, kind, guidance, monkeypatch):
    """At the time that its pipeline tells it there, with the sign that its scheduler expects; never guided."""
    model = model_of(folders[kind], guidance=guidance)
    state = torch.randn(3, *model._latent_shape, generator=torch.Generator().manual_seed(4))
    calls, forward = [], model._denoiser.forward

    def noting(*given, **named):
        calls.append((given, named))
        return forward(*given, **named)

    monkeypatch.setattr(model._denoiser, "forward", functools.wraps(forward)(noting))
    velocity = model.predict_velocity(state, 0.3, PROMPTS)

    ((given, named),) = calls
    factor, offset, sign = TOLD[kind]
    time = torch.full((3,), 0.3 * factor + offset)
    with torch.no_grad():
        if kind == "z_image":
            output = torch.stack(forward(packed(kind, state), time, *given[2:], **named)[0]).squeeze(2)
        else:
            output = forward(**named | {"hidden_states": packed(kind, state), "timestep": time})[0]
    expected = packed(kind, velocity) if kind in ("flux", "chroma") else velocity
    torch.testing.assert_close(expected, sign * output, rtol=1e-5, atol=1e-6)
    assert velocity.shape == state.shape


@pytest.mark.parametrize("kind", [*KINDS, "sd3"])
def test_velocity_leads_from_state_to_state_of_the_plain_pipeline(folders, kind):
    """Noise minus image: along it a step of the scheduler goes from one share of noise to the next."""
    states = []
    pipeline = plain_of(folders[kind])
    guidance = scale(kind, 1.0)
    asked(
        pipeline,
        num_inference_steps=4,
        guidance_scale=guidance,
        callback_on_step_end=lambda _pipeline, _step, _time, tensors: states.append(tensors["latents"]) or tensors,
    )
    before, after = pipeline.scheduler.sigmas[-2:].tolist()

    model = model_of(folders[kind])
    start, stop = (model._unpacked(state.float()) for state in states[-2:])

    torch.testing.assert_close(
        model.predict_velocity(start, before, PROMPTS), (stop - start) / (after - before), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("kind", ["flux", "aura", "sd3"])
def test_velocities_do_not_depend_on_the_batch_and_do_on_the_prompt(folders, kind):
    model = model_of(folders[kind], guidance=2.0)
    state = torch.randn(3, *model._latent_shape, generator=torch.Generator().manual_seed(4))
    whole = model.predict_velocity(state, 0.6, PROMPTS)

    torch.testing.assert_close(model.predict_velocity(state[1:2], 0.6, PROMPTS[1:2]), whole[1:2], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(model.predict_velocity(state, 0.6, None), whole, atol=1e-5)
    assert not torch.allclose(model.predict_velocity(state, 0.5, PROMPTS), whole, atol=1e-5)


def test_a_pipeline_without_image_to_image_may_match_flows_too(folders, tmp_path):
    """A transformer that takes classes, under a scheduler that follows flows."""
    folder = shutil.copytree(folders["dit"], tmp_path / "dit")
    index = json.loads((folder / "model_index.json").read_text())
    index["scheduler"] = ["diffusers", "DPMSolverMultistepScheduler"]
    (folder / "model_index.json").write_text(json.dumps(index))
    scheduler = diffusers.DPMSolverMultistepScheduler(use_flow_sigmas=True, prediction_type="flow_prediction")
    scheduler.save_pretrained(folder / "scheduler")
    model = StableDiffusion(model=str(folder), guidance=3.0).open("cpu")
    state = torch.randn(2, *model._latent_shape, generator=torch.Generator().manual_seed(4))

    with torch.no_grad():
        output = model._denoiser(state, torch.full((2,), 300.0), class_labels=torch.tensor([7, 1000])).sample

    torch.testing.assert_close(model.predict_velocity(state, 0.3, ("cock", "")), output[:, :4], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("time", [0.0, 1.0, -0.5, float("nan")])
def test_times_without_a_velocity_are_declined(folders, time):
    model = model_of(folders["aura"])
    with pytest.raises(Unsupported, match=r"is not between 0 \(the clean image\) and 1 \(noise\)"):
        model.predict_velocity(torch.zeros(1, *model._latent_shape), time, None)


def test_a_victim_on_a_noise_schedule_declines_velocities_and_says_what_fits(opened):
    model = opened["sd1"]
    with pytest.raises(Unsupported, match=r"predicts noise .* and no velocities .* loss, pia, secmi and sima fit"):
        model.predict_velocity(torch.zeros(1, *model._latent_shape), 0.5, None)
