"""The command that tells what samples can show, and the plan that warns of too few."""

import json

import pytest

from helpers.command_line import call, invoked, loaded
from helpers.scores import drawn
from leakboard.kinds import Sides
from leakboard.runs.too_few import too_few
from leakboard.statistics.measures import BUILT_IN, RATES


def test_counts_are_told_for_people_and_for_programs():
    output = call("power", "--members", 100, "--nonmembers", 100).output
    shown = json.loads(call("power", "--members", 100, "--nonmembers", 100, "--json").output)["shown"]

    for told in ("0.5 to +-0.080", "0.615", "below 3.62% (two-sided)", "below 2.95% (one-sided)"):
        assert told in output
    assert (shown["lowest_fpr_unmarked"], shown["lowest_fpr_shown"]) == (0.1, 0.01)
    assert shown["smallest_auc"] == pytest.approx(0.6146, abs=1e-4)
    assert call("power", "--members", 3, "--nonmembers", 2).output.count("none: too few samples") == 2


def test_claims_are_answered_for_people_and_for_programs():
    asked = ("power", "--auc-within", 0.02, "--fpr", 0.01, "--auc", 0.55)
    output, claims = call(*asked).output, json.loads(call(*asked, "--json").output)["claims"]

    for told in ("1,602 a side for 0.5", "299 non-members", "1,000 non-members; 100 with †", "524 a side"):
        assert told in output
    assert claims["auc_within"]["a_side"] == {"0.5": 1602, "0.7": 1297, "0.9": 489}
    assert (claims["fpr"]["clean_nonmembers"], claims["auc"]["a_side"]) == (299, 524)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "there is no question"),
        (["--members", 9], "one side alone"),
        (["--nonmembers", 9, "--fpr", 0.1], "one side alone"),
        (["--members", 0, "--nonmembers", 9], "not in the range"),
        (["--auc", "nan"], "not a number"),
        (["--auc", 0.5], "not in the range"),
        (["--fpr", 1], "not in the range"),
        (["--auc-within", 0], "not in the range"),
    ],
)
def test_questions_without_an_answer_are_refused(options, said):
    assert said in call("power", *options, code=2).output


def test_the_command_loads_no_heavy_library():
    assert loaded(invoked("power", "--members", "9", "--nonmembers", "9"), "torch", "pandas", "sklearn") == "[]"


@pytest.mark.parametrize("nonmembers", [99, 100, 999, 1000, 9999, 10_000])
def test_the_plan_names_a_rate_exactly_where_its_results_are_flagged(nonmembers):
    said = " ".join(too_few({"some": Sides(500, nonmembers)}))
    words = {"": None, "uncalibrated": "will be marked †", "hidden": "will be hidden"}
    for measure in BUILT_IN:
        if measure.name in RATES:
            word = words[measure.function(*drawn(0, 500, nonmembers, 1.0), None).flag]
            assert (f"{measure.title} {word}" in said) if word else (measure.title not in said)


def test_datasets_are_named_apart_and_the_next_step_is_for_the_smallest():
    lines = too_few({"small": Sides(3, 3), "wide": Sides(500, 2000), "enough": Sides(20, 10_000)})

    assert [line.split(" has ")[0] for line in lines[:-1]] == ["warning: small", "warning: wide"]
    assert "no AUC is told from chance" in lines[0]
    assert lines[-1] == "  try: leakboard power --members 3 --nonmembers 3"
    assert too_few({"enough": Sides(20, 10_000)}) == []


def test_plan_warns_of_what_will_be_evaluated(here, grid):
    numbers = json.loads(call("plan", grid, "--json", "--set", "run.nonmembers=300").output)

    assert numbers["evaluated"] == {"fashion_mnist": {"members": 8, "nonmembers": 150}}
    assert "TPR at 1% FPR will be marked † (unmarked from 1,000 non-members)" in numbers["warnings"][0]
    assert "leakboard power --members 8 --nonmembers 8" in call("plan", grid).output
