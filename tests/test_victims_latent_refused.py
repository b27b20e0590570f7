"""What is said of latent pipelines that cannot be opened, and of prompts that cannot be made."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from huggingface_hub import constants

from helpers.latent_pipelines import save_latent
from helpers.pipeline_parts import SIDE
from helpers.pixel_models import save_tiny
from leakboard.api import LeakboardError, Model, Samples, Unsupported
from leakboard_plugins.victims.latent.stable_diffusion import StableDiffusion

UNET = "unet/diffusion_pytorch_model.safetensors"
TEXT = "text_encoder/model.safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny pipeline; read only."""
    return save_latent(tmp_path_factory.mktemp("latent") / "sd1", "sd1")


@pytest.fixture
def copy(folder, tmp_path):
    """A folder to spoil."""
    return shutil.copytree(folder, tmp_path / "copy")


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refused(folder, *words, **fields):
    """Both opening and listing the files, which comes before anything is written, refuse with a clear message."""
    victim = StableDiffusion(model=str(folder), **fields)
    for ask in (victim.files, lambda: victim.open("cpu")):
        with pytest.raises(LeakboardError) as caught:
            ask()
        assert all(word in str(caught.value) for word in words), str(caught.value)
    return caught.value


def samples(captions=None, labels=None):
    return Samples(("one", "two"), torch.zeros(2, 3, SIDE, SIDE), np.array([True, False]), captions, labels=labels)


def test_files_are_configuration_words_and_weights(folder):
    assert set(StableDiffusion(model=str(folder)).files()) == {path for path in folder.rglob("*") if path.is_file()}


def test_listing_the_files_imports_no_torch(folder):
    code = (
        "import sys; from leakboard_plugins.victims.latent.stable_diffusion import StableDiffusion as Victim; "
        "Victim(model=sys.argv[1]).files(); sys.exit('torch' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code, str(folder)], check=False).returncode == 0


def test_a_safety_checker_is_neither_needed_nor_opened(copy):
    edit(copy / "model_index.json", safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"])

    assert isinstance(StableDiffusion(model=str(copy)).open("cpu"), Model)


def test_a_pixel_pipeline_is_sent_to_its_victim(tmp_path):
    error = refused(save_tiny(tmp_path / "pixel"), "the pipeline is a DDPMPipeline", "StableDiffusionPipeline")

    assert error.next.startswith(f"ddpm(model={str(tmp_path / 'pixel')!r})")


@pytest.mark.parametrize(
    "name",
    [
        "StableDiffusionInpaintPipeline",
        "StableDiffusionUpscalePipeline",
        "StableVideoDiffusionPipeline",
        "StableDiffusionXLInpaintPipeline",
        "FluxFillPipeline",
        "HunyuanDiTPipeline",
    ],
)
def test_another_kind_of_pipeline_is_refused(copy, name):
    edit(copy / "model_index.json", _class_name=name)

    refused(copy, f"the pipeline is a {name}", "StableDiffusion3Pipeline, DiTPipeline")


def test_a_denoiser_that_paints_in_is_refused(copy):
    """Its class may be the plain one: the channels tell."""
    edit(copy / "unet" / "config.json", in_channels=9)

    refused(copy, "takes 9 channels and the vae gives 4")


@pytest.mark.parametrize("channels", [4, 8])
def test_images_that_would_be_taken_for_latents_are_refused(copy, channels):
    """Image-to-image pipelines tell the two apart by their channels alone."""
    edit(copy / "vae" / "config.json", in_channels=channels, latent_channels=8)
    edit(copy / "unet" / "config.json", in_channels=8)

    refused(copy, f"images of {channels} channels cannot be told from latents")


@pytest.mark.parametrize("channels", [None, "four", [4]])
@pytest.mark.parametrize(("part", "key"), [("vae", "latent_channels"), ("unet", "in_channels")])
def test_channels_that_are_no_number_are_refused_with_their_place(copy, part, key, channels):
    edit(copy / part / "config.json", **{key: channels})

    error = refused(copy, f"{key} is {channels!r}")
    assert error.where == str(copy / part / "config.json")


def test_a_distilled_denoiser_is_refused(copy):
    edit(copy / "unet" / "config.json", time_cond_proj_dim=8)

    refused(copy, "time_cond_proj_dim = 8")


def test_a_folder_that_is_no_pipeline_is_refused(tmp_path):
    refused(tmp_path, "model_index.json is missing", "a folder for each component")


def test_a_missing_folder_is_refused(tmp_path):
    refused(tmp_path / "nowhere", "there is no folder")


@pytest.mark.parametrize("name", ["vae", "tokenizer", "text_encoder", "scheduler"])
def test_a_missing_component_is_refused(copy, name):
    shutil.rmtree(copy / name)
    refused(copy, f"names a component that is missing: {name}", str(copy / name))

    edit(copy / "model_index.json", **{name: [None, None]})
    refused(copy, f"names no {name}")


@pytest.mark.parametrize(
    "name", ["vae/config.json", "tokenizer/tokenizer_config.json", "scheduler/scheduler_config.json"]
)
def test_a_missing_or_broken_configuration_is_refused(copy, name):
    (copy / name).write_text("{")
    refused(copy, f"{name.rsplit('/')[-1]} cannot be read")

    (copy / name).unlink()
    refused(copy, f"{name.rsplit('/')[-1]} is missing")


@pytest.mark.parametrize("name", [UNET, TEXT])
def test_cut_empty_or_missing_weights_are_refused(copy, name):
    (copy / name).write_bytes((copy / name).read_bytes()[:-100])
    refused(copy, "is half a download", name)

    (copy / name).write_bytes(b"")
    refused(copy, "is empty", name)

    (copy / name).unlink()
    refused(copy, "the weights are missing", name)


@pytest.mark.parametrize("name", [UNET, TEXT])
def test_pickled_weights_are_never_opened(copy, name):
    path = (copy / name).with_suffix(".bin")
    (copy / name).unlink()
    torch.save({}, path)

    refused(copy, "pickle", path.name)


@pytest.mark.parametrize(("name", "key"), [(UNET, "conv_in.weight"), (TEXT, "embeddings.token_embedding.weight")])
def test_weights_with_a_tensor_missing_are_refused_on_opening(copy, name, key):
    """Both libraries would fill it with random numbers and go on."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(copy / name)
    (found,) = [tensor for tensor in tensors if tensor.endswith(key)]
    del tensors[found]
    save_file(tensors, copy / name, {"format": "pt"})

    with pytest.raises(LeakboardError, match=f"1 weights do not fit .*{key}"):
        StableDiffusion(model=str(copy)).open("cpu")


def test_whatever_diffusers_says_of_a_configuration_is_told_with_its_place(copy):
    edit(copy / "unet" / "config.json", norm_num_groups=7)

    with pytest.raises(LeakboardError, match=r"the unet .UNet2DConditionModel. cannot be opened") as caught:
        StableDiffusion(model=str(copy)).open("cpu")
    assert caught.value.where == str(copy / "unet")


def test_code_of_other_libraries_is_not_run(copy):
    edit(copy / "model_index.json", unet=["os", "system"])

    refused(copy, "os.system, code that is not part of diffusers or transformers")


def test_an_unknown_scheduler_is_refused(copy):
    edit(copy / "model_index.json", scheduler=["diffusers", "EDMEulerScheduler"])

    refused(copy, "the scheduler is EDMEulerScheduler", "EulerDiscreteScheduler", "DDIMScheduler.from_config")


@pytest.mark.parametrize(("key", "value"), [("prediction_type", "flow"), ("beta_start", "a"), ("beta_schedule", "x")])
def test_a_senseless_noise_schedule_is_refused(copy, key, value):
    edit(copy / "scheduler" / "scheduler_config.json", **{key: value})

    refused(copy, f"{key} is {value!r}")


def test_weights_that_are_not_those_of_the_manifest_are_refused(copy):
    (copy / "manifest.json").write_text(json.dumps({"member_digest": "abc", "weights": []}))
    refused(copy, "names no weights", TEXT)

    parts = {path.relative_to(copy).as_posix(): "0" for path in copy.rglob("*.safetensors")}
    (copy / "manifest.json").write_text(json.dumps({"member_digest": "abc", "weights": {"parts": parts}}))
    refused(copy, "not those that the manifest describes")
    assert StableDiffusion(model=str(copy)).trained_on() == "abc"
    assert StableDiffusion(model=str(copy)).facts()["manifest"]["member_digest"] == "abc"


@pytest.mark.parametrize("text", ['{"name": "a web page", "icons": []}', "{}"])
def test_a_manifest_of_something_else_is_none_of_our_business(copy, text):
    (copy / "manifest.json").write_text(text)
    victim = StableDiffusion(model=str(copy))

    assert victim.files()
    assert victim.trained_on() is None
    assert victim.facts() == {}


def test_half_precision_files_are_opened_where_there_are_no_others(copy, folder):
    for path in copy.rglob("*.safetensors"):
        path.rename(path.with_name(f"{path.stem}.fp16.safetensors"))

    victim = StableDiffusion(model=str(copy))

    assert sum(path.name.endswith(".fp16.safetensors") for path in victim.files()) == 3
    state = torch.ones(1, 4, SIDE // 2, SIDE // 2)
    expected = StableDiffusion(model=str(folder)).open("cpu").predict_noise(state, 9, None)
    assert torch.equal(victim.open("cpu").predict_noise(state, 9, None), expected)


def test_hub_ids_come_from_the_local_cache_alone(folder, tmp_path, monkeypatch):
    repository = tmp_path / "models--someone--tiny"
    shutil.copytree(folder, repository / "snapshots" / "abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))

    assert isinstance(StableDiffusion(model="someone/tiny").open("cpu"), Model)
    assert StableDiffusion(model="someone/tiny", revision="main").files()
    error = refused("someone/absent", "local hub cache")
    assert error.next.startswith("hf download someone/absent")
    assert str(tmp_path / "models--someone--absent" / "snapshots") in error.expected
    error = refused("someone/tiny", "not its revision 'fp16'", "there is main, abc", revision="fp16")
    assert error.next.startswith("hf download someone/tiny --revision fp16")


def test_a_folder_has_no_revision(folder):
    refused(folder, "a folder has no revision", revision="main")


@pytest.mark.parametrize("offload", ["model", "sequential"])
def test_offloading_needs_a_gpu(folder, offload):
    with pytest.raises(LeakboardError, match="the device is cpu"):
        StableDiffusion(model=str(folder), offload=offload).open("cpu")


@pytest.mark.parametrize(
    "prompts",
    ["captions", "template:", "template: {name}", "template: {label!r}", "template: {0}", "template: {label", ""],
)
def test_a_rule_for_prompts_that_makes_no_sense_is_refused(prompts):
    with pytest.raises(LeakboardError) as caught:
        StableDiffusion(model="x", prompts=prompts)
    assert repr(prompts) in caught.value.where


def test_prompts_are_made_by_rule():
    known = samples(("a red {cat}", "a dog"), ("cat", "dog"))

    def made(rule, of=known):
        return StableDiffusion(model="x", prompts=rule).prompts_for(of)

    assert made("caption") == ("a red {cat}", "a dog")
    assert made("empty", samples()) == ("", "")
    assert made("template: a photo of {label}") == ("a photo of cat", "a photo of dog")
    assert made("template:{label}, {caption}") == ("cat, a red {cat}", "dog, a dog")
    assert made("template: a photo", samples()) == ("a photo", "a photo")


def test_what_the_dataset_does_not_say_makes_no_prompt(folder):
    with pytest.raises(
        Unsupported, match=r"needs the captions .*prompts='template: a photo of \{label\}' or 'empty' would do"
    ):
        StableDiffusion(model=str(folder)).prompts_for(samples(labels=("cat", "dog")))
    with pytest.raises(Unsupported, match="needs the labels"):
        StableDiffusion(model=str(folder), prompts="template: {label}").prompts_for(samples(captions=("a", "b")))


def test_guidance_doubles_the_evaluations(folder):
    assert StableDiffusion(model=str(folder)).evaluations_per_step == 1
    assert StableDiffusion(model=str(folder), guidance=7.5).evaluations_per_step == 2


def test_it_is_gated_unless_told_otherwise():
    assert StableDiffusion(model="x").gated
    assert not StableDiffusion(model="x", allow_untrained=True).gated
