"""What all extensions owe: a name, a line about them, and functions whose modules are light to import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.registry.contract import VALUES, check_value
from leakboard.testing.checks import Check, Declined, Subject
from leakboard.testing.imports import imports_no_torch

if TYPE_CHECKING:
    from leakboard.api import Extension

LINE = 120


def kind_of(value: object) -> Extension:
    """The extension that a value belongs to.

    Raises:
        TypeError: it belongs to none.
    """
    for kind, cls in VALUES.items():
        if isinstance(value, cls):
            return kind
    raise TypeError(f"{value!r:.80} is no {', '.join(VALUES)}")


def _contract(subject: Subject) -> None:
    value = subject.made
    try:
        check_value(kind_of(value), value)
    except (TypeError, ValueError) as refused:
        raise AssertionError(str(refused)) from refused


def _imports(subject: Subject) -> None:
    value = subject.made
    functions = [getattr(each, "func", each) for each in vars(value).values() if callable(each)]
    if not functions:
        raise Declined("it brings no function")
    for module in sorted({function.__module__ for function in functions}):
        imports_no_torch(module)


def _line(subject: Subject) -> None:
    value = subject.made
    fields = [name for name in ("title", "summary") if hasattr(value, name)]
    if not fields:
        raise Declined(f"a {kind_of(value)} has none")
    text = next(filter(None, (getattr(value, name) for name in fields)), "")
    assert text, f"its {fields[0]} is empty: `leakboard list` has nothing to show"
    assert len(text.splitlines()) == 1, f"its {fields[0]} has several lines"
    assert len(text) <= LINE, f"its {fields[0]}, which `leakboard list` shows, has {len(text)} letters"


CHECKS = (
    Check("contract", _contract),
    Check("importing it imports no torch", _imports),
    Check("a line that says what it is", _line),
)
