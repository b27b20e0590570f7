"""What people really have in the place of a pipeline is told by name, each with its own next step."""

import json
import shutil
import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file

from leakboard.api import LeakboardError
from leakboard_plugins.victims.folders.layout import UNET_CONFIG, WEIGHTS
from leakboard_plugins.victims.folders.loading import told_with
from leakboard_plugins.victims.latent.stable_diffusion import StableDiffusion
from leakboard_plugins.victims.pixel.ddpm import Ddpm

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 143000000\n"
TOKENIZER = "tokenizer/tokenizer_config.json"


def edit(path, **changes):
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def refused(victim, *words):
    """Listing the files, before anything is written, refuses with a message that has all the words."""
    with pytest.raises(LeakboardError) as caught:
        victim.files()
    assert all(word in str(caught.value) for word in words), str(caught.value)
    return caught.value


def renamed(path, change):
    save_file({change(name): tensor for name, tensor in load_file(path).items()}, path, {"format": "pt"})


@pytest.mark.parametrize(
    "name", [WEIGHTS, UNET_CONFIG, "model_index.json", "tokenizer/tokenizer.json", "text_encoder/model.safetensors"]
)
def test_a_pointer_of_git_lfs_is_told_in_the_place_of_any_file(copy, name):
    (copy / name).write_text(POINTER)

    error = refused(StableDiffusion(model=str(copy)), "is a Git LFS pointer", "git lfs pull")
    assert error.where == str(copy / name)


def test_half_a_download_is_told_with_both_sizes(pixel):
    whole = (pixel / WEIGHTS).read_bytes()
    (pixel / WEIGHTS).write_bytes(whole[: len(whole) // 2])

    refused(Ddpm(model=str(pixel)), "is half a download", f"{len(whole) // 2:,} bytes of {len(whole):,}")


def test_a_download_that_has_not_ended_is_told(pixel):
    (pixel / WEIGHTS).rename(pixel / "unet" / "diffusion_pytorch_model.safetensors.part")

    refused(Ddpm(model=str(pixel)), "safetensors.part is a download that has not ended", "start the download again")


@pytest.mark.parametrize("home", ["pixel/.cache/huggingface/download", "blobs"])
def test_a_download_of_the_hub_that_has_not_ended_is_told(pixel, tmp_path, home):
    (pixel / WEIGHTS).unlink()
    (tmp_path / home).mkdir(parents=True)
    (tmp_path / home / "abc.incomplete").write_text("")

    refused(Ddpm(model=str(pixel)), "abc.incomplete is a download that has not ended")


def test_a_link_to_a_file_that_is_gone_is_told(pixel):
    (pixel / WEIGHTS).unlink()
    (pixel / WEIGHTS).symlink_to("../blobs/abc")

    refused(Ddpm(model=str(pixel)), "is a link to a file that is gone", "../blobs/abc")


def test_a_web_page_in_the_place_of_weights_is_told(pixel):
    (pixel / WEIGHTS).write_text("<!DOCTYPE html><html>Sign in</html>")

    refused(Ddpm(model=str(pixel)), "is a web page")


@pytest.mark.parametrize(
    ("prefix", "word"),
    [("_orig_mod.", "torch.compile"), ("module.", "DataParallel"), ("model.diffusion_model.", "single-file")],
)
def test_tensors_with_a_prefix_are_told_by_it(pixel, prefix, word):
    renamed(pixel / WEIGHTS, lambda name: f"{prefix}{name}")

    error = refused(Ddpm(model=str(pixel)), word, prefix)
    assert error.where == str(pixel / WEIGHTS)


@pytest.mark.parametrize("name", ["pytorch_lora_weights.safetensors", "adapter_config.json"])
def test_a_folder_of_an_adapter_is_told_how_to_wear_it(tmp_path, name):
    (tmp_path / name).write_text("{}")

    refused(StableDiffusion(model=str(tmp_path)), "is a LoRA or another adapter", name, "adapter=")


def test_an_adapter_with_its_base_is_told_as_one(copy, tmp_path):
    (tmp_path / "lora").mkdir()
    (tmp_path / "lora" / "pytorch_lora_weights.safetensors").write_bytes(b"")

    refused(StableDiffusion(model=str(tmp_path / "lora"), base=str(copy)), "is a LoRA or another adapter")


def test_the_state_of_a_training_is_told(tmp_path):
    for name in ("model.safetensors", "optimizer.bin", "random_states_0.pkl"):
        (tmp_path / name).write_bytes(b"")

    refused(Ddpm(model=str(tmp_path)), "is the state of a training", "optimizer.bin")


def test_new_words_of_a_text_model_are_told_how_to_join_them(tmp_path):
    (tmp_path / "learned_embeds.safetensors").write_bytes(b"")

    refused(StableDiffusion(model=str(tmp_path)), "is a textual inversion", "load_textual_inversion")


def test_a_single_file_is_told_how_to_make_a_folder_of_it(copy, tmp_path):
    single = tmp_path / "dreamy.safetensors"
    shutil.copy(copy / WEIGHTS, single)

    refused(StableDiffusion(model=str(single)), "is a file, and no folder", "from_single_file", str(single))
    (tmp_path / "models").mkdir()
    single.rename(tmp_path / "models" / single.name)
    refused(StableDiffusion(model=str(tmp_path / "models")), "a single-file checkpoint", single.name)


def test_a_single_file_of_an_adapter_is_told_as_one(tmp_path):
    single = tmp_path / "style.safetensors"
    save_file({"unet.attn.to_q.lora_A.weight": torch.ones(2)}, single)

    refused(StableDiffusion(model=str(single)), "is a LoRA", "adapter=")


@pytest.mark.parametrize(("name", "word"), [("a.zip", "is an archive"), ("model_index.json", "did you mean")])
def test_another_file_in_the_place_of_a_folder_is_told(tmp_path, name, word):
    (tmp_path / name).write_text("x")

    refused(StableDiffusion(model=str(tmp_path / name)), word)


@pytest.mark.parametrize("inside", ["", "/unet"])
def test_a_denoiser_alone_is_told_to_name_its_base(copy, tmp_path, inside):
    shutil.copytree(copy / "unet", tmp_path / "checkpoint" / "unet")

    victim = StableDiffusion(model=f"{tmp_path}/checkpoint{inside}")

    refused(victim, "is a denoiser alone", "UNet2DConditionModel", "stable_diffusion(model=", "base='PIPELINE'")


def test_one_component_alone_is_told(copy):
    refused(StableDiffusion(model=str(copy / "vae")), "is one component alone (AutoencoderKL)")


@pytest.mark.parametrize("between", ["", "snapshots"])
def test_a_folder_around_the_pipeline_is_told_which_one_is_meant(copy, tmp_path, between):
    home = tmp_path / "outer" / between / "abc"
    shutil.copytree(copy, home)

    assert refused(StableDiffusion(model=str(tmp_path / "outer")), "but 1 inside it is").nearest == str(home)


@pytest.mark.parametrize("length", [None, 10**30, 300])
def test_a_tokenizer_without_a_length_of_its_own_takes_that_of_its_text_model(copy, latent, length):
    """Filling up every text to the library's enormous number would be an overflow."""
    edit(copy / TOKENIZER, model_max_length=length)
    state = torch.ones(1, 4, 8, 8)

    found, expected = (
        StableDiffusion(model=str(each)).open("cpu").predict_noise(state, 9, ["a cat"]) for each in (copy, latent)
    )

    assert torch.equal(found, expected)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_diverged_are_told_by_their_first_tensor(pixel, copy, bad):
    for folder, path, victim in ((pixel, WEIGHTS, Ddpm), (copy, "vae/diffusion_pytorch_model.safetensors", None)):
        tensors = load_file(folder / path)
        name = next(name for name in tensors if name.endswith("conv_in.weight"))
        tensors[name][0, 0, 0, 0] = bad
        save_file(tensors, folder / path, {"format": "pt"})

        with pytest.raises(
            LeakboardError, match=f"1 tensors of the .* hold NaN or infinite numbers.* {name}"
        ) as caught:
            (victim or StableDiffusion)(model=str(folder)).open("cpu")
        assert "diverged" in caught.value.next
        assert caught.value.where == str((folder / path).parent)


def test_what_a_library_raises_is_told_with_its_component(tmp_path):
    with (
        pytest.raises(LeakboardError, match="the vae cannot be opened: KeyError 'x'") as caught,
        told_with("the vae", tmp_path),
    ):
        raise KeyError("x")
    assert caught.value.where == str(tmp_path)


def test_what_a_library_warns_of_is_told_with_its_file(tmp_path):
    def opened():
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            with told_with("the vae", tmp_path):
                warnings.warn("odd\nnumbers", stacklevel=1)

    with pytest.warns(UserWarning, match=f"^{tmp_path}: odd numbers"):
        opened()


@pytest.mark.parametrize(("key", "value"), [("down_block_types", ["Foo", "Bar"]), ("up_block_types", ["Up"])])
def test_messages_on_configurations_are_in_words(pixel, key, value):
    edit(pixel / UNET_CONFIG, **{key: value})

    text = str(refused(Ddpm(model=str(pixel)), key, "blocks of diffusers whose names end with"))
    assert not any(sign in text for sign in ("Value error", "pattern", "$", "(?", "|"))
