"""``power``: how many samples a claim takes, and what so many can show."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = click.IntRange(min=1, max=10**9)
AUCS = (0.5, 0.7, 0.9)
"""For which it is told how well an AUC is known."""


def _number(_context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """Refuse what is no number: it is on no side of any limit."""
    if value is not None and math.isnan(value):
        raise click.BadParameter(f"{value} is not a number", param=parameter)
    return value


@click.command()
@click.option("--members", type=COUNT, metavar="N", help="Evaluated members; with --nonmembers: what can be shown.")
@click.option("--nonmembers", type=COUNT, metavar="N", help="Evaluated non-members.")
@click.option(
    "--auc-within",
    "width",
    type=click.FloatRange(min=1e-6, max=0.5),
    metavar="WIDTH",
    callback=_number,
    help="How many it takes to know an AUC to +-WIDTH.",
)
@click.option(
    "--fpr",
    type=click.FloatRange(1e-9, 0.5),
    metavar="RATE",
    callback=_number,
    help="How many a false-positive rate takes.",
)
@click.option(
    "--auc",
    type=click.FloatRange(min=0.5001, max=1, max_open=True),
    metavar="AUC",
    callback=_number,
    help="How many it takes to tell this AUC from chance.",
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def power(
    *,
    members: int | None,
    nonmembers: int | None,
    width: float | None,
    fpr: float | None,
    auc: float | None,
    as_json: bool,
) -> None:
    """Tell what so many samples can show, and how many samples a claim takes.

    Counts are evaluated samples: with calibration = 0.5 a grid takes twice as many. Intervals have 95 % confidence,
    and what can be found is found in 80 % of all cases.
    """
    from leakboard.errors import LeakboardError

    if (members is None) != (nonmembers is None) or {members, width, fpr, auc} == {None}:
        raise LeakboardError(
            "one side alone shows nothing" if members or nonmembers else "there is no question",
            where="leakboard power",
            expected="--members with --nonmembers, or --auc-within, --fpr, --auc",
            next="leakboard power --members 500 --nonmembers 500",
        )
    found: dict[str, Any] = {}
    lines: list[tuple[str, str]] = []
    if members and nonmembers:
        found["shown"] = _shown(members, nonmembers)
        lines += _told(found["shown"])
    if claims := _claims(width, fpr, auc):
        found["claims"] = claims
        lines += _answers(claims)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for name, answer in lines:
        click.echo(f"{name:<34}  {answer}")


def _shown(members: int, nonmembers: int) -> dict[str, Any]:
    """What so many samples can show, by name."""
    from leakboard.statistics import power as formulas
    from leakboard.statistics.epsilon import guessed, highest_epsilon
    from leakboard.statistics.roc import CALIBRATED, SHOWN

    return {
        "members": members,
        "nonmembers": nonmembers,
        "auc_half_width": {str(auc): formulas.auc_half_width(auc, members, nonmembers) for auc in AUCS},
        "smallest_auc": formulas.smallest_auc(members, nonmembers),
        "lowest_fpr_unmarked": _rate(CALIBRATED / nonmembers),
        "lowest_fpr_shown": _rate(SHOWN / nonmembers),
        "tpr_below_without_hit": formulas.cap_without_hit(members),
        "fpr_below_without_false_positive": formulas.highest_clean_rate(nonmembers),
        "highest_epsilon_bound": highest_epsilon(guessed(members, nonmembers)),
    }


def _rate(rate: float) -> float | None:
    return rate if rate < 1 else None


def _told(shown: dict[str, Any]) -> list[tuple[str, str]]:
    least, unmarked, lowest = (shown[name] for name in ("smallest_auc", "lowest_fpr_unmarked", "lowest_fpr_shown"))
    widths = ", ".join(f"{auc} to +-{width:.3f}" for auc, width in shown["auc_half_width"].items())
    none = "none: too few samples"
    return [
        ("evaluated", f"{shown['members']:,} members, {shown['nonmembers']:,} non-members"),
        ("an AUC is known", widths),
        ("smallest AUC told from chance", none if least is None else f"{least:.3f}"),
        ("lowest FPR for a TPR", none if unmarked is None else f"{unmarked:.3g}"),
        ("  marked as uncalibrated (†)", none if lowest is None else f"{lowest:.3g}"),
        ("TPR when no member is found", f"below {shown['tpr_below_without_hit']:.2%} (two-sided)"),
        ("FPR without a false positive", f"below {shown['fpr_below_without_false_positive']:.2%} (one-sided)"),
        ("lower bound of epsilon, at most", f"{shown['highest_epsilon_bound']:.2f}, when every guess is right"),
    ]


def _claims(width: float | None, fpr: float | None, auc: float | None) -> dict[str, Any]:
    """How many samples each claim takes, by the option that made it."""
    from leakboard.statistics import power as formulas
    from leakboard.statistics.roc import CALIBRATED, SHOWN, nonmembers_for

    found: dict[str, Any] = {}
    if width is not None:
        a_side = {str(value): formulas.samples_for_half_width(width, value) for value in AUCS}
        found["auc_within"] = {"width": width, "a_side": a_side}
    if fpr is not None:
        found["fpr"] = {
            "rate": fpr,
            "clean_nonmembers": formulas.clean_nonmembers(fpr),
            "nonmembers_unmarked": nonmembers_for(fpr, CALIBRATED),
            "nonmembers_shown": nonmembers_for(fpr, SHOWN),
        }
    if auc is not None:
        found["auc"] = {"auc": auc, "a_side": formulas.samples_for_auc(auc)}
    return found


def _answers(claims: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if claim := claims.get("auc_within"):
        said = ", ".join(f"{count:,} a side for {value}" for value, count in claim["a_side"].items())
        yield f"an AUC to +-{claim['width']:g}", said
    if claim := claims.get("fpr"):
        clean, unmarked, shown = (
            claim[name] for name in ("clean_nonmembers", "nonmembers_unmarked", "nonmembers_shown")
        )
        yield f"FPR below {claim['rate']:g}", f"{clean:,} non-members without a false positive (one-sided)"
        yield f"TPR at {claim['rate']:g} FPR", f"{unmarked:,} non-members; {shown:,} with † (uncalibrated)"
    if claim := claims.get("auc"):
        yield f"AUC {claim['auc']:g} told from chance", f"{claim['a_side']:,} a side"
