"""What becomes of a task whose worker died."""

import pytest

from leakboard.kinds import Sides
from leakboard.runs.retry import Retries, buried
from leakboard.tasks.task import CellWork, ObserveTask, ScoreTask, Settings, TaskOutcome, Wanted

SETTINGS = Settings("artifacts", (), "cpu", 8, 0.0)
CRASHED = TaskOutcome(died="the worker process died (exit code 1)")
HUNG = TaskOutcome(died="took longer than 1 s", trace="in misbehave")


def ask(*keys):
    wanted = tuple(Wanted(key, 0, "none", "o", "d") for key in keys)
    return ObserveTask("data", "d", "victim", "v", "none", Sides(8, 8), 0, 16, wanted, SETTINGS)


def fit(*names):
    work = tuple(CellWork(name, "c", "adaptive", "true", 0, 0.5, ("a",), ("a",)) for name in names)
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
