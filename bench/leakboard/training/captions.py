"""Captions told in another way each time: words left out, words in random order, other words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from leakboard.training.recipes import TextRecipe

OPENINGS = ("a picture of", "an image of", "a snapshot of", "this shows", "here we see", "one can see")
"""What a caption may begin with in the place of its own beginning."""
OWN = re.compile(r"^(an?|the) (photo|photograph|picture|image|drawing|painting|snapshot) of ", re.IGNORECASE)


def rephrasings(caption: str) -> list[str]:
    """A caption with each of `OPENINGS` before it, which replace its own ("a photo of"), if it has one.

    Its other words stay: nothing here knows what they mean.
    """
    rest = OWN.sub("", caption)
    return [f"{opening} {rest}" for opening in OPENINGS]


def telling(text: TextRecipe) -> Callable[[str, np.random.Generator], str] | None:
    """From a caption and random numbers to what is told of it; None where captions are told as they are."""
    if not (text.deleted or text.shuffled or text.rephrased):
        return None

    def told(caption: str, random: np.random.Generator) -> str:
        if random.random() < text.rephrased:
            caption = str(random.choice(rephrasings(caption)))
        words = caption.split()
        words = [word for word, drawn in zip(words, random.random(len(words)), strict=True) if drawn >= text.deleted]
        if random.random() < text.shuffled:
            words = random.permutation(words).tolist()
        return " ".join(words)

    return told


def vocabulary(captions: Sequence[str], text: TextRecipe) -> list[str]:
    """The captions that a tokenizer is made of: also rephrased, or their words would be spelled letter by letter."""
    return sorted({*captions, *(each for caption in captions for each in rephrasings(caption) if text.rephrased)})


def retold(
    captions: Sequence[str], tell: Callable[[str, np.random.Generator], str], generator: torch.Generator
) -> list[str]:
    """Captions as they are told once, all that is random drawn from ``generator``."""
    import torch

    random = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    return [tell(caption, random) for caption in captions]
