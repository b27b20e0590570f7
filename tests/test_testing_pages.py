"""The contract of a page finds what would spoil a report."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from leakboard.api import Page
from leakboard.registry.find import Registry, shared
from leakboard.testing.pages import CHECKS

COST = Path(__file__).parent / "plugins" / "cost_page.py"


def failed(page):
    """The checks that a page fails, with what they say."""
    found = {}
    for check in CHECKS:
        try:
            check.run(SimpleNamespace(made=page))
        except AssertionError as wrong:
            found[check.name] = str(wrong)
    return found


def page(body, name="mine", title="Mine"):
    return Page(name, title, body if callable(body) else lambda _: body)


def test_sound_pages_pass():
    shipped = shared(()).values["page"]
    assert "runs" in shipped
    cost = Registry.load([COST]).values["page"]["cost"]
    linked = page('<p>See <a href="https://example.org">there</a><br>and <img src="assets/x.png" alt="x"/></p>')
    assert [failed(each) for each in (*shipped.values(), cost, linked)] == [{}] * (len(shipped) + 2)


@pytest.mark.parametrize(
    ("wrong", "check", "told"),
    [
        (page("<p>x</p>", name="index"), "a name that makes a file, and a title", "first page"),
        (page("<p>x</p>", name="../x"), "a name that makes a file, and a title", "letters"),
        (page("<p>x</p>", title=" "), "a name that makes a file, and a title", "empty"),
        (page(None), "HTML for an empty store", "expected HTML"),
        (page("\n"), "HTML for an empty store", "nothing to show"),
        (page("<p>x"), "HTML for an empty store", "never closed: <p>"),
        (page("<b><i>x</b></i>"), "HTML for an empty store", "closes what is not open"),
        (page("<h1>x</h1>"), "HTML for an empty store", "<h1>"),
        (page("<script>x()</script>"), "nothing that the report's policy refuses", "do not run"),
        (page("<p style='color: red'>x</p>"), "nothing that the report's policy refuses", "its classes"),
        (page("<p onclick='x()'>x</p>"), "nothing that the report's policy refuses", "onclick"),
        (page("<style>p {}</style>"), "nothing that the report's policy refuses", "<style>"),
        (page("<img src='https://example.org/x.png'>"), "nothing that the report's policy refuses", "asks no server"),
        (page("<img src='//example.org/x.png'>"), "nothing that the report's policy refuses", "asks no server"),
    ],
)
def test_each_fault_is_found_by_its_check(wrong, check, told):
    assert told in failed(wrong)[check]


def test_a_page_that_changes_is_found():
    numbers = iter(range(100))
    assert failed(page(lambda _: f"<p>{next(numbers)}</p>")) == {
        "repeatable": "made twice of the same store it is another page"
    }
