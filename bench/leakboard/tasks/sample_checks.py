"""Whether a dataset's samples keep to the contract, in one pass: what is wrong is told, and what would be right."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from leakboard.errors import LeakboardError
from leakboard.samples import LazySamples, Samples
from leakboard.tasks.members import FEWEST
from leakboard.texts import is_absolute

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOKED_AT = 64


def check_samples(samples: Samples, label: str) -> None:
    """Refuse samples that do not keep to the contract, or are too few for any attack.

    Raises:
        LeakboardError: it says what is wrong, and what would have been right.
    """
    for what, expected in itertools.chain(_wrong_names(samples), _placed_names(samples), _wrong_arrays(samples)):
        raise LeakboardError(f"the dataset {label} {what}", expected=expected)


def _wrong_names(samples: Samples) -> Iterator[tuple[str, str]]:
    if not isinstance(samples, Samples):
        yield f"returned {samples!r:.80} from load()", "leakboard.api.Samples"
    strange = [sample for sample in samples.ids if not _is_text(sample)]
    if strange:
        yield f"has the id {strange[0]!r}", "texts that UTF-8 can write"
    twice = [(sample, count) for sample, count in Counter(samples.ids).items() if count > 1]
    if twice:
        yield f"gives the id {twice[0][0]!r} to {twice[0][1]} samples", "unique ids"
    if samples.prompts is not None and len(samples.prompts) != len(samples.ids):
        yield f"has {len(samples.ids)} ids and {len(samples.prompts)} prompts", "one prompt an id, or None"
    if samples.labels is not None and len(samples.labels) != len(samples.ids):
        yield f"has {len(samples.ids)} ids and {len(samples.labels)} labels", "one label an id, or None"
    for name, numbers in samples.metadata.items():
        if np.shape(numbers) != (len(samples.ids),):
            yield f"has metadata {name!r} of shape {np.shape(numbers)}", f"({len(samples.ids)},): one number an id"
    if samples.member_digest is not None and not _is_text(samples.member_digest):
        yield f"has the member digest {samples.member_digest!r:.80}", "what leakboard.api.member_digest gives, or None"
    if isinstance(samples.notes, str) or not all(map(_is_text, samples.notes)):
        yield f"has the notes {samples.notes!r:.80}", "a tuple of texts"


def _placed_names(samples: Samples) -> Iterator[tuple[str, str]]:
    """Ids are published, and noise and split derive from them."""
    placed = [sample for sample in samples.ids if sample.startswith(("/", "~/")) and is_absolute(sample)]
    if placed:
        yield f"has the id {placed[0]!r}, an absolute path", "ids that are the same on every machine"


def _wrong_arrays(samples: Samples) -> Iterator[tuple[str, str]]:
    count, member = len(samples.ids), samples.member
    lazy = isinstance(samples, LazySamples)
    # what is read only when it is taken is looked at in part: reading all of it may take hours
    images = samples.take(range(min(count, LOOKED_AT))).images if lazy else samples.images
    if not isinstance(member, np.ndarray):
        yield f"has member flags in a {type(member).__name__}", "a numpy array of bool"
    if member.dtype != np.bool_ or member.shape != (count,) or not (lazy or len(images) == count):
        shapes = f"{tuple(images.shape)} and member flags {member.dtype} {member.shape}"
        yield f"has {count} ids, images {shapes}", "one image and one bool flag an id"
    if images.ndim != 4 or str(images.dtype) != "torch.float32":
        yield f"has images {tuple(images.shape)} of {images.dtype}", "float32 (N, C, H, W)"
    members = int(member.sum())
    if min(members, count - members) < FEWEST:
        wanted = f"at least {FEWEST} of each: one half calibrates, the other is evaluated"
        notes = f" ({'; '.join(samples.notes)})" if samples.notes else ""
        yield f"has {members} members and {count - members} non-members{notes}", wanted
    low, high = (float(limit) for limit in images.aminmax())
    if not (low >= 0 and high <= 1):
        yield f"has images from {low:g} to {high:g}", "values in [0, 1]"


def _is_text(value: object) -> bool:
    """Whether it is a text that every file and database can hold."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False
