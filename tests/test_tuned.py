"""What an attack leaves open is chosen on calibration samples, told with the result, and paid for."""

import numpy as np
import pytest

import leakboard
from helpers.command_line import call
from helpers.tiny_grids import payloads, tiny, toml
from leakboard.grid.grid import Grid
from leakboard.store import Store
from leakboard.tasks.fit import Labelled
from leakboard.tasks.selection import shadow_auc

TIMES = (50, 100, 400, 900)
RUN = {"samples": 48, "shard": 32}


def grid(**changes):
    axes = {
        "dataset": "fashion_mnist",
        "victim": "fashion_ddpm(level='heavy')",
        "observer": [f"sima(tune={{'t': {TIMES}}})", *(f"sima(t={t})" for t in TIMES)],
        "distance": "lp(p=4.0)",
        "classifier": "threshold",
        "run": RUN,
    }
    return Grid.of(**{**axes, **changes})


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("tuned") / "store.db", create=True)
    report = leakboard.run(grid(checks={"permuted_labels": True}), store)
    assert report.ok
    return store, report


def rows(store, **where):
    frame = store.results("auc")
    for name, value in where.items():
        frame = frame[frame[name] == value]
    return frame.set_index("observer")


def test_it_chooses_what_did_best_on_calibration_samples_and_says_so(finished):
    found = rows(finished[0], labels="true")
    tuned, plain = found[found["chosen"] != ""].iloc[0], found[found["chosen"] == ""]
    best = plain["calibration_auc"].idxmax()
    assert tuned["chosen"] == best
    assert tuned["value"] == plain.loc[best, "value"]
    assert tuned["calibration_auc"] == plain.loc[best, "calibration_auc"]
    assert plain["calibration_auc"].nunique() > 1


def test_its_scores_are_those_of_the_attack_it_chose(finished):
    store, _ = finished
    found = rows(store, labels="true")
    tuned = found[found["chosen"] != ""].iloc[0]
    keys = [tuned["cell"], found.loc[tuned["chosen"], "cell"]]
    cells = store.cells().set_index("cell")
    scores = payloads(store, "scores")
    one, other = (scores[cells.loc[key, "scores_key"]] for key in keys)
    assert np.array_equal(one, other)


def test_it_asks_the_victim_nothing_that_its_alternatives_do_not_ask(finished):
    _, report = finished
    assert report.evaluations == len(TIMES) * 2 * RUN["samples"]


def test_its_price_is_one_alternative_for_all_samples_and_the_others_for_those_calibrated_on(finished):
    found = rows(finished[0], labels="true")
    tuned = found[found["chosen"] != ""].iloc[0]
    assert tuned["nfe"] == tuned["queries"] == 1 + 0.5 * (len(TIMES) - 1)


def test_labels_that_are_shuffled_choose_too_and_compete_for_nothing(finished):
    found = rows(finished[0], labels="permuted")
    assert set(found["chosen"]) - {""} <= {f"sima(t={t})" if t != 100 else "sima" for t in TIMES}
    assert found["calibration_auc"].isna().all()


def test_nothing_is_left_to_do_when_it_is_done(finished):
    store, report = finished
    again = leakboard.run(grid(checks={"permuted_labels": True}), store)
    assert again.plan.empty
    assert report.counts["done"] == 10


def test_two_axes_are_tuned_together(tmp_path):
    store = Store(tmp_path / "store.db", create=True)
    observer, distance = "sima(tune={'t': (100, 900)})", "lp(tune={'p': (2.0, 4.0)})"
    leakboard.run(grid(observer=observer, distance=distance), store)
    (row,) = store.results("auc").to_dict("records")
    one, other = row["chosen"].split(", ")
    assert one in ("sima", "sima(t=900)")
    assert other in ("lp(p=2.0)", "lp(p=4.0)")
    assert row["nfe"] == 1.5


def test_without_labels_or_with_one_shadow_victim_it_is_skipped_with_the_reason(tmp_path):
    store = Store(tmp_path / "store.db", create=True)
    tuned = "peek(tune={'noisy': (True, False)})"
    shadow = "shadow(victims=['linear(gain=0.5)'])"
    leakboard.run(tiny(observer=tuned, attacker=["adaptive", "none", shadow]), store)
    cells = store.cells().set_index("attacker")
    assert cells.loc["adaptive", "status"] == "done"
    assert cells.loc["none", "error"] == "tune chooses by labels, and the attacker none has none"
    assert "needs two at least" in cells.drop(["adaptive", "none"])["error"].iloc[0]


def test_an_alternative_that_does_not_fit_is_told(tmp_path):
    store = Store(tmp_path / "store.db", create=True)
    tuned = "low_pass(tune={'of': ('one_shot(steps=2)', 'pia')})"
    leakboard.run(grid(observer=tuned, distance="psnr"), store)
    (row,) = store.cells().to_dict("records")
    assert row["status"] == "skipped"
    assert row["error"] == "psnr measures image, low_pass(of='pia') yields noise"


def test_with_shadow_victims_each_is_attacked_by_the_others():
    rng = np.random.default_rng(0)
    flags = [rng.permutation(40) < 20 for _ in range(3)]
    shadows = [Labelled(rng.normal(size=(40, 2)) + member[:, None], member) for member in flags]
    seen = []

    class Watching:
        name = "watching"

        def fit_shadows(self, features, member, columns):
            seen.append(len(features))

        def fit(self, features, member, columns):
            seen.append(len(features))
            return lambda rows: rows.mean(axis=1)

    from sklearn.metrics import roc_auc_score

    found = shadow_auc(Watching(), shadows, ("a", "b"))
    alone = [roc_auc_score(member, features.mean(axis=1)) for features, member in shadows]
    assert found == pytest.approx(np.mean(alone))
    assert seen == [2, 80] * 3


def test_the_command_line_names_what_was_chosen(tmp_path):
    file = tmp_path / "grid.toml"
    file.write_text(toml(observer=["peek(tune={'noisy': (True, False)})"], classifier=["mean"]))
    from helpers.tiny_grids import PLUGIN

    found = call("run", file, "--store", tmp_path / "store.db", "--plugin", PLUGIN, "--executor", "serial")
    assert "(chose peek" in found.output
