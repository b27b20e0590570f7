"""A page joins a report: a file of its own, HTML for any store, and nothing that a reader's browser would fetch."""

from __future__ import annotations

import tempfile
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

from leakboard.registry.contract import check_value
from leakboard.testing.checks import Check

if TYPE_CHECKING:
    from leakboard.testing.checks import Subject

VOID = {"area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
FRAME = {"html", "head", "body", "title", "base", "header", "main", "footer", "h1"}
"""What the report writes around the body of a page."""
REFUSED = {"style", "iframe", "object", "embed", "link", "meta", "form"}
"""What the report's policy keeps a page from using."""
SOURCES = ("src", "srcset", "data", "poster")


class _Reader(HTMLParser):
    """Elements with their attributes, and those that were never closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.crossed: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()
        elif tag not in VOID:
            self.crossed.append(tag)


def _body(subject: Subject) -> str:
    """What the page makes of a store in which nothing was run."""
    from leakboard.store import Store

    with tempfile.TemporaryDirectory() as folder:
        text: object = subject.made.body(Store(Path(folder) / "empty.db", create=True))
    assert isinstance(text, str), f"body returned {text!r:.80}, expected HTML"
    return text


def _name(subject: Subject) -> None:
    try:
        check_value("page", subject.made)
    except (TypeError, ValueError) as refused:
        raise AssertionError(str(refused)) from refused
    title = subject.made.title
    assert isinstance(title, str), f"the title is {title!r:.80}, expected a text"
    assert title.strip(), "the title is empty"
    assert len(title.splitlines()) == 1, "the title, a line of the navigation, has several lines"


def _empty(subject: Subject) -> None:
    text = _body(subject)
    assert text.strip(), "body is empty for a store in which nothing was run: say that there is nothing to show"
    read = _Reader(text)
    assert not read.crossed, f"</{read.crossed[0]}> closes what is not open"
    assert not read.open, f"never closed: <{read.open[-1]}>"
    frame = {tag for tag, _ in read.elements} & FRAME
    assert not frame, f"the report writes <{min(frame)}> itself: body is what stands below the heading"


def _alone(subject: Subject) -> None:
    for tag, attributes in _Reader(_body(subject)).elements:
        script = tag == "script" and attributes.get("type") != "application/json"
        assert not script, "scripts do not run on a page of the report"
        assert tag not in REFUSED, f"<{tag}> is refused by the policy of the report"
        for name, value in attributes.items():
            assert name != "style", f'style="{value}" is refused by the policy of the report: use its classes'
            assert not name.startswith("on"), f"{name} is refused by the policy of the report"
            outside = name in SOURCES and ("://" in (value or "") or (value or "").startswith(("//", "data:")))
            assert not outside, f"<{tag}> loads {value!r:.80}: the report asks no server for anything"


def _repeatable(subject: Subject) -> None:
    assert _body(subject) == _body(subject), "made twice of the same store it is another page"


CHECKS = (
    Check("a name that makes a file, and a title", _name),
    Check("HTML for an empty store", _empty),
    Check("nothing that the report's policy refuses", _alone),
    Check("repeatable", _repeatable),
)
