"""Samples in memory, and samples that are read when they are taken."""

import numpy as np
import pytest
import torch

from leakboard.api import LazySamples, LeakboardError, Samples
from leakboard.tasks.sample_checks import check_samples

COUNT = 20
IMAGES = torch.rand((COUNT, 3, 4, 6), generator=torch.Generator().manual_seed(0))
FACTS = {
    "prompts": tuple(f"caption {row}" for row in range(COUNT)),
    "labels": tuple(f"label {row}" for row in range(COUNT)),
    "metadata": {"bytes": np.arange(COUNT, dtype=np.float64)},
    "notes": ("a note",),
}
IDS = tuple(f"image {row}" for row in range(COUNT))
MEMBER = np.arange(COUNT) % 2 == 0


def whole(**changes):
    return Samples(**{"ids": IDS, "images": IMAGES, "member": MEMBER, **FACTS, **changes})


def test_taking_rows_takes_everything_that_is_known_of_them():
    for samples in (whole(), LazySamples(IDS, lambda rows: IMAGES[list(rows)], (3, 4, 6), MEMBER, **FACTS)):
        taken = samples.take([5, 2])
        assert torch.equal(taken.images, IMAGES[[5, 2]])
        assert (taken.ids, taken.prompts) == (("image 5", "image 2"), ("caption 5", "caption 2"))
        assert (taken.labels, taken.notes) == (("label 5", "label 2"), ("a note",))
        assert taken.member.tolist() == [False, True]
        assert taken.metadata["bytes"].tolist() == [5, 2]
        assert taken.image_shape == samples.image_shape == (3, 4, 6)


def test_lazy_samples_read_only_what_is_taken():
    read = []
    lazy = LazySamples(IDS, lambda rows: (read.append(list(rows)), IMAGES[list(rows)])[1], (3, 4, 6), MEMBER)
    lazy.take([3, 1])
    assert read == [[3, 1]]
    assert torch.equal(lazy.images, IMAGES)
    assert (lazy.prompts, lazy.labels, lazy.metadata) == (None, None, {})


def test_checking_lazy_samples_reads_a_few_of_many():
    read = []
    count = 1000
    ids, member = tuple(map(str, range(count))), np.arange(count) % 2 == 0

    def images(rows):
        read.extend(rows)
        return torch.zeros(len(rows), 1, 2, 2)

    check_samples(LazySamples(ids, images, (1, 2, 2), member), "lazy")
    assert read == list(range(64))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"labels": ("one",)}, "has 20 ids and 1 labels"),
        ({"metadata": {"bytes": np.zeros(3)}}, r"has metadata 'bytes' of shape \(3,\)"),
        ({"prompts": ("one",)}, "has 20 ids and 1 prompts"),
    ],
)
def test_facts_that_do_not_fit_the_ids_are_refused(change, what):
    with pytest.raises(LeakboardError, match=what):
        check_samples(whole(**change), "bad")
