"""Blind check of the captions: what a classifier finds in the words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Oracle, Pair, Unsupported
from leakboard_plugins.observers.blind_numbers import Numbers, pair_of

if TYPE_CHECKING:
    from collections.abc import Iterator

WORD = r"\w+|[^\w\s]+"
"""Words as they are written, and the marks between them: capitals and full stops may give a source away."""
RUNS = 4
"""Runs of characters have so many times the numbers that words have: there are more of them."""
LENGTHS = (1, 3)
"""Characters in a row that are counted: words of scripts without blanks are seldom longer."""


@dataclass(frozen=True, kw_only=True)
class BlindCaptions(Numbers):
    """Null check: how often each word, and each run of one to three characters, stands in a caption; asks nothing.

    Words are hashed to ``columns`` numbers, runs of characters to four times as many. Runs see what words cannot where
    no blanks stand between words: Chinese, Japanese, Thai, ``words_with_underscores``. Bags of words tell members
    apart in many published benchmarks (Das, Zhang, Tramèr 2024, arXiv 2406.16201).

    Attributes:
        columns: numbers for the words of a caption; words that share one are counted together.
    """

    name: ClassVar[str] = "blind_captions"
    columns: Annotated[int, Field(ge=2, le=16384)] = 256

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair of 5 x ``columns`` counts.

        Raises:
            Unsupported: the dataset has no captions.
        """
        import torch
        from sklearn.feature_extraction.text import HashingVectorizer

        if oracle.captions is None:
            raise Unsupported("blind_captions reads captions, and the dataset has none")
        shared = {"alternate_sign": False, "norm": None, "lowercase": False}
        words = HashingVectorizer(n_features=self.columns, token_pattern=WORD, **shared)
        runs = HashingVectorizer(n_features=RUNS * self.columns, analyzer="char", ngram_range=LENGTHS, **shared)
        counts = [torch.from_numpy(each.transform(oracle.captions).toarray()) for each in (words, runs)]
        names = [*map(str, range(self.columns)), *(f"run {column}" for column in range(RUNS * self.columns))]
        yield pair_of("words", dict(zip(names, torch.cat(counts, 1).unbind(1), strict=True)))
