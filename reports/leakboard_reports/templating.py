"""The templates of the report, and the frame that all its pages share."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leakboard import __version__
from leakboard_reports import bypasses, formats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import Environment
    from markupsafe import Markup

FILTERS = ("decimal", "signed", "percent", "amount", "decibel", "chance", "heat", "softly")


@dataclass(frozen=True)
class Link:
    """One page as the navigation shows it: the stem of its file, and its title."""

    name: str
    title: str


INDEX = Link("index", "Leaderboard")


def environment() -> Environment:
    """Jinja with autoescape everywhere and an error for every name a template gets wrong."""
    import jinja2

    found = jinja2.Environment(
        loader=jinja2.PackageLoader("leakboard_reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update({name: getattr(formats, name) for name in FILTERS}, json=to_json, flatten=formats.flatten)
    found.filters["marks"] = bypasses.marks
    found.globals["version"] = __version__
    return found


def joined(link: Link, body: str, report: str, links: Sequence[Link]) -> str:
    """A whole page: ``body``, HTML, in the frame that all pages share. ``report`` is the title of the index."""
    from markupsafe import Markup

    page = environment().get_template("joined.html.j2")
    return page.render(page=link, body=Markup(body), report=report, links=links)  # noqa: S704 - a page gives HTML


def to_json(value: Any) -> Markup:
    """JSON for a script element: no closing tag, comment or entity can arise from it."""
    from markupsafe import Markup

    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704 - escaped
