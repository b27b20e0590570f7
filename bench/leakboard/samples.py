"""The images of a dataset, with who is a member and what else is known of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import torch


@dataclass(frozen=True)
class Samples:
    """The images of a dataset.

    Attributes:
        ids: N stable names, unique; the noise, the split and the choice of a subset derive from them.
        images: float32 (N, C, H, W) in [0, 1].
        member: bool (N,), true where the image was in the victim's training set.
        prompts: N captions, or None.
        notes: what a reader of the results must know (files skipped, licence).
        labels: N class names, or None; templates of prompts may name them.
        metadata: numbers about each file (N,) by name (bytes, JPEG quality), for the blind checks; nan where unknown.
        member_digest: `member_digest` of all members that the dataset declares, where fewer are in use (a limit, files
            that cannot be read); None where these samples are all there are. A victim trained on all of them fits.
    """

    ids: tuple[str, ...]
    images: torch.Tensor
    member: npt.NDArray[np.bool_]
    prompts: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    labels: tuple[str, ...] | None = None
    metadata: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    member_digest: str | None = None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def take(self, rows: Sequence[int]) -> Samples:
        """The samples at ``rows``, in that order."""
        return self._with(self.images[list(rows)], rows)

    def _with(self, images: torch.Tensor, rows: Sequence[int]) -> Samples:
        texts = [None if of is None else tuple(of[row] for row in rows) for of in (self.prompts, self.labels)]
        ids = tuple(self.ids[row] for row in rows)
        metadata = {name: values[list(rows)] for name, values in self.metadata.items()}
        member = self.member[list(rows)]
        return Samples(ids, images, member, texts[0], self.notes, texts[1], metadata, self.member_digest)


@dataclass(frozen=True, init=False)
class LazySamples(Samples):
    """Samples whose images are read only when they are taken, so that a large dataset never lies in memory whole.

    Args:
        ids: as in `Samples`, like all that follow.
        read: gives the images (M, C, H, W) at M rows.
        shape: channels, height and width of every image.
        member: who is a member.
        **others: prompts, notes, labels, metadata, member_digest.
    """

    def __init__(
        self,
        ids: tuple[str, ...],
        read: Callable[[Sequence[int]], torch.Tensor],
        shape: tuple[int, int, int],
        member: npt.NDArray[np.bool_],
        **others: Any,
    ) -> None:
        known: dict[str, Any] = {"prompts": None, "notes": (), "labels": None, "metadata": {}, "member_digest": None}
        if others.keys() - known.keys():
            raise TypeError(f"LazySamples has no {', '.join(sorted(others.keys() - known.keys()))}")
        given = {"ids": ids, "member": member, "read": read, "shape": shape, **known, **others}
        for name, value in given.items():
            object.__setattr__(self, name, value)

    def _all(self) -> torch.Tensor:
        """All images at once: for small datasets and tests."""
        return self.read(range(len(self.ids)))

    # a field that is not among the arguments: `dataclasses.replace` and repr leave it alone
    images: torch.Tensor = field(init=False, repr=False, compare=False, default=cast("torch.Tensor", property(_all)))
    read: Callable[[Sequence[int]], torch.Tensor] = field(kw_only=True)
    shape: tuple[int, int, int] = field(kw_only=True)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        return self.shape

    def take(self, rows: Sequence[int]) -> Samples:
        """The samples at ``rows``, in that order, with their images in memory."""
        return self._with(self.read(rows), rows)


def opaque(ids: Sequence[str]) -> tuple[str, ...]:
    """Ids of 32 hexadecimal digits that say nothing: a path such as ``members/1.png`` would tell who is one."""
    return tuple(hashlib.blake2b(sample.encode(), digest_size=16).hexdigest() for sample in ids)


def blinded(samples: Samples) -> Samples:
    """A copy without labels, and with ids that say nothing."""
    ids, nobody = opaque(samples.ids), np.zeros_like(samples.member)
    metadata = {name: values.copy() for name, values in samples.metadata.items()}
    return Samples(ids, samples.images.clone(), nobody, samples.prompts, (), samples.labels, metadata)


def member_digest(ids: Sequence[str]) -> str:
    """Digest of a set of member ids, whatever their order: what a victim's manifest and a dataset compare."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()
