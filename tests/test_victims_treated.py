"""Treatments: what becomes of the weights, and that all else is the treated victim's."""

import json
import shutil

import pytest
import torch

from helpers.oracles import make_samples
from leakboard.api import LeakboardError, Unsupported, member_digest
from leakboard.oracle.quality_gate import check_quality
from leakboard.testing import check_component
from leakboard_plugins.victims.latent.stable_diffusion import StableDiffusion
from leakboard_plugins.victims.pixel.ddpm import Ddpm
from leakboard_plugins.victims.treated.layers import weights_of
from leakboard_plugins.victims.treated.merged import Merged
from leakboard_plugins.victims.treated.pruned import Pruned
from leakboard_plugins.victims.treated.quantized import Quantized, stored


@pytest.fixture(scope="module")
def plain(tiny):
    return Ddpm(model=str(tiny["epsilon"]))


def flat(victim):
    return torch.cat([weight.flatten() for weight in weights_of(victim.open("cpu").networks()["denoiser"])])


def test_pruning_sets_the_smallest_weights_of_all_layers_to_zero_and_leaves_the_rest(plain):
    before, after = flat(plain), flat(Pruned(of=plain, amount=0.3))

    gone = after == 0
    assert gone.float().mean().item() == pytest.approx(0.3, abs=1e-3)
    assert before[gone].abs().max() <= before[~gone].abs().min()
    assert torch.equal(before[~gone], after[~gone])


def test_structured_pruning_takes_whole_channels_of_least_norm_and_leaves_the_answer_alone(plain):
    network = Pruned(of=plain, amount=0.5, structured=True).open("cpu").networks()["denoiser"]
    weights, exact = weights_of(network), weights_of(plain.open("cpu").networks()["denoiser"])

    for weight, before in zip(weights[:-1], exact[:-1], strict=True):
        norms, gone = before.flatten(1).norm(dim=1), (weight.flatten(1) == 0).all(1)
        assert gone.sum() == round(0.5 * len(norms))
        assert gone.all() or norms[gone].max() <= norms[~gone].min()
        assert torch.equal(weight[~gone], before[~gone])
    assert torch.equal(weights[-1], exact[-1])


def test_treated_networks_have_their_parameters_in_the_same_order(plain):
    """Gradient norms come in the order of the parameters, and attacks know them by it."""
    names = [name for name, _ in plain.open("cpu").networks()["denoiser"].named_parameters()]
    for victim in (Pruned(of=plain), Quantized(of=plain), Merged(models=(plain, plain))):
        assert [name for name, _ in victim.open("cpu").networks()["denoiser"].named_parameters()] == names


@pytest.mark.parametrize(("dtype", "held"), [("int8", torch.int8), ("fp8", torch.float8_e4m3fn), ("int4", torch.uint8)])
@pytest.mark.parametrize("shape", [(3, 5), (5, 3, 3, 3)])
def test_codes_stand_for_the_nearest_number_of_each_channels_scale(dtype, held, shape):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * torch.arange(1, 1 + shape[0]).view(
        -1, *(1,) * (len(shape) - 1)
    )
    kept = stored(weight, dtype)
    again, largest = kept.weight(), weight.abs().flatten(1).amax(1)

    assert kept.codes.dtype == held
    assert kept.codes.numel() == (weight.numel() + 1) // 2 if dtype == "int4" else weight.numel()
    torch.testing.assert_close(again.abs().flatten(1).amax(1), largest)
    steps = {"int8": largest / 127 / 2, "int4": largest / 7 / 2, "fp8": largest / 16}[dtype]
    assert ((again - weight).abs().flatten(1).amax(1) <= steps * (1 + 1e-5)).all()


def test_a_channel_of_zeros_stays_zero():
    for dtype in ("int8", "fp8", "int4"):
        assert torch.equal(stored(torch.zeros(2, 3), dtype).weight(), torch.zeros(2, 3))


def test_answers_are_those_of_layers_that_hold_codes_and_compute_with_what_they_stand_for(plain, batch):
    from torch.nn.utils import parametrize

    class Decoded(torch.nn.Module):
        def __init__(self, weight):
            super().__init__()
            self.kept = stored(weight, "int4")

        def forward(self, _):
            return self.kept.weight()

    model = plain.open("cpu")
    for part in model.networks()["denoiser"].modules():
        if isinstance(part, (torch.nn.Linear, torch.nn.Conv2d)):
            parametrize.register_parametrization(part, "weight", Decoded(part.weight))
    rounded = Quantized(of=plain, dtype="int4").open("cpu")

    torch.testing.assert_close(
        rounded.predict_noise(batch[1], 100, None), model.predict_noise(batch[1], 100, None), rtol=0, atol=1e-6
    )


def test_fewer_bits_move_the_answers_further_away(plain, batch):
    exact = plain.open("cpu").predict_noise(batch[1], 100, None)
    moved = [
        (Quantized(of=plain, dtype=dtype).open("cpu").predict_noise(batch[1], 100, None) - exact).abs().mean().item()
        for dtype in ("int8", "fp8", "int4")
    ]
    assert 0 < moved[0] < moved[1] < moved[2]


def moved_weights(folder, out, factor):
    """A copy of a tiny pipeline with all weights times a factor, in a folder of its own."""
    from safetensors.torch import load_file, save_file

    path = shutil.copytree(folder, out) / "unet" / "diffusion_pytorch_model.safetensors"
    save_file({name: factor * tensor for name, tensor in load_file(path).items()}, path, {"format": "pt"})
    return Ddpm(model=str(out))


def test_merging_takes_the_weighted_mean_of_all_weights(plain, tiny, tmp_path):
    double = moved_weights(tiny["epsilon"], tmp_path / "double", 2)

    torch.testing.assert_close(flat(Merged(models=(plain, double))), 1.5 * flat(plain))
    torch.testing.assert_close(flat(Merged(models=(plain, double), weights=(3.0, 1.0))), 1.25 * flat(plain))


def test_merging_refuses_another_architecture_and_names_the_first_weight(plain, tmp_path):
    from helpers.pixel_models import save_tiny

    other = Ddpm(model=str(save_tiny(tmp_path / "other", channels=3)))
    with pytest.raises(LeakboardError, match=r"cannot be merged: 3 weights differ .* the first is conv_in.weight"):
        Merged(models=(plain, other)).open("cpu")


def with_members(folder, out, ids, **more):
    shutil.copytree(folder, out)
    weights = out / "unet" / "diffusion_pytorch_model.safetensors"
    import hashlib

    found = {
        "file": "unet/diffusion_pytorch_model.safetensors",
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    manifest = {"member_digest": member_digest(ids), "member_ids": sorted(ids), "weights": found, "epochs": 3}
    (out / "manifest.json").write_text(json.dumps({**manifest, **more}))
    return Ddpm(model=str(out))


def test_members_of_a_treated_victim_are_the_victims_and_of_merged_ones_those_of_any(tiny, tmp_path):
    one = with_members(tiny["epsilon"], tmp_path / "one", ["a", "b"])
    two = with_members(tiny["epsilon"], tmp_path / "two", ["b", "c"])

    assert Pruned(of=one).members(["a", "b", "c"]).tolist() == [True, True, False]
    assert Pruned(of=one).trained_on() == one.trained_on() == member_digest(["a", "b"])
    assert Merged(models=(one, two)).members(["a", "b", "c", "d"]).tolist() == [True, True, True, False]
    assert Merged(models=(one, one)).trained_on() == one.trained_on()
    assert Merged(models=(one, two)).trained_on() is None
    assert "manifest_before_treatment" in Pruned(of=one).facts()


def test_merging_refuses_victims_of_which_some_do_not_tell_their_members(plain, tiny, tmp_path):
    one = with_members(tiny["epsilon"], tmp_path / "one", ["a", "b"])
    with pytest.raises(LeakboardError, match="members of the merged victims are not known"):
        Merged(models=(one, plain)).members(["a"])
    assert Merged(models=(plain, plain)).members(["a"]) is None


def test_treatments_of_flows_and_of_latent_victims_change_what_they_answer(registry, tiny_flow, folders, batch):
    flow = registry.one("victim", f"flow(model={str(tiny_flow)!r})").only
    before, after = (victim.open("cpu").predict_velocity(batch[1], 0.5, None) for victim in (flow, Pruned(of=flow)))
    assert not torch.equal(before, after)
    latent = StableDiffusion(model=str(folders["sd1"]))
    treated = Quantized(of=latent, dtype="int4")
    assert (treated.works_in, treated.offers, treated.fit) == ("latents", latent.offers, latent.fit)
    state = torch.randn(2, *latent.open("cpu").encode(torch.zeros(1, *latent.open("cpu").image_shape)).shape[1:])
    one, other = (victim.open("cpu").predict_noise(state, 100, ["", ""]) for victim in (latent, treated))
    assert not torch.equal(one, other)
    same = Merged(models=(latent, latent)).open("cpu").predict_noise(state, 100, ["", ""])
    torch.testing.assert_close(same, one)


def test_a_victim_that_gives_no_networks_out_cannot_be_treated():
    from leakboard.api import Model, Victim

    class Closed(Victim):
        name = "closed"

        def open(self, device):
            return Model()

    with pytest.raises(Unsupported, match="no treatment can change them"):
        Pruned(of=Closed()).open("cpu")


def test_a_treatment_that_destroys_the_victim_is_refused_by_the_quality_gate(registry):
    victim = registry.one("victim", "pruned(of='fashion_small', amount=0.97)").only
    images = registry.one("dataset", "fashion_mnist_small").only.load().images[:32]
    with pytest.raises(LeakboardError, match="at chance"):
        check_quality(("pruned", "fashion_mnist_small"), victim, victim.open("cpu"), images, None)


def test_specs_name_the_victims_inside_and_stand_for_them(registry):
    point = registry.one("victim", "merged(models=['fashion_small', 'fashion_small(shadow=0)'], weights=[2, 1])")
    assert [victim.shadow for victim in point.only.models] == [None, 0]
    assert registry.one("victim", point.spec).only == point.only
    assert point.label == "merged(models=('fashion_small', 'fashion_small(shadow=0)'), weights=(2.0, 1.0))"
    other = registry.one("victim", "merged(models=['fashion_small', 'fashion_small(shadow=1)'], weights=[2, 1])")
    assert point.identity != other.identity
    pruned = registry.one("victim", "pruned(of='fashion_small')")
    assert pruned.identity != registry.one("victim", "pruned(of='fashion_small(shadow=0)')").identity


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("pruned", "needs the parameter 'of'"),
        ("pruned(of='fashion_small', amount=1.0)", "less than 1"),
        ("quantized(of='fashion_small', dtype='int3')", "did you mean: 'int8'"),
        ("merged(models=['fashion_small'])", "at least 2 items"),
        ("merged(models=['fashion_small', 'fashion_smal'])", "did you mean: fashion_small"),
        ("merged(models=['fashion_small', 'fashion_small'], weights=[1])", "1 weights for 2 models"),
    ],
)
def test_bad_parameters_are_refused_in_words(registry, spec, told):
    with pytest.raises(LeakboardError) as caught:
        registry.one("victim", spec)
    assert told in str(caught.value)


def test_treatments_keep_to_the_contract(plain):
    for made in (Pruned(of=plain), Quantized(of=plain), Merged(models=(plain, plain))):
        rows = check_component(made, samples=make_samples(8))
        assert not [row for row in rows if row.outcome == "failed"]
        assert sum(row.outcome == "ok" for row in rows) > 8
