"""ROC curves of chosen cells: their data, and Vega-Lite specifications made with altair."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leakboard.statistics.roc import roc
from leakboard_reports import attackers
from leakboard_reports.formats import decimal, percent
from leakboard_reports.reading import ACCESS_NAMES, ACCESS_ORDER, Cell, best, headline, places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from leakboard.statistics.permutation import Scores
    from leakboard_reports.privacy import Promise

# Each has a contrast of at least 3 to both page colours, and dashes tell the lines apart without colour.
COLOURS = {"black box": "#2f74d0", "gray box": "#cf4a1a", "white box": "#8a5fd0", "blind": "#7d838c"}
INK = "#1b1f24"
DASHES = {"black box": [1, 0], "gray box": [8, 3], "white box": [2, 2], "blind": [1, 3]}
CEILING, CEILING_DASHES = "most that epsilon allows", [9, 2, 2, 2]


@dataclass(frozen=True)
class Curve:
    """One cell's ROC at about 60 false-positive rates.

    ``shown`` is the lower bound on epsilon by its scores, where its victim states one.
    """

    cell: Cell
    access: str
    points: tuple[tuple[float, float], ...]
    shown: float | None = None

    def tpr(self, fpr: float) -> float:
        """Highest TPR whose FPR does not exceed ``fpr``."""
        return max((t for f, t in self.points if f <= fpr), default=0.0)


@dataclass(frozen=True)
class Plot:
    """The curves of one victim without a defense: the best attack of each access level, and the blind check.

    Attackers of one knowledge alone are compared, those who know most; ``told`` is how a heading calls them.
    ``promise`` is what the victim states of its privacy, if it does.
    """

    dataset: str
    victim: str
    curves: tuple[Curve, ...]
    told: str = ""
    promise: Promise | None = None

    @property
    def place(self) -> tuple[str, str]:
        """Dataset and victim."""
        return self.dataset, self.victim


def plots(
    cells: Iterable[Cell], scores: Callable[[Cell], Scores | None], promised: Mapping[str, Promise]
) -> list[Plot]:
    """One plot per victim that was attacked without a defense and whose scores can still be read."""
    pool = [cell for cell in cells if cell.labels == "true" and cell.undefended]
    shown = headline(cell for cell in pool if cell.role == "attack" or cell.access == "none")
    found = []
    for place in places(cell for cell in shown if cell.role == "attack"):
        attacks = attackers.by_knowledge(cell for cell in shown if cell.place == place and cell.role == "attack")[0]
        blind = [cell for cell in shown if cell.place == place and cell.access == "none"]
        by_access = ([cell for cell in (*attacks, *blind) if cell.access == access] for access in ACCESS_ORDER)
        tops = [_chosen(some, access) for some, access in zip(by_access, ACCESS_ORDER, strict=True)]
        promise = promised.get(place[1])
        curves = tuple(curve for top in tops if top and (curve := _curve(top, scores, promise)))
        if curves:
            found.append(Plot(*place, curves, attackers.told(attacks), promise))
    return found


def _chosen(cells: Sequence[Cell], access: str) -> Cell | None:
    """The best attack; of blind cells the median, for the best of many cells at chance looks like a leak."""
    if access == "none" and cells:
        return sorted(cells, key=lambda cell: cell.auc.value)[len(cells) // 2]
    return best(cells)


def _curve(cell: Cell, scores: Callable[[Cell], Scores | None], promise: Promise | None) -> Curve | None:
    mine = scores(cell)
    if mine is None:
        return None
    fpr, tpr = roc(mine.score, mine.member)
    points = tuple((round(float(f), 6), round(float(t), 6)) for f, t in zip(fpr, tpr, strict=True))
    shown = promise.shown(mine) if promise and cell.role == "attack" else None
    return Curve(cell, ACCESS_NAMES[cell.access], points, shown)


def rows(all_plots: Iterable[Plot]) -> list[dict[str, Any]]:
    """The curves as flat rows, for the CSV file."""
    return [
        {
            "dataset": plot.dataset,
            "victim": plot.victim,
            "access": curve.cell.access,
            "attack": curve.cell.title,
            "fpr": fpr,
            "tpr": tpr,
            "allowed": plot.promise and plot.promise.allows(fpr),
            "cell": curve.cell.key,
        }
        for plot in all_plots
        for curve in plot.curves
        for fpr, tpr in curve.points
    ]


def vega(plot: Plot, ink: str = "currentColor") -> dict[str, Any]:
    """A log-log chart of a plot, text and axes in ``ink``.

    Lines start at the first false positive: zero has no place on a log axis.
    """
    import altair as alt

    names = [curve.access for curve in plot.curves]
    floor = min(1 / curve.cell.auc.n_nonmember for curve in plot.curves)
    drawn: list[dict[str, Any]] = [
        {"fpr": max(fpr, floor), "tpr": tpr, "access": curve.access, "attack": curve.cell.title}
        for curve in plot.curves
        for fpr, tpr in _rising(curve.points)
        if tpr > 0
    ]
    low = min([floor, *(point["tpr"] for point in drawn)])
    scale = alt.Scale(type="log", domain=[low, 1], nice=False)
    axis: dict[str, Any] = {"grid": True, "format": "~%", "tickCount": 4}
    x = alt.X("fpr:Q", scale=scale, axis=alt.Axis(title="False-positive rate", **axis))
    y = alt.Y("tpr:Q", scale=scale, axis=alt.Axis(title="True-positive rate", **axis))
    colours, dashes = [COLOURS[name] for name in names], [DASHES[name] for name in names]
    if plot.promise:
        names, colours, dashes = [*names, CEILING], [*colours, ink], [*dashes, CEILING_DASHES]
    legend = alt.Legend(title=None, orient="top", symbolSize=500, symbolStrokeWidth=2.5)
    encoded = {
        "x": x,
        "y": y,
        "color": alt.Color("access:N", scale=alt.Scale(domain=names, range=colours), sort=names, legend=legend),
        "strokeDash": alt.StrokeDash(
            "access:N", scale=alt.Scale(domain=names, range=dashes), sort=names, legend=legend
        ),
    }
    lines = (
        alt.Chart(alt.InlineData(values=drawn))
        .mark_line(interpolate="step-after", strokeWidth=2.2, clip=True)
        .encode(**encoded)
    )
    promised = [{"fpr": f, "tpr": t, "access": CEILING} for f, t in plot.promise.curve(low)] if plot.promise else []
    ceilings = [alt.Chart(alt.InlineData(values=promised)).mark_line(strokeWidth=1.6).encode(**encoded)] * bool(
        promised
    )
    ends = [{"fpr": low, "tpr": low}, {"fpr": 1, "tpr": 1}]
    chance = alt.Chart(alt.InlineData(values=ends)).mark_line(stroke=ink, opacity=0.45, strokeWidth=1).encode(x=x, y=y)
    spec: dict[str, Any] = (
        alt.layer(chance, *ceilings, lines)
        .properties(width="container", height=300, description=_description(plot))
        .configure(font="system-ui, sans-serif")
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=ink,
            titleColor=ink,
            tickColor=ink,
            domainColor=ink,
            gridColor=ink,
            gridOpacity=0.1,
            titleFontWeight="normal",
            labelFontSize=12,
            titleFontSize=12,
        )
        .configure_legend(labelColor=ink, labelFontSize=12)
        .to_dict()
    )
    # The schema is a web address that nothing here fetches: vega-embed is told the mode instead. Altair's own checks
    # know no transparent background, Vega-Lite does.
    spec.pop("$schema")
    return {**spec, "background": None}


def pictures(plot: Plot, title: str, number: int) -> tuple[tuple[str, bytes], tuple[str, bytes]]:
    """The chart for a paper or a slide, dark on white: an SVG and a PNG file, each its name and content."""
    import vl_convert

    told = [f"{c.access}: {c.cell.title}, AUC {decimal(c.cell.auc.value)}{_shown(c)}" for c in plot.curves]
    told += [f"stated: {plot.promise}"] if plot.promise else []
    head = {"text": title, "subtitle": told, "anchor": "start", "color": INK, "subtitleColor": INK, "offset": 12}
    spec = {**vega(plot, INK), "title": head, "width": 560, "height": 360, "background": "white", "padding": 12}
    name = f"roc-{number}-{re.sub('[^a-z0-9]+', '-', title.lower())[:60]}".rstrip("-")
    svg = _numbered(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]))
    png = vl_convert.vegalite_to_png(spec, scale=2, allowed_base_urls=[])
    return (f"{name}.svg", svg.encode()), (f"{name}.png", png)


def _shown(curve: Curve) -> str:
    return "" if curve.shown is None else f", shows an epsilon of {decimal(curve.shown, 2)} or more"


def _numbered(svg: str) -> str:
    """Clips numbered from 0: Vega counts on from chart to chart, and equal charts must be equal files."""
    known: dict[str, str] = {}
    return re.sub(r'(?<=id="clip)\d+|(?<=url\(#clip)\d+', lambda m: known.setdefault(m[0], str(len(known))), svg)


def _rising(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Without the inner points of flat stretches, which a step line does not need."""
    last = len(points) - 1
    return [point for i, point in enumerate(points) if i in (0, last) or point[1] != points[i - 1][1]]


def _description(plot: Plot) -> str:
    """In words what the leaderboard says of each curve; its few points would give a slightly other rate."""
    parts = (f"{c.access} {_rate(c.cell)}, AUC {decimal(c.cell.auc.value)}" for c in plot.curves)
    promise = f" The victim states {plot.promise}." if plot.promise else ""
    return f"ROC curves on {plot.victim}; true-positive rate at 1% false positives: {'; '.join(parts)}.{promise}"


def _rate(cell: Cell) -> str:
    found = cell.measures.get("tpr_at_1pct_fpr")
    return "unknown" if found is None or found.flag == "hidden" else f"{percent(found.value)}%"
