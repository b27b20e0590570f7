"""Another observer's pairs in latent space, without the numbers that hardly reach the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Access, Need, Oracle, Unsupported
from leakboard_plugins.observers.around import Around

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakboard.api import Pair


@dataclass(frozen=True, kw_only=True)
class LatentMask(Around):
    """Pairs of another observer where the decoder hears them (Rao et al., CVPR 2026, arXiv 2511.20592).

    Of every image's latent numbers those are set to zero on both sides that change the decoded image least: by the
    diagonal of J^T J of the decoder, estimated with random probes (Hutchinson).

    Attributes:
        of: the observer, as a spec; its pairs lie in latent space.
        drop: share of the numbers that are left out.
        probes: of each image.
    """

    name: ClassVar[str] = "latent_mask"
    drop: Annotated[float, Field(gt=0, lt=1)] = 0.4
    probes: Annotated[int, Field(ge=1)] = 16

    @property
    def access(self) -> Access:
        """White: it asks for gradients of the decoder."""
        return "white"

    @property
    def needs(self) -> frozenset[Need]:
        """Those of the observer, and gradients of the decoder."""
        return super().needs | {"gradients"}

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """As many pairs as the observer yields.

        Raises:
            Unsupported: the victim has no decoder, or the pairs are not of its latents' shape.
        """
        gain = oracle.decoder_gain(oracle.encode(oracle.originals), self.probes).flatten(1)
        dropped = round(self.drop * gain.shape[1])
        kept = gain.argsort(1).argsort(1) >= dropped
        for pair in self.of.observe(oracle):
            if pair.reference.flatten(1).shape != kept.shape:
                raise Unsupported(f"latent_mask takes pairs in the victim's latents, {self.of.name} yields others")
            yield pair.through(kept.view(pair.reference.shape).mul)
