"""What a run takes on while others work on the same store: nothing that they hold, and all that they leave."""

import pytest

import leakboard
from helpers.tiny_grids import numbers, payloads, same, tiny
from leakboard.errors import LeakboardError
from leakboard.runs import sharing
from leakboard.runs.schedule import TaskQueue
from leakboard.runs.sharing import Sharing, leases_of
from leakboard.runs.source import PlanSource
from leakboard.runs.writer import Writer
from leakboard.store import AttemptRow, RunInfo, Store
from leakboard.store.artifacts import Artifacts
from leakboard.store.leases import Leases, held
from leakboard.tasks.sample_lists import Populations
from leakboard.tasks.worker import work

GRID = {"victim": ["linear", "linear(gain=0.5)"], "classifier": ["mean", "centred"], "run": {"shard": 48}}


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store in a file that is taken for one on a server."""
    monkeypatch.setattr(Store, "shared", True)
    return Store(tmp_path / "store.db", create=True)


@pytest.fixture
def other(store):
    """Another run that lives, and keeps its files in the same place."""
    leases = Leases(store, store.begin_run(RunInfo(grid_name="elsewhere", uid="other")), seconds=3600)
    leases.claim(["run other"], "")
    with Artifacts(store.artifacts).shelf.mark("other"):
        yield leases


def meanwhile(monkeypatch, *acts):
    """What happens elsewhere each time that a run waits."""
    left = iter(acts)
    monkeypatch.setattr(Sharing, "wait", lambda self: next(left)())
    monkeypatch.setattr(sharing, "LOOK", 0.0)


def carry_out(store, leases, task):
    """Another run makes what a task is about, and writes it down."""
    outcome = work(task)
    parts = [AttemptRow(cell_key=part.key, status=part.status, results=part.results) for part in outcome.parts]
    attempts = [] if hasattr(task, "wanted") else parts
    Writer(store, leases.run_id).write(task, outcome, attempts, leases_of(task))


def plan_of(store):
    plan = leakboard.plan(tiny(**GRID), store)
    populations = Populations(Artifacts(store.artifacts))
    populations.all(plan.cells[0].dataset)
    populations.save(Artifacts(store.artifacts))
    return plan


def test_what_another_run_holds_is_told_and_waited_for_and_not_done_twice(store, other, monkeypatch, capfd, tmp_path):
    plan = plan_of(store)
    first, _ = plan.observe
    other.claim(leases_of(first), first.label)
    assert leakboard.plan(tiny(**GRID), store).leased == {"run 1 of the grid elsewhere": 1}
    meanwhile(monkeypatch, lambda: carry_out(store, other, first))
    report = leakboard.run(tiny(**GRID), store)
    assert report.ok
    assert "leased elsewhere: 1 tasks, by run 1 of the grid elsewhere" in capfd.readouterr().err
    alone = leakboard.run(tiny(**GRID), tmp_path / "alone.db")
    assert report.evaluations == alone.evaluations / 2
    tasks = store.tasks()
    assert sorted(tasks["label"]) == sorted({*tasks["label"]})
    whole = Store(tmp_path / "alone.db")
    assert numbers(store).equals(numbers(whole))
    assert same(payloads(store, "features"), payloads(whole, "features"))
    assert {each.uid for each in held(store)} == {"other"}


def test_what_a_run_that_died_held_is_done_by_another(store, other, monkeypatch):
    other.claim(leases_of(plan_of(store).observe[0]), "")

    def die():
        with store.writing() as connection:
            connection.exec_driver_sql("UPDATE lease SET expires = 0 WHERE run_id = 1")

    meanwhile(monkeypatch, lambda: None, die)
    assert leakboard.run(tiny(**GRID), store).ok


def test_cells_that_others_scored_or_failed_are_left_alone(store, other, monkeypatch, capfd):
    """As long as the run lasts: the next one tries again what failed."""
    plan = plan_of(store)
    cells = [cell.key for task in plan.score for cell in task.cells]
    other.claim(cells, "")

    def fail():
        from leakboard.runs.rows import cell_row, component_rows

        store.record(
            other.run_id,
            components=component_rows(plan.cells, {}),
            cells=[cell_row(cell) for cell in plan.cells],
            attempts=[AttemptRow(cell_key=key, status="failed", error="no") for key in cells],
            released=cells,
        )

    meanwhile(monkeypatch, fail)
    report = leakboard.run(tiny(**GRID), store)
    assert report.counts == {"failed": 4}
    assert set(store.tasks()["kind"]) == {"observe"}
    assert leakboard.run(tiny(**GRID), store).ok


def test_a_task_in_parts_is_held_until_the_last_is_done(store, other):
    plan = leakboard.plan(tiny(observer=["glance", "peek"]), store)
    queue = TaskQueue(plan.observe, plan.score)
    mine = Leases(store, store.begin_run(RunInfo(grid_name="mine")))
    shared = Sharing(mine, Artifacts(store.artifacts), queue)
    task = shared.claim(queue.take())
    assert not other.claim(leases_of(task), "").mine
    shared.split(task, queue.retry(task))
    first, second = (shared.claim(queue.take()) for _ in range(2))
    assert leases_of(first) == leases_of(second) == leases_of(task)
    assert shared.done(first) == ()
    assert shared.done(second) == leases_of(task)


def test_nobody_waits_while_a_task_of_his_own_runs(store, other):
    plan = leakboard.plan(tiny(**GRID), store)
    other.claim(leases_of(plan.observe[0]), "")
    mine = Leases(store, store.begin_run(RunInfo(grid_name="mine")))

    class Silent:
        def expect(self, tasks):
            pass

    source = PlanSource(plan, Writer(store, mine.run_id), Silent(), mine)
    assert source.take() == plan.observe[1]
    assert source.take() is None


def test_a_run_with_its_files_elsewhere_is_refused_and_told_what_to_do(store, other, tmp_path):
    apart = Store(tmp_path / "store.db", artifacts=tmp_path / "apart", create=True)
    with pytest.raises(LeakboardError, match="keeps its payload files elsewhere") as caught:
        leakboard.run(tiny(), apart)
    assert "merge" in caught.value.next
    assert len(store.runs()) == 1
