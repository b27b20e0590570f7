"""Recipes of others: what a plugin brings is trained, noted and checked like the recipes that come along."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.command_line import call
from helpers.trainings import digests, manifest, train
from leakboard.api import LeakboardError, Samples
from leakboard.recipe import Checkpoint, Recipe, Stage
from leakboard.registry.find import shared
from leakboard.testing import recipes
from leakboard.testing.checks import Declined, Subject
from leakboard.training import given_of, loop
from leakboard.training.recipes import AutoencoderRecipe, LatentRecipe, TextRecipe

PLUGINS = tuple(str(Path(__file__).parent / "plugins" / name) for name in ("flipped_recipe.py", "tiny.py"))
FLIPPED = shared(PLUGINS).value("recipe", "flipped")
TINY = shared(PLUGINS).one("dataset", "tiny(count=6)").only


@dataclass(frozen=True, kw_only=True)
class Line(Recipe):
    """Two numbers fitted to the brightness of members, one after the other: the smallest recipe of two stages."""

    dataset: str = "tiny"
    checkpoints: Mapping[str, int] = field(default_factory=lambda: {"untrained": 0, "done": 12})
    summary: str = "Two numbers."
    rate: float = 0.1
    stray: bool = False
    fact: object = 1

    def prepare(self, given):
        first = self._stage(given, "first.safetensors", {"first": 3}, torch.zeros(1))
        yield first
        assert (given.out / "first" / "line.safetensors").is_file()
        yield self._stage(given, "state.safetensors", self.checkpoints, first.module.weight.detach().clone())

    def _stage(self, given, state, checkpoints, start):
        from safetensors.torch import save_file

        module = torch.nn.Module()
        module.weight = torch.nn.Parameter(start)

        def step(batch, generator):
            noise = torch.rand(len(batch[0]), generator=None if self.stray else generator)
            return (module.weight - batch[0].mean((1, 2, 3)) - noise).square().mean()

        def save(folder, weights):
            folder.mkdir(exist_ok=True)
            save_file(dict(weights), folder / "line.safetensors")

        return Stage(
            module=module,
            optimizer=torch.optim.SGD(module.parameters(), lr=self.rate, momentum=0.5),
            data=(given.members.images.to(given.device),),
            step=step,
            save=save,
            checkpoints=checkpoints,
            batch_size=4,
            average=0.5,
            seed=self.seed,
            doing=f"fitting {state}",
            state=state,
        )

    def opened(self, folder, device):
        from safetensors.torch import load_file

        return Opened(load_file(folder / "line.safetensors")["weight"])

    def facts(self, folder, samples):
        return {"line": self.fact}


class Opened(Checkpoint):
    def __init__(self, weight):
        self.weight = weight

    def losses(self, samples):
        return (samples.images.mean((1, 2, 3)) - self.weight).square()

    def generated(self, like, count):
        return torch.full((count, *like.image_shape), float(self.weight)).clamp(0, 1)


LINE = Line(name="line")


def test_a_recipe_of_one_file_is_trained_by_the_command_and_its_folder_attacked(tmp_path):
    arguments = [word for plugin in PLUGINS for word in ("--plugin", plugin)]
    printed = call("train", "flipped", "--out", tmp_path, *arguments).output

    assert printed.split() == [str(tmp_path / "untrained"), str(tmp_path / "light")]
    written = manifest(tmp_path / "light")
    assert written["augmentation"] == {"horizontal_flip": 0.5}
    assert written["recipe"]["chance"] == 0.5
    victim = shared(PLUGINS).one("victim", f"ddpm(model={str(tmp_path / 'light')!r})").only
    assert victim.open("cpu").encode(TINY.load().images).shape == (12, 1, 8, 8)


def test_a_recipe_of_a_plugin_is_listed_with_its_summary():
    listed = call("list", "recipes", *[word for plugin in PLUGINS for word in ("--plugin", plugin)]).output

    assert f"  {FLIPPED.summary}\n" in listed


def test_flips_change_what_is_learnt_and_certain_ones_mirror_it(tmp_path):
    """Flipped members under flips that never fail are the members themselves."""

    def step(recipe, images):
        samples = Samples(tuple("abcd"), images, np.ones(4, bool))
        (stage,) = recipe.prepare(given_of(samples, None, tmp_path, "cpu"))
        return stage.step(stage.data, torch.Generator().manual_seed(1)).item()

    images = torch.rand(4, 1, 8, 8)

    always, never = replace(FLIPPED, chance=1.0), replace(FLIPPED, chance=0.0)
    assert step(always, images.flip(-1)) == step(never, images)
    assert step(always, images) != step(never, images)


def test_stages_follow_each_other_and_each_goes_on_where_it_was_interrupted(tmp_path):
    train(LINE, TINY, tmp_path / "whole")

    for doing, stop in (("fitting first", 2), ("fitting state", 11)):

        def interrupt(what, done, total, doing=doing, stop=stop):
            if what.startswith(doing) and done == stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(LINE, TINY, tmp_path / doing, interrupt)
        train(LINE, TINY, tmp_path / doing)
        assert digests(tmp_path / doing) == digests(tmp_path / "whole")


def test_a_checkpoint_without_a_denoiser_is_noted_by_the_weights_it_has(tmp_path):
    train(LINE, TINY, tmp_path)

    written = manifest(tmp_path / "done")
    assert written["weights"]["file"] == "line.safetensors"
    assert written["line"] == 1
    assert set(written["versions"]) == {"python", *LINE.packages}
    assert written["quality"]["untrained"] == manifest(tmp_path / "untrained")["quality"]["kernel_distance"]


def test_no_untrained_figure_is_shown_where_nothing_untrained_was_saved(tmp_path):
    train(replace(LINE, checkpoints={"done": 2}), TINY, tmp_path)

    assert "untrained" not in manifest(tmp_path / "done")["quality"]


def test_a_fact_that_every_manifest_has_is_refused(tmp_path):
    class Boasting(Line):
        def facts(self, folder, samples):
            return {"members": 0}

    with pytest.raises(LeakboardError, match="a fact that every manifest has: 'members'"):
        train(Boasting(name="line"), TINY, tmp_path)


@pytest.mark.parametrize("checkpoints", [{}, {"done": -1}, {"../done": 1}])
def test_checkpoints_that_cannot_be_saved_are_refused(tmp_path, checkpoints):
    with pytest.raises(LeakboardError, match="cannot be saved"):
        train(replace(LINE, checkpoints=checkpoints), TINY, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_recipe_with_a_field_that_cannot_be_noted_is_refused(tmp_path):
    with pytest.raises(LeakboardError, match="cannot be noted"):
        train(replace(LINE, fact=object()), TINY, tmp_path)


def test_a_folder_is_not_gone_on_with_on_another_device(tmp_path):
    samples = TINY.load()
    from leakboard.training.claim import claim

    claim(LINE, given_of(samples, None, tmp_path, "cpu"))
    with pytest.raises(LeakboardError, match="another device"):
        claim(LINE, given_of(samples, None, tmp_path, "cuda"))


def test_a_summary_may_change_while_a_training_is_interrupted(tmp_path):
    train(LINE, TINY, tmp_path)
    train(replace(LINE, summary="A pair of numbers."), TINY, tmp_path)


def test_a_recipe_is_given_members_alone_and_the_captions_of_all(tmp_path):
    samples = Samples(("a", "b", "c"), torch.rand(3, 1, 2, 2), np.array([True, False, True]), ("x", "w", "x"))

    given = given_of(samples, samples.take([1]), tmp_path, "cpu")

    assert given.members.ids == ("a", "c")
    assert given.captions == ("w", "x")


def test_a_stage_may_draw_its_batches_its_own_way(tmp_path):
    """A Poisson sample: every row by itself, so that batches differ in size."""
    seen = []

    def poisson(count, batch_size, generator):
        return [(torch.rand(count, generator=generator) < batch_size / count).nonzero()[:, 0] for _ in range(3)]

    first = next(iter(LINE.prepare(given_of(TINY.load(), None, tmp_path, "cpu"))))

    def step(batch, generator):
        seen.append(len(batch[0]))
        return first.step(batch, generator) if len(batch[0]) else first.module.weight.sum() * 0

    with loop.secluded("cpu"):
        loop.run(replace(first, batches=poisson, step=step), tmp_path)

    assert len(seen) == 9
    assert len(set(seen)) > 1


def outcomes(recipe, samples=None):
    found = {}
    for check in recipes.CHECKS:
        try:
            check.run(Subject(type(recipe), recipe, samples))
            found[check.name] = "ok"
        except (AssertionError, Declined, LeakboardError) as reason:
            found[check.name] = str(reason)
    return found


LATENT = LatentRecipe(
    name="small_sd",
    dataset="emoji",
    checkpoints={"untrained": 0, "light": 500},
    channels=(8, 16),
    autoencoder=AutoencoderRecipe(channels=(8, 8), latent_channels=2),
    text=TextRecipe(hidden=16, layers=1, heads=2, length=8),
    summary="A small one.",
)


@pytest.mark.parametrize("recipe", [LINE, FLIPPED, LATENT], ids=lambda recipe: recipe.name)
def test_recipes_keep_to_the_contract(recipe):
    assert outcomes(recipe) == dict.fromkeys([check.name for check in recipes.CHECKS], "ok")


@pytest.mark.parametrize(
    ("change", "check", "words"),
    [
        ({"summary": ""}, "it says what it trains", "no summary"),
        ({"stray": True}, "the same weights twice, finite losses", "draw from the generator"),
        ({"rate": float("inf")}, "the same weights twice, finite losses", "losses of its first epoch"),
        ({"rate": float("inf")}, "checkpoints open and are measured", "not finite"),
        ({"fact": float("nan")}, "manifest facts are JSON", "no JSON"),
    ],
)
def test_a_recipe_that_breaks_the_contract_is_told(change, check, words):
    assert words in outcomes(replace(LINE, **change))[check]


def test_samples_that_do_not_suit_a_recipe_decline_its_checks():
    samples = Samples(tuple("abcdefgh"), torch.rand(8, 1, 7, 7), np.arange(8) < 4)

    assert "needs other samples: the images are 7x7" in outcomes(FLIPPED, samples)["manifest facts are JSON"]
