"""What latent victims are conditioned on beside the noisy state: texts and classes."""

import pytest
import torch

from helpers.latent_pipelines import CLASS_PROMPTS, PROMPTS, plain
from helpers.pipeline_parts import SIDE
from leakboard.api import Unsupported
from leakboard_plugins.victims.latent.stable_diffusion import StableDiffusion

# diffusers' samplers hand tensors to numpy in a way that numpy is about to change
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def images():
    return torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("kind", ["sd1", "xl", "dit", "pixart"])
def test_no_prompt_is_unconditional_and_prompts_matter(opened, kind):
    state = torch.randn(3, 4, SIDE // 2, SIDE // 2, generator=torch.Generator().manual_seed(1))
    free = opened[kind].predict_noise(state, 300, None)
    conditional = opened[kind].predict_noise(state, 300, CLASS_PROMPTS if kind == "dit" else PROMPTS)

    assert torch.equal(free, opened[kind].predict_noise(state, 300, ("", "", "")))
    assert float((free[0] - conditional[0]).abs().max()) > 1e-3


def test_unconditional_is_what_the_large_model_was_trained_with(folders, opened):
    """SDXL drops captions to zeros, not to the embedding of an empty text."""
    pipeline = plain(folders["xl"], "StableDiffusionXLPipeline")
    state = torch.randn(2, 4, SIDE // 2, SIDE // 2, generator=torch.Generator().manual_seed(1))
    added = {"text_embeds": torch.zeros(2, 16), "time_ids": torch.tensor([[SIDE, SIDE, 0, 0, SIDE, SIDE]] * 2)}
    with torch.no_grad():
        texts, _, added["text_embeds"][1], _ = (
            part[0] if part is not None else None
            for part in pipeline.encode_prompt("a cat", device="cpu", do_classifier_free_guidance=False)
        )
        hidden = torch.stack([torch.zeros_like(texts), texts])
        expected = pipeline.unet(state, 300, hidden, added_cond_kwargs=added).sample

    torch.testing.assert_close(opened["xl"].predict_noise(state, 300, ("", "a cat")), expected, rtol=0, atol=1e-5)


def test_each_text_is_embedded_once(folders, opened, monkeypatch):
    model = StableDiffusion(model=str(folders["sd1"])).open("cpu")
    asked = []
    encode = model._pipeline.encode_prompt
    monkeypatch.setattr(
        model._pipeline, "encode_prompt", lambda prompt, **rest: (asked.append(prompt), encode(prompt, **rest))[1]
    )
    state = torch.randn(3, 4, SIDE // 2, SIDE // 2)

    first = model.predict_noise(state, 300, PROMPTS)
    again = model.predict_noise(state, 300, PROMPTS)
    model.predict_noise(state, 100, ("a cat", "a bird", "two dogs"))

    assert asked == [["a cat", "two dogs"], ["a bird"]]
    assert torch.equal(first, again)


def test_kept_texts_are_bounded(folders, monkeypatch):
    from leakboard_plugins.victims.latent import conditions

    model = StableDiffusion(model=str(folders["sd1"])).open("cpu")
    texts = model._conditions
    monkeypatch.setattr(conditions, "CACHED_BYTES", 2 * texts.embedded(["x"])["prompt_embeds"].nbytes)
    whole = texts.embedded([str(row) for row in range(5)])["prompt_embeds"]

    assert len(texts._kept) == 2
    torch.testing.assert_close(texts.embedded(["0", "4"])["prompt_embeds"], whole[[0, 4]], rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["sd1", "xl", "sd3", "pixart"])
def test_very_long_prompts_are_cut_in_silence(opened, images, kind, capfd):
    long = ("cat " * 2500, "cat " * 2600, "dog")

    *_, last = opened[kind].reconstruct(images[:1].repeat(3, 1, 1, 1), (1, 1, 1), 0.5, 1, long)

    torch.testing.assert_close(last.clean[0], last.clean[1], rtol=0, atol=1e-6)
    assert capfd.readouterr() == ("", "")


def test_classes_are_called_by_name_or_number(opened):
    arguments = opened["dit"]._conditions.arguments

    labels = arguments(["Tinca tinca", " COCK ", "207", "999", ""])["class_labels"]

    assert labels.tolist() == [0, 7, 207, 999, 1000]
    with pytest.raises(Unsupported, match=r"'coc' is none of its 1000 .*did you mean 'cock'"):
        arguments(["coc"])
    with pytest.raises(Unsupported, match="'1000' is none"):
        arguments(["1000"])
