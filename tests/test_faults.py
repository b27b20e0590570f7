"""What becomes of the exceptions of third-party code."""

import pytest

from leakboard.api import Unsupported
from leakboard.errors import LeakboardError
from leakboard.faults import TimedOut, blamed, contained, fault


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
    with contained() as caught:
        raise error
    assert caught.fault is not None
    assert caught.fault.error == f"{type(error).__name__}: no"
    assert caught.place.startswith(__file__)
    with pytest.raises(LeakboardError) as told, blamed("mine", "load()"):
        raise error
    assert told.value.what == f"mine: load() failed: {type(error).__name__}: no"
    assert told.value.where.startswith(__file__)
    assert told.value.next


def test_a_block_that_raises_nothing_has_no_fault():
    with contained() as caught:
        pass
    assert (caught.fault, caught.place) == (None, "")


def test_what_is_to_be_passed_passes_with_all_that_derives_from_it():
    with pytest.raises(KeyError), contained(LookupError):
        raise KeyError("x")
    with contained(LookupError) as caught:
        raise ValueError("x")
    assert caught.fault is not None


def test_an_interrupt_passes_where_everything_else_is_contained():
    with pytest.raises(KeyboardInterrupt), contained():
        raise KeyboardInterrupt


def test_a_message_of_the_component_itself_is_passed_on():
    with pytest.raises(LeakboardError, match=r"^no such folder$"), blamed("mine", "load()"):
        raise LeakboardError("no such folder")
