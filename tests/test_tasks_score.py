"""From features to scores and measures."""

import json
from dataclasses import replace

import numpy as np
import pytest

from helpers.cell_work import changed
from helpers.tiny_grids import PLUGIN
from leakboard.kinds import Sides
from leakboard.registry.find import shared
from leakboard.runs.rows import attempt_row
from leakboard.store.artifacts import Artifacts, Damaged
from leakboard.tasks.fit import by_own
from leakboard.tasks.sample_lists import Population, put
from leakboard.tasks.score import score
from leakboard.tasks.splits import calibration
from leakboard.tasks.task import CellWork, ScoreTask, Settings, Way

POPULATION = Population(tuple(f"s{number}" for number in range(40)), np.arange(40) % 2 == 0)
CHOSEN = POPULATION.chosen(Sides(20, 20))
IDS, MEMBER = CHOSEN.ids, CHOSEN.member
COLUMNS = ("a", "b", "c")


class Spy:
    name = "spy"

    def fit(self, features, member, columns):
        self.features, self.member, self.columns = features.copy(), member.copy(), columns
        return lambda unseen: unseen.mean(axis=1)


@pytest.fixture
def task(tmp_path):
    """A scoring task of one cell on features that two shards of made-up numbers hold."""
    artifacts = Artifacts(tmp_path)
    put(artifacts, "data", POPULATION)
    cell = CellWork("cell", "true", 0, 0.5, (Way("mean()", ("one", "two"), ("one", "two")),))
    settings = Settings(str(tmp_path), (str(PLUGIN),), "cpu", 8, 0.0)
    keep(artifacts, "one", features()[:16])
    keep(artifacts, "two", features()[16:])
    return ScoreTask("label", "data", "linear", "victim", Sides(20, 20), (cell,), settings)


def features(seed=0):
    return np.random.default_rng(seed).random((40, 3)) - 0.4 * MEMBER[:, None]


def keep(artifacts, key, values, columns=COLUMNS, closer=False, seconds=2.0, ids=None, **more):
    meta = {
        "ids": json.dumps(ids or {"one": IDS[:16], "two": IDS[16:]}.get(key, IDS)),
        "columns": json.dumps(columns),
        "larger_is_closer": json.dumps(closer),
        "queries": "1",
        "nfe": "4",
        "seconds": repr(seconds),
    }
    artifacts.put(key, {"values": values}, meta | more, "features")


def answer(task, **changes):
    cell = changed(task.cells[0], **changes)
    return score(replace(task, cells=(cell,)), shared(task.settings.plugins)).parts[0]


def auc(found):
    return found.results[0].value


def test_a_smaller_distance_speaks_for_a_member_and_a_smaller_similarity_against(task, tmp_path):
    near = answer(task)
    assert auc(near) > 0.7
    keep(Artifacts(tmp_path), "one", features()[:16], closer=True)
    keep(Artifacts(tmp_path), "two", features()[16:], closer=True)
    assert auc(answer(task)) == pytest.approx(1 - auc(near))


def test_a_score_is_never_turned_round_by_labels(task):
    """A classifier that ranks the wrong way keeps its AUC below one half."""
    assert auc(answer(task, classifier="mean(factor=-1.0)")) == pytest.approx(1 - auc(answer(task)))


def test_the_classifier_sees_calibration_samples_only():
    known = calibration(IDS, MEMBER, 0, 0.5)
    spy = Spy()
    by_own(spy, (features(), features(1)), MEMBER, known, COLUMNS)
    assert np.array_equal(spy.features, features()[known])
    assert np.array_equal(spy.member, MEMBER[known])
    assert spy.columns == COLUMNS


def test_evaluation_labels_move_neither_scores_nor_the_threshold():
    known = calibration(IDS, MEMBER, 0, 0.5)
    other = np.where(known, MEMBER, ~MEMBER)
    one, two = (by_own(Spy(), (features(), features()), labels, known, COLUMNS) for labels in (MEMBER, other))
    assert np.array_equal(one.scores, two.scores)
    assert one.threshold == two.threshold


def test_a_cell_is_chosen_by_its_calibration_samples_and_a_null_check_by_nothing(task, tmp_path):
    known = calibration(IDS, MEMBER, 0, 0.5)
    before = answer(task).calibration_auc
    assert 0.5 < before < 1
    assert answer(task, competes=False).calibration_auc is None

    spoilt = np.where(known[:, None], features(), np.random.default_rng(9).random((40, 3)))
    keep(Artifacts(tmp_path), "one", spoilt[:16])
    keep(Artifacts(tmp_path), "two", spoilt[16:])
    assert answer(task).calibration_auc == before


def test_a_naive_attacker_chooses_by_what_a_victim_without_defense_said(task, tmp_path):
    before = answer(task).calibration_auc
    keep(Artifacts(tmp_path), "defended", np.random.default_rng(5).random((40, 3)))

    assert answer(task, evaluate_on=("defended",)).calibration_auc == before


def test_a_classifier_that_cannot_be_cross_validated_keeps_its_cell(task, write):
    plugin = write(
        "greedy.py",
        """
        from dataclasses import dataclass
        from leakboard import hookimpl
        from leakboard.api import Classifier

        @dataclass(frozen=True, kw_only=True)
        class Greedy(Classifier):
            \"\"\"Wants all 20 samples.\"\"\"
            name = "greedy"

            def fit(self, features, member, columns):
                if len(features) < 20:
                    raise ValueError("too few")
                return lambda rows: -rows.mean(axis=1)

        @hookimpl
        def leakboard_classifiers():
            return [Greedy]
    """,
    )
    plugins = (*task.settings.plugins, str(plugin))
    found = answer(replace(task, settings=replace(task.settings, plugins=plugins)), classifier="greedy()")

    assert (found.status, found.calibration_auc) == ("done", None)
    assert found.note == "not cross-validated on calibration samples: ValueError: too few"


def test_a_naive_attacker_calibrates_on_the_undefended_features(task, tmp_path):
    defended = features(7)
    keep(Artifacts(tmp_path), "defended", defended)
    found = answer(task, classifier="centred()", evaluate_on=("defended",))
    known = calibration(IDS, MEMBER, 0, 0.5)
    before, after = -features(), -defended
    inside, outside = before[known & MEMBER].mean(axis=0), before[known & ~MEMBER].mean(axis=0)
    expected = (after[~known] - (inside + outside) / 2) @ (inside - outside)
    scores, _ = Artifacts(tmp_path).get(found.scores_key)
    assert np.allclose(scores["score"], expected)


def test_a_naive_attacker_behind_a_budget_uses_the_columns_that_both_begin_with(task, tmp_path):
    """The same numbers as if the undefended victim had been asked no more either."""
    artifacts, refusal = Artifacts(tmp_path), "budget refused more after 2 queries"
    keep(artifacts, "defended", features(7)[:, :2], columns=COLUMNS[:2], refusal=refusal)
    keep(artifacts, "short", features()[:, :2], columns=COLUMNS[:2])

    found = answer(task, classifier="centred()", evaluate_on=("defended",))
    alone = answer(task, classifier="centred()", evaluate_on=("defended",), calibrate_on=("short",))

    assert (found.status, found.results) == ("done", alone.results)
    assert found.note == f"{refusal}; calibrated and evaluated on the first 2 of 3 columns"
    assert alone.note == refusal


def test_a_naive_attacker_who_was_refused_and_asked_something_else_is_skipped(task, tmp_path):
    keep(Artifacts(tmp_path), "defended", features(7)[:, :2], columns=("a", "x"), refusal="refused more")
    found = answer(task, evaluate_on=("defended",))

    assert (found.status, found.results) == ("skipped", ())
    assert found.error == "calibrated and evaluated on different pairs: 'b' / 'x', for refused more"


def test_fewer_columns_without_a_refusal_are_a_fault(task, tmp_path):
    keep(Artifacts(tmp_path), "defended", features(7)[:, :2], columns=COLUMNS[:2])
    found = answer(task, evaluate_on=("defended",))

    assert found.status == "failed"
    assert "different pairs" in found.error


def test_the_price_of_a_naive_attacker_is_a_share_of_each_side(task, tmp_path):
    keep(Artifacts(tmp_path), "defended", features(7), seconds=100.0)
    found = answer(task, evaluate_on=("defended",), calibration=0.25)
    assert found.seconds == pytest.approx(0.25 * 4 + 0.75 * 100, abs=1)
    assert (found.queries, found.evaluations) == (1, 4)


def test_permuted_labels_break_the_tie_between_features_and_membership(task):
    spread = [auc(answer(task, key=f"cell {number}", labels="permuted")) for number in range(30)]
    assert abs(np.mean(spread) - 0.5) < 0.08
    assert len(set(spread)) > 10


def test_shards_with_other_pairs_are_refused(task, tmp_path):
    keep(Artifacts(tmp_path), "two", features()[16:], columns=("a", "b", "x"))
    found = answer(task)
    assert found.status == "failed"
    assert "the observer yielded other pairs for other samples" in found.error


def test_features_of_other_samples_than_those_listed_are_refused(task, tmp_path):
    """A dataset that loads in another order must not lend one sample's features the label of another."""
    keep(Artifacts(tmp_path), "two", features()[16:], ids=IDS[16:][::-1])
    found = answer(task)
    assert found.status == "failed"
    assert "the features are of other samples than those listed" in found.error


def test_damaged_features_are_reported_and_not_taken_for_a_fault_of_the_cell(task, tmp_path):
    path = Artifacts(tmp_path).path("one")
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(Damaged):
        answer(task)


@pytest.mark.parametrize(
    ("noted", "told"), [({"fit": "padded to 8x8"}, "padded to 8x8"), ({"fit": ""}, "exact"), ({}, "")]
)
def test_how_images_were_fitted_comes_with_the_result(task, tmp_path, noted, told):
    """Features that were made before it was noted stay without it."""
    keep(Artifacts(tmp_path), "one", features()[:16], **noted)
    keep(Artifacts(tmp_path), "two", features()[16:], **noted)
    outcome = score(task, shared(task.settings.plugins))
    assert outcome.parts[0].status == "done"
    assert attempt_row("cell", outcome.parts[0], outcome).fit == told


@pytest.mark.parametrize(
    ("one", "two", "told"),
    [
        ({"bypass": "query: decode"}, {"bypass": "output: decode"}, "query: decode; output: decode"),
        ({"bypass": "nothing"}, {"bypass": "nothing"}, "nothing"),
        ({"bypass": "query: decode"}, {}, ""),
        ({}, {"bypass": "nothing"}, ""),
    ],
)
def test_what_went_past_a_defense_comes_with_the_result(task, tmp_path, one, two, told):
    """Of all shards together; where one was made before it was noted, nobody knows."""
    keep(Artifacts(tmp_path), "one", features()[:16], **one)
    keep(Artifacts(tmp_path), "two", features()[16:], **two)
    outcome = score(task, shared(task.settings.plugins))
    assert attempt_row("cell", outcome.parts[0], outcome).bypass == told


def test_only_what_is_scored_counts_as_past_the_defense(task, tmp_path):
    """A naive attacker calibrates on the undefended victim."""
    for key, rows, bypass in (("bare", slice(None), "nothing"), ("kept", slice(None), "output: decode")):
        keep(Artifacts(tmp_path), key, features()[rows], bypass=bypass)
    found = answer(task, calibrate_on=("bare",), evaluate_on=("kept",))
    assert (found.status, found.bypass) == ("done", "output: decode")


def test_a_cell_that_failed_tells_no_fit(task):
    cells = (changed(task.cells[0], classifier="a_bad_classifier(how='raise')"),)
    outcome = score(replace(task, cells=cells), shared(task.settings.plugins))
    assert attempt_row("cell", outcome.parts[0], outcome).fit == ""


@pytest.mark.parametrize("how", ["raise", "nan", "shape", "quit"])
def test_a_bad_classifier_fails_alone(task, how):
    cells = (changed(task.cells[0], key="bad", classifier=f"a_bad_classifier(how={how!r})"), task.cells[0])
    outcome = score(replace(task, cells=cells), shared(task.settings.plugins))
    assert [found.status for found in outcome.parts] == ["failed", "done"]
    assert auc(outcome.parts[1]) == auc(answer(task))
