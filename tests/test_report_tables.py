"""What the report's tables, charts and pictures say."""

from __future__ import annotations

import dataclasses
import io
import json
import math

import numpy as np
import pytest
from PIL import Image

from helpers import synthetic_store
from helpers.synthetic_store import SMALL, made, report
from leakboard.statistics.auc import paired_auc_difference
from leakboard.store import Store
from leakboard.store.artifacts import Artifacts
from leakboard_reports import charts, datasets, formats, manifests, pictures, prices, summary, tables
from leakboard_reports.payloads import ScoreReader, psnr, read_contact_sheets
from leakboard_reports.reading import best, headline, read_cells


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    synthetic_store.build(tmp_path_factory.mktemp("store") / "demo.db", seeds=(0, 1), **SMALL)
    return Store(tmp_path_factory.getbasetemp() / "store0" / "demo.db", read_only=True)


@pytest.fixture(scope="module")
def cells(store):
    return read_cells(store.results(), store.cells())


# --- tables -----------------------------------------------------------------------------------------------------------


def test_every_finished_cell_is_read_and_no_other(store, cells):
    done = store.cells().query("status == 'done'")
    assert {cell.key for cell in cells} == set(done["cell"])
    assert not any(cell.distance.startswith("features") and cell.classifier == "knn" for cell in cells)


def test_a_result_that_is_no_number_is_left_out(store):
    results = store.results()
    first = results["cell"].iloc[0]
    results.loc[(results["cell"] == first) & (results["measure"] == "auc"), "value"] = math.nan
    assert first not in {cell.key for cell in read_cells(results, store.cells())}


def test_ranks_stay_within_an_access_level_and_ties_share_one():
    a, b, c = made(0.9, observer="a"), made(0.9, observer="b"), made(0.8, observer="c")
    black, other, null = made(0.6, access="black"), made(0.7, defense="jpeg"), made(0.99, role="null")
    found = tables.ranks([c, black, a, b, other, null])
    assert [found[cell.key] for cell in (a, b, c, black, other)] == [1, 1, 3, 1, 1]
    assert null.key not in found


def test_headline_takes_most_samples_then_the_lowest_seed():
    small, late, chosen = made(0.9, members=10, nonmembers=10), made(0.9, seed=1), made(0.8, seed=0)
    assert headline([small, late, chosen]) == [chosen]

    everything = made(0.7, members=0, nonmembers=0)
    assert headline([chosen, everything]) == [everything]


def test_the_attack_to_report_is_the_one_that_calibration_samples_chose():
    high, chosen = made(0.9, calibration_auc=0.7), made(0.8, calibration_auc=0.75)

    assert best([high, chosen]) is chosen
    assert best([made(0.95), high]) is high  # one that was not cross-validated is no choice
    assert best([made(0.7), made(0.95)]).auc.value == 0.95  # a store that is older than the choice


def test_best_prefers_the_cheaper_of_equals():
    assert best([made(0.8, nfe=10.0), made(0.8, nfe=1.0)]).nfe == 1.0
    assert best([]) is None


def test_heatmap_shows_best_cells_and_differences_to_no_defense():
    cells = [
        made(0.8, distance="d", classifier="weak"),
        made(0.9, distance="d", classifier="strong"),
        made(0.7, distance="d", defense="jpeg"),
        made(0.6, distance="d", defense="jpeg", attacker="naive"),
        made(0.65, attack="pia", defense="jpeg"),
    ]
    adaptive, naive = tables.heatmaps(cells)
    assert adaptive.defenses == ("none", "jpeg")
    assert [row.title for row in adaptive.rows] == ["x · d", "pia"]
    assert [cell.auc.value for cell in adaptive.rows[0].cells] == [0.9, 0.7]
    assert adaptive.rows[0].changes == (None, pytest.approx(-0.2))
    assert adaptive.rows[1].cells[0] is None
    assert adaptive.rows[1].changes == (None, None)
    assert [cell.auc.value for cell in naive.rows[0].cells] == [0.9, 0.6], "both attackers share the undefended cells"


def test_a_heatmap_with_too_many_rows_merges_distances():
    cells = [made(0.6 + n / 1000, observer=f"o{n % 2}", distance=f"d{n}") for n in range(tables.MAX_ROWS + 1)]
    assert [row.title for row in tables.heatmaps(cells)[0].rows] == ["o0", "o1"]


def test_an_unnamed_row_takes_its_best_classifier_also_when_that_has_a_published_name():
    """Else the row of an observer and a distance would show a worse classifier than the best that was tried."""
    published = made(0.9, attack="named", observer="o", distance="d", classifier="strong")
    cells = [
        published,
        made(0.8, observer="o", distance="d", classifier="weak"),
        made(0.95, attack="alone", observer="p", distance="d"),
    ]
    rows = {row.title: row for row in tables.heatmaps(cells)[0].rows}
    assert rows.keys() == {"named", "o · d", "alone"}
    assert rows["o · d"].cells == (published,)
    assert (rows["o · d"].chosen, rows["named"].chosen) == (("strong",), ())


def test_rows_of_a_heatmap_stand_apart_by_access():
    cells = [made(0.7, access="black", observer="b"), made(0.9, observer="g")]
    (found,) = tables.heatmaps(cells)
    assert [(access, [row.title for row in rows]) for access, rows in found.levels] == [
        ("black", ["b · x"]),
        ("gray", ["g · x"]),
    ]


def test_seeds_are_told_apart_from_samples():
    rows = tables.seed_rows([made(0.7, seed=0), made(0.9, seed=1), made(0.5, observer="once")])
    assert len(rows) == 1
    assert rows[0].spread == pytest.approx((0.8, math.sqrt(0.02), 2))
    assert rows[0].half_width == pytest.approx(0.05)


def test_facts_are_flattened():
    found = formats.flatten({"loss": {"members": 0.0221, "held_out": 0.5}, "tags": ["a", 1]})
    assert found == [("loss.members", "0.0221"), ("loss.held_out", "0.5"), ("tags", "a, 1")]


# --- prices -----------------------------------------------------------------------------------------------------------


def test_prices_pair_the_same_samples(store, cells):
    scores = ScoreReader(store)
    found = prices.price_lists(cells, read_contact_sheets(store, store.components()), scores)
    assert [each.victim for each in found] == ["fashion_ddpm(epochs='moderate')"]
    change = found[0].rows[0].best["adaptive"]
    mine, base = scores(change.cell), scores(found[0].base)
    expected = paired_auc_difference(mine.score, base.score, mine.member)
    assert (change.value, change.low, change.p_value) == (expected.value, expected.low, expected.p_value)
    assert change.value == pytest.approx(change.cell.auc.value - found[0].base.auc.value)


def test_a_defense_that_does_nothing_is_rarely_called_lowering():
    """Holm over its column: the smallest of eight p-values is multiplied by eight."""
    change = prices.Change(made(0.6), -0.05, -0.09, -0.01, 0.01)
    rows = [
        prices.Price(f"d{number}", {"adaptive": dataclasses.replace(change, p_value=p_value)}, {}, None, None, 0)
        for number, p_value in enumerate([0.01, *[0.5] * 7])
    ]
    (first, *_) = corrected = prices.corrected(rows)

    assert first.best["adaptive"].adjusted == pytest.approx(0.08)
    assert not first.best["adaptive"].lowers
    assert [row.best["adaptive"].p_value for row in corrected] == [row.best["adaptive"].p_value for row in rows]
    assert prices.corrected(rows[:1])[0].best["adaptive"].lowers


def test_unpaired_scores_still_give_a_wider_interval(cells, store):
    attacks = [cell for cell in cells if cell.role == "attack" and cell.seed == 0]
    paired = prices.change(attacks[0], attacks[1], ScoreReader(store))
    unpaired = prices.change(attacks[0], attacks[1], lambda _: None)
    assert (paired.paired, unpaired.paired) == (True, False)
    assert unpaired.p_value > paired.p_value
    assert unpaired.value == pytest.approx(paired.value)
    assert unpaired.low < paired.low < paired.high < unpaired.high
    bare = [dataclasses.replace(c, measures={"auc": dataclasses.replace(c.auc, low=None)}) for c in attacks[:2]]
    assert prices.change(*bare, lambda _: None).low is None


def test_psnr_of_query_and_output(store, cells):
    rows = prices.price_lists(cells, read_contact_sheets(store, store.components()), ScoreReader(store))[0].rows
    query, output = (next(row for row in rows if ("output" in row.defense) == late) for late in (False, True))
    assert 20 < query.query_db < 60
    assert math.isinf(output.query_db), "an output defense leaves the query alone"
    assert 20 < output.output_db < 60
    white, gray = np.full((1, 1, 4, 4), 255, np.uint8), np.full((1, 1, 4, 4), 230, np.uint8)
    assert psnr(white, gray) == pytest.approx(20 * math.log10(255 / 25))


def test_outputs_that_answer_different_questions_are_not_compared(store, cells):
    contact_sheets = [
        dataclasses.replace(kept, question="" if kept.defense == "none" else "reconstruct 0.5 5 0 step 4")
        for kept in read_contact_sheets(store, store.components())
    ]
    rows = prices.price_lists(cells, contact_sheets, ScoreReader(store))[0].rows
    assert {row.output_db for row in rows} == {None}
    assert all(row.query_db for row in rows)


def test_findings_name_the_leak_and_the_best_defense(store, cells):
    lists = prices.price_lists(cells, read_contact_sheets(store, store.components()), ScoreReader(store))
    (found,) = summary.findings(cells, lists)
    assert found.leaks
    assert found.helpful.defense == "box_blur(radius=1, at='output')"
    assert found.top.cell.auc.value == max(c.auc.value for c in headline(cells) if c.role == "attack" and c.undefended)


def test_the_best_of_many_at_chance_is_no_leak():
    (found,) = summary.findings([made(0.62, seed=0, observer=str(n)) for n in range(40)], [])
    assert not found.leaks
    (found,) = summary.findings([made(0.62)], [])
    assert found.leaks


# --- charts and pictures ----------------------------------------------------------------------------------------------


def test_roc_plots_take_the_best_of_each_access_level_and_the_blind_check(store, cells):
    (plot,) = charts.plots(cells, ScoreReader(store), {})
    assert [curve.access for curve in plot.curves] == ["black box", "gray box", "blind"]
    for curve in plot.curves:
        assert curve.tpr(0.01) == pytest.approx(curve.cell.measures["tpr_at_1pct_fpr"].value, abs=1e-6)
    spec = charts.vega(plot)
    assert spec["background"] is None
    assert "://" not in json.dumps(spec)
    assert "currentColor" in json.dumps(spec)


def test_lost_and_damaged_files_leave_gaps(tmp_path):
    synthetic_store.build(tmp_path / "demo.db", **SMALL)
    lost = Store(tmp_path / "demo.db", read_only=True)
    for number, entry in enumerate(list(Artifacts(lost.artifacts).list())):
        path = Artifacts(lost.artifacts).path(entry.key)
        path.unlink() if number % 2 else path.write_bytes(path.read_bytes()[:-3])
    text = report(lost, tmp_path / "out").read_text()
    assert "No scores of an undefended victim could be read" in text
    assert "There are no pictures to show" in text
    assert "vega" not in text.split("</head>")[0]


def test_lost_and_damaged_pictures_are_told_by_what_they_show(tmp_path):
    """Nothing of a file is left to say so, hence by the key; whoever reads the page is told how to have them again."""
    synthetic_store.build(tmp_path / "demo.db", **SMALL)
    store = Store(tmp_path / "demo.db", read_only=True)
    assert "missing or damaged" not in report(store, tmp_path / "out").read_text()
    artifacts = Artifacts(store.artifacts)
    of = {(meta["victim"], meta["defense"]): artifacts.path(key) for key, meta in contact_sheets_of(store, artifacts)}
    of["untrained", "none"].unlink()
    of["untrained", "box_blur(radius=1)"].write_bytes(b"garbage")
    text = report(store, tmp_path / "out").read_text()
    section = text[text.index('id="pictures"') : text.index('id="nulls"')]
    note = section[: section.index("</p>")]
    assert "missing or damaged" in note
    assert "untrained under none, box_blur(radius=1)." in note
    assert "epochs" not in note
    assert "leakboard merge" in note
    assert "<caption>box_blur(radius=1, at=&#39;output&#39;)</caption>" in section, "the others are shown"


def contact_sheets_of(store, artifacts):
    return [(key, artifacts.get(key)[1]) for key in store.artifact_digests("preview")]


def test_the_chart_in_words_tells_the_stored_rates(store, cells):
    """The points of a curve are few, and the lowest of them may lie above the rate."""
    (plot,) = charts.plots(cells, ScoreReader(store), {})
    curve = plot.curves[0]
    rate = dataclasses.replace(curve.cell.measures["tpr_at_1pct_fpr"], value=0.4321, flag="uncalibrated")

    def told(estimate):
        measures = {**curve.cell.measures, "tpr_at_1pct_fpr": estimate}
        other = dataclasses.replace(curve, cell=dataclasses.replace(curve.cell, measures=measures))
        return charts.vega(charts.Plot("d", "v", (other,)))["description"]

    assert "1% false positives: black box 43.2%, AUC" in told(rate)
    assert "black box unknown, AUC" in told(dataclasses.replace(rate, flag="hidden"))


def test_victims_stand_side_by_side_with_what_their_manifests_say():
    full = {
        "epochs": 770,
        "loss": {
            "members": {"mean": 0.02965, "error": 0.000545},
            "held_out": {"mean": 0.99, "error": 0.0008},
            "rule": "mse",
        },
        "quality": {"kernel_distance": -0.0009356, "rule": "mmd"},
        "weights": {"sha256": "7ed48a"},
    }
    plain = {"loss": {"members": 0.5, "rule": "mse"}, "weights": "no mapping"}
    facts = [("heavy", {"manifest": full}), ("plain", {"manifest": plain}), ("odd", {"manifest": "text"}), ("none", {})]
    found = manifests.trained(facts)
    absent = formats.ABSENT
    assert found.rows == (
        manifests.VictimRow("heavy", "770", "0.02965 ± 0.0005", "0.9900 ± 0.0008", "\N{MINUS SIGN}0.0009356", "7ed48a"),
        manifests.VictimRow("plain", absent, "0.5000", absent, absent, ""),
    )
    assert (found.loss_rules, found.quality_rules) == (("mse",), ("mmd",))


def pixels_of(strip):
    return np.asarray(Image.open(io.BytesIO(strip.payload)))


def test_strips_are_png_files_of_the_pixels(store):
    kept = read_contact_sheets(store, store.components())[0]
    found = pictures.strip(kept.original, [0, 2], "members")
    image = pixels_of(found)
    assert (found.alt, image.shape[0], image.shape[1]) == ("2 members", 28, found.width)
    assert (image[:, :28, 0] == kept.original[0, 0]).all()
    assert (image[:, 30:, 0] == kept.original[2, 0]).all()
    assert pictures.strip(kept.original, [], "members") is None


def test_strips_keep_colours_and_reduce_large_images_to_means():
    """Thinning them out would show a pattern that is not there."""
    checkered = np.indices((512, 300)).sum(0) % 2 * 200
    colour = np.stack([checkered, np.full_like(checkered, 80), 200 - checkered])[None].astype(np.uint8)
    found = pictures.strip(np.concatenate([colour, colour]), [0, 1], "members")
    image = pixels_of(found)
    assert (image.shape[0], image.shape[1]) == (128, 2 * 75 + 5)
    assert (image[:, :75] == [100, 80, 100, 255]).all()
    assert (image[:, 80:] == [100, 80, 100, 255]).all()
    assert not found.wide
    assert pictures.strip(np.concatenate([colour] * 4), range(4), "members").wide


def test_odd_numbers_of_channels_are_shown_grey():
    two = np.stack([np.full((9, 9), 10), np.full((9, 9), 200)])[None].astype(np.uint8)
    image = pixels_of(pictures.strip(two, [0], "members"))
    assert (image == [10, 10, 10, 255]).all()


def test_a_sheet_tells_how_images_were_fitted(store):
    kept = dataclasses.replace(read_contact_sheets(store, store.components())[0], fit="28 x 28 padded to 32 x 32")
    ((sheet,),) = pictures.sheets([kept]).values()
    assert sheet.fit == "28 x 28 padded to 32 x 32"


def test_datasets_are_told_with_size_and_notes(store):
    contact_sheets = read_contact_sheets(store, store.components())
    facts = {"members": 1024, "nonmembers": 1025, "notes": ["MIT licence", "2 near duplicates"], "doc": "Clothes."}
    full, bare = datasets.rows([("fashion_mnist", facts), ("another", {"notes": "no list"})], contact_sheets)
    assert full == datasets.DatasetRow(
        "fashion_mnist", "1,024", "1,025", "28 x 28 grey", ("MIT licence", "2 near duplicates")
    )
    assert bare == datasets.DatasetRow("another", *[formats.ABSENT] * 3, ())
    colour = dataclasses.replace(contact_sheets[0], shape=(3, 32, 40))
    assert datasets.size_of(colour) == "32 x 40 RGB"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (formats.signed(-0.12349), "\N{MINUS SIGN}0.123"),
        (formats.signed(0.00001), "0.000"),
        (formats.decimal(None), "\N{EN DASH}"),
        (formats.percent(0.1234), "12.3"),
        (formats.amount(1234.0), "1,234"),
        (formats.amount(0.8123), "0.81"),
        (formats.amount(None), "not measured"),
        (formats.amount(0.0001), "< 0.01"),
        (formats.decimal(0.5625), "0.563"),
        (formats.decibel(math.inf), "unchanged"),
        (formats.chance(0.0001), "< 0.001"),
        (formats.heat(0.71), "hot-4"),
        (formats.heat(0.41), "cold-2"),
        (str(formats.softly("a_b(<)")), "a_<wbr>b(<wbr>&lt;)"),
    ],
)
def test_numbers_as_people_read_them(text, expected):
    assert text == expected
