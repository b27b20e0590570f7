"""Samples read when they are taken are a dataclass like any: replaced, shown and compared without reading an image."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import torch

from leakboard.api import LazySamples

IMAGES = torch.rand((4, 1, 2, 3), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def asked():
    return []


@pytest.fixture
def lazy(asked):
    def read(rows):
        asked.append(list(rows))
        return IMAGES[list(rows)]

    return LazySamples(
        ("a", "b", "c", "d"), read, (1, 2, 3), np.arange(4) < 2, prompts=("p", "q", "r", "s"), member_digest="full"
    )


def test_a_field_is_replaced_without_reading_an_image(lazy, asked):
    other = replace(lazy, notes=("a note",), member=np.arange(4) >= 2)

    assert asked == []
    assert isinstance(other, LazySamples)
    assert (other.ids, other.prompts, other.notes, other.member_digest) == (lazy.ids, lazy.prompts, ("a note",), "full")
    assert other.image_shape == (1, 2, 3)
    assert torch.equal(other.take([3, 0]).images, IMAGES[[3, 0]])
    assert torch.equal(other.images, IMAGES)


def test_it_is_shown_without_reading_an_image(lazy, asked):
    assert "'q'" in repr(lazy)
    assert asked == []


def test_what_reads_the_images_may_be_replaced_but_not_the_images(lazy):
    dark = replace(lazy, read=lambda rows: torch.zeros(len(rows), 1, 2, 3))

    assert dark.take([1]).images.sum() == 0
    with pytest.raises(ValueError, match="images"):
        replace(lazy, images=IMAGES)
    with pytest.raises(FrozenInstanceError):
        lazy.notes = ("other",)


def test_a_name_that_is_no_field_is_refused(lazy):
    with pytest.raises(TypeError, match="prompt"):
        LazySamples(lazy.ids, lazy.read, lazy.shape, lazy.member, prompt=lazy.prompts)


def test_what_is_taken_knows_the_digest_of_all_members(lazy):
    assert lazy.take([1, 2]).member_digest == lazy.take([1]).take([0]).member_digest == "full"
