"""A time limit for third-party code."""

import signal
import time

import pytest

from leakboard.faults import TimedOut
from leakboard.tasks.time_limits import Allowance


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
