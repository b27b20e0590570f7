"""Numbers as people read them."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from markupsafe import Markup

MINUS = "\N{MINUS SIGN}"
ABSENT = "\N{EN DASH}"
NOT_MEASURED = "not measured"
"""What stands for a number that a table of results should have; a dash stands for one that cannot be."""


def decimal(value: float | None, places: int = 3) -> str:
    """A plain number with a true minus sign, or a dash."""
    if value is None or math.isnan(value):
        return ABSENT
    return _rounded(value, places).replace("-", MINUS)


def signed(value: float | None, places: int = 3) -> str:
    """A difference: its sign is always written, and zero has none."""
    if value is None or math.isnan(value):
        return ABSENT
    text = _rounded(abs(value), places)
    return text if float(text) == 0 else f"{'+' if value > 0 else MINUS}{text}"


def percent(value: float | None) -> str:
    """A rate in [0, 1] as a percentage without the sign."""
    return decimal(None if value is None else 100 * value, 1)


def amount(value: float | None) -> str:
    """A cost: whole and large numbers plain, others with one or two decimals; what nobody measured is said to be so."""
    if value is None or math.isnan(value):
        return NOT_MEASURED
    if value == int(value) or value >= 100:
        return f"{int(_rounded(value, 0)):,}"
    return "< 0.01" if value < 0.005 else _rounded(value, 1 if value >= 10 else 2)


def decibel(value: float | None) -> str:
    """A PSNR; infinity means identical images."""
    if value is None:
        return ABSENT
    return "unchanged" if math.isinf(value) else f"{value:.1f} dB"


def chance(p_value: float) -> str:
    """A p-value, not to more digits than it has."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def softly(text: str) -> Markup:
    """Text that may break after an opening bracket or an underscore, so that long specs fit narrow columns."""
    from markupsafe import Markup, escape

    pieces = str(escape(text)).replace("(", "(<wbr>").replace("_", "_<wbr>")
    return Markup(pieces)  # noqa: S704 - escaped above


def flatten(facts: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested JSON facts as rows of (dotted name, text)."""
    rows: list[tuple[str, str]] = []
    for name, value in facts.items():
        if isinstance(value, dict):
            rows += flatten(value, f"{prefix}{name}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else value
            rows.append((f"{prefix}{name}", f"{text:.6g}" if isinstance(text, float) else str(text)))
    return rows


def heat(auc: float | None) -> str:
    """CSS class for an AUC: distance to one half in steps of 0.05, above (hot) or below (cold)."""
    if auc is None:
        return "heat-absent"
    step = min(10, round(abs(auc - 0.5) / 0.05))
    return f"{'hot' if auc >= 0.5 else 'cold'}-{step}"


def _rounded(value: float, places: int) -> str:
    """Halves go up, as the browser's toFixed has them, so that a page reads the same with and without scripts."""
    return str(Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))
