"""Offloading: the hooks of diffusers move whole networks to where they run, and back when others need the room."""

import pytest
import torch
from accelerate.hooks import CpuOffload

from helpers.latent_pipelines import CLASS_PROMPTS, PROMPTS, SEEDS, tiny_pipeline
from leakboard.api import Unsupported
from leakboard_plugins.victims.latent.flow import FlowModel
from leakboard_plugins.victims.latent.kinds import KINDS
from leakboard_plugins.victims.latent.loop import LoopModel
from leakboard_plugins.victims.latent.pipeline import PipelineModel

MODELS = {"pipeline": PipelineModel, "loop": LoopModel, "flow": FlowModel}
SIDE = 32
# what diffusers does in ways that are about to change
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning"),
]


def model_of(kind, *, resident):
    pipeline = tiny_pipeline(kind)
    if kind == "dit":
        pipeline.labels = {"cock": 7}
    if not resident:
        # without a GPU the same hooks run, between one CPU and itself
        pipeline.enable_model_cpu_offload(device="cpu")
    made = KINDS[type(pipeline).__name__]
    return MODELS[made.sampling](pipeline, made, guidance=2.0, scheduler="auto", resident=resident, size=SIDE)


@pytest.fixture
def images():
    return torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("kind", ["sd1", "xl", "sd3", "dit", "pixart", "flux", "aura"])
def test_offloaded_networks_answer_the_same(kind, images):
    prompts = CLASS_PROMPTS if kind == "dit" else PROMPTS
    whole, offloaded = (model_of(kind, resident=resident) for resident in (True, False))

    inner = whole.encode(images)
    assert torch.equal(offloaded.encode(images), inner)
    assert torch.equal(offloaded.decode(inner), whole.decode(inner))
    for mine, other in zip(
        offloaded.reconstruct(images, SEEDS, 0.5, 2, prompts),
        whole.reconstruct(images, SEEDS, 0.5, 2, prompts),
        strict=True,
    ):
        torch.testing.assert_close(mine.clean, other.clean, rtol=0, atol=1e-6)
    torch.testing.assert_close(
        offloaded.generate(SEEDS, 2, prompts), whole.generate(SEEDS, 2, prompts), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("kind", ["sd1", "dit", "flux", "aura"])
def test_after_every_answer_nothing_is_left_on_the_device(kind, images, monkeypatch):
    """Two networks at once might not fit: what ran last makes room."""
    model = model_of(kind, resident=False)
    prompts = CLASS_PROMPTS if kind == "dit" else PROMPTS
    moved = []
    fetch, free = CpuOffload.pre_forward, model._pipeline.maybe_free_model_hooks
    monkeypatch.setattr(CpuOffload, "pre_forward", lambda *of, **named: (moved.append("there"), fetch(*of, **named))[1])
    monkeypatch.setattr(model._pipeline, "maybe_free_model_hooks", lambda: (moved.append("back"), free())[1])

    for ask in (
        lambda: model.decode(model.encode(images)),
        lambda: list(model.reconstruct(images, SEEDS, 0.5, 2, prompts)),
        lambda: model.generate(SEEDS, 2, prompts),
    ):
        moved.clear()
        ask()
        assert moved[-1] == "back"
        assert "there" in moved


def test_gradients_need_all_weights_on_the_device(images):
    model = model_of("sd1", resident=False)
    inner = torch.zeros(1, *model._latent_shape)

    with pytest.raises(Unsupported, match="offload='no'"):
        model.gradients(inner, inner, (5,), None)
