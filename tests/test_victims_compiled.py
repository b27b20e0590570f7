"""Compiled victims and those that compute in bfloat16: the same answers but for their last digits."""

import pytest
import torch

import leakboard
from leakboard.api import LeakboardError
from leakboard.grid.grid import Grid
from leakboard.registry.find import shared
from leakboard.runs import faster
from leakboard_plugins.victims.latent.stable_diffusion import StableDiffusion
from leakboard_plugins.victims.pixel.ddpm import Ddpm
from leakboard_plugins.victims.pixel.flow import Flow
from leakboard_plugins.victims.treated import compiled


@pytest.fixture
def traced(monkeypatch, tmp_path):
    """Compile everything but the machine code, which takes a minute; tell how often."""
    torch._dynamo.reset()
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    seen = []

    def backend(graph, inputs):
        seen.append(graph)
        return graph.forward

    monkeypatch.setattr(compiled, "BACKEND", backend)
    yield seen
    torch._dynamo.reset()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A victim whose network is quickly traced."""
    from diffusers import DDPMPipeline, DDPMScheduler

    from helpers.pixel_models import tiny_unet

    levels = {"down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",), "block_out_channels": (8,)}
    folder = tmp_path_factory.mktemp("small") / "small"
    DDPMPipeline(unet=tiny_unet(add_attention=False, **levels), scheduler=DDPMScheduler()).save_pretrained(folder)
    return Ddpm(model=str(folder))


def test_answers_are_the_victims_own_and_one_program_serves_all_batches_and_timesteps(plain, batch, traced):
    model, exact = compiled.Compiled(of=plain).open("cpu"), plain.open("cpu")

    for rows, timestep in ((5, 100), (3, 7), (4, 7), (2, 999)):
        state = batch[1][:rows]
        torch.testing.assert_close(
            model.predict_noise(state, timestep, None), exact.predict_noise(state, timestep, None), rtol=1e-4, atol=1e-5
        )
    assert len(traced) == 1
    # with gradients the network goes on as it is
    torch.testing.assert_close(model.gradients(*batch, [100], None), exact.gradients(*batch, [100], None))
    assert len(traced) == 1


def test_latent_victims_are_compiled_too(folders):
    model = compiled.Compiled(of=StableDiffusion(model=str(folders["sd1"]))).open("cpu")
    networks = model.networks()

    assert hasattr(networks["denoiser"].forward, "__wrapped__")
    assert not hasattr(networks["vae"].forward, "__wrapped__")


def test_what_cannot_be_compiled_is_told_in_words(monkeypatch, tmp_path):
    torch._dynamo.reset()
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))

    def broken(graph, inputs):
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(compiled, "BACKEND", broken)
    network = torch.nn.Conv2d(1, 1, 3)
    compiled.compile_in_place(network)
    with pytest.raises(LeakboardError, match=r"cannot be compiled: .*no C\+\+ compiler"), torch.no_grad():
        network(torch.zeros(2, 1, 8, 8))
    torch._dynamo.reset()


def test_run_compile_makes_compiled_victims_of_all_of_a_grid_and_of_its_shadows():
    axes = {"dataset": "fashion_mnist_small", "observer": "loss", "distance": "mse", "classifier": "threshold"}
    victims = ["fashion_small(name='ours')", "compiled(of='fashion_small(shadow=1)')"]
    attacker = ["adaptive", "shadow(victims=['fashion_small(shadow=2)', 'fashion_small(shadow=3)'])"]
    plain, fast = (
        Grid.of(**axes, victim=victims, attacker=attacker, run={"compile": on, "samples": 64}) for on in (False, True)
    )
    found = {cell.victim.label: cell.victim.only for cell in fast.cells}

    assert found.keys() == {"ours", "compiled(of='fashion_small(shadow=1)')"}
    assert {victim.name for victim in found.values()} == {"compiled"}
    assert {shadow.only.name for cell in fast.cells for shadow in cell.attacker.shadows} == {"compiled"}
    ours = {cell.victim.identity for grid in (plain, fast) for cell in grid.cells if cell.victim.label == "ours"}
    assert len(ours) == 2


@pytest.mark.parametrize("victim", ["ddpm", "flow"])
def test_bfloat16_answers_in_float32_and_nearly_the_same(victim, tiny, tiny_flow, batch):
    cls, folder = {"ddpm": (Ddpm, tiny["epsilon"]), "flow": (Flow, tiny_flow)}[victim]
    exact, half = (cls(model=str(folder), dtype=dtype).open("cpu") for dtype in ("float32", "bfloat16"))
    assert next(half.networks()["denoiser"].parameters()).dtype == torch.bfloat16
    if victim == "ddpm":
        one, other = (model.predict_noise(batch[1], 100, None) for model in (exact, half))
        assert half.gradients(*batch, [100], None).isfinite().all()
        assert half.state_gradient(*batch, 100, None).dtype == torch.float32
    else:
        one, other = (model.predict_velocity(batch[1], 0.3, None) for model in (exact, half))
    assert other.dtype == torch.float32
    assert 0 < (one - other).abs().max() < 0.1 * one.abs().max()


def test_the_type_is_part_of_what_a_victim_is(registry):
    one, other = (registry.one("victim", f"fashion_small(dtype={dtype!r})") for dtype in ("float32", "bfloat16"))
    assert one.identity != other.identity
    assert (one.label, other.label) == ("fashion_small", "fashion_small(dtype='bfloat16')")


def test_the_plan_tells_when_compiling_pays(tmp_path):
    axes = {"dataset": "fashion_mnist_small", "observer": "loss", "distance": "mse", "classifier": "threshold"}
    grid = Grid.of(**axes, victim="fashion_small", run={"samples": 64})
    plan, registry = leakboard.plan(grid, tmp_path / "none.db"), shared(())
    victim = grid.cells[0].victim
    fast = registry.one("victim", "compiled(of='fashion_small')").identity
    count = sum(plan.evaluations)

    (slow,) = faster.advice(plan, registry, {victim.identity: 10.0})
    assert f"compile = true pays, from {faster.SECONDS / 10 / (1 - faster.SHARE):,.0f} evaluations on" in slow
    (quick,) = faster.advice(plan, registry, {victim.identity: 1e-4})
    assert "does not pay" in quick
    (measured,) = faster.advice(plan, registry, {victim.identity: 1.0, fast: 0.25})
    assert f"compiled {count * 0.25:,.0f} s (measured in this store)" in measured
    (never,) = faster.advice(plan, registry, {victim.identity: 1.0, fast: 1.5})
    assert never.endswith("compile = true would save nothing")
    assert faster.advice(plan, registry, {}) == []
