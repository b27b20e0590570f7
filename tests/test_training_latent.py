"""Training a text-to-image model: autoencoder on auxiliary images, then text model and denoiser on the members."""

import hashlib
import json
import shutil
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from helpers import trainings
from helpers.trainings import digests, manifest
from leakboard.api import Dataset, LeakboardError, Samples, Unsupported, member_digest
from leakboard.training import LatentRecipe, autoencoder, latent
from leakboard.training.manifest import WEIGHTS
from leakboard.training.portable import make_portable
from leakboard.training.recipes import AutoencoderRecipe, TextRecipe
from leakboard.training.words import open_tokenizer
from leakboard_defenses import GaussianNoise, HorizontalFlip

RECIPE = LatentRecipe(
    name="tiny_sd",
    dataset="squares",
    checkpoints={"untrained": 0, "light": 11, "heavy": 13},
    channels=(8, 16),
    batch_size=8,
    average=0.8,
    autoencoder=AutoencoderRecipe(channels=(8, 8), latent_channels=2, batch_size=8, average=0.8, epochs=12),
    text=TextRecipe(hidden=16, layers=1, heads=2, length=8),
    size=8,
)
PARTS = {WEIGHTS, "vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"}


@dataclass(frozen=True, kw_only=True)
class Squares(Dataset):
    """Noisy black or white pictures that say which they are: 12 members, 12 non-members, 16 auxiliary, 6x6."""

    name: ClassVar[str] = "squares"
    seed: int = 0

    def _made(self, start, count):
        generator = torch.Generator().manual_seed(self.seed * 100 + start)
        white = np.arange(count) // 2 % 2 == 0
        images = torch.rand(count, 1, 6, 6, generator=generator) * 0.2
        images[torch.from_numpy(white)] += 0.8
        prompts = tuple(f"a {'white' if each else 'black'} square" for each in white)
        ids = tuple(f"square-{self.seed}-{start + row}" for row in range(count))
        return Samples(ids, images, np.arange(count) % 2 == 0, prompts)

    def load(self):
        return self._made(0, 24)

    def auxiliary(self):
        return self._made(24, 16)


def train(out, progress=trainings.quiet, recipe=RECIPE, dataset=None):
    return trainings.train(recipe, dataset or Squares(), out, progress)


@pytest.fixture
def unmeasured(monkeypatch):
    """Train without writing manifests."""
    monkeypatch.setattr("leakboard.training.manifest.write_manifests", lambda *_, **__: [])


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A training that nothing interrupted; read only."""
    out = tmp_path_factory.mktemp("latent")
    train(out)
    return out


@pytest.mark.parametrize(
    ("phase", "stop"),
    [("training the autoencoder", 4), ("training the autoencoder", 12), ("training", 3), ("training", 12)],
)
@pytest.mark.usefixtures("unmeasured")
def test_an_interrupted_training_ends_with_the_same_bits(trained, tmp_path, phase, stop):
    """In either phase, before the first saved state and after it, and right at the end of the first."""

    def interrupt(what, done, total):
        if what.startswith(f"{phase}, loss") and done == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, interrupt)
    assert not (tmp_path / "heavy").exists()

    train(tmp_path)

    assert digests(tmp_path) == digests(trained)


def test_the_same_command_after_the_end_trains_nothing_and_measures_again(trained):
    before, steps = (digests(trained), manifest(trained / "heavy")), []
    (trained / "heavy" / "manifest.json").unlink()

    assert [folder.name for folder in train(trained, lambda *step: steps.append(step))] == list(RECIPE.checkpoints)

    assert (digests(trained), manifest(trained / "heavy")) == before
    assert [what for what, *_ in steps] == [f"measuring{level}" for level in (" untrained", " light", " heavy", "")]


@pytest.mark.usefixtures("unmeasured")
def test_progress_tells_both_phases(tmp_path):
    steps = []
    recipe = replace(RECIPE, checkpoints={"light": 2}, autoencoder=replace(RECIPE.autoencoder, epochs=3))
    train(tmp_path, lambda *step: steps.append(step), recipe)

    epochs = [(what.split(",")[0], done, total) for what, done, total in steps if "loss" in what]
    assert epochs == [
        *(("training the autoencoder", done, 3) for done in (1, 2, 3)),
        *(("training", done, 2) for done in (1, 2)),
    ]


def test_nothing_but_progress_is_told(tmp_path, capfd):
    train(tmp_path, recipe=replace(RECIPE, checkpoints={"light": 1}))

    assert capfd.readouterr() == ("", "")


def test_no_file_says_where_it_was_made(trained):
    for path in trained.rglob("*.json"):
        assert str(trained) not in path.read_text(encoding="utf-8")


def test_diffusers_opens_every_checkpoint(trained):
    from diffusers import StableDiffusionPipeline

    for level in RECIPE.checkpoints:
        pipeline = StableDiffusionPipeline.from_pretrained(trained / level)  # with no word on precision
        pipeline.set_progress_bar_config(disable=True)
        images = pipeline(["a white square"], num_inference_steps=2, guidance_scale=3.0, output_type="np").images
        assert images.shape == (1, 8, 8, 1)
        assert pipeline.unet.dtype == torch.float32


def test_weights_are_kept_in_half_precision(trained):
    from safetensors.torch import load_file

    for part in PARTS:
        assert {value.dtype for value in load_file(trained / "heavy" / part).values()} <= {torch.float16, torch.int64}


@pytest.mark.usefixtures("unmeasured")
def test_the_autoencoder_has_seen_no_member(trained, tmp_path):
    """Other members, same auxiliary images: the same autoencoder, bit by bit."""

    @dataclass(frozen=True, kw_only=True)
    class Others(Squares):
        def load(self):
            return replace(Squares(seed=3).load(), ids=tuple(f"other-{row}" for row in range(24)))

    train(tmp_path, dataset=Others(), recipe=replace(RECIPE, checkpoints={"light": 1}))

    part = "autoencoder/diffusion_pytorch_model.safetensors"
    assert (tmp_path / part).read_bytes() == (trained / part).read_bytes()
    assert (tmp_path / "light" / WEIGHTS).read_bytes() != (trained / "light" / WEIGHTS).read_bytes()


def pad(images):
    return fitted(images).to_victim(images)


def fitted(images):
    return autoencoder.fitting(tuple(images.shape[1:]), RECIPE.size)


def opened_autoencoder(out):
    return autoencoder.open_autoencoder(out / "autoencoder", remade_without=out)


def test_latents_of_the_auxiliary_images_have_unit_variance(trained):
    vae = opened_autoencoder(trained)
    clean = pad(Squares().auxiliary().images) * 2 - 1

    assert float(autoencoder.latents_of(vae, clean, vae.config.scaling_factor).std()) == pytest.approx(1, abs=1e-3)


def test_what_is_padded_is_cut_off_again():
    images = torch.rand(2, 3, 5, 6)

    padded = pad(images)

    assert padded.shape == (2, 3, 8, 8)
    assert float(padded.sum()) == pytest.approx(float(images.sum()))
    assert torch.equal(fitted(images).from_victim(padded), images)


def test_variation_moves_pixels_and_swaps_colours_but_loses_nothing():
    images = torch.rand(3, 3, 8, 8)

    varied = autoencoder.varied(images, torch.Generator().manual_seed(1))

    assert not torch.equal(varied, images)
    assert torch.equal(varied.flatten(1).sort().values, images.flatten(1).sort().values)


def test_manifest_tells_what_was_trained_and_on_what(trained):
    samples, auxiliary = Squares().load(), Squares().auxiliary()
    written = manifest(trained / "light")

    assert (written["level"], written["epochs"], written["seed"]) == ("light", 11, RECIPE.seed)
    assert written["recipe"]["autoencoder"]["channels"] == [8, 8]
    assert written["recipe"]["text"]["dropout"] == RECIPE.text.dropout
    assert (written["members"], written["held_out"], written["auxiliary"]) == (12, 12, 16)
    assert written["member_digest"] == member_digest([samples.ids[row] for row in range(0, 24, 2)])
    assert written["auxiliary_digest"] == member_digest(auxiliary.ids)
    assert set(written["versions"]) >= {"python", "torch", "diffusers", "transformers", "tokenizers"}


def test_manifest_has_the_digest_of_every_file_of_weights(trained):
    written = manifest(trained / "heavy")["weights"]

    found = {part: hashlib.sha256((trained / "heavy" / part).read_bytes()).hexdigest() for part in PARTS}
    assert written["parts"] == found
    assert (written["file"], written["sha256"]) == (WEIGHTS, found[WEIGHTS])
    assert written["bytes"] == (trained / "heavy" / WEIGHTS).stat().st_size


def test_manifest_shows_that_training_helped(trained):
    untrained, heavy = manifest(trained / "untrained"), manifest(trained / "heavy")

    assert heavy["loss"]["members"]["mean"] < 0.9 * untrained["loss"]["members"]["mean"]
    assert heavy["loss"]["gap"] == heavy["loss"]["held_out"]["mean"] - heavy["loss"]["members"]["mean"]
    assert untrained["quality"]["untrained"] == untrained["quality"]["kernel_distance"]
    assert heavy["quality"]["untrained"] == untrained["quality"]["untrained"]
    assert heavy["quality"]["guidance"] == 1.0


def test_manifest_measures_the_autoencoder_by_itself(trained):
    """The figures follow from the images: here told pair by pair."""
    samples, vae = Squares().load(), opened_autoencoder(trained)
    clean = pad(samples.images) * 2 - 1
    with torch.no_grad():
        back = vae.decode(vae.encode(clean).latent_dist.mode()).sample
    error = ((back[..., 1:7, 1:7] + 1) / 2).clamp(0, 1).sub(samples.images).square().flatten(1).mean(1).numpy()
    members, held_out = error[samples.member], error[~samples.member]

    written = manifest(trained / "heavy")["autoencoder"]

    assert written["psnr"] == pytest.approx(np.mean(-10 * np.log10(held_out)), rel=1e-5)
    assert written["auc"]["value"] == pytest.approx((members[:, None] < held_out[None]).mean())
    assert written["auc"]["low"] < written["auc"]["value"] < written["auc"]["high"]


def test_another_autoencoder_or_auxiliary_pool_in_the_same_folder_is_refused(trained):
    @dataclass(frozen=True, kw_only=True)
    class OtherPool(Squares):
        def auxiliary(self):
            return super().auxiliary().take(range(8))

    with pytest.raises(LeakboardError, match="another recipe"):
        train(trained, recipe=replace(RECIPE, autoencoder=replace(RECIPE.autoencoder, seed=1)))
    with pytest.raises(LeakboardError, match="another recipe"):
        train(trained, dataset=OtherPool())


def unsupported():
    raise Unsupported("squares has no images beside its members and non-members")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"load": lambda: replace(Squares().load(), prompts=None)}, "no captions"),
        ({"load": lambda: replace(Squares().load(), images=torch.rand(24, 1, 9, 6))}, "9x6, larger"),
        ({"auxiliary": unsupported}, "nothing to be trained on: squares has no images"),
        ({"auxiliary": lambda: Squares().auxiliary().take([])}, "0 auxiliary images"),
        ({"auxiliary": lambda: Squares().load().take([0, 1])}, "2 auxiliary images are members or non-members"),
        ({"auxiliary": lambda: replace(Squares().auxiliary(), images=torch.rand(16, 3, 6, 6))}, "3 channels"),
        (
            {"auxiliary": lambda: replace(Squares().auxiliary(), images=torch.rand(16, 1, 6, 9))},
            "auxiliary images are 6x9",
        ),
    ],
)
def test_a_dataset_that_does_not_suit_is_refused_before_anything_is_written(tmp_path, change, message):
    dataset = Squares()
    for method, answer in change.items():
        object.__setattr__(dataset, method, answer)

    with pytest.raises(LeakboardError, match=message) as caught:
        train(tmp_path, dataset=dataset)
    assert caught.value.expected
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["state.safetensors", "autoencoder.safetensors"])
def test_a_damaged_state_of_either_phase_is_refused(trained, tmp_path, name):
    (tmp_path / "training.json").write_bytes((trained / "training.json").read_bytes())
    (tmp_path / name).write_bytes(b"junk")

    with pytest.raises(LeakboardError, match="gone on from") as caught:
        train(tmp_path)
    assert caught.value.where.endswith(name)


@pytest.mark.parametrize(
    ("spoilt", "cure"),
    [
        ("autoencoder", "autoencoder.safetensors"),
        ("tokenizer/tokenizer.json", "tokenizer"),
        ("light/unet/diffusion_pytorch_model.safetensors", "state.safetensors"),
        ("heavy", "state.safetensors"),
    ],
)
def test_damage_to_a_finished_training_is_told_with_a_cure_that_works(trained, tmp_path, spoilt, cure):
    out = shutil.copytree(trained, tmp_path / "out")
    path = out / spoilt
    shutil.rmtree(path) if path.is_dir() else path.write_bytes(b"junk")

    with pytest.raises(LeakboardError, match="trained here is damaged") as caught:
        train(out)
    assert caught.value.where == str(out / spoilt.split("/")[0])
    assert caught.value.next.startswith(f"remove {out / cure},")

    shutil.rmtree(out / cure) if (out / cure).is_dir() else (out / cure).unlink()
    train(out)
    assert digests(out) == digests(trained)


@pytest.mark.usefixtures("unmeasured")
def test_a_tokenizer_that_was_half_saved_is_made_again(trained, tmp_path, monkeypatch):
    from transformers import CLIPTokenizer

    with monkeypatch.context() as patch:

        def interrupted(self, folder, **_):
            folder.mkdir()
            (folder / "tokenizer_config.json").write_text("{}")
            raise KeyboardInterrupt

        patch.setattr(CLIPTokenizer, "save_pretrained", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path)

    train(tmp_path)

    assert digests(tmp_path) == digests(trained)


def test_a_saved_tokenizer_holds_the_tables_that_older_transformers_open(trained):
    folder = trained / "heavy" / "tokenizer"
    vocabulary = json.loads((folder / "vocab.json").read_text())
    header, *merges = (folder / "merges.txt").read_text().splitlines()

    assert vocabulary == open_tokenizer(folder).get_vocab() == open_tokenizer(trained / "tokenizer").get_vocab()
    assert header.startswith("#version")
    assert any(each.replace(" ", "") == "white</w>" for each in merges)


def test_weights_of_the_text_model_have_the_names_that_older_transformers_know(trained):
    from safetensors.torch import load_file
    from transformers import CLIPTextModel

    folder = trained / "heavy" / "text_encoder"
    names = load_file(folder / "model.safetensors")
    model, loading = CLIPTextModel.from_pretrained(folder, output_loading_info=True)

    assert all(name.startswith("text_model.") for name in names)
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    assert model.dtype == torch.float32


def test_making_a_pipeline_portable_again_changes_nothing(trained, tmp_path):
    folder = shutil.copytree(trained / "heavy", tmp_path / "again")
    make_portable(folder)

    assert digests(folder) == digests(trained / "heavy")


@pytest.mark.usefixtures("unmeasured")
def test_one_caption_in_ten_is_dropped_in_training(monkeypatch, tmp_path):
    """The unconditional side of guidance: the text model is asked about the empty caption too."""
    from transformers import CLIPTextModel

    asked, forward = [], CLIPTextModel.forward

    def noted(self, ids, *args, **kwargs):
        if self.training:
            asked.append(ids)
        return forward(self, ids, *args, **kwargs)

    monkeypatch.setattr(CLIPTextModel, "forward", noted)
    recipe = replace(RECIPE, checkpoints={"heavy": 40}, autoencoder=replace(RECIPE.autoencoder, epochs=1))
    train(tmp_path, recipe=recipe)

    empty = latent.token_ids(open_tokenizer(tmp_path / "tokenizer"), [""])[0]
    share = float((torch.cat(asked) == empty).all(1).double().mean())
    assert len(torch.cat(asked)) == 480
    assert 0.05 < share < 0.15


DEFENDED = replace(
    RECIPE,
    checkpoints={"light": 20},
    defense=(HorizontalFlip(), GaussianNoise(at="training")),
    patience=10,
    weight_decay=0.5,
    text=replace(RECIPE.text, dropout=0.3, deleted=0.2, shuffled=0.5, rephrased=0.5, length=12),
)


def test_a_defended_training_opens_says_how_and_goes_on_after_an_interruption(tmp_path, monkeypatch):
    """All that defends a training at once: images, captions, weights, early stopping."""

    def interrupt(what, done, total):
        if what.startswith("training, loss") and done == 12:
            raise KeyboardInterrupt

    train(tmp_path / "whole", recipe=DEFENDED)
    monkeypatch.setattr("leakboard.training.manifest.write_manifests", lambda *_, **__: [])
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "resumed", interrupt, DEFENDED)
    train(tmp_path / "resumed", recipe=DEFENDED)

    assert digests(tmp_path / "resumed") == digests(tmp_path / "whole")
    written = manifest(tmp_path / "whole" / "light")
    assert written["training_defenses"] == [
        "horizontal_flip",
        "gaussian_noise(at='training')",
        "weight_decay=0.5",
        "patience=10",
        "text.dropout=0.3",
        "text.deleted=0.2",
        "text.shuffled=0.5",
        "text.rephrased=0.5",
    ]
    assert written["early_stopping"]["epoch"] in (10, 20)
    assert written["autoencoder"]["psnr"] > 0
    words = open_tokenizer(tmp_path / "whole" / "tokenizer").get_vocab()
    assert {"snapshot</w>", "square</w>"} <= words.keys()
