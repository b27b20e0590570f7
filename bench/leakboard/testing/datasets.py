"""What a dataset owes: images in range, ids that stay, and samples of both kinds."""

from __future__ import annotations

from leakboard.tasks.sample_lists import check_samples
from leakboard.testing.checks import Check, Subject


def _whole(subject: Subject) -> None:
    check_samples(subject.made.load(), subject.made.name)


def _stable(subject: Subject) -> None:
    first, second = subject.made.load(), subject.made.load()
    assert all(isinstance(name, str) and name for name in first.ids), "ids are not all texts"
    assert first.ids == second.ids, "ids differ the second time"
    assert (first.member == second.member).all(), "member flags differ the second time"
    assert first.prompts == second.prompts, "prompts differ the second time"
    assert bool((first.images == second.images).all()), "images differ the second time"


def _different(subject: Subject) -> None:
    images = subject.made.load().images
    assert float(images.max()) > float(images.min()), "all images are one flat colour"


CHECKS = (
    Check("ids, images, flags and prompts fit", _whole),
    Check("the same every time", _stable),
    Check("images show something", _different),
)
