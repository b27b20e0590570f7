"""What diffusers opens, opens: the names that files of a pipeline have, and the places where they lie."""

import json
import shutil

import pytest
import torch

from helpers.latent_pipelines import save_latent
from helpers.pipeline_parts import SIDE
from helpers.pixel_models import save_tiny, tiny_unet
from leakboard.api import LeakboardError
from leakboard_plugins.victims.folders.layout import CONFIG, SCHEDULER_CONFIG, WEIGHTS
from leakboard_plugins.victims.folders.schedulers import BETAS
from leakboard_plugins.victims.folders.weights import STEMS, names_of, variants_in
from leakboard_plugins.victims.latent.stable_diffusion import StableDiffusion
from leakboard_plugins.victims.pixel.ddpm import Ddpm

STATE = torch.ones(1, 4, SIDE // 2, SIDE // 2)
UNET = WEIGHTS


@pytest.fixture
def copy(latent, tmp_path):
    """A latent pipeline to rearrange, in a folder whose name has a dot."""
    return shutil.copytree(latent, tmp_path / "sd-v1.5")


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def noise(victim):
    return victim.open("cpu").predict_noise(STATE, 9, None)


def pixel_noise(victim):
    return victim.open("cpu").predict_noise(torch.ones(1, 1, 8, 8), 9, None)


@pytest.mark.parametrize("variant", ["", "fp16", "non_ema"])
@pytest.mark.parametrize("library", sorted(STEMS))
def test_files_are_called_as_the_libraries_call_them(library, variant):
    """Ours are written down a second time because both import torch."""
    if library == "diffusers":
        from diffusers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFETENSORS_WEIGHTS_NAME
        from diffusers.utils.hub_utils import _add_variant

        whole, table = SAFETENSORS_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME
    else:
        from transformers.modeling_utils import _add_variant
        from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME

        whole, table = SAFE_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME

    assert names_of(library, variant)[:2] == tuple(_add_variant(name, variant or None) for name in (whole, table))


def test_schedulers_of_betas_are_those_of_diffusers():
    """The two of CogVideoX shift the signal-to-noise ratio after making betas, which DDIM does not follow.

    One shows its parameters only where torchsde is installed.
    """
    import inspect

    import diffusers

    found = {
        name
        for name in dir(diffusers)
        if name.endswith("Scheduler")
        and {"beta_start", "beta_end"} <= inspect.signature(getattr(diffusers, name).__init__).parameters.keys()
    }
    assert found - BETAS == {"CogVideoXDDIMScheduler", "CogVideoXDPMScheduler"}
    assert BETAS - found <= {"DPMSolverSDEScheduler"}


def test_a_flat_folder_opens(pixel):
    expected = pixel_noise(Ddpm(model=str(pixel)))
    for part in ("unet", "scheduler"):
        for path in (pixel / part).iterdir():
            path.rename(pixel / path.name)
        (pixel / part).rmdir()

    victim = Ddpm(model=str(pixel))

    assert set(victim.files()) == {path for path in pixel.iterdir() if path.is_file()}
    assert torch.equal(pixel_noise(victim), expected)


def test_attention_that_an_old_diffusers_saved_opens(pixel):
    """Its tensors had other names, as in the public model of CIFAR-10."""
    from safetensors.torch import load_file, save_file

    expected = pixel_noise(Ddpm(model=str(pixel)))
    renamed = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    tensors = {}
    for name, tensor in load_file(pixel / WEIGHTS).items():
        part = next((new for new in renamed if f".{new}." in name), "")
        tensors[name.replace(f".{part}.", f".{renamed[part]}.") if part else name] = tensor
    save_file(tensors, pixel / WEIGHTS, {"format": "pt"})

    assert any("proj_attn" in name for name in tensors)
    assert torch.equal(pixel_noise(Ddpm(model=str(pixel))), expected)


@pytest.mark.parametrize("variant", ["fp16", "bf16", "non_ema", "ema"])
def test_the_only_variant_opens_whatever_it_is_called(copy, latent, variant):
    for path in copy.rglob("*.safetensors"):
        path.rename(path.with_name(f"{path.stem}.{variant}.safetensors"))

    victim = StableDiffusion(model=str(copy))

    assert sum(path.name.endswith(f".{variant}.safetensors") for path in victim.files()) == 3
    assert torch.equal(noise(victim), noise(StableDiffusion(model=str(latent))))


def test_a_variant_is_taken_where_it_is_asked_for_and_plain_weights_elsewhere(copy, latent):
    from safetensors.torch import load_file, save_file

    halved = {name: tensor / 2 for name, tensor in load_file(copy / UNET).items()}
    save_file(halved, (copy / UNET).with_suffix(".ema.safetensors"), {"format": "pt"})

    plain, other = StableDiffusion(model=str(copy)), StableDiffusion(model=str(copy), variant="ema")

    assert torch.equal(noise(plain), noise(StableDiffusion(model=str(latent))))
    assert not torch.equal(noise(plain), noise(other))
    assert {path.name for path in other.files() if path.suffix == ".safetensors"} == {
        "diffusion_pytorch_model.ema.safetensors",
        "diffusion_pytorch_model.safetensors",
        "model.safetensors",
    }


def test_several_variants_without_plain_weights_are_asked_about(pixel):
    whole = pixel / WEIGHTS
    shutil.copy(whole, whole.with_suffix(".fp16.safetensors"))
    whole.rename(whole.with_suffix(".ema.safetensors"))

    with pytest.raises(LeakboardError, match=r"unet has ema, fp16") as caught:
        Ddpm(model=str(pixel)).files()
    assert caught.value.next == "variant='ema' or variant='fp16'"
    assert Ddpm(model=str(pixel), variant="ema").files()
    with pytest.raises(LeakboardError, match=r"no component has weights of the variant 'bf16'") as caught:
        Ddpm(model=str(pixel), variant="bf16").files()
    assert caught.value.expected == "one of 'ema', 'fp16'"


@pytest.mark.parametrize("old", [False, True])
def test_shards_of_a_variant_open_under_the_new_and_the_old_name_of_their_table(tmp_path, old):
    pixel = save_tiny(tmp_path / "v1.5")
    expected = pixel_noise(Ddpm(model=str(pixel)))
    (pixel / WEIGHTS).unlink()
    tiny_unet().half().save_pretrained(pixel / "unet", max_shard_size="20KB", variant="fp16")
    _, table, before = names_of("diffusers", "fp16")
    if old:
        (pixel / "unet" / table).rename(pixel / "unet" / before)

    victim = Ddpm(model=str(pixel))

    assert variants_in(pixel / "unet", "diffusers") == ["fp16"]
    assert sum(path.suffix == ".safetensors" for path in victim.files()) > 1
    assert torch.equal(pixel_noise(victim), expected)


@pytest.mark.parametrize("change", [{"weight_map": {"a": "../out.safetensors"}}, {"weight_map": {}}, {"metadata": 1}])
def test_a_damaged_table_of_shards_is_refused_by_name(pixel, change):
    (pixel / WEIGHTS).unlink()
    tiny_unet().save_pretrained(pixel / "unet", max_shard_size="20KB")
    table = pixel / "unet" / names_of("diffusers", "")[1]
    edit(table, **change)

    with pytest.raises(LeakboardError, match=r"table of the weights") as caught:
        Ddpm(model=str(pixel)).files()
    assert caught.value.where == str(table)


def test_a_missing_shard_is_told_with_what_is_there(pixel):
    (pixel / WEIGHTS).unlink()
    tiny_unet().save_pretrained(pixel / "unet", max_shard_size="20KB")
    first = min((pixel / "unet").glob("*-0*.safetensors"))
    first.unlink()

    with pytest.raises(LeakboardError, match=r"a part of the weights is missing; there is config.json") as caught:
        Ddpm(model=str(pixel)).files()
    assert caught.value.where == str(first)


@pytest.mark.parametrize("inside", [True, False])
def test_a_denoiser_alone_opens_with_its_base(copy, latent, tmp_path, inside):
    checkpoint = tmp_path / "checkpoint-500"
    shutil.copytree(copy / "unet", checkpoint / "unet" if inside else checkpoint)
    shutil.rmtree(copy / "unet")
    shutil.copytree(latent / "unet", copy / "unet")
    edit(copy / "unet" / CONFIG, act_fn="relu")

    victim = StableDiffusion(model=str(checkpoint), base=str(copy))

    own = {path for path in victim.files() if path.is_relative_to(checkpoint)}
    assert {path.name for path in own} == {CONFIG, "diffusion_pytorch_model.safetensors"}
    assert torch.equal(noise(victim), noise(StableDiffusion(model=str(latent))))


def test_a_pixel_network_alone_opens_with_its_base(pixel, tmp_path):
    expected = pixel_noise(Ddpm(model=str(pixel)))
    network = shutil.copytree(pixel / "unet", tmp_path / "unet_ema")

    assert torch.equal(pixel_noise(Ddpm(model=str(network), base=str(pixel))), expected)


def test_the_manifest_of_a_base_says_nothing_of_a_denoiser_inside_its_folder(pixel):
    shutil.copytree(pixel / "unet", pixel / "checkpoint-9")
    (pixel / "manifest.json").write_text('{"member_digest": "abc", "weights": {}}')

    assert Ddpm(model=str(pixel / "checkpoint-9"), base=str(pixel)).files()


def test_a_base_that_is_not_needed_or_does_not_fit_is_refused(copy, pixel, tmp_path):
    with pytest.raises(LeakboardError, match=r"a whole pipeline needs no base"):
        StableDiffusion(model=str(copy), base=str(copy)).files()
    with pytest.raises(LeakboardError, match=f"takes the place of a component of the base; there is {CONFIG}"):
        StableDiffusion(model=str(pixel / "unet"), base=str(copy)).files()
    with pytest.raises(LeakboardError, match=r"there is no folder 'nowhere'") as caught:
        StableDiffusion(model=str(copy / "unet"), base="nowhere").files()
    assert caught.value.where == "base='nowhere'"


def test_a_latent_pipeline_of_uneven_sides_opens(tmp_path):
    folder = save_latent(tmp_path / "wide", "sd1", sample_size=(8, 12))
    model = StableDiffusion(model=str(folder)).open("cpu")

    assert model.image_shape == (3, 16, 24)
    assert model.generate([1], 2, None).shape == (1, 4, 8, 12)
    steps = list(model.reconstruct(torch.rand(1, 3, 16, 24), [1], 0.5, 2, None))
    assert [step.state.shape for step in steps] == [(1, 4, 8, 12)] * 2


@pytest.mark.parametrize("size", [[8], [8, 0], ["8", 8], "8", 0, [8, 8, 8]])
def test_sides_that_are_none_are_refused(copy, size):
    edit(copy / "unet" / CONFIG, sample_size=size)

    with pytest.raises(LeakboardError, match=r"sample_size is .*"):
        StableDiffusion(model=str(copy)).files()


def test_a_pixel_pipeline_of_uneven_sides_opens(tmp_path):
    folder = save_tiny(tmp_path / "wide", size=(8, 16))

    assert Ddpm(model=str(folder)).open("cpu").image_shape == (1, 8, 16)


@pytest.mark.parametrize("scheduler", ["LCMScheduler", "TCDScheduler", "DDIMParallelScheduler"])
def test_of_other_schedulers_the_betas_are_used(latent, tmp_path, scheduler):
    folder = save_latent(tmp_path / "other", "sd1", scheduler=scheduler)

    model, plain = (StableDiffusion(model=str(each)).open("cpu") for each in (folder, latent))

    assert torch.equal(model.alphas_cumprod, plain.alphas_cumprod)
    assert list(model.reconstruct(torch.rand(1, 3, SIDE, SIDE), [1], 0.5, 2, None))


def test_the_steps_of_a_scheduler_whose_betas_are_used_are_not_its_own(tmp_path):
    folder = save_latent(tmp_path / "other", "sd1", scheduler="LCMScheduler")

    with pytest.raises(LeakboardError, match=r"of the pipeline's LCMScheduler only the betas are used"):
        StableDiffusion(model=str(folder), scheduler="own").files()


def test_betas_that_are_not_told_are_not_made_up(pixel):
    edit(pixel / "model_index.json", scheduler=["diffusers", "LCMScheduler"])
    (pixel / SCHEDULER_CONFIG).write_text('{"num_train_timesteps": 1000}')

    with pytest.raises(LeakboardError, match=r"the LCMScheduler does not say its noise schedule"):
        Ddpm(model=str(pixel)).files()


@pytest.fixture(scope="module")
def unconditional(tmp_path_factory):
    """A tiny LDM; read only."""
    from diffusers import DDIMScheduler, LDMPipeline, VQModel

    torch.manual_seed(0)
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    vqvae = VQModel(block_out_channels=(8, 16), norm_num_groups=4, sample_size=SIDE, **blocks)
    folder = tmp_path_factory.mktemp("latent") / "ldm"
    LDMPipeline(vqvae, tiny_unet(3), DDIMScheduler(clip_sample=False)).save_pretrained(folder)
    return folder


def test_an_unconditional_latent_pipeline_opens(unconditional):
    model = StableDiffusion(model=str(unconditional)).open("cpu")
    images = torch.rand(2, 3, SIDE, SIDE)

    assert model.image_shape == (3, SIDE, SIDE)
    assert model.decode(model.encode(images)).shape == images.shape
    assert len(list(model.reconstruct(images, [1, 2], 0.5, 2, None))) == 2
    assert model.gradients(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8), (5,), None).shape[0] == 1


def test_an_unconditional_latent_pipeline_generates_what_its_own_pipeline_does(unconditional):
    from diffusers import LDMPipeline

    pipeline = LDMPipeline.from_pretrained(unconditional)
    pipeline.set_progress_bar_config(disable=True)
    expected = pipeline(generator=torch.Generator().manual_seed(5), num_inference_steps=3, output_type="np").images
    model = StableDiffusion(model=str(unconditional)).open("cpu")

    found = model.decode(model.generate([5], 3, None)).permute(0, 2, 3, 1).numpy()
    assert found == pytest.approx(expected, abs=1e-5)


def test_an_unconditional_latent_pipeline_needs_no_captions_and_takes_no_guidance(unconditional):
    import numpy as np

    from leakboard.api import Samples

    samples = Samples(("one", "two"), torch.zeros(2, 3, SIDE, SIDE), np.array([True, False]))

    assert StableDiffusion(model=str(unconditional)).prompts_for(samples) == ("", "")
    with pytest.raises(LeakboardError, match=r"the LDMPipeline takes no prompts"):
        StableDiffusion(model=str(unconditional), guidance=2.0).files()


def test_a_missing_component_is_told_with_what_is_there(copy):
    shutil.rmtree(copy / "vae")

    with pytest.raises(LeakboardError, match=r"missing: vae; there is model_index.json, scheduler/, text_encoder/"):
        StableDiffusion(model=str(copy)).files()


def test_missing_weights_are_told_with_what_is_there(copy):
    (copy / UNET).rename(copy / "unet" / "weights.safetensors")

    with pytest.raises(LeakboardError, match=r"missing; there is config.json, weights.safetensors"):
        StableDiffusion(model=str(copy)).files()
