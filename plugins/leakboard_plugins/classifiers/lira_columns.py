"""The likelihood-ratio attack by what shadow victims said long ago: nothing is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from leakboard.api import Classifier, Unsupported
from leakboard_plugins.classifiers.lira import Gaussian, log_ratio
from leakboard_plugins.data.shadow_table import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from leakboard.api import Array, Mask, Scorer


@dataclass(frozen=True, kw_only=True)
class LiraColumns(Classifier):
    """LiRA of a statistic whose Gaussians stand beside it, as columns; it takes the pair of ``loss_beside_shadows``.

    The ratio is that of ``lira`` (Carlini et al. 2022, arXiv 2112.03570, algorithm 1), had the same shadow victims been
    at hand.
    """

    name: ClassVar[str] = "lira_columns"
    trains: ClassVar[bool] = False
    declined_checks: ClassVar[Mapping[str, str]] = {"labels flip the ranking": "it trains nothing"}

    def fit(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer:
        """Scorer of log-likelihood ratios in nats, (M, 5) to (M,).

        Raises:
            Unsupported: the columns are not those of ``loss_beside_shadows``.
        """
        known = columns[1:]
        if len(known) != len(NUMBERS) or not all(map(str.endswith, known, NUMBERS)):
            raise Unsupported("lira_columns needs the pair of loss_beside_shadows: a loss, two means and two variances")

        def score(unseen: Array) -> Array:
            seen, *numbers = unseen.T
            return log_ratio(seen, Gaussian(*numbers[:2]), Gaussian(*numbers[2:]))

        return score
