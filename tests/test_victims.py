"""Victims: numbers against independent float64 loops, and what is said about folders that cannot be opened."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from huggingface_hub import constants

from denoisers import SIZE, save_tiny, tiny_unet
from leakboard.api import LeakboardError, Model, Unsupported, member_digest
from leakboard_plugins.victims import VICTIMS, fashion_ddpm
from leakboard_plugins.victims.ddpm import Ddpm
from leakboard_plugins.victims.fashion_ddpm import FashionDdpm
from leakboard_plugins.victims.pipeline_folder import SCHEDULER_CONFIG, UNET_CONFIG, WEIGHTS, check_weights

PREDICTIONS = ("epsilon", "v_prediction", "sample")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Folders of tiny pipelines by prediction type; read only."""
    root = tmp_path_factory.mktemp("tiny")
    return {kind: save_tiny(root / kind, kind) for kind in PREDICTIONS}


@pytest.fixture(scope="session")
def models(tiny):
    return {kind: Ddpm(model=str(folder)).open("cpu") for kind, folder in tiny.items()}


@pytest.fixture
def copy(tiny, tmp_path):
    """A folder to spoil."""
    return shutil.copytree(tiny["epsilon"], tmp_path / "copy")


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(3)
    return torch.rand(5, 1, SIZE, SIZE, generator=generator), torch.randn(5, 1, SIZE, SIZE, generator=generator)


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
    images, noise = batch
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

    answer = list(models[kind].reconstruct(images * 2 - 1, noise, strength, steps, None))

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
    list(model.reconstruct(*batch, strength, steps, None))

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

    from leakboard_plugins.victims.pixel_model import PixelModel

    config = dict(DDIMScheduler(**scheduler).config)
    unet = tiny_unet().half().float().eval().requires_grad_(False)
    answer = list(PixelModel(unet, config).reconstruct(*batch, 0.5, 7, None))

    loop = DDIMScheduler(**scheduler)
    loop.set_timesteps(14)
    state = loop.add_noise(*batch, loop.timesteps[7:8])
    for timestep in loop.timesteps[7:]:
        state = loop.step(unet(state, timestep).sample, timestep, state).prev_sample
    assert torch.equal(answer[-1].clean, answer[-1].state)
    torch.testing.assert_close(answer[-1].clean, state, rtol=0, atol=1e-5)


def test_two_reconstructions_may_run_interleaved(models, batch):
    model, (images, noise) = models["epsilon"], batch
    alone = [step.clean for step in model.reconstruct(images, noise, 0.3, 3, None)]

    both = zip(
        model.reconstruct(images, noise, 0.3, 3, None), model.reconstruct(images, noise, 0.9, 3, None), strict=True
    )

    assert all(torch.equal(first.clean, expected) for (first, _), expected in zip(both, alone, strict=True))


@pytest.mark.parametrize("strength", [0.0, -0.1, 1.01, float("nan")])
def test_strength_out_of_range_is_refused_before_anything_runs(models, batch, strength):
    with pytest.raises(LeakboardError, match="strength"):
        models["epsilon"].reconstruct(*batch, strength, 10, None)


def test_strength_too_small_for_the_schedule_is_unsupported(models, batch):
    with pytest.raises(Unsupported, match="need 2000 sampler steps, but the victim has 1000"):
        models["epsilon"].reconstruct(*batch, 0.005, 10, None)


def test_a_strength_that_overflows_is_unsupported(models, batch):
    with pytest.raises(Unsupported, match="need inf sampler steps"):
        models["epsilon"].reconstruct(*batch, 1e-320, 10, None)


@pytest.mark.parametrize("timestep", [-1, 1000])
def test_timestep_beyond_the_schedule_is_unsupported(models, batch, timestep):
    with pytest.raises(Unsupported, match="timestep"):
        models["epsilon"].predict_noise(batch[0], timestep, None)
    with pytest.raises(Unsupported, match="timestep"):
        models["epsilon"].gradients(*batch, timestep, None)


def test_no_steps_are_refused(models, batch):
    with pytest.raises(LeakboardError, match="0 steps"):
        models["epsilon"].generate(batch[1], 0, None)


def test_generate_is_the_ddim_pipeline(tiny, models):
    from diffusers import DDIMPipeline, DDPMScheduler

    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(3, 1, SIZE, SIZE, generator=generator)
    unet = tiny_unet().half().float()
    pipeline = DDIMPipeline(unet, DDPMScheduler())
    pipeline.set_progress_bar_config(disable=True)
    expected = pipeline(3, generator=generator.manual_seed(1), num_inference_steps=5, output_type="np").images

    model = models["epsilon"]
    images = model.decode(model.generate(noise, 5, None))

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

    answer = models[kind].gradients(images, noise, 100, None)

    assert answer.shape == (5, len(list(unet.parameters())))
    torch.testing.assert_close(answer, torch.stack(rows), rtol=1e-3, atol=1e-5)


def test_gradients_take_answers_of_the_model(models, batch):
    model, (images, noise) = models["epsilon"], batch
    with torch.inference_mode():
        inner = model.encode(images)

    assert torch.isfinite(model.gradients(inner, noise, 50, None)).all()


def test_network_is_frozen_and_in_float32(models):
    unet = models["epsilon"]._unet

    assert not unet.training
    assert {weight.dtype for weight in unet.parameters()} == {torch.float32}
    assert not any(weight.requires_grad for weight in unet.parameters())


@pytest.mark.parametrize(("shape", "got"), [((2, 3, SIZE, SIZE), "3x8x8"), ((2, 1, 12, 12), "1x12x12")])
def test_images_of_another_shape_are_refused(models, shape, got):
    with pytest.raises(LeakboardError, match=f"they are {got} and it takes 1x8x8"):
        models["epsilon"].encode(torch.zeros(shape))


def test_files_are_configuration_and_weights(tiny):
    folder = tiny["epsilon"]

    assert set(Ddpm(model=str(folder)).files()) == {path for path in folder.rglob("*") if path.is_file()}


def test_every_victim_has_a_name_and_a_docstring():
    assert {victim.name for victim in VICTIMS} == {"ddpm", "fashion_ddpm"}
    assert all(victim.__doc__ for victim in VICTIMS)


def refused(folder, *words):
    """Both opening and listing the files refuse the folder with a clear message."""
    with pytest.raises(LeakboardError) as caught:
        Ddpm(model=str(folder)).open("cpu")
    assert all(word in str(caught.value) for word in words), str(caught.value)
    return caught.value


def test_a_folder_that_is_no_pipeline_is_refused(tmp_path):
    refused(tmp_path, "model_index.json is missing", "save_pretrained")


def test_a_missing_folder_is_refused(tmp_path):
    refused(tmp_path / "nowhere", "there is no folder")


def test_another_kind_of_pipeline_is_refused(copy):
    edit(copy / "model_index.json", vae=["diffusers", "AutoencoderKL"], unet=["diffusers", "UNet2DConditionModel"])

    refused(copy, "unet = UNet2DConditionModel, vae = AutoencoderKL", "UNet2DModel")


def test_another_scheduler_is_refused(copy):
    edit(copy / "model_index.json", scheduler=["diffusers", "ScoreSdeVeScheduler"])

    refused(copy, "scheduler = ScoreSdeVeScheduler")


def test_broken_json_is_refused(copy):
    (copy / "model_index.json").write_text("{")

    refused(copy, "model_index.json cannot be read")


@pytest.mark.parametrize("name", [SCHEDULER_CONFIG, UNET_CONFIG])
def test_a_missing_component_is_refused(copy, name):
    (copy / name).unlink()

    refused(copy, f"{name.rsplit('/')[-1]} is missing")


def test_missing_weights_are_refused(copy):
    (copy / WEIGHTS).unlink()

    refused(copy, "the weights are missing", WEIGHTS)


@pytest.mark.parametrize("suffix", ["bin", "ckpt", "pt"])
def test_pickled_weights_are_never_opened(copy, suffix):
    (copy / WEIGHTS).unlink()
    torch.save(tiny_unet().state_dict(), copy / "unet" / f"diffusion_pytorch_model.{suffix}")

    refused(copy, "pickle", f"diffusion_pytorch_model.{suffix}")


def test_a_pickle_that_calls_itself_safetensors_is_refused(copy):
    torch.save(tiny_unet().state_dict(), copy / WEIGHTS)

    refused(copy, "weights cannot be read", "safetensors")


def test_cut_weights_are_refused(copy):
    (copy / WEIGHTS).write_bytes((copy / WEIGHTS).read_bytes()[:-100])

    refused(copy, "weights cannot be read")


def test_weights_with_a_tensor_missing_are_refused(copy):
    """diffusers would fill it with random numbers and go on."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(copy / WEIGHTS)
    del tensors["conv_in.weight"]
    save_file(tensors, copy / WEIGHTS)

    refused(copy, "1 weights do not fit", "conv_in.weight")


def test_weights_of_another_network_are_refused(copy):
    edit(copy / UNET_CONFIG, block_out_channels=[16, 32])

    refused(copy, "unet")


def test_a_class_conditional_network_is_refused(copy):
    tiny_unet(num_class_embeds=4).save_pretrained(copy / "unet")

    refused(copy, "conditioned on classes")


def test_learned_variance_is_refused(copy):
    tiny_unet(out_channels=2).save_pretrained(copy / "unet")

    refused(copy, "takes 1 channels and returns 2")


@pytest.mark.parametrize(("key", "value"), [("beta_schedule", "sigmoid"), ("prediction_type", "flow")])
def test_an_unknown_noise_schedule_or_prediction_is_refused(copy, key, value):
    edit(copy / SCHEDULER_CONFIG, **{key: value})

    refused(copy, value)


def test_sharded_weights_are_opened(copy, models, batch):
    (copy / WEIGHTS).unlink()
    tiny_unet().half().save_pretrained(copy / "unet", max_shard_size="20KB")

    victim = Ddpm(model=str(copy))

    assert sum(path.suffix == ".safetensors" for path in victim.files()) > 1
    assert torch.equal(
        victim.open("cpu").predict_noise(batch[1], 7, None), models["epsilon"].predict_noise(batch[1], 7, None)
    )


def test_hub_ids_come_from_the_local_cache_alone(tiny, tmp_path, monkeypatch):
    repository = tmp_path / "models--someone--tiny"
    shutil.copytree(tiny["epsilon"], repository / "snapshots" / "abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))

    assert isinstance(Ddpm(model="someone/tiny").open("cpu"), Model)
    with pytest.raises(LeakboardError, match="local hub cache") as caught:
        Ddpm(model="someone/absent").files()
    assert "hf download someone/absent" in caught.value.next
    assert str(tmp_path) in caught.value.where


@pytest.fixture
def shipped(tiny, tmp_path, monkeypatch):
    """Weights as the package ships them, in miniature."""
    for level, epochs in (("untrained", 0), ("moderate", 330)):
        shutil.copytree(tiny["epsilon"], tmp_path / level)
        (tmp_path / level / "manifest.json").write_text(json.dumps({"member_digest": "abc", "epochs": epochs}))
    monkeypatch.setattr(fashion_ddpm, "WEIGHTS", tmp_path)
    return tmp_path


def test_fashion_ddpm_names_its_members(shipped):
    assert FashionDdpm().trained_on() == "abc"
    assert Ddpm(model=str(shipped / "moderate")).trained_on() == "abc"
    assert not FashionDdpm().null


def test_untrained_has_seen_no_member(shipped):
    victim = FashionDdpm(level="untrained")

    assert victim.trained_on() is None
    assert victim.null


def test_files_of_fashion_ddpm_leave_the_manifest_out(shipped):
    assert {path.name for path in FashionDdpm().files()} == {
        "model_index.json",
        "scheduler_config.json",
        "config.json",
        "diffusion_pytorch_model.safetensors",
    }
    assert isinstance(FashionDdpm().open("cpu"), Model)


def test_a_level_that_is_not_installed_says_how_to_make_it(shipped):
    with pytest.raises(LeakboardError, match="heavy") as caught:
        FashionDdpm(level="heavy").files()
    assert "leakboard train fashion_ddpm" in caught.value.next


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_spoiled_manifest_is_refused(shipped, text):
    (shipped / "moderate" / "manifest.json").write_text(text)

    with pytest.raises(LeakboardError, match="manifest"):
        FashionDdpm().trained_on()


def test_a_folder_without_manifest_names_no_members(tiny):
    assert Ddpm(model=str(tiny["epsilon"])).trained_on() is None


def test_report_facts_of_an_embedded_victim_come_from_its_manifest(registry):
    facts = registry.one("victim", "fashion_ddpm(level='heavy')").only.facts()["manifest"]
    assert facts["epochs"] == 770
    assert facts["loss"]["members"]["mean"] < facts["loss"]["held_out"]["mean"]


@pytest.mark.parametrize("level", ["light", "moderate", "heavy", "untrained"])
def test_embedded_weights_are_small_and_match_their_manifests(level, registry):
    victim = registry.one("victim", f"fashion_ddpm(level={level!r})").only
    check_weights(victim.folder)
    assert (victim.folder / "unet" / "diffusion_pytorch_model.safetensors").stat().st_size < 3_000_000


@pytest.mark.parametrize("level", ["light", "moderate", "heavy"])
def test_embedded_victims_were_trained_on_exactly_the_members_of_the_dataset(level, registry):
    samples = registry.one("dataset", "fashion_mnist").only.load()
    members = [name for name, member in zip(samples.ids, samples.member, strict=True) if member]
    assert len(members) == 1024
    assert registry.one("victim", f"fashion_ddpm(level={level!r})").only.trained_on() == member_digest(members)
