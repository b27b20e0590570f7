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


@dataclass(frozen=True, kw_only=True)
class BlindCaptions(Numbers):
    """Null check: how often each word stands in a caption, hashed to ``columns`` numbers; asks the victim nothing.

    Bags of words tell members apart in many published benchmarks (Das, Zhang, Tramèr 2024, arXiv 2406.16201).

    Attributes:
        columns: numbers a caption; words that share one are counted together.
    """

    name: ClassVar[str] = "blind_captions"
    columns: Annotated[int, Field(ge=2, le=65536)] = 256

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair of ``columns`` counts.

        Raises:
            Unsupported: the dataset has no captions.
        """
        import torch
        from sklearn.feature_extraction.text import HashingVectorizer

        if oracle.captions is None:
            raise Unsupported("blind_captions reads captions, and the dataset has none")
        counter = HashingVectorizer(
            n_features=self.columns, alternate_sign=False, norm=None, lowercase=False, token_pattern=WORD
        )
        counts = torch.from_numpy(counter.transform(oracle.captions).toarray())
        yield pair_of("words", {str(column): counts[:, column] for column in range(self.columns)})
