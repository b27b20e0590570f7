"""Null checks: cells in which nothing can be learned, and which of them chance does not explain.

Each kind of check is a family of its own, with `FAMILY_ERROR` for all its tests together, half for single checks and
half for their mean: a fault that every check shares moves none of them far, and the mean of all of them surely.
"""

from __future__ import annotations

import math
from collections import defaultdict
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np

from leakboard.kinds import AXES
from leakboard.statistics.permutation import Scores, dealt, fewest_chances, null_deviation

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from leakboard.api import Array

NullKind = Literal["blind check", "untrained victim", "permuted labels"]
Verdict = Literal["at chance", "not at chance", "too few to tell"]
AT_CHANCE, NOT_AT_CHANCE, TOO_FEW = get_args(Verdict)

CHECKED_AXES = (*(axis for axis in AXES if axis != "victim"), "attacker", "seed", "members", "nonmembers")
"""What tells one null check beside a victim from another of its kind."""

FAMILY_ERROR = 0.01
"""Chance that a sound harness warns at all, over all distinct null checks of one kind in a grid."""

POWER = 0.8
"""Chance to find the AUC that is told beside "at chance"."""

_QUANTILE = NormalDist().inv_cdf
"""As scipy's ``ndtri``, which takes long to import in a run that computes nothing else."""

DRAWS = 1999
"""Permutations of the labels: ten of the largest deviations lie beyond half of `FAMILY_ERROR`."""


class NullCheck(NamedTuple):
    """One cell in which nothing can be learned.

    Attributes:
        labels: ``true`` or ``permuted``.
        access: of its observer; ``none`` asks the victim nothing.
        victim: beside which it stands.
        what: all else that tells it from others.
        auc: what was measured, in [0, 1].
        n_member, n_nonmember: evaluated.
        scores: of its evaluation samples; None when they are not there. Then it is judged by its counts alone.
    """

    labels: str
    access: str
    victim: str
    what: Hashable
    auc: float
    n_member: int
    n_nonmember: int
    scores: Scores | None = None

    @property
    def family(self) -> NullKind:
        """Permuted labels, blind checks and untrained victims: each fails for a reason of its own."""
        return null_kind(self.labels, self.access)

    @property
    def identity(self) -> Hashable:
        """What it checks: whoever asks no victim says the same beside each."""
        return self.family, self.what, "" if self.access == "none" else self.victim

    @property
    def deviation(self) -> float:
        """Of its AUC under chance; 0 when its scores tell no two samples apart."""
        return null_deviation(self.n_member, self.n_nonmember, None if self.scores is None else self.scores.score)


class Judged(NamedTuple):
    """What is to be said of one null check.

    Attributes:
        verdict: ``too few to tell`` when perfect separation would not have been found either.
        p_value: two-sided, of this check alone.
        detectable: the distance from one half that would have been found with `POWER`; None where none would.
    """

    verdict: Verdict
    p_value: float
    detectable: float | None


class Family(NamedTuple):
    """What is to be said of all distinct null checks of one kind together, by their mean.

    Attributes:
        verdict: of the mean.
        checks: how many distinct ones there are.
        mean: of their AUCs.
        p_value: two-sided, of the mean.
        detectable: the distance of the mean from one half that would have been found with `POWER`.
    """

    verdict: Verdict
    checks: int
    mean: float
    p_value: float
    detectable: float | None


class Judgement(NamedTuple):
    """Of every check, in order, and of every kind."""

    singles: tuple[Judged, ...]
    families: dict[NullKind, Family]


def null_kind(labels: str, access: str) -> NullKind:
    """What makes a cell with these labels, whose observer has this access, a null check."""
    if labels == "permuted":
        return "permuted labels"
    return "blind check" if access == "none" else "untrained victim"


def chance_p_value(auc: float, members: int, nonmembers: int, deviation: float | None = None) -> float:
    """Two-sided p-value of "this AUC is one half": normal, and never below what so few samples can show at all.

    ``deviation`` is that of the AUC under chance, by default without ties.
    """
    spread = null_deviation(members, nonmembers) if deviation is None else deviation
    if not spread:
        return 1.0
    return max(math.erfc(abs(auc - 0.5) / spread / math.sqrt(2)), fewest_chances(members, nonmembers))


def judge(checks: Sequence[NullCheck], draws: int = DRAWS) -> Judgement:
    """Which null checks chance does not explain, at `FAMILY_ERROR` within each family.

    Equal checks count once: a grid that repeats one, or adds others of another kind, must not hide what it found.
    Blind checks and untrained victims see the same samples under the same labels, so that they err together: their
    labels are dealt out anew for all of them at once, and the largest deviation is what each is compared with
    (Westfall and Young 1993, single step). Permuted labels are dealt out for each check alone, so that these are
    independent (Sidak 1967).
    """
    distinct = {check.identity: check for check in checks}
    families = defaultdict[NullKind, list[NullCheck]](list)
    for check in distinct.values():
        families[check.family].append(check)
    judged: dict[Hashable, Judged] = {}
    told: dict[NullKind, Family] = {}
    for kind, members in sorted(families.items()):
        drawn = None if kind == "permuted labels" else _together(members, draws)
        singles, told[kind] = _judge_family(members, drawn)
        judged.update(zip((check.identity for check in members), singles, strict=True))
    return Judgement(tuple(judged[check.identity] for check in checks), told)


def _judge_family(checks: Sequence[NullCheck], drawn: Array | None) -> tuple[list[Judged], Family]:
    """Single checks and their mean; ``drawn`` (draws, checks) is None for independent checks."""
    deviations = np.array([check.deviation for check in checks])
    seeing = deviations > 0
    standard = np.divide([check.auc - 0.5 for check in checks], deviations, out=np.zeros(len(checks)), where=seeing)
    error, count = FAMILY_ERROR / 2, max(1, int(seeing.sum()))
    if drawn is None:
        critical = -_QUANTILE((1 - (1 - error) ** (1 / count)) / 2)
        spread = 1 / math.sqrt(count)
    else:
        largest = np.sort(np.abs(drawn).max(1))
        critical = float(largest[math.ceil((1 - error) * len(largest)) - 1])
        spread = float(drawn[:, seeing].mean(1).std()) if seeing.any() else 0.0
    more = _QUANTILE(POWER)
    singles = []
    for check, deviation, z in zip(checks, deviations, standard, strict=True):
        few = fewest_chances(check.n_member, check.n_nonmember)
        alone = chance_p_value(check.auc, check.n_member, check.n_nonmember, float(deviation))
        blind = not deviation or few * count >= error or 0.5 / deviation < critical
        beyond = not blind and abs(z) > critical
        reach = (critical + more) * float(deviation)
        verdict: Verdict = TOO_FEW if blind else NOT_AT_CHANCE if beyond else AT_CHANCE
        singles.append(Judged(verdict, alone, reach if not blind and reach < 0.5 else None))
    return singles, _judge_mean(checks, standard[seeing], deviations[seeing], spread)


def _judge_mean(checks: Sequence[NullCheck], standard: Array, deviations: Array, spread: float) -> Family:
    """The mean of standardized AUCs, whose deviation under chance is ``spread``."""
    mean = float(np.mean([check.auc for check in checks]))
    if not spread or all(fewest_chances(check.n_member, check.n_nonmember) >= FAMILY_ERROR for check in checks):
        return Family(TOO_FEW, len(checks), mean, 1.0, None)
    p_value = math.erfc(abs(float(standard.mean())) / spread / math.sqrt(2))
    reach = (_QUANTILE(1 - FAMILY_ERROR / 4) + _QUANTILE(POWER)) * spread
    detectable = reach / float(np.mean(1 / deviations))
    verdict: Verdict = NOT_AT_CHANCE if p_value < FAMILY_ERROR / 2 else AT_CHANCE
    return Family(verdict, len(checks), mean, p_value, detectable if detectable < 0.5 else None)


def _together(checks: Sequence[NullCheck], draws: int) -> Array:
    """Standardized AUCs (draws, checks) under chance, dealt out jointly where checks share their labels.

    A check without scores stands alone, and those that disagree on who is a member are dealt out apart.
    """
    groups: list[tuple[dict[str, bool], list[int]]] = []
    found = np.zeros((draws, len(checks)))
    for number, check in enumerate(checks):
        if check.scores is None:
            found[:, number] = np.random.default_rng(number + 1).standard_normal(draws)
            continue
        flags = dict(zip(check.scores.ids, check.scores.member.tolist(), strict=True))
        for known, numbers in groups:
            if known.keys() & flags.keys() and all(known.get(name, flag) == flag for name, flag in flags.items()):
                known.update(flags)
                numbers.append(number)
                break
        else:
            groups.append((flags, [number]))
    for seed, (_, numbers) in enumerate(groups):
        shared = [scores for number in numbers if (scores := checks[number].scores) is not None]
        found[:, numbers] = dealt(shared, draws, seed)
    return found
