"""Image-to-image observers: the seed's series, their references, and what each access level asks."""

import pytest
import torch

from helpers.spied_victim import observer
from leakboard.api import Unsupported
from leakboard.noise import seeder


def test_one_shot_compares_the_image_with_the_returned_one(enter, samples, model):
    door = enter("black")
    (pair,) = observer("one_shot(strength=0.3, steps=4)").observe(door)
    seeds = seeder(0, samples.ids)("reconstruct")
    *_, last = model.inside.reconstruct(samples.images, seeds, 0.3, 4, None)
    torch.testing.assert_close(pair.reference, samples.images)
    torch.testing.assert_close(pair.observation, model.inside.decode(last.clean))
    assert (door.asked.queries, door.asked.evaluations) == (1, 4)
    assert torch.equal(door.returned.images, pair.observation)


@pytest.mark.parametrize("kind", ["clean", "state"])
def test_gray_complete_reads_every_intermediate_of_one_query(kind, enter, samples, model):
    door = enter()
    word = {"clean": "clean", "state": "noisy"}[kind]
    pairs = list(observer(f"complete(steps=4, intermediates={word!r})").observe(door))
    seeds = seeder(0, samples.ids)("reconstruct")
    walk = list(model.inside.reconstruct(samples.images, seeds, 0.2, 4, None))
    assert [pair.label for pair in pairs] == [f"complete {step}" for step in range(1, 5)]
    for pair, step in zip(pairs, walk, strict=True):
        assert torch.equal(pair.reference, samples.images)
        torch.testing.assert_close(pair.observation, model.inside.decode(getattr(step, kind)))
    assert (door.asked.queries, door.asked.evaluations) == (1, 4)
    assert not torch.equal(pairs[0].observation, pairs[-1].observation)


def test_clean_and_noisy_intermediates_differ(enter):
    clean, noisy = (
        list(observer(f"complete(steps=3, intermediates={kind!r})").observe(enter())) for kind in ("clean", "noisy")
    )
    assert not torch.allclose(clean[0].observation, noisy[0].observation)


def test_progressive_compares_each_step_with_the_one_before(enter, samples):
    complete = list(observer("complete(steps=4)").observe(enter()))
    progressive = list(observer("progressive(steps=4)").observe(enter()))
    assert [pair.label for pair in progressive] == [f"progressive {step}" for step in range(1, 5)]
    images = [samples.images, *(pair.observation for pair in complete)]
    for pair, before, image in zip(progressive, images[:-1], images[1:], strict=True):
        assert torch.equal(pair.reference, before)
        assert torch.equal(pair.observation, image)


@pytest.mark.parametrize("access", ["gray", "black"])
def test_complete_progressive_is_both_for_the_price_of_one(access, enter):
    parts = [
        pair
        for name in ("complete", "progressive")
        for pair in observer(f"{name}(steps=3, access={access!r})").observe(enter(access))
    ]
    door = enter(access)
    both = list(observer(f"complete_progressive(steps=3, access={access!r})").observe(door))
    assert [pair.label for pair in both] == [pair.label for pair in parts]
    for one, other in zip(both, parts, strict=True):
        assert torch.equal(one.reference, other.reference)
        assert torch.equal(one.observation, other.observation)
    assert (door.asked.queries, door.asked.evaluations) == ((1, 3) if access == "gray" else (3, 9))


def test_black_access_asks_again_with_growing_strength(enter, model):
    door = enter("black")
    pairs = list(observer("complete(strength=0.4, steps=4, access='black')").observe(door))
    assert model.reconstructions == [(pytest.approx(0.1 * query), 4) for query in range(1, 5)]
    assert (len(pairs), door.asked.queries, door.asked.evaluations) == (4, 4, 16)


def test_black_access_asks_again_with_growing_step_count(enter, model):
    door = enter("black")
    pairs = list(observer("progressive(strength=0.4, steps=4, access='black', requery='steps')").observe(door))
    assert model.reconstructions == [(0.4, steps) for steps in range(1, 5)]
    assert (len(pairs), door.asked.queries, door.asked.evaluations) == (4, 4, 1 + 2 + 3 + 4)


@pytest.mark.parametrize("requery", ["strength", "steps"])
@pytest.mark.parametrize(("strength", "steps"), [(0.2, 10), (0.7, 10), (0.9, 7), (0.35, 3)])
def test_the_last_black_query_is_the_gray_one(strength, steps, requery, enter, answers):
    """Even where strength x steps / steps rounds to another number, the victim is asked once."""
    list(observer(f"complete(strength={strength}, steps={steps})").observe(enter()))
    list(observer(f"one_shot(strength={strength}, steps={steps})").observe(enter("black")))
    assert answers.paid.queries == 1
    list(
        observer(f"complete(strength={strength}, steps={steps}, access='black', requery={requery!r})").observe(enter())
    )
    assert answers.paid.queries == steps


def test_black_access_gives_no_noisy_states(enter, answers):
    with pytest.raises(Unsupported, match="noisy states"):
        list(observer("complete(access='black', intermediates='noisy')").observe(enter("black")))
    assert answers.paid.queries == 0


@pytest.mark.parametrize("name", ["one_shot", "progressive", "complete", "complete_progressive"])
def test_the_reference_is_the_raw_or_the_defended_image(name, enter, samples):
    raw, defended = (
        list(observer(f"{name}(steps=2, reference={kind!r})").observe(enter(defended=True)))
        for kind in ("raw", "defended")
    )
    assert torch.equal(raw[0].reference, samples.images)
    assert torch.equal(defended[0].reference, samples.images / 2)
    assert torch.equal(raw[0].observation, defended[0].observation)


def test_the_autoencoder_reference_is_what_encoding_and_decoding_alone_make(enter, samples, model):
    encode = model.encode
    model.encode = lambda images: encode((images * 8).round() / 8)
    door = enter()
    pairs = list(observer("complete(steps=2, reference='autoencoder')").observe(door))
    expected = model.decode(model.encode(samples.images))
    for pair in pairs:
        assert torch.equal(pair.reference, expected)
    assert not torch.equal(expected, samples.images)


def test_black_access_has_no_autoencoder_to_compare_with(enter):
    with pytest.raises(Unsupported, match="access='gray' does"):
        list(observer("one_shot(reference='autoencoder')").observe(enter("black")))
