"""Executors that break their contract are found out, by the check that says how."""

import threading

import pytest

from leakboard.api import Executor
from leakboard.runs.executors import PROCESSES, SERIAL
from leakboard.testing import check_extension, executors, summarize


def failed(run, **how):
    rows = check_extension(Executor("odd", run, **{"summary": "Odd.", **how}))
    return {row.check for row in rows if row.outcome == "failed"}


@pytest.mark.parametrize("executor", [SERIAL, PROCESSES], ids=lambda executor: executor.name)
def test_the_executors_of_the_harness_keep_to_the_contract(executor):
    rows = check_extension(executor)

    assert {row.outcome for row in rows} == {"ok"}, summarize(rows)
    assert len(rows) == 8


def serial(source, work, settings):
    while (task := source.take()) is not None:
        source.settle(task, work(task))


def loses_one(source, work, settings):
    source.take()
    serial(source, work, settings)


def runs_twice(source, work, settings):
    serial(source, lambda task: (work(task), work(task))[0], settings)


def invents(source, work, settings):
    serial(source, lambda task: "nothing", settings)


def spoils(source, work, settings):
    serial(source, lambda task: (work(task), "spoilt")[1], settings)


def takes_all_first(source, work, settings):
    for task in list(iter(source.take, None)):
        source.settle(task, work(task))


def hides(source, work, settings):
    while (task := source.take()) is not None:
        try:
            source.settle(task, work(task))
        except Exception:  # noqa: BLE001 - that is what it does wrong
            return


def wraps(source, work, settings):
    try:
        serial(source, work, settings)
    except Exception as error:
        raise RuntimeError("a task failed") from error


def crowds(source, work, settings):
    threads = [threading.Thread(target=serial, args=(source, work, settings)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def makes_up(source, work, settings):
    work("task of its own")
    serial(source, work, settings)


ONCE, LATER, ALONE, DRY, RAISES = (check.name for check in executors.CHECKS)


@pytest.mark.parametrize(
    ("run", "found"),
    [
        (serial, set()),
        (loses_one, {ONCE, LATER}),
        (runs_twice, {ONCE, LATER}),
        (invents, {ONCE, LATER}),
        (spoils, {ONCE, LATER}),
        (takes_all_first, {LATER}),
        (hides, {RAISES}),
        (wraps, {RAISES}),
        (makes_up, {DRY}),
    ],
)
def test_a_broken_promise_fails_its_own_check(run, found):
    assert failed(run) == found


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_threads_that_crowd_the_source_are_found_out():
    assert ALONE in failed(crowds)


def test_an_executor_that_never_ends_is_cut_short(monkeypatch):
    monkeypatch.setattr(executors, "LIMIT", 0.2)

    def waits(source, work, settings):
        threading.Event().wait(20)

    assert {ONCE, DRY} < failed(waits)


def test_a_name_a_line_and_a_light_import_are_asked_of_every_extension(load):
    assert failed(serial, summary="") == {"a line that says what it is"}
    assert failed(serial, summary="two\nlines") == {"a line that says what it is"}
    rows = check_extension(Executor("no name", serial, "Odd."))
    assert "a executor is called" in next(row.detail for row in rows if row.check == "contract")


def test_a_heavy_import_is_found_out(load):
    registry = load(
        """
        import torch
        from leakboard import hookimpl
        from leakboard.api import Executor

        def run(source, work, settings):
            pass

        @hookimpl
        def leakboard_executors():
            return [Executor("heavy", run, "Imports torch.")]
        """
    )
    rows = check_extension(registry.value("executor", "heavy"))
    assert next(row for row in rows if "torch" in row.check).outcome == "failed"


def test_what_is_no_extension_is_told_so():
    with pytest.raises(TypeError, match="is no attack, measure"):
        check_extension("serial")
