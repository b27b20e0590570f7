"""What victims state of their privacy: drawn beside their attacks, and told where an attack shows that it is not kept."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from helpers.scores import drawn
from helpers.synthetic_store import MANIFEST, build, made, report
from leakboard.statistics.permutation import Scores
from leakboard_reports import charts, privacy
from leakboard_reports.charts import Curve, Plot
from leakboard_reports.privacy import Promise

VICTIM = "fashion_ddpm(epochs='moderate')"


def store(path, epsilon):
    return build(
        path,
        victims=(VICTIM,),
        defenses=("none",),
        observers=("complete",),
        distances=("psnr",),
        classifiers=("logistic_regression", "knn"),
        published=(),
        attackers=("adaptive",),
        permuted=False,
        failing=False,
        manifest=MANIFEST | {"privacy": {"epsilon": epsilon, "delta": 1e-3}},
    )


def test_attacks_above_what_is_stated_are_named_first_and_marked_in_the_leaderboard(tmp_path):
    index = report(store(tmp_path / "a.db", 0.05), tmp_path / "out").read_text(encoding="utf-8")
    sets = (tmp_path / "out" / "sets.html").read_text(encoding="utf-8")

    assert (
        f"More leaks from {VICTIM.replace(chr(39), '&#39;')} than its stated epsilon allows,</strong> in 1 attack:"
        in index
    )
    assert "above what the stated epsilon 0.05, delta 0.001 allows" in index
    assert "stated: epsilon 0.05, delta 0.001</p>" in index
    assert charts.CEILING in index
    assert "not kept" in sets


def test_an_epsilon_that_allows_what_is_found_is_drawn_and_no_alarm(tmp_path):
    index = report(store(tmp_path / "a.db", 20.0), tmp_path / "out").read_text(encoding="utf-8")

    assert "stated: epsilon 20, delta 0.001</p>" in index
    assert "More leaks" not in index
    assert "not kept" not in (tmp_path / "out" / "sets.html").read_text(encoding="utf-8")


def test_the_ceiling_is_a_line_of_its_own_below_the_curves():
    curve = Curve(made(0.8, attack="pia"), "gray box", ((0.0, 0.0), (0.1, 0.5), (1.0, 1.0)), shown=0.71)
    plain, stated = (charts.vega(Plot("d", "v", (curve,), promise=promise)) for promise in (None, Promise(1.0, 0.01)))

    assert charts.CEILING not in json.dumps(plain)
    line = stated["datasets"][stated["layer"][1]["data"]["name"]]
    assert {point["access"] for point in line} == {charts.CEILING}
    middle = min(line, key=lambda point: abs(point["fpr"] - 0.1))
    assert middle["tpr"] == pytest.approx(np.e * middle["fpr"] + 0.01, rel=1e-3)
    assert line[-1]["tpr"] == 1
    assert stated["description"].endswith("The victim states epsilon 1, delta 0.01.")


@pytest.mark.parametrize(
    "stated",
    [
        None,
        3,
        {},
        {"epsilon": 1.0},
        {"epsilon": "1", "delta": 0.1},
        {"epsilon": 1, "delta": 1},
        {"epsilon": -1, "delta": 0},
    ],
)
def test_a_manifest_without_epsilon_and_delta_states_nothing(stated):
    rows = [{"kind": "victim", "label": "v", "info": {"manifest": {"privacy": stated}}}]
    rows += [{"kind": "victim", "label": "w", "info": {}}, {"kind": "dataset", "label": "x", "info": {}}]
    assert privacy.promises(pd.DataFrame(rows)) == {}


def test_a_promise_is_read_from_the_manifest():
    rows = [{"kind": "victim", "label": "v", "info": {"manifest": {"privacy": {"epsilon": 2, "delta": 1e-3}}}}]
    assert privacy.promises(pd.DataFrame(rows)) == {"v": Promise(2.0, 1e-3)}


def test_null_checks_break_no_promise_and_the_error_is_shared_among_attacks():
    scores, member = drawn(0, 300, 300, 2.5)
    mine = Scores(tuple(map(str, range(600))), scores, member)
    strong = made(0.9, victim="v")
    cells = [
        strong,
        made(0.9, victim="v", role="null"),
        made(0.9, victim="v", labels="permuted"),
        made(0.9, victim="w"),
    ]

    (found,) = privacy.broken(cells, {"v": Promise(0.5, 1e-3)}, lambda _: mine)
    assert found.cell == strong
    marked = privacy.marked(cells, [found])
    assert [bool(cell.note) for cell in marked] == [True, False, False, False]
    many = [made(0.9, victim="v", seed=seed) for seed in range(50)]
    assert privacy.broken(many, {"v": Promise(0.5, 1e-3)}, lambda _: mine)[0].found.tpr_low < found.found.tpr_low
