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


class Mute(Exception):
    """It cannot be printed, whatever its ``error`` is."""

    def __init__(self, error):
        self.error = error

    def __str__(self):
        raise self.error


@pytest.mark.parametrize("inner", [ValueError("x"), SystemExit(1), RecursionError()])
def test_an_exception_that_cannot_be_printed_is_told_all_the_same(inner):
    found = fault(Mute(inner))
    assert found.error == f"Mute: (it cannot be printed: its __str__ raised {type(inner).__name__})"
    with contained() as caught:
        raise Mute(inner)
    assert caught.fault is not None
    assert __file__ in caught.fault.traceback


@pytest.mark.parametrize("kind", [RuntimeError, Unsupported])
def test_a_text_without_end_is_cut_where_it_enters(kind):
    found = fault(kind("begin " + "word " * 1_000_000 + "end"))
    assert len(found.error) < 2_200
    assert len(found.traceback) < 20_200
    assert "begin" in found.error
    assert found.error.endswith("end")
    assert "characters left out" in found.error


def test_what_a_terminal_would_act_on_is_spelled_out():
    found = fault(RuntimeError("red \x1b[31m, turned \u202eround\u200f, half \ud800, \N{HEBREW LETTER ALEF} é"))
    said = "red \\x1b[31m, turned \\u202eround\\u200f, half \\ud800, \N{HEBREW LETTER ALEF} é"
    assert found.error == f"RuntimeError: {said}"
    assert said in found.traceback
