r"""Results as a LaTeX table for a paper, in the rules of the package booktabs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

NAMED = ("dataset", "victim", "defense", "attacker", "access", "attack", "seed")
"""What tells the rows of the table apart; columns in which all rows agree stand in its caption."""
SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


def table(frame: pd.DataFrame) -> str:
    """The attacks among the rows of `Store.results`, one a row and one measure a column, with intervals.

    Null checks are left out: they are no attacks.
    """
    rows: dict[str, dict[str, Any]] = {}
    numbers: dict[str, dict[str, str]] = {}
    for row in frame[frame["role"] == "attack"].to_dict("records"):
        attack = row["attack"] or f"{row['observer']} + {row['distance']} + {row['classifier']}"
        rows.setdefault(row["cell"], {**{name: str(row[name]) for name in NAMED}, "attack": attack})
        numbers.setdefault(row["cell"], {})[row["measure"]] = _number(row)
    measures = sorted({measure for found in numbers.values() for measure in found})
    constant = [name for name in NAMED if len({row[name] for row in rows.values()}) == 1]
    names = [name for name in NAMED if name not in constant]
    lines = [
        _line([*names, *measures]),
        r"\midrule",
        *(
            _line([row[name] for name in names], [numbers[cell].get(measure, "--") for measure in measures])
            for cell, row in rows.items()
        ),
    ]
    agreed = ", ".join(f"{name} {next(iter(rows.values()))[name]}" for name in constant)
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{Membership inference, 95\,\% intervals. {escaped(agreed)}}}",
            rf"\begin{{tabular}}{{{'l' * len(names)}{'r' * len(measures)}}}",
            r"\toprule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def escaped(text: str) -> str:
    """The text with what LaTeX would take for a command written out."""
    return "".join(SPECIAL.get(letter, letter) for letter in text)


def _line(texts: list[str], numbers: list[str] = []) -> str:  # noqa: B006 - only read
    return " & ".join([*map(escaped, texts), *numbers]) + r" \\"


def _number(row: Mapping[Any, Any]) -> str:
    if math.isnan(row["value"]):
        return "--"
    if math.isnan(row["low"]) or math.isnan(row["high"]):
        return f"{row['value']:.3f}"
    return f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
