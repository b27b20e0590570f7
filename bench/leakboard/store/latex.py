r"""Results as a LaTeX table for a paper, in the rules of the package booktabs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

NAMED = ("dataset", "victim", "defense", "attacker", "access", "attack", "seed", "n", "NFE")
"""What stands beside the numbers of a row; columns in which all rows agree stand in the caption of the table."""
TITLES = {
    "auc": "AUC",
    "tpr_at_1pct_fpr": r"TPR at 1\,\% FPR",
    "tpr_at_0.1pct_fpr": r"TPR at 0.1\,\% FPR",
    "balanced_accuracy": "balanced accuracy",
}
"""How measures are called, in their order; others follow under their own names."""
DAGGER = r"$^\dagger$"
SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


def table(frame: pd.DataFrame) -> str:
    """The attacks among the rows of `Store.results`, one a row and one measure a column, with intervals.

    Null checks are left out: they are no attacks. Rates that too few samples are there for are marked, or hidden.
    """
    rows: dict[str, dict[str, Any]] = {}
    numbers: dict[str, dict[str, str]] = {}
    for row in frame[frame["role"] == "attack"].to_dict("records"):
        attack = row["attack"] or f"{row['observer']} + {row['distance']} + {row['classifier']}"
        about = {"attack": attack, "n": f"{row['n_member']}+{row['n_nonmember']}", "NFE": f"{row['nfe']:g}"}
        rows.setdefault(row["cell"], {**{name: str(row[name]) for name in NAMED if name not in about}, **about})
        numbers.setdefault(row["cell"], {})[row["measure"]] = _number(row)
    found = {measure for one in numbers.values() for measure in one}
    measures = [name for name in TITLES if name in found] + sorted(found - TITLES.keys())
    constant = [name for name in NAMED if len({row[name] for row in rows.values()}) == 1]
    names = [name for name in NAMED if name not in constant]
    lines = [
        _line(names, [TITLES.get(name, escaped(name)) for name in measures]),
        r"\midrule",
        *(
            _line([row[name] for name in names], [numbers[cell].get(measure, "--") for measure in measures])
            for cell, row in sorted(rows.items(), key=lambda each: [each[1][name] for name in NAMED])
        ),
    ]
    agreed = ", ".join(f"{name} {next(iter(rows.values()))[name]}" for name in constant)
    marked = (
        r" $\dagger$ too few non-members to be calibrated."
        if any(DAGGER in n for one in numbers.values() for n in one.values())
        else ""
    )
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{Membership inference, 95\,\% intervals. {escaped(agreed)}.{marked}}}",
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
    if math.isnan(row["value"]) or row["flag"] == "hidden":
        return "--"
    mark = DAGGER if row["flag"] else ""
    if math.isnan(row["low"]) or math.isnan(row["high"]):
        return f"{row['value']:.3f}{mark}"
    return f"{row['value']:.3f}{mark} [{row['low']:.3f}, {row['high']:.3f}]"
