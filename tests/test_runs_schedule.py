"""In which order tasks run."""

from dataclasses import replace

from leakboard.kinds import Sides
from leakboard.runs.schedule import TaskQueue, points
from leakboard.tasks.task import CellWork, ObserveTask, ScoreTask, Settings, Wanted, Way

SETTINGS = Settings("artifacts", (), "cpu", 8, 0.0)


def ask(*keys, observers=None):
    wanted = tuple(
        Wanted(key, 0, "none", observer, "d")
        for key, observer in zip(keys, observers or "oo" * len(keys), strict=False)
    )
    return ObserveTask("data", "d", "victim", "v", "none", Sides(8, 8), 0, 16, wanted, SETTINGS)


def fit(**cells):
    """One scoring task; cells by name, with the keys of the features that each needs."""
    work = tuple(CellWork(name, "true", 0, 0.5, (Way("c", needs, needs),)) for name, needs in cells.items())
    return ScoreTask("label", "d", "victim", "v", Sides(8, 8), work, SETTINGS)


def test_a_scoring_task_comes_next_as_soon_as_its_features_are_there():
    first, second, score = ask("a"), ask("b"), fit(one=("a",))
    queue = TaskQueue([first, second], [score, fit(two=("b",))])
    assert queue.take() == first
    queue.arrived("a")
    assert [queue.take(), queue.take(), queue.take()] == [score, second, None]


def test_a_scoring_task_whose_features_lie_on_disk_comes_first():
    score = fit(one=("on disk",))
    queue = TaskQueue([ask("a")], [score, fit(two=("a",))])
    assert queue.take() == score


def test_features_that_failed_take_along_only_the_cells_that_need_them():
    queue = TaskQueue([ask("a", "b")], [fit(one=("a",), two=("b",))])
    queue.take()
    assert [cell.key for cell in queue.failed("a")] == ["one"]
    assert queue.take() is None
    queue.arrived("b")
    assert queue.take() == fit(two=("b",))


def test_what_only_lost_cells_need_is_not_asked_for_any_more():
    queue = TaskQueue([ask("a", "b"), ask("a2", "b2")], [fit(one=("a", "a2"), two=("b", "b2"))])
    queue.take()
    queue.failed("a")
    queue.arrived("b")
    assert queue.take() == ask("b2")
    queue.arrived("b2")
    assert queue.take() == fit(two=("b", "b2"))


def test_a_task_that_nobody_needs_is_left_out_and_counts_as_finished():
    queue = TaskQueue([ask("a"), ask("a2")], [fit(one=("a", "a2"))])
    queue.take()
    queue.failed("a")
    queue.finish()
    assert queue.take() is None
    assert queue.open == 0


def test_a_task_is_retried_by_observer_and_then_by_distance():
    queue = TaskQueue([ask("a", "b", "c", observers="xxy")], [fit(one=("a",), two=("b",), three=("c",))])
    assert queue.retry(queue.take()) == 2
    pair, single = queue.take(), queue.take()
    assert (pair, single) == (ask("a", "b", observers="xx"), ask("c", observers="y"))
    assert queue.retry(pair) == 2
    assert queue.open == 4


def test_the_most_unlike_task_that_is_still_needed_can_be_had_next():
    first, alike, unlike = ask("a"), ask("b"), replace(ask("c"), victim_identity="w", query="blur")
    needless = replace(ask("d"), dataset_identity="e", victim_identity="x", query="jpeg")
    queue = TaskQueue([first, alike, needless, unlike], [fit(one=("a",), two=("b",), three=("c",))])
    queue.take()
    assert queue.vary(points(first))
    assert [queue.take(), queue.take()] == [unlike, alike]
    assert not queue.vary(points(first))
