"""Who was in the training set: what a victim says of it, and what shadow victims must not tell of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leakboard.errors import LeakboardError
from leakboard.faults import blamed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard.api import Mask
    from leakboard.registry.bind import Bound

FEWEST = 8
"""Samples a side below which no half can be calibrated and the other evaluated."""
BEYOND_CHANCE = 1e-4
"""A p-value so small that shadow victims whose members were drawn independently are not refused by accident."""


def members_of(victim: Bound, ids: Sequence[str]) -> Mask | None:
    """Which of some samples a victim says it was trained on (N,), or None where only the dataset can tell.

    Raises:
        LeakboardError: it fails to say, says it in another form, or one side has fewer than `FEWEST` samples.
    """
    with blamed(victim.label, "members()"):
        flags = victim.only.members(ids)
    if flags is None:
        return None
    count = len(ids)
    if not (isinstance(flags, np.ndarray) and flags.dtype == np.bool_ and flags.shape == (count,)):
        what = f"{flags.dtype} {flags.shape}" if isinstance(flags, np.ndarray) else f"{flags!r:.80}"
        raise LeakboardError(
            f"{victim.label} returned {what} from members()",
            where=victim.label,
            expected=f"a numpy array of bool ({count},), one flag a sample, or None",
        )
    inside = int(flags.sum())
    if min(inside, count - inside) < FEWEST:
        raise LeakboardError(
            f"{victim.label} was trained on {inside} of the {count} samples in use",
            where=victim.label,
            expected=f"at least {FEWEST} members and {FEWEST} non-members: one half calibrates, the other is evaluated",
            next="take more samples, or attack a victim that was trained on some of them and not on others",
        )
    return flags.copy()


def refuse_telltale(victim: str, member: Mask, shadow: str, theirs: Mask) -> None:
    """Refuse a shadow victim whose members tell those of the victim under attack, on the evaluation samples (N,).

    A classifier sees every flag of every shadow victim, those on the evaluation samples as well: that is what makes a
    shadow attack. It must not learn from them who is evaluated as a member. Flags that were drawn independently agree
    as often as chance has it; flags of a victim trained on the same half agree always, and a classifier that only
    remembers them has an AUC of 1 without any leak (of the other half: of 0). Each shadow victim is looked at by
    itself here, and their vote by `refuse_vote`; a rule that only a combination of them follows is not seen.

    Raises:
        LeakboardError: the flags are associated beyond chance, or are equal or opposite throughout.
    """
    from scipy.stats import fisher_exact

    agree = theirs == member
    sides = [[(mine & other).sum() for other in (theirs, ~theirs)] for mine in (member, ~member)]
    p_value = float(fisher_exact(np.array(sides)).pvalue)
    # of few samples even equal flags are no rarer than the limit
    if p_value >= BEYOND_CHANCE and not agree.all() and agree.any():
        return
    following = "train shadow victims on halves of the samples that are drawn independently, each by a seed of its own"
    if not agree.any():
        following = (
            f"leave {shadow} out: it was trained on exactly what {victim} was not. leakboard train --shadows makes "
            "such pairs (00 and 01, 02 and 03, ...): where one is under attack, the other cannot be a shadow victim"
        )
    raise LeakboardError(
        f"the members of the shadow victim {shadow} tell those of {victim}: their flags agree on {int(agree.sum())} of "
        f"{len(agree)} evaluation samples (p = {p_value:.1g}, Fisher's exact test)",
        where="the attacker's shadow victims",
        expected="members of the shadow victim that say nothing about those of the victim under attack",
        next=following,
    )


def refuse_vote(victim: str, member: Mask, theirs: Sequence[Mask]) -> None:
    """Refuse shadow victims each of which tells too little to be refused, but whose vote tells who is evaluated.

    The vote is the number of shadow victims (S, N) that have a sample as a member: of shadow victims that share a part
    of their members with the victim under attack it tells the more, the more there are.

    Raises:
        LeakboardError: the vote ranks members apart from non-members beyond chance.
    """
    from scipy.stats import mannwhitneyu

    votes = np.sum(theirs, axis=0)
    if np.ptp(votes) == 0:
        return
    p_value = float(mannwhitneyu(votes[member], votes[~member], method="asymptotic").pvalue)
    if p_value < BEYOND_CHANCE:
        raise LeakboardError(
            f"the {len(theirs)} shadow victims together tell the members of {victim} (p = {p_value:.1g}, Mann-Whitney)",
            where="the attacker's shadow victims",
            expected="members of the shadow victims that say nothing about those of the victim under attack",
            next="train them on halves of the samples that are drawn independently, each by a seed of its own",
        )
