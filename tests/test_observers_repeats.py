"""An observer asked again and again, with other noise each time."""

import pytest
import torch

from helpers.handmade_victim import Handmade
from helpers.oracles import make_door, make_samples
from helpers.spied_victim import observer
from leakboard.api import LeakboardError, Refused
from leakboard.registry.find import shared
from leakboard_defenses import Budget, GaussianBlur, GaussianNoise


def pairs(spec, **door):
    made = observer(spec)
    entered = make_door(Handmade(), made.access, **door)
    return list(made.observe(entered)), entered


def test_both_sides_are_means_over_the_askings():
    """The draws of one observer are 0, and of the third asking two strides further on."""
    (mean,), door = pairs("repeats(of='loss(t=2)', n=3)")
    noises = [door.noise("loss", door.originals, asking << 20) for asking in range(3)]
    clean, level = door.originals * 2 - 1, door.alphas_cumprod[2]
    states = [level.sqrt() * clean + (1 - level).sqrt() * noise for noise in noises]
    torch.testing.assert_close(mean.reference, sum(noises) / 3)
    torch.testing.assert_close(mean.observation, sum(states) / 3 + 2)
    assert mean.label == "t=2 draw 0"


@pytest.mark.parametrize("spec", ["sima(t=2)", "variations(draws=2, steps=2)", "one_shot(steps=2)"])
def test_noise_of_a_defense_averages_out(spec):
    """The mean over sixteen noises lies about four times as near to the answer about the undefended image."""
    near = {}
    plain, _ = pairs(f"repeats(of='{spec}', n=16)")
    for asked in (spec, f"repeats(of='{spec}', n=16)"):
        noisy, _ = pairs(asked, query=[GaussianNoise(sigma=0.05)])
        near[asked] = float((noisy[0].observation - plain[0].observation).abs().mean())
    assert near[f"repeats(of='{spec}', n=16)"] < 0.5 * near[spec]


def test_every_asking_meets_another_noise_of_the_defense_and_the_first_that_of_the_observer_alone():
    door = make_door(Handmade(), query=[GaussianNoise()])
    first, again, second = (door.encode(door.originals, draw) for draw in (0, 0, 1))
    assert torch.equal(first, again)
    assert torch.equal(first, door.images * 2 - 1)
    assert not torch.allclose(first, second)
    assert torch.equal(second, door.encode(door.originals, 1))


def test_a_defense_without_noise_answers_every_asking_alike_and_is_paid_once():
    defended = {"query": [GaussianBlur()]}
    (one,), _ = pairs("sima(t=2)", **defended)
    (many,), door = pairs("repeats(of='sima(t=2)', n=5)", **defended)
    torch.testing.assert_close(one.observation, many.observation)
    assert (door.asked.queries, door.memo.paid.queries) == (5, 1)


def test_fewer_repeats_are_part_of_more():
    _, door = pairs("repeats(of='loss(t=2)', n=2)")
    made = observer("repeats(of='loss(t=2)', n=4)")
    list(made.observe(make_door(door.memo.model, memo=door.memo)))
    assert door.memo.paid.queries == 4


def test_a_refusal_leaves_the_mean_of_what_was_answered():
    (first, second), door = pairs("repeats(of='loss(t=2, draws=3)', n=4)", query=[Budget(queries=6)])
    assert (first.label, second.label) == ("t=2 draw 0", "t=2 draw 1")
    assert door.refusal == "budget(queries=6) refused more after 6 queries a sample"
    noises = [door.noise("loss", door.originals, (asking << 20) + 1) for asking in range(2)]
    torch.testing.assert_close(second.reference, sum(noises) / 2)


def test_where_nothing_is_answered_nothing_is_yielded():
    with pytest.raises(Refused):
        pairs("repeats(of='pia(t=2)', n=2)", query=[Budget(queries=1)])


def test_generations_and_shared_pools_are_new_ones_each_time():
    (mean,), door = pairs("repeats(of='generations(draws=1, steps=2)', n=2)", samples=make_samples(3, ("a", "b", "c")))
    both = [door.generate(2, asking << 20, door.captions) for asking in range(2)]
    torch.testing.assert_close(mean.observation, sum(both) / 2)


def test_it_is_as_the_observer_that_it_repeats():
    for name in ("one_shot", "secmi", "blind", "gradient_norms"):
        inside, outside = observer(name), observer(f"repeats(of={name!r})")
        assert [(each.access, each.space, each.needs, each.null) for each in (inside, outside)].count(
            (inside.access, inside.space, inside.needs, inside.null)
        ) == 2


@pytest.mark.parametrize("spec", ["repeats(of='pia', n=1)", "repeats(n=3)", "repeats(of='pja')"])
def test_what_makes_no_sense_is_refused(spec):
    with pytest.raises(LeakboardError):
        shared(()).one("observer", spec)
