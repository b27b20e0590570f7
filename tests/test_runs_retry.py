"""What becomes of a task whose worker died."""

from dataclasses import replace

import pytest

from leakboard.kinds import Sides
from leakboard.runs.retry import Patience, Retries, buried
from leakboard.tasks.task import CellWork, ObserveTask, PartOutcome, ScoreTask, Settings, TaskOutcome, Wanted, Way, who

SETTINGS = Settings("artifacts", (), "cpu", 8, 0.0)
CRASHED = TaskOutcome(died="the worker process died (exit code 1)")
HUNG = TaskOutcome(died="took longer than 1 s", trace="in misbehave")


def ask(*keys):
    wanted = tuple(Wanted(key, 0, "none", "o", "d") for key in keys)
    return ObserveTask("data", "d", "victim", "v", "none", Sides(8, 8), 0, 16, wanted, SETTINGS)


def fit(*names):
    work = tuple(CellWork(name, "true", 0, 0.5, (Way("c", ("a",), ("a",)),)) for name in names)
    return ScoreTask("label", "d", "victim", "v", Sides(8, 8), work, SETTINGS)


@pytest.mark.parametrize("kind", [ask, fit])
@pytest.mark.parametrize("outcome", [CRASHED, HUNG])
def test_several_parts_are_always_tried_apart(kind, outcome):
    assert Retries().allow(kind("a", "b"), outcome)


@pytest.mark.parametrize("kind", [ask, fit])
def test_a_single_part_that_crashed_gets_one_more_chance(kind):
    retries = Retries()
    assert retries.allow(kind("a"), CRASHED)
    assert retries.allow(kind("b"), CRASHED)
    assert not retries.allow(kind("a"), CRASHED)


@pytest.mark.parametrize("kind", [ask, fit])
def test_a_single_part_that_hung_gets_none(kind):
    assert not Retries().allow(kind("a"), HUNG)


@pytest.mark.parametrize(("outcome", "status"), [(CRASHED, "failed"), (HUNG, "timeout")])
def test_the_last_part_bears_the_blame(outcome, status):
    for task in (ask("a"), fit("a")):
        (part,) = buried(task, outcome).parts
        assert (part.key, part.status, part.error, part.traceback) == ("a", status, outcome.died, outcome.trace)


def overran(who):
    return TaskOutcome((PartOutcome("a", "timeout", "took longer", "", who),))


SLOW = who("observer", "o", "victim")


def test_a_component_that_overran_twice_is_given_up_and_no_other():
    patience, other = Patience(), replace(ask("a"), victim="another")
    patience.note(ask("a"), overran(SLOW))
    assert patience.lost(ask("b")) == {}
    patience.note(ask("a"), replace(HUNG, who=SLOW))
    assert patience.lost(ask("b", "c")).keys() == {"b", "c"}
    assert patience.lost(other) == {}
    assert patience.lost(fit("b")) == {}


def test_one_that_came_to_an_end_before_is_tried_on():
    patience = Patience()
    patience.note(ask("a"), TaskOutcome((PartOutcome("a", "done"),)))
    for _ in range(5):
        patience.note(ask("a"), overran(SLOW))
    assert patience.lost(ask("b")) == {}


def test_a_crash_is_no_overrun():
    patience = Patience()
    for _ in range(5):
        patience.note(ask("a"), CRASHED)
    assert patience.lost(ask("b")) == {}


LOST = TaskOutcome(died="the worker w was lost", lost=True)


@pytest.mark.parametrize("kind", [ask, fit])
def test_what_was_lost_with_its_worker_goes_to_another_until_three_are_gone(kind):
    retries, task = Retries(), kind("a")
    assert [retries.whole(task, LOST) for _ in range(3)] == [True, True, False]
    assert not retries.allow(task, LOST)


@pytest.mark.parametrize("kind", [ask, fit])
def test_a_part_of_a_task_that_was_lost_three_times_is_to_blame_at_once(kind):
    retries = Retries()
    for _ in range(3):
        retries.whole(kind("a", "b"), LOST)
    assert retries.allow(kind("a", "b"), LOST)
    assert not retries.whole(kind("a"), LOST)
    assert not retries.allow(kind("a"), LOST)


def test_a_crash_of_a_process_is_no_loss_of_a_worker():
    assert not Retries().whole(ask("a"), CRASHED)
