"""A run ends early only when everything was tried and all of it failed alike."""

from dataclasses import replace

import pytest

from leakboard.kinds import Sides
from leakboard.runs.stop import Stopped, StopRule
from leakboard.tasks.task import ObserveTask, PartOutcome, Settings, TaskOutcome, Wanted

SETTINGS = Settings("artifacts", (), "cpu", 8, 0.0)
ALL_FAILED = TaskOutcome((PartOutcome("key", "failed", "boom"),))


def ask(victim):
    return ObserveTask("data", "d", victim, victim, "none", Sides(8, 8), 0, 16, (), SETTINGS)


def rule(*victims, left=True):
    return StopRule([ask(victim) for victim in victims], lambda tried: left)


def test_three_failures_alike_end_the_run():
    judge = rule("v")
    judge.judge(ask("v"), ALL_FAILED)
    judge.judge(ask("v"), ALL_FAILED)
    with pytest.raises(Stopped, match="the first 3 observation tasks all failed alike: boom"):
        judge.judge(ask("v"), ALL_FAILED)


def judged(rule, *outcomes, victim="v"):
    for outcome in outcomes:
        rule.judge(ask(victim), outcome)


@pytest.mark.parametrize(
    "first",
    [
        TaskOutcome((PartOutcome("key", "done"),)),
        TaskOutcome((PartOutcome("key", "failed", "bang"),)),
        TaskOutcome((PartOutcome("key", "skipped", "does not fit"),)),
    ],
)
def test_anything_else_among_the_first_ends_the_watch(first):
    judged(rule("v"), first, *[ALL_FAILED] * (1 if first.parts[0].status == "failed" else 9))


def test_a_victim_that_was_not_tried_keeps_the_run_going():
    judge = rule("v", "w")
    judged(judge, *[ALL_FAILED] * 9)
    with pytest.raises(Stopped):
        judged(judge, ALL_FAILED, victim="w")


def test_a_run_with_nothing_left_has_not_ended_early():
    judged(rule("v", left=False), *[ALL_FAILED] * 9)


@pytest.mark.parametrize("axis", ["defense", "observer", "distance"])
def test_a_component_that_was_not_tried_keeps_the_run_going(axis):
    """Three shards of one observer that crashes say nothing of the other."""
    wanted = Wanted("key", 0, "none", "o", "d")
    one, other = (replace(ask("v"), wanted=(each,)) for each in (wanted, replace(wanted, **{axis: "another"})))
    judge = StopRule([one, other], lambda tried: True)
    for _ in range(9):
        judge.judge(one, ALL_FAILED)
    with pytest.raises(Stopped):
        judge.judge(other, ALL_FAILED)
