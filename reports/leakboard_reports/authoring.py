"""For authors of pages: tables that look, sort and read like the report's own.

A page gives the HTML below its heading; sections begin with ``<h2>``. Text that is not meant as HTML is the page's to
escape (``html.escape``); `table` escapes what stands in it. The report's policy lets no page run scripts or styles of
its own, nor load anything: links lead elsewhere, pictures do not come from there.
"""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from leakboard_reports.formats import MINUS, NOT_MEASURED

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd


def table(frame: pd.DataFrame, caption: str, formats: Mapping[str, str] | None = None) -> str:
    """A frame as a table that readers can sort by every column; its first column names the rows.

    Args:
        frame: numbers and texts, shown as they are spelled. A missing value reads "not measured".
        caption: one line that tells what the table shows.
        formats: format specs of columns by name; other numbers are written to three decimals, whole ones in full.

    Returns:
        HTML, escaped.
    """
    from leakboard_reports.templating import environment

    specs = formats or {}
    heads = [(str(name), all(map(_is_number, column.dropna()))) for name, column in frame.items()]
    rows = [
        [(_written(value, specs.get(name, "")), _sorted_by(value)) for (name, _), value in zip(heads, row, strict=True)]
        for row in frame.itertuples(index=False, name=None)
    ]
    return environment().get_template("table.html.j2").render(caption=caption, heads=heads, rows=rows)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _missing(value: Any) -> bool:
    import pandas as pd

    return value is None or value is pd.NA or (_is_number(value) and not math.isfinite(value))


def _written(value: Any, spec: str) -> str:
    if _missing(value):
        return NOT_MEASURED
    if not _is_number(value):
        return str(value)
    return format(value, spec or (",d" if isinstance(value, Integral) else ".3f")).replace("-", MINUS)


def _sorted_by(value: Any) -> str:
    """What a cell is sorted by where that is another thing than its text."""
    return "" if _missing(value) or not _is_number(value) else repr(float(value))
