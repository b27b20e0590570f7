"""How far a run is, and what is said of it."""

import re
import struct
import subprocess
import sys
import time

import pytest

import leakboard
from helpers.tiny_grids import PLUGIN, tiny
from leakboard.oracle.memo import Memo
from leakboard.runs import terminal as shown
from leakboard.runs.pricing import Pricing
from leakboard.runs.progress import Progress, duration, place
from leakboard.tasks.meter import Meter, metered


def tasks(tmp_path, **tables):
    return leakboard.plan(tiny(**tables), artifacts=tmp_path / "a").observe


def test_evaluations_tell_how_far_a_run_is_and_tasks_do_not(tmp_path):
    cheap, dear = tasks(tmp_path, run={"shard": 24})
    progress = Progress(open=3)
    progress.priced([cheap, dear], [10, 990])
    progress.settle(cheap, 10)
    progress.open, progress.running = 2, 505
    assert progress.share == pytest.approx(505 / 1000)
    assert progress.left(50) == pytest.approx(50 * 495 / 505)
    assert progress.line(50) == "505 of 1,000 denoiser evaluations, 1 of 3 tasks, 50 s, about 49 s left"


def test_a_task_that_failed_leaves_nothing_to_wait_for(tmp_path):
    first, second = tasks(tmp_path, run={"shard": 24})
    progress = Progress(open=2)
    progress.priced([first, second], [100, 100])
    progress.settle(first, 0)
    assert (progress.planned, progress.paid) == (100, 0)
    progress.settle(second, 100)
    assert progress.share == 1


def test_prices_that_come_late_are_those_of_what_is_left(tmp_path):
    first, second = tasks(tmp_path, run={"shard": 24})
    progress = Progress(open=2)
    progress.settle(first, 70)
    assert (progress.planned, progress.left(9)) == (None, None)
    progress.priced([first, second], [100, 100])
    assert progress.planned == 170


def test_what_died_workers_paid_is_never_more_than_everything(tmp_path):
    (only,) = tasks(tmp_path, run={"shard": 64})
    progress = Progress(open=1, running=300)
    progress.priced([only], [100])
    assert (progress.share, progress.left(1)) == (1, None)


def test_without_anything_to_ask_tasks_are_counted():
    assert Progress(tasks=1, open=3, prices={}).share == 0.25
    assert Progress().share == 0


@pytest.mark.parametrize(("seconds", "said"), [(9.4, "9 s"), (65, "1 min 5 s"), (7500, "2 h 5 min")])
def test_durations_are_said_in_two_units(seconds, said):
    assert duration(seconds) == said


def test_running_tasks_tell_what_they_paid_and_a_lost_folder_stops_nothing(tmp_path):
    first, second = Meter(str(tmp_path)), Meter(str(tmp_path))
    first.add(3)
    first.add(4)
    second.add(0.5)
    assert metered(tmp_path) == 7.5
    second.close()
    second.add(1)
    lost = Meter(str(tmp_path / "gone"))
    lost.add(1)
    lost.close()
    (tmp_path / "half").write_bytes(struct.pack("d", 1.0)[:3])
    assert metered(tmp_path) == 7.5
    assert metered(tmp_path / "gone") == 0


def test_each_batch_is_told_while_the_question_is_still_being_answered(model, samples):
    import torch

    told = []
    memo = Memo(model, batch_size=2, meter=told.append)
    cost = leakboard.asking.Cost(1, 5)
    memo.ask("q", [torch.zeros(5, 1)], (), cost, lambda _, part: part)
    memo.ask("q", [torch.zeros(5, 1)], (), cost, lambda _, part: part)
    assert told == [10, 10, 5]
    told.clear()
    memo.ask("walk", [torch.zeros(3, 1)], (), lambda steps: leakboard.asking.Cost(1, len(steps)), lambda _, p: [p, p])
    assert told == [4, 2]


def test_prices_are_worked_out_beside_the_run(tmp_path):
    plan = leakboard.plan(tiny(observer=["glance", "peek"]), artifacts=tmp_path / "a")
    pricing = Pricing(plan.observe)
    try:
        until = time.monotonic() + 60
        while (prices := pricing.poll()) is None and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        pricing.close()
    assert prices == plan.evaluations
    assert sum(prices) > 0


def test_the_script_of_a_run_is_not_run_again_for_its_prices(tmp_path):
    """A new process imports the main module: what a notebook's script does would happen twice."""
    script = tmp_path / "script.py"
    script.write_text(
        f"""
import sys, time
print("started", __name__, flush=True)
sys.path.insert(0, {str(PLUGIN.parents[1])!r})
import leakboard
from helpers.tiny_grids import tiny
from leakboard.runs import pricing
priced = pricing.Pricing(leakboard.plan(tiny()).observe)
while priced.poll() is None:
    time.sleep(0.05)
priced.close()
print(__file__, __spec__)
""",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines() == ["started __main__", f"{script} None"]


def test_a_log_has_a_line_at_the_start_and_then_one_now_and_then(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shown, "LOOK", 0.02)
    monkeypatch.setattr(shown, "LOGGED", 0.3)
    monkeypatch.setattr(shown, "PRICE_AFTER", 1e9)
    begun = time.monotonic()
    assert leakboard.run(tiny(victim="linear(nap=0.5)", run={"shard": 24}), tmp_path / "s.db").ok
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "to compute: 1 cells, 2 observation tasks, 1 scoring tasks"
    assert 1 <= len(lines[1:]) <= (time.monotonic() - begun) / 0.3
    assert all(
        re.match(r"[\d,]+ denoiser evaluations, [0123] of 3 tasks, (\d+ min )?\d+ s$", line) for line in lines[1:]
    )


def test_nothing_is_shown_where_nothing_was_asked_for(tmp_path, capsys):
    assert leakboard.run(tiny(), tmp_path / "s.db", progress=False).ok
    assert capsys.readouterr().err == ""


def test_a_finished_grid_says_nothing(tmp_path, capsys):
    leakboard.run(tiny(), tmp_path / "s.db", progress=False)
    leakboard.run(tiny(), tmp_path / "s.db")
    assert capsys.readouterr().err == ""


def test_places_of_tasks_tell_them_apart(tmp_path):
    made = tasks(tmp_path, defense=["none", "fog"], victim=["linear", "linear(nap=0.0)"])
    assert len({place(task) for task in made}) == len(made)


def test_meters_leave_no_folder_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    leakboard.run(tiny(), tmp_path / "s.db")
    assert not list(tmp_path.glob("leakboard-*"))


def test_plans_and_reports_show_themselves_in_a_few_lines(tmp_path):
    grid = tiny(observer=["glance", "peek"])
    plan = repr(leakboard.plan(grid, tmp_path / "s.db"))
    assert plan.splitlines()[0] == "Plan(2 cells: 0 done, 0 skipped, 2 to do)"
    report = repr(leakboard.run(grid, tmp_path / "s.db", progress=False))
    assert report.splitlines()[0] == "RunReport(2 done)"
    assert len(plan) + len(report) < 300
