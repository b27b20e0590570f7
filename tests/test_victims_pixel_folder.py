"""What is said of folders that cannot be opened as victims."""

import json
import shutil
import subprocess
import sys

import pytest
import torch
from huggingface_hub import constants

from helpers.pixel_models import tiny_unet
from leakboard.api import LeakboardError, Model
from leakboard_plugins.victims import VICTIMS
from leakboard_plugins.victims.folders.layout import SCHEDULER_CONFIG, UNET_CONFIG, WEIGHTS
from leakboard_plugins.victims.pixel.ddpm import Ddpm


@pytest.fixture
def copy(tiny, tmp_path):
    """A folder to spoil."""
    return shutil.copytree(tiny["epsilon"], tmp_path / "copy")


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_files_are_configuration_and_weights(tiny):
    folder = tiny["epsilon"]

    assert set(Ddpm(model=str(folder)).files()) == {path for path in folder.rglob("*") if path.is_file()}


def test_every_victim_has_a_name_and_a_docstring():
    assert {victim.name for victim in VICTIMS} >= {"ddpm", "fashion_ddpm", "stable_diffusion"}
    assert all(victim.__doc__ for victim in VICTIMS)


def test_facts_that_a_recipe_adds_to_the_manifest_are_told_beside_those_of_every_manifest(copy):
    """Lists of every sample and digests that only programs read stay out of the store."""
    common = {
        "epochs": 60,
        "member_digest": "abc",
        "member_ids": ["a", "b"],
        "versions": {"torch": "2"},
        "device": "cpu",
    }
    manifest = common | {"augmentation": "mirrored", "privacy": {"epsilon": 8.0}}
    (copy / "manifest.json").write_text(json.dumps(manifest))

    told = {"epochs": 60, "member_digest": "abc", "augmentation": "mirrored", "privacy": {"epsilon": 8.0}}
    assert Ddpm(model=str(copy)).facts() == {"manifest": told}
    (copy / "manifest.json").unlink()
    assert Ddpm(model=str(copy)).facts() == {}


def refused(folder, *words):
    """Both opening and listing the files, which comes before anything is written, refuse with a clear message."""
    victim = Ddpm(model=str(folder))
    for ask in (victim.files, lambda: victim.open("cpu")):
        with pytest.raises(LeakboardError) as caught:
            ask()
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

    refused(copy, "the scheduler is ScoreSdeVeScheduler", "DDIMScheduler.from_config")


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

    refused(copy, "is a pickle or an archive, whatever its name says", WEIGHTS)


def test_cut_weights_are_refused(copy):
    (copy / WEIGHTS).write_bytes((copy / WEIGHTS).read_bytes()[:-100])

    refused(copy, "is half a download: it has", WEIGHTS)


def test_weights_with_a_tensor_missing_are_refused(copy):
    """diffusers would fill it with random numbers and go on."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(copy / WEIGHTS)
    del tensors["conv_in.weight"]
    save_file(tensors, copy / WEIGHTS)

    refused(copy, "1 weights do not fit", "conv_in.weight")


def test_weights_of_another_shape_are_refused(copy):
    from safetensors.torch import load_file, save_file

    tensors = load_file(copy / WEIGHTS)
    tensors["up_blocks.1.resnets.1.conv2.bias"] = torch.zeros(7)
    save_file(tensors, copy / WEIGHTS)

    refused(copy, "1 weights do not fit", "up_blocks.1.resnets.1.conv2.bias")


def test_a_misfit_that_headers_alone_do_not_show_is_refused_on_opening(copy):
    from safetensors.torch import load_file, save_file

    tensors = load_file(copy / WEIGHTS)
    del tensors["time_embedding.linear_1.bias"]
    save_file(tensors, copy / WEIGHTS)

    with pytest.raises(LeakboardError, match="time_embedding"):
        Ddpm(model=str(copy)).open("cpu")


def test_empty_weights_are_refused(copy):
    (copy / WEIGHTS).write_bytes(b"")

    refused(copy, "is empty", WEIGHTS)


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


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_train_timesteps", 0),
        ("num_train_timesteps", -5),
        ("num_train_timesteps", "x"),
        ("beta_start", "a"),
        ("beta_end", float("nan")),
        ("trained_betas", [0.1, "a"]),
        ("trained_betas", []),
        ("prediction_type", None),
        ("timestep_spacing", "foo"),
        ("clip_sample_range", 0),
    ],
)
def test_a_senseless_noise_schedule_is_refused(copy, key, value):
    edit(copy / SCHEDULER_CONFIG, **{key: value})

    refused(copy, f"{key} is {value!r}", SCHEDULER_CONFIG)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sample_size", "x"),
        ("sample_size", 0),
        ("sample_size", [8, 8, 8]),
        ("block_out_channels", "abc"),
        ("block_out_channels", None),
        ("down_block_types", ["Foo", "Bar"]),
        ("in_channels", 1.5),
        ("layers_per_block", 0),
    ],
)
def test_a_senseless_network_is_refused(copy, key, value):
    edit(copy / UNET_CONFIG, **{key: value})

    refused(copy, f"{key} is {value!r}", UNET_CONFIG)


def test_a_network_of_uneven_levels_is_refused(copy):
    edit(copy / UNET_CONFIG, up_block_types=["UpBlock2D"])

    refused(copy, "2 widths, 2 blocks down and 1 up")


def test_whatever_diffusers_says_of_a_configuration_is_shown_with_its_place(copy):
    edit(copy / UNET_CONFIG, attention_head_dim=0)

    with pytest.raises(LeakboardError, match="cannot be opened") as caught:
        Ddpm(model=str(copy)).open("cpu")
    assert caught.value.where.endswith("unet")


def test_a_sampler_that_cannot_be_made_is_shown_with_its_place(tiny, monkeypatch):
    from leakboard_plugins.victims.pixel.model import PixelModel

    def broken(*_):
        raise TypeError("no number")

    monkeypatch.setattr(PixelModel, "_sampler", broken)
    with pytest.raises(LeakboardError, match="no number") as caught:
        Ddpm(model=str(tiny["epsilon"])).open("cpu")
    assert caught.value.where.endswith(SCHEDULER_CONFIG)


def test_listing_the_files_imports_no_torch(tiny):
    code = "import sys; from leakboard_plugins.victims.pixel.ddpm import Ddpm; Ddpm(model=sys.argv[1]).files(); sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code, str(tiny["epsilon"])], check=False).returncode == 0


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
