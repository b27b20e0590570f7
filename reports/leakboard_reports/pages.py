"""Static pages of a store: one index page, its assets, and the numbers as CSV."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from leakboard.statistics.nulls import FAMILY_ERROR
from leakboard_reports import board, charts, datasets, formats, manifests, nulls, pictures, prices, summary, tables
from leakboard_reports.output import Pages
from leakboard_reports.payloads import ScoreReader, read_previews
from leakboard_reports.reading import attacks_of, places, read_cells

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from jinja2 import Environment
    from markupsafe import Markup

    from leakboard.store import Store
    from leakboard_reports.payloads import Preview
    from leakboard_reports.reading import Cell

COLUMNS = (
    ("rank", "Rank", "number", True),
    ("attack", "Attack", "text", True),
    ("victim", "Victim", "text", True),
    ("defense", "Defense", "text", True),
    ("attacker", "Attacker", "text", True),
    ("access", "Access", "text", True),
    ("auc", "AUC", "number", True),
    ("tpr_at_1pct_fpr", "TPR % at 1% FPR", "number", True),
    ("tpr_at_0.1pct_fpr", "TPR % at 0.1% FPR", "number", False),
    ("balanced_accuracy", "Balanced accuracy", "number", True),
    ("n_member", "Members / non-members", "number", True),
    ("queries", "Queries", "number", True),
    ("nfe", "NFE", "number", True),
    ("seconds", "Seconds", "number", True),
    ("fit", "Image fit", "text", True),
    ("dataset", "Dataset", "text", False),
    ("seed", "Seed", "number", False),
    ("samples", "Samples per side", "number", False),
    ("labels", "Labels", "text", False),
    ("peak_mb", "Peak MB", "number", False),
)


@dataclass(frozen=True)
class Axes:
    """Whether labels must name the dataset too, because there are several."""

    many_datasets: bool

    def place(self, dataset: str, victim: str) -> str:
        """How headings call what is attacked."""
        return f"{victim} on {dataset}" if self.many_datasets else victim


def render(store: Store, out: Path) -> Path:
    """Write the pages of ``store`` into the folder ``out``; returns ``out/index.html``.

    An existing report there is replaced; other files in the folder are left alone. The index is written last, in one
    step, so that a reader never sees a page without its assets.

    Raises:
        LeakboardError: ``out`` cannot be written.
    """
    results = store.results()
    cells = read_cells(results, store.cells())
    pages = Pages(out)
    rows = tables.leaderboard(cells)
    plots = charts.plots(cells, scores := ScoreReader(store))
    components = store.components()
    previews = read_previews(store, components)
    sheets = pictures.sheets(previews)
    axes = Axes(len({cell.dataset for cell in cells}) > 1)

    if plots:
        # Large and slow to make: kept from report to report as long as its version is the same.
        pages.script(f"vega-{version('vl-convert-python')}.js", _vega)
    pages.frame("results.csv", results)
    pages.table("leaderboard.csv", rows)
    pages.table("roc.csv", charts.rows(plots))
    for strip in {s.file: s for group in sheets.values() for sheet in group for s in sheet.strips}.values():
        pages.asset(strip.file, strip.payload)
    drawn = [
        tuple(pages.chart(name, payload) for name, payload in charts.pictures(plot, axes.place(*plot.place), number))
        for number, plot in enumerate(plots, 1)
    ]
    for name in ("board.js", "board.css"):
        pages.asset(name, (resources.files("leakboard_reports") / "static" / name).read_bytes())

    lists = prices.price_lists(cells, previews, scores)
    checks = nulls.null_checks(cells)
    failures = store.failures()
    offered = board.choices(rows)
    start = board.opening(cells, offered)
    first = board.matching(rows, start)
    return pages.index(
        environment()
        .get_template("index.html.j2")
        .render(
            **_provenance(store.runs(), components, cells, previews),
            axes=axes,
            cells=cells,
            doubts=summary.doubts(cells, checks, failures),
            findings=summary.findings(cells, lists),
            columns=COLUMNS,
            choices=offered,
            start=start,
            board=board.payload(rows),
            first_rows=first[: board.FIRST_ROWS],
            matching=len(first),
            fixed=(fixed := board.alike(first)),
            fixed_words=", ".join(f"{name} {value}" for name, value in fixed.items() if name != "labels"),
            heatmaps=tables.heatmaps(cells),
            price_lists=lists,
            plots=[(plot, charts.vega(plot), files) for plot, files in zip(plots, drawn, strict=True)],
            vega=pages.vega,
            sheets=dict(sorted(sheets.items(), key=lambda item: _place_order(item[0], cells))),
            lost=pictures.lost(store.lost_previews()),
            nulls=checks,
            family_error=FAMILY_ERROR,
            seeds=tables.seed_rows(cells),
            failures=failures.to_dict("records"),
            downloads=pages.downloads,
        )
    )


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
    names = ("decimal", "signed", "percent", "amount", "decibel", "chance", "heat", "softly")
    found.filters.update({name: getattr(formats, name) for name in names}, json=_json, flatten=tables.flatten)
    return found


def _place_order(place: tuple[str, str], cells: list[Cell]) -> tuple[int, tuple[str, str]]:
    known = places(attacks_of(cells))
    return (known.index(place) if place in known else len(known)), place


def _json(value: Any) -> Markup:
    """JSON for a script element: no closing tag, comment or entity can arise from it."""
    from markupsafe import Markup

    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704 - escaped


def _vega() -> str:
    """The browser bundle of Vega, made by vl-convert, so nothing is fetched."""
    import vl_convert

    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def _provenance(
    runs: pd.DataFrame, components: pd.DataFrame, cells: list[Cell], previews: list[Preview]
) -> dict[str, Any]:
    records = runs.to_dict("records")
    names = list(dict.fromkeys(str(run["grid_name"]) for run in records if run["grid_name"]))
    used = {(axis, getattr(cell, axis)) for cell in cells for axis in ("dataset", "victim")}
    described = components.to_dict("records")
    subjects = [
        (component["label"], component["kind"], facts)
        for component in described
        if (component["kind"], component["label"]) in used and (facts := _facts(component["info"]))
    ]
    of_kind = {
        kind: [(c["label"], c["info"]) for c in described if c["kind"] == kind and (kind, c["label"]) in used]
        for kind in ("victim", "dataset")
    }
    found = {
        "trained": manifests.trained(of_kind["victim"]),
        "taken": manifests.taken(of_kind["victim"], cells),
        "datasets": datasets.rows(of_kind["dataset"], previews),
        "subjects": subjects,
    }
    return {"runs": records[::-1], "grids": names, "components": described, **found}


def _facts(info: dict[str, Any]) -> list[tuple[str, str]]:
    """What is known of a victim or a dataset beside the tables: a victim's manifest (losses, recipe, digests), say."""
    known = {name: value for name, value in info.items() if name not in ("doc", "null", *datasets.TOLD)}
    manifest = known.pop("manifest", None) or {}
    return tables.flatten({**(manifest if isinstance(manifest, dict) else {"manifest": manifest}), **known})
