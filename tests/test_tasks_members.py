"""What a victim says of its members, and what shadow victims must not tell of them."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from leakboard.api import Victim
from leakboard.errors import LeakboardError
from leakboard.registry.bind import bind
from leakboard.tasks.members import members_of, refuse_telltale, refuse_vote
from leakboard.training.shadows import half

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
    assert ("leave shadow out" if share == 1 else "drawn independently") in refused.value.next
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


POOL = tuple(f"fashion-{row}" for row in range(512))
TARGET = np.arange(512) < 256


def refused(member, shadows):
    """Why these shadow victims are refused for a victim with these members, on half of the samples; empty if not."""
    evaluated = np.random.default_rng(3).permutation(512) < 256
    try:
        for number, theirs in shadows.items():
            refuse_telltale("victim", member[evaluated], f"shadow-{number:02d}", theirs[evaluated])
        refuse_vote("victim", member[evaluated], [theirs[evaluated] for theirs in shadows.values()])
    except LeakboardError as reason:
        return reason
    return None


def test_sixteen_halves_of_a_recipe_tell_nothing_of_a_victim_that_was_trained_on_the_members():
    """Of thirty recipes, each with sixteen halves in pairs, none is refused."""
    for recipe in range(30):
        shadows = {number: half(f"recipe {recipe}", number, POOL) for number in range(16)}
        assert refused(TARGET, shadows) is None


def test_a_shadow_victim_may_be_attacked_with_the_others_but_its_complement():
    for recipe in range(10):
        halves = {number: half(f"recipe {recipe}", number, POOL) for number in range(16)}
        member = halves.pop(6)
        complement = {7: halves.pop(7)}
        assert refused(member, halves) is None

        reason = refused(member, halves | complement)
        assert "agree on 0 of 256 evaluation samples" in reason.what
        assert reason.next.startswith("leave shadow-07 out: it was trained on exactly what victim was not")


def test_sixteen_halves_drawn_apart_from_each_other_tell_nothing_either():
    for seed in range(30):
        random = np.random.default_rng(seed)
        assert refused(TARGET, {number: random.random(512) < 0.5 for number in range(16)}) is None


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5, 1.0])
def test_halves_into_which_members_were_planted_are_caught(share):
    """Sixteen halves that share a part of their members with the victim: alone each could be chance, together not."""
    for seed in range(5):
        random = np.random.default_rng(seed)
        planted = {
            number: np.where(random.random(512) < share, TARGET, half("recipe", number, POOL)) for number in range(16)
        }
        assert refused(TARGET, planted) is not None


def test_one_planted_half_among_fifteen_honest_ones_is_named():
    halves = {number: half("recipe", number, POOL) for number in range(16)}
    halves[11] = np.where(np.random.default_rng(0).random(512) < 0.4, TARGET, halves[11])

    assert "members of the shadow victim shadow-11 tell those of victim" in refused(TARGET, halves).what
