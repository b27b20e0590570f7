"""Victims that wear an adapter: they are what base and adapter add up to, and the base again when it is off."""

import json
import shutil
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from helpers.latent_pipelines import Lazily, save_latent
from helpers.pipeline_parts import SIDE
from helpers.tiny_adapters import fused, matrices, save_diffusers, save_kohya, save_peft
from leakboard.api import LeakboardError, Unsupported, member_digest
from leakboard.digests import weights_digest
from leakboard.registry.bind import bind
from leakboard.testing import check_component
from leakboard.testing.checks import samples
from leakboard_plugins.victims.latent.adapters import NAMES
from leakboard_plugins.victims.latent.fashion_sd import FashionSd
from leakboard_plugins.victims.latent.stable_diffusion import StableDiffusion

PROMPTS = ("a cat", "two dogs")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Tiny pipelines by kind; read only."""
    out = tmp_path_factory.mktemp("pipelines")
    return Lazily(lambda kind: save_latent(out / kind, kind))


@pytest.fixture(scope="module")
def style(folders, tmp_path_factory):
    """An adapter of the tiny Stable Diffusion as kohya's scripts save one, with its text model; read only."""
    path = tmp_path_factory.mktemp("adapter") / "style.safetensors"
    save_kohya(path, 1, **parts_of(folders["sd1"]))
    return path


def parts_of(folder):
    return {
        "unet": matrices(folder, "unet", ("to_q", "to_v", "ff.net.2")),
        "text_encoder": matrices(folder, "text_encoder", ("q_proj", "k_proj", "v_proj", "out_proj")),
    }


def opened(folder, **fields):
    return StableDiffusion(model=str(folder), **fields).open("cpu")


def told(model, kind="sd1"):
    """What a model predicts of the same two latents."""
    sides = SIDE // 2
    state = torch.randn(2, 4, sides, sides, generator=torch.Generator().manual_seed(5))
    if kind in ("sd3", "flux"):
        return model.predict_velocity(state, 0.5, PROMPTS)
    return model.predict_noise(state, 400, PROMPTS)


def refused(victim, *words):
    """Opening it refuses with a message that has all the words; gives the error."""
    with pytest.raises(LeakboardError) as caught:
        victim.open("cpu")
    assert all(word in str(caught.value) for word in words), str(caught.value)
    return caught.value


def close(one, other):
    return torch.allclose(one, other, atol=1e-4 * float(other.abs().max()))


def as_diffusers(out, part, made):
    save_diffusers(out / NAMES[0], part, made)
    return out, 1.0


def as_kohya(out, part, made):
    save_kohya(out / "style.safetensors", 1, **{part: made})
    return out / "style.safetensors", 0.5


def as_peft(out, part, made):
    save_peft(out, 4, made)
    return out, 2.0


@pytest.mark.parametrize(
    ("kind", "part", "save"),
    [
        ("sd1", "unet", as_diffusers),
        ("xl", "unet", as_kohya),
        ("sd3", "transformer", as_diffusers),
        ("flux", "transformer", as_diffusers),
        ("dit", "transformer", as_peft),
    ],
)
def test_it_answers_as_a_pipeline_with_the_adapter_in_its_weights(folders, tmp_path, kind, part, save):
    made = matrices(folders[kind], part, ("to_q", "to_v"))
    adapter, scale = save(tmp_path / "adapter", part, made)
    fields = {"size": SIDE} if kind == "flux" else {}
    whole = opened(fused(folders[kind], tmp_path / "fused", 0.5 * scale, **{part: made}), **fields)
    model = opened(folders[kind], adapter=str(adapter), adapter_weight=0.5, **fields)

    def ask(each):
        return each.predict_noise(torch.ones(1, 4, 8, 8), 400, ("cock",)) if kind == "dit" else told(each, kind)

    before = ask(opened(folders[kind], **fields))
    assert close(ask(model), ask(whole))
    assert torch.equal(ask(model.base()), before)
    assert not close(ask(model), before)


def test_an_adapter_of_the_text_model_acts_and_is_switched_off_too(folders, style, tmp_path):
    """Texts that were embedded under the adapter are not told to the base."""
    folder = folders["sd1"]
    whole = opened(fused(folder, tmp_path / "fused", 0.5, **parts_of(folder)))
    model = opened(folder, adapter=str(style))

    with_adapter = told(model)
    assert close(with_adapter, told(whole))
    assert torch.equal(told(model.base()), told(opened(folder)))
    assert torch.equal(told(model), with_adapter)
    assert not any(weight.requires_grad for weight in model._model._denoiser.parameters())


def test_whole_reconstructions_and_samples_are_those_of_either_side(folders, style):
    model, images = opened(folders["sd1"], adapter=str(style)), samples(2).images[..., ::2, ::2]

    def walked(side):
        *_, last = side.reconstruct(images, (1, 2), 0.5, 2, PROMPTS)
        return last.clean, side.generate((1, 2), 2, PROMPTS)

    plain = opened(folders["sd1"])
    for one, other in zip(walked(model.base()), walked(plain), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(walked(model)[0], walked(plain)[0])


def test_half_precision_and_gradients_work_under_an_adapter(folders, style):
    half = opened(folders["sd1"], adapter=str(style), dtype="bfloat16")
    model = opened(folders["sd1"], adapter=str(style))
    clean, noise = torch.zeros(2, 4, 8, 8), torch.ones(2, 4, 8, 8)

    assert torch.allclose(told(half), told(model), atol=0.1 * float(told(model).abs().max()))
    norms = [side.gradients(clean, noise, [100], PROMPTS) for side in (model, model.base())]
    assert norms[0].shape == norms[1].shape
    assert int((norms[0] > 0).sum()) > int((norms[1] > 0).sum()) > 0


def test_it_keeps_the_contract_and_offers_its_base(folders, style):
    victim = StableDiffusion(model=str(folders["sd1"]), adapter=str(style))
    rows = {
        row.check: row
        for row in check_component(victim, samples=replace(samples(), images=samples().images[..., ::2, ::2]))
    }

    assert not [row for row in rows.values() if row.outcome == "failed"], rows
    assert rows["the base under an adapter"].outcome == "ok"
    assert "base" in victim.offers
    assert "base" not in StableDiffusion(model=str(folders["sd1"])).offers


def test_a_model_without_an_adapter_has_no_base(folders):
    with pytest.raises(Unsupported, match="wears no adapter"):
        opened(folders["sd1"]).base()


def test_another_adapter_is_another_victim_wherever_it_lies(folders, style, tmp_path):
    other = tmp_path / "other.safetensors"
    save_kohya(other, 2, **parts_of(folders["sd1"]))
    copied = shutil.copy(style, tmp_path / "copied.safetensors")

    def identity(adapter, **fields):
        path = str(adapter) if adapter else None
        return bind("victim", [StableDiffusion(model=str(folders["sd1"]), adapter=path, **fields)]).identity

    first = identity(style)
    assert identity(copied) == first
    assert len({first, identity(other), identity(None), identity(style, adapter_weight=0.5)}) == 4


def manifested(folder, base, path, **facts):
    """An adapter in a folder of its own, with what our training writes beside it."""
    from hashlib import sha256

    folder.mkdir()
    file = shutil.copy(path, folder / NAMES[0])
    noted = {
        "recipe": {"name": "lora"},
        "epochs": 3,
        "member_ids": ["sample 1", "sample 2"],
        "member_digest": member_digest(["sample 1", "sample 2"]),
        "base": {
            "victim": "fashion_sd(level='moderate')",
            "weights_digest": weights_digest(base.rglob("*.safetensors")),
        },
        "weights": {"file": NAMES[0], "sha256": sha256(file.read_bytes()).hexdigest()},
    }
    (folder / "manifest.json").write_text(json.dumps(noted | facts))
    return folder


def test_its_members_are_those_of_the_adapter_and_not_of_the_base(folders, style, tmp_path):
    folder = manifested(tmp_path / "own", folders["sd1"], style)
    victim = StableDiffusion(model=str(folders["sd1"]), adapter=str(folder))

    assert victim.members(("sample 1", "sample 3")).tolist() == [True, False]
    assert victim.facts()["manifest"]["base"]["victim"] == "fashion_sd(level='moderate')"
    assert not victim.null
    stranger = FashionSd(adapter=str(style))
    assert (stranger.members(("sample 1",)), stranger.trained_on(), stranger.facts()) == (None, None, {})


def test_an_adapter_of_no_epochs_is_a_null_check(folders, style, tmp_path):
    folder = manifested(tmp_path / "untrained", folders["sd1"], style, epochs=0)

    assert StableDiffusion(model=str(folders["sd1"]), adapter=str(folder)).null
    assert FashionSd(adapter=str(folder)).null
    assert FashionSd(level="untrained").null
    assert not FashionSd(level="untrained", adapter=str(style)).null


def test_an_adapter_of_another_base_is_refused_before_anything_is_opened(folders, style, tmp_path):
    folder = manifested(tmp_path / "own", folders["xl"], style)
    victim = StableDiffusion(model=str(folders["sd1"]), adapter=str(folder))

    with pytest.raises(LeakboardError) as caught:
        victim.files()
    assert "trained on top of fashion_sd(level='moderate'), and this is another base" in str(caught.value)
    (folder / NAMES[0]).write_bytes((folder / NAMES[0]).read_bytes() + b" ")
    refused(victim, NAMES[0])


def test_layers_and_shapes_that_do_not_fit_are_named(folders, tmp_path):
    made = matrices(folders["sd1"], "unet", ("attn2.to_q",))
    layer = min(made)
    down, up = made[layer]
    wrong = {layer: (down[:, :4].contiguous(), up), "mid_block.nowhere.to_q": (down.clone(), up.clone())}
    save_diffusers(tmp_path / "a" / NAMES[0], "unet", wrong)
    refused(
        StableDiffusion(model=str(folders["sd1"]), adapter=str(tmp_path / "a")),
        "does not fit the base: 3 of its tensors",
        f"unet.{layer}.lora_A.weight: it is (2, 4), and the layer's weight",
        "unet.mid_block.nowhere.to_q.lora_A.weight: there is no such layer",
    )
    save_diffusers(tmp_path / "b" / NAMES[0], "transformer", made)
    refused(StableDiffusion(model=str(folders["sd1"]), adapter=str(tmp_path / "b")), "the pipeline has no transformer")
    save_peft(tmp_path / "c", 2, {"nowhere.to_q": (down, up)})
    refused(StableDiffusion(model=str(folders["sd1"]), adapter=str(tmp_path / "c")), "unet.nowhere.to_q.lora_A")
    save_diffusers(tmp_path / "d" / NAMES[0], "transformer", matrices(folders["dit"], "transformer", ("to_q",)))
    refused(StableDiffusion(model=str(folders["dit"]), adapter=str(tmp_path / "d")), "no adapters for a DiTPipeline")


def test_what_is_no_adapter_is_told_without_torch(folders, tmp_path):
    model = str(folders["sd1"])

    def told(adapter, *words):
        with pytest.raises(LeakboardError) as caught:
            StableDiffusion(model=model, adapter=str(adapter)).files()
        assert all(word in str(caught.value) for word in words), str(caught.value)

    told(tmp_path / "nowhere", "there is no adapter", "hf download")
    (tmp_path / "empty").mkdir()
    told(tmp_path / "empty", "the folder holds no adapter", "the folder is empty")
    two = tmp_path / "two"
    two.mkdir()
    for name in ("a", "b"):
        save_file({"weight": torch.ones(2)}, two / f"{name}.safetensors")
    told(two, "2 files that might be the adapter", "a.safetensors, b.safetensors")
    told(two / "a.safetensors", "holds no adapter: its 1 tensors are called weight")
    (two / "c.bin").write_bytes(b"\x80\x02")
    told(two / "c.bin", "is a pickle")
    (two / "d.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    told(two / "d.safetensors", "is a Git LFS pointer")
    save_peft(tmp_path / "peft", 2, {"layer": (torch.ones(2, 2), torch.ones(2, 2))})
    (tmp_path / "peft" / "adapter_config.json").unlink()
    told(tmp_path / "peft", "adapter_config.json is missing beside it")
    with pytest.raises(LeakboardError, match="no adapter to weigh"):
        StableDiffusion(model=model, adapter_weight=0.5)


def test_without_peft_the_command_that_installs_it_is_told(folders, style, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)

    assert (
        refused(StableDiffusion(model=str(folders["sd1"]), adapter=str(style)), "peft").next
        == "pip install 'leakboard[lora]'"
    )
