"""Shadow victims and further runs: halves that tell nothing, seeds of their own, and no work done twice."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from helpers import trainings
from helpers.command_line import call
from helpers.trainings import RECIPE, Stripes, digests, manifest
from leakboard.api import LeakboardError, member_digest
from leakboard.registry.find import shared
from leakboard.training import PixelRecipe
from leakboard.training.manifest import WEIGHTS
from leakboard.training.shadows import half, runs, shadows, train_all

PLUGINS = tuple(
    str(trainings.__file__).replace("helpers/trainings.py", f"plugins/{name}")
    for name in ("flipped_recipe.py", "tiny.py")
)
IDS = tuple(f"image {row}" for row in range(64))
SHORT = replace(RECIPE, checkpoints={"untrained": 0, "light": 2, "heavy": 4})


def train(several, out, progress=trainings.quiet, levels=("heavy",)):
    return train_all(several, Stripes(), out, levels=levels, progress=progress, generated=8)


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    """Four shadow victims; read only."""
    out = tmp_path_factory.mktemp("four")
    return out, train(shadows(SHORT, 4), out)


def test_pairs_of_shadow_victims_share_every_sample_between_them():
    halves = [half("tiny", number, IDS) for number in range(16)]

    assert all(member.sum() == 32 for member in halves)
    for first, second in zip(halves[::2], halves[1::2], strict=True):
        assert np.array_equal(first, ~second)
    assert (np.sum(halves, axis=0) == 8).all()
    assert len({member.tobytes() for member in halves}) == 16


def test_of_an_odd_number_of_samples_one_side_has_one_more():
    first, second = (half("tiny", number, IDS[:63]) for number in (0, 1))

    assert (first.sum(), second.sum()) == (31, 32)


def test_a_half_goes_by_ids_name_and_number_whatever_the_order_and_however_many_there_are():
    backwards = half("tiny", 4, IDS[::-1])[::-1]

    assert np.array_equal(backwards, half("tiny", 4, IDS))
    assert not np.array_equal(half("other", 4, IDS), half("tiny", 4, IDS))
    assert [each.name for each in shadows(SHORT, 4)] == [each.name for each in shadows(SHORT, 12)][:4]


def test_halves_are_drawn_from_members_and_others_alike():
    """Sixteen halves of five hundred samples: none leans to a side of the dataset beyond chance."""
    ids, member = [f"fashion-{row}" for row in range(512)], np.arange(512) < 256
    inside = [int((half("tiny", number, ids) & member).sum()) for number in range(0, 16, 2)]

    assert all(abs(count - 128) < 4 * np.sqrt(512 / 16) for count in inside)
    assert len(set(inside)) > 1


def test_no_two_victims_share_a_seed():
    several = [*shadows(SHORT, 16), *runs(SHORT, 16)]

    seeds = Counter(each.recipe.seed for each in several)
    assert SHORT.seed not in seeds
    assert max(seeds.values()) == 1


def test_each_shadow_victim_is_noted_with_its_members(four):
    out, trained = four
    ids = Stripes().load().ids

    assert trained.folders == [out / f"shadow-0{number}" / "heavy" for number in range(4)]
    assert not trained.elsewhere
    for number, folder in enumerate(trained.folders):
        written, member = manifest(folder), half("tiny", number, ids)
        assert written["member_ids"] == sorted(np.array(ids)[member].tolist())
        assert written["member_digest"] == member_digest(written["member_ids"])
        assert (written["members"], written["held_out"], written["epochs"]) == (12, 12, 4)
        assert written["seed"] == 1000 + number
    assert len({(folder / WEIGHTS).read_bytes() for folder in trained.folders}) == 4


def test_a_victim_of_a_shadow_folder_tells_its_members(four):
    out, _ = four
    ids = Stripes().load().ids
    victim = shared(()).one("victim", f"ddpm(model={str(out / 'shadow-02' / 'heavy')!r})").only

    assert np.array_equal(victim.members(ids), half("tiny", 2, ids))


def test_only_the_levels_that_are_wanted_are_kept(four, tmp_path):
    out, _ = four
    train(shadows(SHORT, 2), tmp_path, levels=("light", "heavy"))

    assert not (out / "shadow-00" / "light").exists()
    for name in ("shadow-00", "shadow-01"):
        assert (tmp_path / name / "light" / "manifest.json").is_file()
        assert (tmp_path / name / "heavy" / WEIGHTS).read_bytes() == (out / name / "heavy" / WEIGHTS).read_bytes()


def test_what_is_finished_is_neither_trained_nor_measured_again(four):
    out, trained = four
    before = digests(out)

    again = train(shadows(SHORT, 4), out, lambda *_: pytest.fail("it worked"))

    assert again == trained
    assert digests(out) == before


def test_an_interrupted_one_is_gone_on_with_and_ends_with_the_same_bits(four, tmp_path):
    def interrupt(doing, done, of):
        if doing.startswith("shadow-01 (2 of 4): training") and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(shadows(SHORT, 4), tmp_path, interrupt)
    steps = []
    train(shadows(SHORT, 4), tmp_path, lambda *step: steps.append(step))

    assert digests(tmp_path) == digests(four[0])
    assert {doing.partition(":")[0] for doing, *_ in steps} == {
        f"shadow-0{each} ({each + 1} of 4)" for each in (1, 2, 3)
    }


def test_one_that_was_trained_and_not_measured_is_measured(four, tmp_path):
    import shutil

    out = shutil.copytree(four[0], tmp_path / "out")
    (out / "shadow-03" / "heavy" / "manifest.json").unlink()
    steps = []
    train(shadows(SHORT, 4), out, lambda *step: steps.append(step))

    assert {doing for doing, *_ in steps} == {"shadow-03 (4 of 4): measuring heavy", "shadow-03 (4 of 4): measuring"}
    assert manifest(out / "shadow-03" / "heavy") == manifest(four[0] / "shadow-03" / "heavy")


def test_what_another_process_trains_is_left_to_it(tmp_path):
    holder = "import sys, time, pathlib; from leakboard.training.claim import held\n"
    holder += "with held(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", holder, str(tmp_path / "shadow-00")], stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout.readline() == b"held\n"
            found = train(shadows(SHORT, 2), tmp_path)
        finally:
            other.kill()

    assert found.folders == [tmp_path / "shadow-01" / "heavy"]
    assert found.elsewhere == ["shadow-00"]


def test_runs_differ_in_their_seeds_and_not_in_their_members(tmp_path):
    train(runs(SHORT, 2), tmp_path, levels=("light",))

    first, second = (manifest(tmp_path / f"run-{number}" / "light") for number in (1, 2))
    samples = Stripes().load()
    assert first["member_ids"] == second["member_ids"] == sorted(np.array(samples.ids)[samples.member].tolist())
    assert (first["seed"], second["seed"]) == (1, 2)
    assert first["weights"]["sha256"] != second["weights"]["sha256"]


def test_a_level_that_ends_a_training_early_has_the_weights_of_the_whole_one(tmp_path):
    """The learning rate falls as if the training went on, so a run of one level is like the level of a long run."""
    trainings.train(SHORT, Stripes(), tmp_path / "whole")
    from leakboard.training import train_recipe

    def told(doing, done, of):
        steps.append((done, of))

    steps = []
    train_recipe(SHORT, Stripes(), tmp_path / "part", progress=told, generated=8, levels=["light"])

    part, whole = (tmp_path / name / "light" / WEIGHTS for name in ("part", "whole"))
    assert part.read_bytes() == whole.read_bytes()
    assert steps[:2] == [(1, 2), (2, 2)]
    assert not (tmp_path / "part" / "untrained").exists()


def test_a_folder_is_not_gone_on_with_for_other_levels(tmp_path):
    train(shadows(SHORT, 2), tmp_path, levels=("light",))

    with pytest.raises(LeakboardError, match="of other levels"):
        train(shadows(SHORT, 2), tmp_path)


def test_a_level_that_is_not_there_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(LeakboardError, match="'tiny' has no level 'hevy'") as caught:
        train(shadows(SHORT, 2), tmp_path, levels=("hevy",))
    assert caught.value.nearest == "heavy"
    assert not list(tmp_path.iterdir())


def test_the_command_trains_shadow_victims_of_a_recipe_of_a_plugin(tmp_path):
    plugins = [word for plugin in PLUGINS for word in ("--plugin", plugin)]
    printed = call("train", "flipped", "--shadows", 2, "--out", tmp_path, *plugins).output

    assert printed.split() == [str(tmp_path / f"shadow-0{number}" / "light") for number in (0, 1)]
    assert manifest(tmp_path / "shadow-00" / "light")["augmentation"] == {"horizontal_flip": 0.5}
    assert call("train", "flipped", "--shadows", 2, "--out", tmp_path, *plugins).output == printed


def test_the_command_trains_runs_and_a_run_with_another_seed(tmp_path):
    plugins = [word for plugin in PLUGINS for word in ("--plugin", plugin)]
    printed = call("train", "flipped", "--runs", 1, "--level", "untrained", "--out", tmp_path, *plugins).output
    assert printed.split() == [str(tmp_path / "run-1" / "untrained")]

    call("train", "flipped", "--seed", 1, "--out", tmp_path / "alone", *plugins)
    alone, run = (tmp_path / name / "untrained" for name in ("alone", "run-1"))
    assert (alone / WEIGHTS).read_bytes() == (run / WEIGHTS).read_bytes()
    assert manifest(alone)["seed"] == 1


def test_shadow_victims_and_runs_are_not_asked_for_together(tmp_path):
    refused = call("train", "fashion_ddpm", "--shadows", 2, "--runs", 2, "--out", tmp_path, code=2).output

    assert "--shadows and --runs are two things" in refused


def test_the_recipe_of_shadow_victims_shares_its_images_with_the_embedded_victims():
    """Pool and target: 256 members that are members of fashion_mnist too, and as many of its non-members."""
    registry = shared(())
    recipe = registry.value("recipe", "fashion_small")
    pool = registry.one("dataset", recipe.dataset).only.load()
    whole = registry.one("dataset", "fashion_mnist").only.load()

    assert isinstance(recipe, PixelRecipe)
    assert (pool.member.sum(), (~pool.member).sum()) == (256, 256)
    for side in (True, False):
        assert set(np.array(pool.ids)[pool.member == side]) < set(np.array(whole.ids)[whole.member == side])
    place = whole.ids.index(pool.ids[300])
    assert np.array_equal(pool.images[300].numpy(), whole.images[place].numpy())
    assert pool.prompts[300] == whole.prompts[place]
