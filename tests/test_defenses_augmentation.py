"""What is drawn anew for every image: mirrored, cut out, transformed; against plain references."""

import numpy as np
import pytest
import torch

from leakboard.api import Unsupported
from leakboard.noise import seeder
from leakboard.oracle.provider import defended
from leakboard.testing import check_component
from leakboard_defenses import Cutout, HorizontalFlip, RandAugment

ALL = [HorizontalFlip(), Cutout(), RandAugment(), RandAugment(operations=4, magnitude=30)]


def pictures(count=200, shape=(1, 28, 28)):
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(0))


def applied(defense, images, seed=0):
    return defended(defense, images, seeder(seed, [str(row) for row in range(len(images))]), "test")


@pytest.mark.parametrize("defense", ALL, ids=str)
def test_they_keep_the_contract(defense):
    rows = check_component(defense)
    assert not [row for row in rows if row.outcome == "failed"], rows


@pytest.mark.parametrize("defense", ALL, ids=str)
def test_they_act_while_a_victim_is_trained_unless_told_otherwise(defense):
    assert defense.at == "augmentation"


@pytest.mark.parametrize("chance", [0.1, 0.5, 1.0])
def test_images_are_mirrored_or_left_alone_as_often_as_asked(chance):
    images = pictures()
    found = applied(HorizontalFlip(chance=chance), images)
    mirrored = [torch.equal(one, image.flip(-1)) for one, image in zip(found, images, strict=True)]

    assert np.mean(mirrored) == pytest.approx(chance, abs=0.08)
    assert all(hit or torch.equal(one, image) for hit, one, image in zip(mirrored, found, images, strict=True))


def test_a_grey_square_is_cut_out_of_every_image():
    found = applied(Cutout(), pictures(400, (3, 12, 16)))
    cut = (found == 0.5).all(1)

    for rows in cut:
        down, across = torch.nonzero(rows.any(1)).flatten(), torch.nonzero(rows.any(0)).flatten()
        assert rows.sum() == len(down) * len(across), "it is a rectangle"
        assert 3 <= len(down) <= 6
        assert 3 <= len(across) <= 6
    share = cut.float().mean(0)
    assert share[6, 8] == pytest.approx(6 / 12 * 6 / 16, abs=0.07), (
        "a pixel inside is covered by 6 of 12 rows, 6 of 16 columns"
    )
    assert share[0, 0] < share[6, 8]


def test_a_cutout_as_large_as_the_image_covers_all_of_it_where_it_is_in_the_middle():
    found = applied(Cutout(share=1.0), pictures(300))
    assert ((found == 0.5).flatten(1).float().mean(1) >= 0.25).all()


def test_transforms_are_those_of_torchvision_drawn_for_each_image_by_itself():
    """An image with another index of its seed gets what torchvision gives from that seed."""
    from torchvision.transforms import v2

    images, before = pictures(6), torch.random.get_rng_state()
    found = applied(RandAugment(), images)
    assert torch.equal(torch.random.get_rng_state(), before), "the generator of the process is left alone"

    from leakboard.noise import standard_normal

    seeds = seeder(0, [str(row) for row in range(6)])("rand_augment@test", 0)
    drawn = torch.special.ndtr(standard_normal(seeds, torch.empty(6, 1)))
    with torch.random.fork_rng(devices=[]):
        for image, one, place in zip(images, found, drawn.flatten().tolist(), strict=True):
            torch.manual_seed(int(place * 2**24))
            assert torch.equal(v2.RandAugment(2, 9)(image).clamp(0, 1), one)


def test_only_grey_and_rgb_images_are_transformed():
    with pytest.raises(Unsupported, match="not 4 channels"):
        applied(RandAugment(), pictures(2, (4, 8, 8)))
