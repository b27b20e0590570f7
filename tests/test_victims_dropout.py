"""A victim under dropout: random by question and sample, and by nothing else."""

import pytest
import torch

from helpers.handmade_victim import Handmade
from helpers.oracles import make_door, make_samples
from helpers.pixel_models import SIZE, save_tiny
from helpers.spied_victim import observer
from leakboard.api import LeakboardError, Unsupported, Victim
from leakboard.registry.find import shared
from leakboard_plugins.victims.dropout import Dropout

SEEDS = range(100, 104)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("dropout") / "model")


def spec(folder, p=0.2):
    return f'dropout(of="ddpm(model={str(folder)!r})", p={p})'


@pytest.fixture(scope="module")
def model(folder):
    return shared(()).one("victim", spec(folder)).only.open("cpu")


@pytest.fixture
def state():
    return torch.randn((4, 1, SIZE, SIZE), generator=torch.Generator().manual_seed(0))


def test_predictions_depend_on_the_seed_of_their_sample_and_not_on_the_batch(model, state):
    whole = model.seeded(SEEDS).predict_noise(state, 100, None)
    for row in range(4):
        alone = model.seeded(SEEDS[row : row + 1]).predict_noise(state[row : row + 1], 100, None)
        torch.testing.assert_close(alone, whole[row : row + 1], atol=1e-5, rtol=0)
    other = model.seeded(range(4)).predict_noise(state, 100, None)
    assert (other - whole).abs().flatten(1).max(1).values.min() > 1e-3


def test_without_seeds_the_network_is_the_victims_own(folder, model, state):
    plain = shared(()).one("victim", f"ddpm(model={str(folder)!r})").only.open("cpu")
    assert torch.equal(model.predict_noise(state, 100, None), plain.predict_noise(state, 100, None))
    dropped = model.seeded(SEEDS).predict_noise(state, 100, None)
    assert (dropped - plain.predict_noise(state, 100, None)).abs().max() > 1e-3


def test_as_much_is_dropped_as_was_asked_for_and_the_rest_scaled_up(model):
    dropped = model._dropped
    with dropped.by(SEEDS):
        mask = dropped._mask(0, torch.zeros(4, 100, 100))
        assert mask.unique().tolist() == pytest.approx([0, 1.25])
        assert float(mask.mean()) == pytest.approx(1, abs=0.01)
        assert not torch.equal(mask[0], mask[1])
        assert not torch.equal(mask, dropped._mask(1, torch.zeros(4, 100, 100)))
        guided = dropped._mask(0, torch.zeros(8, 10, 10))
        assert not torch.equal(guided[:4], guided[4:])
        with pytest.raises(ValueError, match="6 rows for 4 samples"):
            dropped._mask(0, torch.zeros(6, 2))
        dropped.asked()
        assert not torch.equal(mask, dropped._mask(0, torch.zeros(4, 100, 100)))


def test_reconstructions_and_generations_drop_by_their_seeds(folder, model):
    images = make_samples(4).images
    plain = shared(()).one("victim", f"ddpm(model={str(folder)!r})").only.open("cpu")
    walks = [list(each.reconstruct(images, SEEDS, 0.5, 2, None)) for each in (model, model, plain)]
    assert torch.equal(walks[0][-1].clean, walks[1][-1].clean)
    assert not torch.allclose(walks[0][-1].clean, walks[2][-1].clean, atol=1e-3)
    assert not torch.allclose(model.generate(SEEDS, 2, None), plain.generate(SEEDS, 2, None), atol=1e-3)


def test_a_question_asked_again_is_another_request_and_repeats_average_over_them(model):
    door = make_door(model)
    clean = door.encode(door.originals)
    first, second = door.predict_noise(clean, 100), door.predict_noise(clean, 100)
    assert not torch.allclose(first, second, atol=1e-3)
    assert door.memo.paid.queries == 2
    again = make_door(model)
    assert torch.equal(again.predict_noise(again.encode(again.originals), 100), first)

    plain = model.predict_noise(clean, 100, None)
    near = {}
    for asked in ("sima", "repeats(of='sima', n=16)"):
        (pair,) = observer(asked).observe(make_door(model))
        near[asked] = float((pair.observation - plain).abs().mean())
    assert near["repeats(of='sima', n=16)"] < 0.5 * near["sima"]


def test_answers_do_not_depend_on_the_size_of_the_batch(model):
    found = []
    for size in (64, 2):
        (pair,) = observer("pia").observe(make_door(model, batch_size=size))
        found.append(pair.observation)
    torch.testing.assert_close(*found, atol=1e-4, rtol=0)


def test_it_is_the_victim_in_all_else_and_gives_no_gradients(folder):
    found = shared(()).one("victim", spec(folder))
    inside, outside = found.only.of, found.only
    for name in ("works_in", "evaluations_per_step", "fit", "gated", "null"):
        assert getattr(inside, name) == getattr(outside, name)
    assert (inside.access, outside.access) == ("white", "gray")
    assert outside.offers == {"noise"}
    assert (outside.draws, inside.draws) == (True, False)
    assert found.identity != shared(()).one("victim", spec(folder, p=0.3)).identity
    assert shared(()).one("victim", "dropout(of=\"fashion_ddpm(level='untrained')\")").only.null


class Strange(Victim):
    """Of a third party, which gives no network out."""

    name = "strange"

    def open(self, device):
        return Handmade()


class Bare(Strange):
    """Its network has nothing that drops."""

    def open(self, device):
        model = Handmade()
        model.networks = lambda: {"denoiser": torch.nn.Linear(2, 2)}
        return model


@pytest.mark.parametrize(
    ("victim", "error", "told"),
    [(Strange, Unsupported, "does not give its networks out"), (Bare, LeakboardError, "has no dropout layers")],
)
def test_a_victim_without_layers_that_drop_is_told(victim, error, told):
    with pytest.raises(error, match=told):
        Dropout(of=victim()).open("cpu")


@pytest.mark.parametrize("wrong", ["p=0.1", "of='fashion_small', p=0.0", "of='fashion_small', p=1.0", "of='psnr'"])
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(LeakboardError):
        shared(()).one("victim", f"dropout({wrong})")
