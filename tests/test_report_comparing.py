"""Pages that compare attacks: which are tied, who is caught, and what a set gives away."""

from __future__ import annotations

import re

import numpy as np
import pytest

from helpers import synthetic_store
from helpers.browsing import in_browser, violations
from helpers.synthetic_store import SMALL, digest, report
from leakboard.statistics.epsilon import highest_epsilon
from leakboard.statistics.exposure import caught as catches
from leakboard.statistics.power import auc_half_width
from leakboard.store import Store
from leakboard.store.artifacts import Artifacts
from leakboard.tasks import sample_lists
from leakboard_reports import caught, classes, comparison, panels, rarity, sets

SIZE = SMALL | {
    "victims": ("fashion_ddpm(epochs='moderate')", "fashion_ddpm(epochs='light')", "untrained"),
    "defenses": ("none", "box_blur(radius=1)"),
    "classifiers": ("logistic_regression",),
    "published": ("pia", "loss"),
    "attackers": ("adaptive",),
    "permuted": False,
}
HOSTILE = "<b onclick=x>"
IDS = tuple(f"s{number:05d}" for number in range(2 * synthetic_store.SAMPLES))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("comparing") / "demo.db"
    synthetic_store.build(path, **SIZE, seeds=(0, 1))
    return path


@pytest.fixture(scope="module")
def store(path):
    return Store(path, read_only=True)


@pytest.fixture(scope="module")
def found(store):
    return panels.panels(*panels.comparable(store))


def keep_list(store, **told):
    """A list of samples as a run keeps it; rows of the same class and side are many."""
    population = sample_lists.Population(IDS, np.arange(len(IDS)) % 2 == 1, **told)
    sample_lists.put(Artifacts(store.artifacts), digest("dataset", "fashion_mnist"), population)


def test_attacks_are_compared_without_a_defense_within_an_access_level_and_chosen_first(found):
    assert [(panel.victim, panel.access) for panel in found] == [
        (f"fashion_ddpm(epochs='{level}')", access) for level in ("moderate", "light") for access in ("black", "gray")
    ]
    for panel in found:
        assert {(cell.defense, cell.role, cell.access, cell.seed) for cell in panel.cells} == {
            ("none", "attack", panel.access, 0)
        }
        assert panel.cells[0].calibration_auc == max(cell.calibration_auc for cell in panel.cells)
        assert len(panel.ids) == len(panel.member) == len(panel.scores[0])


def test_scores_of_other_samples_are_left_out_and_counted(store):
    cells, scores = panels.comparable(store)
    first = next(panel for panel in panels.panels(cells, scores))
    odd = first.cells[-1]

    def read(cell):
        found = scores(cell)
        return found._replace(ids=found.ids[::-1]) if cell is odd else None if cell is first.cells[0] else found

    panel = panels.panel_of(list(first.cells), read, "", first.access)
    assert (len(panel.cells), panel.lost) == (len(first.cells) - 2, 2)
    assert panels.panel_of(list(first.cells), lambda _: None, "", first.access) is None


def test_the_first_is_in_group_a_and_rows_stand_by_group(found):
    for panel in found:
        rows = comparison.compared(panel).rows
        assert rows[0].cell is panel.cells[0]
        assert (rows[0].difference, rows[0].letters.split()[0]) == (None, "a")
        first = [row.letters.split()[0] for row in rows]
        assert first == sorted(first)
        assert all(
            row.difference.value == pytest.approx(row.cell.auc.value - rows[0].cell.auc.value) for row in rows[1:]
        )
        assert len(rows) == len(panel.cells)


def test_letters_do_not_end():
    assert [comparison.letters(number) for number in (0, 25, 26, 27, 52, 701, 702)] == [
        "a", "z", "aa", "ab", "ba", "zz", "aaa",
    ]  # fmt: skip


def test_ranks_are_over_victims_and_seeds_of_one_access_level(store):
    cells, _ = panels.comparable(store)
    black, gray = comparison.over_blocks(cells)
    assert (black.title, gray.title) == ("black box", "gray box")
    assert len(gray.blocks) == gray.found.blocks == 4
    assert {"pia", "loss"} <= set(gray.attacks)
    assert [rank for _, rank, *_ in gray.rows] == sorted(gray.found.ranks)
    assert comparison.over_blocks([cell for cell in cells if cell.seed == 0 and "light" in cell.victim]) == []


def test_an_attack_that_did_not_run_everywhere_is_left_out_of_the_ranks(store):
    cells, _ = panels.comparable(store)
    fewer = [cell for cell in cells if not (cell.title == "pia" and cell.seed == 1)]
    gray = comparison.over_blocks(fewer)[1]
    assert ("pia" in gray.attacks, gray.left_out) == (False, 1)


def test_one_attack_an_observer_is_looked_at_and_shares_are_of_what_they_catch(store):
    cells, scores = panels.comparable(store)
    one = caught.one_an_observer(cell for cell in cells if "moderate" in cell.victim and cell.seed == 0)
    assert len({cell.observer for cell in one}) == len(one) == 5
    panel = panels.panel_of(one, scores, "", "gray")
    found = caught.who(panel, (), None, None, public=True)
    assert found.tprs == tuple(catches(row, panel.member).mean() for row in panel.scores)
    assert found.shares[0][1] >= max(found.tprs)
    assert found.flag == "hidden"
    np.testing.assert_allclose(np.diag(found.correlations), 1, atol=1e-6)
    means = [one.exposure for one in found.exposed]
    assert means == sorted(means, reverse=True)
    assert {one.name for one in found.exposed} <= set(panel.ids)


def test_seeds_are_compared_on_members_that_both_evaluate(store):
    cells, scores = panels.comparable(store)
    chosen = [cell for cell in cells if "moderate" in cell.victim and cell.seed == 0 and cell.title == "pia"]
    (again,) = caught.over_seeds(chosen, cells, scores)
    both = [scores(cell) for cell in cells if "moderate" in cell.victim and cell.title == "pia"]
    common = set.intersection(*(set(np.array(each.ids)[each.member]) for each in both))
    assert (again.title, again.pairs, again.members) == ("pia", 1, len(common))
    assert caught.over_seeds(chosen, [cell for cell in cells if cell.seed == 0], scores) == []


def test_classes_stand_where_the_list_of_samples_tells_them(tmp_path):
    synthetic_store.build(tmp_path / "own.db", **SIZE)
    store = Store(tmp_path / "own.db", read_only=True)
    panel = panels.panels(*panels.comparable(store))[0]
    assert classes.by_class(store, panel, public=True) is None
    assert "does not tell what class" in caught.body(store)

    keep_list(store, labels=tuple(HOSTILE if n < 130 else "shirt" if n < 240 else "bag" for n in range(len(IDS))))
    found = classes.by_class(store, panel, public=True)
    assert [name for name, *_ in found.rows] == [HOSTILE, "shirt"]
    assert found.small == 1
    (_, members, others, estimate), _ = found.rows
    assert members + others == sum(int(name[1:]) < 130 for name in panel.ids)
    assert estimate.high - estimate.low > 2 * auc_half_width(0.95, members, others) - 0.05
    assert [name for name, *_ in classes.by_class(store, panel, public=False).rows] == ["class 1", "class 3"]
    assert "&lt;b onclick=x&gt;" in caught.body(store)
    assert HOSTILE not in caught.body(store)


def rare_where_exposed(panel, gain):
    """A distance of each sample that goes with the scores of the first attack."""
    at = dict(zip(panel.ids, panel.scores[0], strict=True))
    noise = np.random.default_rng(99).normal(size=len(IDS))
    return np.array([np.exp(gain * at.get(name, 0) + one) for name, one in zip(IDS, noise, strict=True)], np.float32)


def test_thirds_of_rarity_stand_where_the_list_of_samples_tells_it(tmp_path):
    synthetic_store.build(tmp_path / "own.db", **SIZE)
    store = Store(tmp_path / "own.db", read_only=True)
    panel = panels.panels(*panels.comparable(store))[0]
    assert rarity.by_rarity(store, panel) is None
    assert "does not tell how rare" in caught.body(store)

    distances = rare_where_exposed(panel, 1.5)
    distances[[IDS.index(name) for name in panel.ids[:3]]] = np.nan
    keep_list(store, rarity=distances)
    found = rarity.by_rarity(store, panel)
    assert [row.name for row in found.rows] == ["common", "middle", "rare"]
    sizes = [row.members + row.others for row in found.rows]
    assert (sum(sizes), found.unknown) == (len(panel.ids) - 3, 3)
    assert max(sizes) - min(sizes) <= 1
    assert found.rows[0].high <= found.rows[1].low <= found.rows[1].high <= found.rows[2].low
    assert found.counts == (sum(row.members for row in found.rows), sum(row.others for row in found.rows))
    assert found.members.low > 0
    assert found.others.low > 0
    assert "Rare members are more exposed than common ones" in caught.body(store)

    keep_list(store, rarity=rare_where_exposed(panel, -1.5))
    assert "less exposed" in rarity.by_rarity(store, panel).verdict
    keep_list(store, rarity=rare_where_exposed(panel, 0))
    assert "not told apart" in rarity.by_rarity(store, panel).verdict


def test_a_third_with_few_samples_of_a_side_has_no_auc_and_one_side_alone_no_thirds(store, found, monkeypatch):
    panel = found[0]
    at = {name: float(flag) for name, flag in zip(panel.ids, panel.member, strict=True)}
    monkeypatch.setattr(Store, "rarity", lambda *_: at)
    rows = rarity.by_rarity(store, panel).rows
    assert [(row.auc, min(row.members, row.others)) for row in rows] == [(None, 0)] * len(rows)
    monkeypatch.setattr(Store, "rarity", lambda *_: {name: 1.0 for name in at if at[name]})
    assert rarity.by_rarity(store, panel) is None


def test_members_of_datasets_that_are_not_public_have_no_names(store, monkeypatch):
    assert re.search(r">s\d{5}<", caught.body(store))
    monkeypatch.setattr(Store, "private_datasets", lambda _: ["fashion_mnist"])
    text = caught.body(store)
    assert not re.search(r"s\d{5}", text)
    assert ">member 1<" in text
    assert "not public" in text


def test_verdicts_are_of_the_chosen_attack_and_beside_a_bound_stands_the_most(store, found):
    for panel in found:
        told = sets.verdict(panel)
        stored = panel.cells[0].measures
        assert told.p_value == pytest.approx(stored["set_p_value"].value)
        assert told.epsilon[0] == pytest.approx(stored["epsilon"].value)
        assert told.epsilon[1] <= told.epsilon[0] <= told.epsilon[2] == highest_epsilon(told.guesses.samples)
        assert (told.size and told.size.value) == (("set_size" in stored and stored["set_size"].value) or None)
        assert list(told.found) == sorted(told.found)
    text = sets.body(store)
    assert "fixed size and not chosen by independent coins" in text
    assert "untrained" not in text


def test_shares_of_made_sets_are_estimated_on_samples_that_say_nothing_of_the_means():
    rng = np.random.default_rng(0)
    held, shares = sets.mixed(rng.normal(3, 1, 600), rng.normal(0, 1, 800))
    assert held == 300
    assert [share.value for share in shares] == pytest.approx([0, 0.5, 1], abs=0.06)
    assert sets.mixed(np.arange(3.0), np.arange(3.0))[1] == (None, None, None)


def test_an_empty_store_has_these_pages_too(tmp_path):
    store = Store(tmp_path / "empty.db", create=True)
    assert "No victim was attacked twice" in comparison.body(store)
    assert "No victim was attacked through two observers" in caught.body(store)
    assert "No victim was attacked without a defense" in sets.body(store)


@in_browser
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_pages_that_compare_are_accessible_and_fit(store, tmp_path, visit, width, scheme):
    index = report(store, tmp_path / "out")
    for name in ("comparison", "caught", "sets"):
        tab = visit(index.with_name(f"{name}.html"), width=width, scheme=scheme, wait="h1")
        assert tab.log == []
        assert violations(tab) == []
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
