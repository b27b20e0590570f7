"""The page that says what scores of single samples add up to: verdicts on whole sets, and a bound on epsilon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakboard.api import Page
from leakboard.statistics.epsilon import Guesses, guesses_of, highest_epsilon, lower_bound
from leakboard.statistics.mixture import share_used
from leakboard.statistics.sets import LEVEL, POWER, resampled, set_p_value, set_size
from leakboard_reports.panels import comparable, panels
from leakboard_reports.privacy import promises
from leakboard_reports.templating import environment

if TYPE_CHECKING:
    from leakboard.api import Array, Estimate
    from leakboard.store import Store
    from leakboard_reports.panels import Panel
    from leakboard_reports.privacy import Promise

SIZES = (10, 30, 100, 300)
"""Of sets that are drawn from the scores."""
SHARES = (0.0, 0.5, 1.0)
"""Of the sets whose share is estimated."""
DELTA = 1e-5


@dataclass(frozen=True)
class Verdict:
    """What one attack says of sets, and how private the victim is at most.

    Attributes:
        panel: it is the first attack of it.
        p_value: that the evaluated members were not trained on, as one set; None where it cannot be told.
        size: samples that a set takes; None where the gap of the means is not told from zero.
        found: share of resampled sets of each of `SIZES` that are found.
        held: samples of the sets whose share is estimated.
        shares: the share estimated of a set with each of `SHARES`; None where none can be told.
        guesses: how many were right of how many.
        epsilon: the bound on a pure one, then at `DELTA`, then the most that so many samples give.
        promise: what the victim states, if it does.
        at_promise: the bound at the delta that it states.
    """

    panel: Panel
    p_value: float | None
    size: Estimate | None
    found: tuple[float, ...]
    held: int
    shares: tuple[Estimate | None, ...]
    guesses: Guesses
    epsilon: tuple[float, float, float]
    promise: Promise | None = None
    at_promise: float = 0.0


def verdict(panel: Panel, promise: Promise | None = None) -> Verdict:
    """Of the attack of a panel that calibration samples chose."""
    scores, member = panel.scores[0], panel.member
    whole, guesses = set_p_value(scores, member), guesses_of(scores, member)
    held, shares = mixed(scores[member], scores[~member])
    return Verdict(
        panel,
        whole and whole.value,
        set_size(scores, member),
        tuple(resampled(scores[member], scores[~member], SIZES)),
        held,
        shares,
        guesses,
        (lower_bound(guesses), lower_bound(guesses, delta=DELTA), highest_epsilon(guesses.samples)),
        promise,
        lower_bound(guesses, delta=promise.delta) if promise else 0.0,
    )


def mixed(members: Array, others: Array) -> tuple[int, tuple[Estimate | None, ...]]:
    """How many samples the sets have whose share is estimated, and the estimates.

    One half of each side, drawn once, says how members and others score; the sets are made of the other halves.
    """
    rng = np.random.default_rng(0)
    members, others = rng.permutation(members), rng.permutation(others)
    known = members[: len(members) // 2], others[: len(others) // 2]
    held = members[len(known[0]) :], others[len(known[1]) :]
    size = min(map(len, held))
    if min(map(len, (*known, *held))) < 2:
        return size, (None,) * len(SHARES)
    used = [round(share * size) for share in SHARES]
    sets = [np.concatenate([held[0][:count], held[1][: size - count]]) for count in used]
    return size, tuple(share_used(suspect, *known) for suspect in sets)


def body(store: Store) -> str:
    """The page as HTML."""
    promised = promises(store.components())
    verdicts = [verdict(panel, promised.get(panel.victim)) for panel in panels(*comparable(store))]
    template = environment().get_template("sets.html.j2")
    return template.render(verdicts=verdicts, sizes=SIZES, shares=SHARES, level=LEVEL, power=POWER, delta=DELTA)


PAGE = Page("sets", "What a set gives away", body)
