"""A time limit for third-party code."""

import signal
import time

import pytest

from leakboard.api import Unsupported
from leakboard.errors import LeakboardError
from leakboard.faults import FAULTS, Allowance, TimedOut, blamed, fault


def test_code_that_takes_too_long_is_interrupted():
    start = time.perf_counter()
    with pytest.raises(TimedOut, match=r"took longer than 0\.2 s"), Allowance(0.2):
        time.sleep(30)
    assert time.perf_counter() - start < 10


def stubborn():
    try:
        time.sleep(30)
    except Exception:  # noqa: BLE001 - what a careless plugin does
        time.sleep(30)


def test_a_catch_all_in_a_plugin_does_not_swallow_the_limit():
    with pytest.raises(TimedOut), Allowance(0.1):
        stubborn()


def test_the_allowance_is_for_all_blocks_together_and_what_lies_between_them_is_free():
    allowance = Allowance(0.6)
    with allowance:
        time.sleep(0.4)
    time.sleep(0.5)
    assert 0.4 <= allowance.spent < 0.6
    with pytest.raises(TimedOut), allowance:
        time.sleep(30)


def test_no_limit_measures_all_the_same():
    allowance = Allowance(0)
    with allowance:
        time.sleep(0.05)
    assert allowance.spent >= 0.05


def test_another_alarm_of_the_program_is_put_back():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(True))
    old = signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with Allowance(30):
            time.sleep(0.01)
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
        time.sleep(0.4)
        assert rung == [True]
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *old)


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ValueError("two\nlines"), "failed", "ValueError: two lines"),
        (SystemExit(3), "failed", "SystemExit: 3"),
        (GeneratorExit(), "failed", "GeneratorExit"),
        (TimedOut("took longer than 1 s"), "timeout", "took longer than 1 s"),
        (Unsupported("does not fit"), "skipped", "does not fit"),
    ],
)
def test_an_exception_becomes_a_status_and_one_line(error, status, line):
    found = fault(error)
    assert (found.status, found.error) == (status, line)


def test_an_interrupt_from_the_keyboard_is_no_fault():
    with pytest.raises(KeyboardInterrupt):
        fault(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt), blamed("mine", "load()"):
        raise KeyboardInterrupt


@pytest.mark.parametrize("error", [RuntimeError("no"), SystemExit("no"), BaseException("no"), StopIteration("no")])
def test_outside_tasks_a_component_is_told_by_name_with_its_method_and_line(error):
    assert isinstance(error, FAULTS)
    with pytest.raises(LeakboardError) as told, blamed("mine", "load()"):
        raise error
    assert told.value.what == f"mine: load() failed: {type(error).__name__}: no"
    assert told.value.where.startswith(__file__)
    assert told.value.next


def test_a_message_of_the_component_itself_is_passed_on():
    with pytest.raises(LeakboardError, match=r"^no such folder$"), blamed("mine", "load()"):
        raise LeakboardError("no such folder")
