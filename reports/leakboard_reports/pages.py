"""Static pages of a store: the index, the pages that join it, their assets, and the numbers as CSV."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from importlib.metadata import version
from typing import TYPE_CHECKING

from leakboard.statistics.nulls import FAMILY_ERROR, POWER
from leakboard.store import NULL_CHECK
from leakboard_reports import (
    attackers,
    board,
    bypasses,
    charts,
    measures,
    nulls,
    overview,
    pictures,
    prices,
    privacy,
    quality,
    subjects,
    summary,
    tables,
    what_was_run,
)
from leakboard_reports.output import Files
from leakboard_reports.payloads import ScoreReader, read_contact_sheets
from leakboard_reports.reading import ACCESS_NAMES, attacks_of, places, read_cells
from leakboard_reports.templating import INDEX, Link, environment, joined

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from leakboard.api import Measure, Page
    from leakboard.store import Store
    from leakboard_reports.reading import Cell

STATIC = ("board.css", "print.css", "board.js", "proposals.js", "tables.js")


@dataclass(frozen=True)
class Axes:
    """Whether labels must name the dataset too, because there are several."""

    many_datasets: bool

    def place(self, dataset: str, victim: str) -> str:
        """How headings call what is attacked."""
        return f"{victim} on {dataset}" if self.many_datasets else victim


def render(store: Store, out: Path, pages: Sequence[Page], known: Sequence[Measure], *, pictures: bool = False) -> Path:
    """Write the report of ``store`` into the folder ``out``; returns ``out/index.html``.

    ``pages`` join it, each in the frame of the index; ``known`` measures have a title and a format. An existing report
    there is replaced; other files in the folder are left alone. The index is written last, in one step, so that a
    reader never sees a page without its assets. Images of datasets that are not public show with ``pictures``.

    Raises:
        LeakboardError: ``out`` cannot be written.
    """
    files = Files(out, (page.name for page in pages))
    links = [INDEX, *(Link(page.name, page.title) for page in pages)]
    names = list(dict.fromkeys(str(name) for name in store.runs()["grid_name"] if name))
    title = f"Membership leakage: {', '.join(names)}" if names else "Membership leakage"
    for name in STATIC:
        files.asset(name, (resources.files("leakboard_reports") / "static" / name).read_bytes())
    for page, link in zip(pages, links[1:], strict=True):
        files.page(page.name, joined(link, page.body(store), title, links))
    return files.index(_index(store, files, known, title, links, all_pictures=pictures))


def _index(
    store: Store, files: Files, known: Sequence[Measure], title: str, links: Sequence[Link], *, all_pictures: bool
) -> str:
    """The first page; what it needs beside itself is written on the way."""
    results, tried, components = store.results(), store.cells(), store.components()
    promised, scores = privacy.promises(components), ScoreReader(store)
    cells = read_cells(results, tried)
    broken = privacy.broken(cells, promised, scores)
    cells = privacy.marked(cells, broken)
    measured = measures.columns(cells, known)
    rows = tables.leaderboard(cells, [each.name for each in measured])
    plots = charts.plots(cells, scores, promised)
    contact_sheets = read_contact_sheets(store, components)
    datasets = {cell.dataset for cell in cells}
    private = [name for name in store.private_datasets() if name in datasets]
    sheets = pictures.sheets(s for s in contact_sheets if all_pictures or s.dataset not in private)
    axes = Axes(len(datasets) > 1)

    if plots:
        # Large and slow to make: kept from report to report as long as its version is the same.
        files.script(f"vega-{version('vl-convert-python')}.js", _vega)
    files.frame("results.csv", results.assign(role=results["role"].replace("null", NULL_CHECK)))
    files.table(
        "leaderboard.csv", [row | {"role": NULL_CHECK if row["role"] == "null" else row["role"]} for row in rows]
    )
    files.table("roc.csv", charts.rows(plots))
    for strip in {s.file: s for group in sheets.values() for sheet in group for s in sheet.strips}.values():
        files.asset(strip.file, strip.payload)
    drawn = [
        tuple(files.chart(name, payload) for name, payload in charts.pictures(plot, axes.place(*plot.place), number))
        for number, plot in enumerate(plots, 1)
    ]

    lists = prices.price_lists(cells, contact_sheets, scores)
    leading = overview.overviews(cells, lists)
    files.table("overview.csv", overview.rows(leading))
    qualities = quality.table(store, components, cells)
    files.table("quality.csv", quality.rows(qualities))
    checks = nulls.null_checks(cells, scores)
    shown = board.written(rows, measured)
    offered = board.choices(rows)
    start = board.opening(cells, offered)
    first = board.matching(shown, start)
    columns = board.columns(measured)
    done = int((tried["status"] == "done").sum())
    return (
        environment()
        .get_template("index.html.j2")
        .render(
            **subjects.told(components, cells, contact_sheets, store),
            page=INDEX,
            links=links,
            report=title,
            more=next((link for link in links if link.name == what_was_run.PAGE.name), None),
            axes=axes,
            attackers=attackers.legend(cells),
            marks=bypasses.legend(cells),
            noted=any(cell.note for cell in cells),
            chosen=all(cell.calibration_auc is not None for cell in attacks_of(cells)),
            doubts=summary.doubts(cells, checks, store.failures(), done, broken),
            findings=summary.findings(cells, lists),
            columns=columns,
            choices=offered,
            start=start,
            board=board.payload(shown, measured),
            levels=board.levels(first),
            matching=len(first),
            fixed=board.alike(first, board.told_alike(columns)),
            access_names=ACCESS_NAMES,
            overviews=leading,
            scale=overview.scale(leading),
            accesses=overview.accesses(leading),
            heatmaps=tables.heatmaps(cells),
            price_lists=lists,
            qualities=qualities,
            plots=[(plot, charts.vega(plot), found) for plot, found in zip(plots, drawn, strict=True)],
            vega=files.vega,
            sheets=dict(sorted(sheets.items(), key=lambda item: _place_order(item[0], cells))),
            lost=pictures.lost(store.lost_contact_sheets()),
            left_out=[] if all_pictures else private,
            shown_private=[name for name in private if name in {place[0] for place in sheets}],
            nulls=checks,
            family_error=FAMILY_ERROR,
            power=POWER,
            seeds=tables.seed_rows(cells),
            downloads=files.downloads,
        )
    )


def _place_order(place: tuple[str, str], cells: list[Cell]) -> tuple[int, tuple[str, str]]:
    known = places(attacks_of(cells))
    return (known.index(place) if place in known else len(known)), place


def _vega() -> str:
    """The browser bundle of Vega, made by vl-convert, so nothing is fetched."""
    import vl_convert

    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
