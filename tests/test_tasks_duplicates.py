"""Images that are member and non-member at once: found when they are, not found when they are not."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from leakboard.samples import LazySamples, Samples
from leakboard.tasks import duplicates, likeness
from leakboard.tasks.duplicates import describe
from leakboard_plugins.datasets.emoji import Emoji
from leakboard_plugins.datasets.fashion_mnist import FashionMnist


def samples(images, members):
    """The first ``members`` images are members; ids m0, m1 and n0, n1."""
    ids = tuple(f"m{row}" if row < members else f"n{row - members}" for row in range(len(images)))
    return Samples(ids, images, np.arange(len(images)) < members)


@pytest.fixture
def noise():
    return torch.rand(40, 3, 32, 32, generator=torch.Generator().manual_seed(0)).mul(255).round().div(255)


def photographs():
    """Four different photographs, 48x48."""
    return [
        Image.fromarray(image).resize((48, 48), Image.Resampling.BICUBIC)
        for image in (data.astronaut(), data.coffee(), data.chelsea(), data.rocket())
    ]


def across(given):
    """What is said of pairs across the split, and of how many were compared."""
    return tuple(note for note in describe(given).notes[1:] if not note.startswith("near-duplicates within"))


def stack(images):
    return torch.stack([torch.from_numpy(np.array(image)).permute(2, 0, 1) for image in images]).float().div(255)


def saved(image, quality=50):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


def smaller(image):
    return image.resize((36, 36), Image.Resampling.BICUBIC).resize((48, 48), Image.Resampling.BICUBIC)


def darker(image):
    return image.point(lambda value: 0.97 * value)


def test_size_counts_and_a_clean_split_are_told(noise):
    size, verdict = describe(samples(noise, 25)).notes

    assert size == "40 images, 32x32 colour: 25 members, 15 non-members"
    assert verdict.startswith("no member is a non-member too")


def test_exact_duplicates_across_the_split_are_warned_of_with_their_ids(noise):
    noise[31], noise[25] = noise[3], noise[7] + 0.001
    noise[8] = noise[9]

    (warning,) = across(samples(noise, 20))

    assert warning.startswith("warning: 2 pairs of a member and a non-member are the same image: ")
    assert warning.endswith("m3 = n11, m7 = n5"), "members alike among themselves are no leak"


@pytest.mark.parametrize("alter", [saved, smaller, darker])
def test_altered_copies_across_the_split_are_warned_of(alter):
    originals = photographs()

    (warning,) = across(samples(stack([*originals, *map(alter, originals)]), 4))

    assert warning.startswith("warning: 4 pairs of a member and a non-member are nearly the same image")
    assert all(f"m{number} ~ n{number} (0.0" in warning for number in range(4))


def test_faint_different_drawings_are_not_taken_for_one():
    """Two sketches on white paper differ by little all over, but by as much as they show."""
    drawings = torch.ones(2, 1, 32, 32)
    drawings[0, :, 4:6], drawings[1, :, :, 20:22] = 0.95, 0.95

    assert (drawings[0] - drawings[1]).square().mean().sqrt() < likeness.LIKENESS
    assert across(samples(drawings, 1))[0].startswith("no member")


def test_many_pairs_are_counted_and_ten_shown(noise):
    (warning,) = across(samples(noise[:1].repeat(12, 1, 1, 1), 6))
    (near,) = across(samples(noise[:1] * torch.linspace(0.95, 1, 12)[:, None, None, None], 6))

    assert "36 pairs" in warning
    assert "36 pairs" in near
    assert near.count(" ~ ") == 10
    assert near.endswith("and 26 more")
    assert "m5 ~ n0" in near.partition(": ")[2].partition(",")[0], "the closest first"


def test_a_lazily_read_dataset_is_never_in_memory_whole(noise):
    asked = []

    def read(rows):
        asked.append(len(rows))
        return noise[[row % 40 for row in rows]] * (1 - torch.tensor(rows)[:, None, None, None] / 4000)

    lazy = LazySamples(tuple(map(str, range(2000))), read, (3, 32, 32), np.arange(2000) % 2 == 0)
    across(lazy)

    assert sum(asked) == 2000
    assert max(asked) <= likeness.CHUNK


def test_of_a_huge_dataset_a_part_is_compared_and_that_is_told(noise, monkeypatch):
    monkeypatch.setattr(duplicates, "MOST", 10)

    *_, note = across(samples(noise, 32))

    assert note == "duplicates were looked for among 10 of 32 members and 8 of 8 non-members"


def test_blocks_make_no_difference(noise, monkeypatch):
    noise[30] = noise[19] * 0.99
    whole = across(samples(noise, 20))
    monkeypatch.setattr(likeness, "CHUNK", 7)

    assert across(samples(noise, 20)) == whole
    assert "m19 ~ n10" in whole[0]


def test_the_shipped_datasets_are_as_clean_as_they_say():
    fashion, emoji = across(FashionMnist().load()), across(Emoji().load())

    assert len(fashion) == len(emoji) == 1
    assert "1 pair of a member and a non-member is nearly the same image" in fashion[0]
    assert "fashion-train-31553 ~ fashion-train-12590" in fashion[0]
    assert emoji[0].startswith("no member is a non-member too")


def test_near_duplicates_within_a_side_are_one_group_and_named(noise):
    noise[1], noise[3], noise[25] = noise[0], noise[0] * 0.99, noise[24]
    found = describe(samples(noise, 20))

    groups = found.groups
    assert groups[0] == groups[1] == groups[3]
    assert groups[24] == groups[25]
    assert len(np.unique(groups)) == len(noise) - 3
    (told,) = [note for note in found.notes if note.startswith("near-duplicates within a side")]
    assert "3 members in 1 group, 2 non-members in 1 group" in told
    assert "m0 ~ m1 ~ m3; n4 ~ n5" in told


def test_images_that_are_alike_across_the_split_are_no_group(noise):
    noise[30] = noise[5]
    groups = describe(samples(noise, 20)).groups

    assert len(np.unique(groups)) == len(noise)


def test_groups_are_found_whatever_the_block(noise, monkeypatch):
    noise[19], noise[13] = noise[2], noise[2] * 0.99
    whole = describe(samples(noise, 20)).groups
    monkeypatch.setattr(likeness, "CHUNK", 7)

    assert (describe(samples(noise, 20)).groups == whole).all()
    assert whole[19] == whole[13] == whole[2]


def distances(images):
    """RMSE of all pairs (N, N) of images that are 32x32, at 16x16."""
    small = images.double().unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5)).flatten(1).numpy()
    return np.sqrt(((small[:, None] - small[None]) ** 2).mean(2))


def test_rarity_is_the_mean_distance_to_the_five_nearest_of_both_sides(noise):
    nearest = np.sort(distances(noise), 1)[:, 1:6]

    np.testing.assert_allclose(describe(samples(noise, 25)).rarity, nearest.mean(1), rtol=1e-4)


def test_rarity_does_not_depend_on_who_is_a_member(noise):
    found = describe(samples(noise, 25))
    flags = np.random.default_rng(0).permutation(found.rarity.size) < 13

    again = describe(Samples(tuple(map(str, range(40))), noise, flags))

    np.testing.assert_allclose(again.rarity, found.rarity, rtol=1e-5)


def test_copies_make_no_image_common(noise):
    alone = describe(samples(noise, 20)).rarity[0]
    copies = noise[:1] * torch.linspace(0.97, 1, 6)[:, None, None, None]

    assert describe(samples(torch.cat([noise, copies]), 20)).rarity[0] == pytest.approx(alone, rel=1e-4)


def test_an_odd_image_is_the_rarest_and_flat_ones_are_no_neighbours_of_themselves(noise):
    noise[7], noise[30], noise[31] = 1, 0, 0

    found = describe(samples(noise, 20)).rarity

    assert set(found.argsort()[-3:].tolist()) == {7, 30, 31}
    assert found[30] == found[31] == pytest.approx(np.sort(distances(noise)[30])[2:7].mean(), rel=1e-4)


def test_with_too_few_others_rarity_is_not_known(noise):
    assert np.isnan(describe(samples(noise[:4], 2)).rarity).all()
    assert np.isnan(describe(samples(noise[:5], 2)).rarity).all()
    assert np.isfinite(describe(samples(noise[:6], 2)).rarity).all()


def test_rarity_among_many_is_that_among_some_of_both_sides(noise, monkeypatch):
    whole = describe(samples(noise, 32)).rarity
    monkeypatch.setattr(likeness, "COMPARED", 20)
    found = describe(samples(noise, 32)).rarity

    assert (found >= whole - 1e-6).all()
    assert found.max() < 1.1 * whole.max()

    monkeypatch.setattr(duplicates, "MOST", 10)
    assert np.isfinite(describe(samples(noise, 32)).rarity).sum() == 18, "those that were looked at"


def test_an_untrained_victim_leaks_nothing_although_each_image_is_there_twice():
    """Members and non-members are noise, each twice: halves that shared them gave a blind check .85."""
    from sklearn.metrics import roc_auc_score
    from sklearn.neighbors import KNeighborsClassifier

    from leakboard.tasks.splits import calibration

    pictures = torch.rand(600, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    twice = samples(pictures.repeat_interleave(2, 0), 600)
    flat = twice.images.flatten(1).numpy()

    def auc_of(groups):
        known = calibration(twice.ids, twice.member, 0, 0.5, groups)
        model = KNeighborsClassifier(1).fit(flat[known], twice.member[known])
        return roc_auc_score(twice.member[~known], model.predict(flat[~known]))

    assert auc_of(None) > 0.65
    assert abs(auc_of(describe(twice).groups) - 0.5) < 0.1
