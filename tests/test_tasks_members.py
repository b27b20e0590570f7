"""What a victim says of its members, and what shadow victims must not tell of them."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from leakboard.api import Victim
from leakboard.errors import LeakboardError
from leakboard.registry.bind import bind
from leakboard.tasks.members import members_of, refuse_telltale, refuse_vote

IDS = tuple(f"image {row}" for row in range(40))
EVEN = np.arange(40) % 2 == 0


@dataclass(frozen=True, kw_only=True)
class Telling(Victim):
    """Says what the test put there."""

    name: ClassVar[str] = "telling"
    answers: ClassVar[dict[str, Any]] = {}

    def members(self, ids):
        answer = self.answers["now"]
        if isinstance(answer, BaseException):
            raise answer
        return answer


def told(answer, monkeypatch):
    monkeypatch.setitem(Telling.answers, "now", answer)
    return members_of(bind("victim", [Telling()]), IDS)


def test_what_a_victim_says_is_taken_and_none_leaves_it_to_the_dataset(monkeypatch):
    flags = EVEN.copy()
    taken = told(flags, monkeypatch)
    flags[:] = False

    assert np.array_equal(taken, EVEN), "later changes of the victim's own array do not matter"
    assert told(None, monkeypatch) is None


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (EVEN[:-1], r"returned bool \(39,\) from members\(\)"),
        (EVEN.astype(int), r"returned int64 \(40,\) from members\(\)"),
        (EVEN.tolist(), r"returned \[True, False"),
        (KeyError("manifest"), r"telling: members\(\) failed: KeyError: 'manifest'"),
        (SystemExit(0), r"telling: members\(\) failed: SystemExit"),
        (np.arange(40) < 7, "telling was trained on 7 of the 40 samples in use"),
        (np.arange(40) < 33, "telling was trained on 33 of the 40 samples in use"),
        (np.zeros(40, bool), "telling was trained on 0 of the 40 samples in use"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_what_was_expected(answer, part, monkeypatch):
    with pytest.raises(LeakboardError, match=part) as refused:
        told(answer, monkeypatch)
    assert refused.value.expected or "failed" in refused.value.what


def test_eight_on_each_side_are_enough(monkeypatch):
    for count in (8, 32):
        assert told(np.arange(40) < count, monkeypatch).sum() == count


def halves(seed, count=400):
    return np.random.default_rng(seed).random(count) < 0.5


def test_halves_drawn_independently_tell_nothing():
    for seed in range(50):
        refuse_telltale("victim", halves(seed), "shadow", halves(1000 + seed))


def mostly(member, share):
    """Flags that differ from those of the members in a share of the samples."""
    return np.where(np.arange(len(member)) < share * len(member), ~member, member)


@pytest.mark.parametrize("share", [0, 0.1, 0.35, 0.65, 0.9, 1])
def test_flags_that_tell_those_of_the_victim_are_refused_the_other_way_round_too(share):
    member = halves(0)
    with pytest.raises(
        LeakboardError, match=r"the members of the shadow victim shadow tell those of victim"
    ) as refused:
        refuse_telltale("victim", member, "shadow", mostly(member, share))
    assert "drawn independently" in refused.value.next
    refuse_telltale("victim", member, "shadow", mostly(member, 0.5))


@pytest.mark.parametrize("turned", [False, True])
def test_of_few_samples_equal_or_opposite_flags_are_refused_though_chance_could_draw_them(turned):
    member = np.arange(8) % 2 == 0
    with pytest.raises(LeakboardError, match=r"agree on (0|8) of 8 evaluation samples"):
        refuse_telltale("victim", member, "shadow", ~member if turned else member)
    other = member.copy()
    other[:2] = other[1::-1]
    refuse_telltale("victim", member, "shadow", other)


def test_shadow_victims_that_tell_a_little_each_may_not_tell_all_together():
    """Members shared in part: one alone could be chance, the vote of several is not."""
    random = np.random.default_rng(0)
    member = np.arange(60) % 2 == 0
    shared = [np.where(random.random(60) < 0.3, ~member, member) for _ in range(9)]
    independent = [random.random(60) < 0.5 for _ in range(9)]

    with pytest.raises(LeakboardError, match="9 shadow victims together tell the members of the victim"):
        refuse_vote("the victim", member, shared)
    refuse_vote("the victim", member, independent)
    refuse_vote("the victim", member, [np.ones(60, bool)])
