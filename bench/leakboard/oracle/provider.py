"""The provider's defenses: what stands between whoever asks and the victim, and nobody gets around.

Noise of a query defense belongs to (seed, question, link of the chain, sample id). The question is the draw and the
image that is sent, to 8 bits, as a file would hold it: whoever sends the same image meets the same noise, and another
image meets another noise, or sending a grey one would tell what to subtract.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from leakboard.api import Access, Defense

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from leakboard.asking import Cost
    from leakboard.noise import Seeds


class Returned(NamedTuple):
    """Images that the victim gave out, and the question they answer: only equal questions can be compared."""

    question: str
    images: torch.Tensor


class Provider(NamedTuple):
    """What stands between an observer and the victim.

    Attributes:
        query: what every image that is sent passes, in order.
        output: what every image that is given out passes, in order.
        access: the most that the victim answers.
    """

    query: tuple[Defense, ...] = ()
    output: tuple[Defense, ...] = ()
    access: Access = "white"

    def remarks(self, asked: Cost, pooled: Cost) -> str:
        """What those that hear of every question note of what an attack asked for, a line each."""
        return "\n".join(filter(None, (link.remark(asked, pooled) for link in (*self.query, *self.output))))


def acts(links: Sequence[Defense]) -> bool:
    """Whether any link acts on images; one that counts hears of every question, and nobody passes it by."""
    return any(type(link).admit is Defense.admit for link in links)


def defended(
    defense: Defense, images: torch.Tensor, seeds: Seeds, place: str, words: Callable[[], Sequence[str]] | None = None
) -> torch.Tensor:
    """Images after one defense, which draws its noise from the seeds of (defense and place, sample id).

    Args:
        defense: one link of a chain.
        images: (N, C, H, W) in [0, 1].
        seeds: of the N samples.
        place: where the link stands and what it acts on.
        words: what else tells the question of each sample from others; looked at only if noise is drawn.

    Raises:
        TypeError, ValueError: the defense gave no images, changed the shape or type, or left [0, 1].
    """
    from leakboard.noise import standard_normal

    def noise(like: torch.Tensor, draw: int = 0) -> torch.Tensor:
        name = f"{defense.name}@{place}"
        return standard_normal(seeds([name + word for word in words()] if words else name, draw), like)

    result = defense.apply(images.clone(), noise)
    if not isinstance(result, type(images)):
        raise TypeError(f"{defense.name} returned {result!r:.80} from apply(), expected images")
    if result.shape != images.shape:
        raise ValueError(f"{defense.name} returned shape {tuple(result.shape)}, expected {tuple(images.shape)}")
    if result.dtype != images.dtype:
        raise ValueError(f"{defense.name} returned {result.dtype}, expected {images.dtype}")
    if not bool(((result >= 0) & (result <= 1)).all()):
        raise ValueError(f"{defense.name} returned values outside [0, 1] or not a number")
    return result


def at_the_query(
    links: Sequence[Defense], images: torch.Tensor, own: torch.Tensor, seeds: Seeds, draw: int = 0
) -> torch.Tensor:
    """What the victim sees of images (N, C, H, W) that it is sent: they pass every link once.

    Args:
        links: the query defenses of a chain, in order.
        images: what is sent.
        own: the samples' own images.
        seeds: of the N samples.
        draw: of the question.

    Raises:
        TypeError, ValueError: as `defended`.
    """
    sent = images
    for link, defense in enumerate(links):
        images = defended(defense, images, seeds, f"query{link}", lambda: questions(sent, own, draw))
    return images


def questions(images: torch.Tensor, own: torch.Tensor, draw: int) -> list[str]:
    """What tells each sample's question from that of its own image at draw 0, which has no word."""
    again = f" draw {draw}" if draw else ""
    plain = list(map(_content, own))
    return [again if row == mine else f"{again} {row}" for row, mine in zip(map(_content, images), plain, strict=True)]


def _content(image: torch.Tensor) -> str:
    """Digest of an image (C, H, W) in [0, 1] to 8 bits."""
    pixels = (image * 255).round().byte().contiguous().numpy()
    return hashlib.blake2b(f"{pixels.shape}".encode() + pixels.tobytes(), digest_size=8).hexdigest()
