"""How good a victim is: measured before it is attacked, once, where the page shows it beside the AUC."""

import json

import numpy as np
import pytest
import torch

import leakboard
from helpers.tiny_grids import tiny
from leakboard.store import Store
from leakboard.store.artifacts import Artifacts
from leakboard.training.quality import kernel_distance, kernel_distance_error

ALTERED = """
    from dataclasses import dataclass
    from leakboard import hookimpl
    from tiny import LinearVictim

    @dataclass(frozen=True, kw_only=True)
    class Dulled(LinearVictim):
        '''The linear victim, changed on opening.'''
        name = "dulled"
        altered = True
        gated = {gated}

    @hookimpl
    def leakboard_victims():
        return [Dulled]
"""


@pytest.fixture
def altered(write, monkeypatch):
    """A plugin file with a victim that was changed on opening."""
    from helpers.tiny_grids import PLUGIN

    monkeypatch.syspath_prepend(str(PLUGIN.parent))
    return lambda gated=False: write("dulled.py", ALTERED.format(gated=gated))


def qualities(store):
    artifacts = Artifacts(store.artifacts)
    found = [artifacts.get(key) for key in store.artifact_digests("quality")]
    return {meta["victim_identity"]: (tensors, meta) for tensors, meta in found}


def test_every_victim_of_a_grid_is_measured_where_one_was_altered(altered, tmp_path):
    grid = tiny(victim=["linear", "dulled"], plugins=[altered()], run={"quality": 6})
    expected = sum(leakboard.plan(grid, tmp_path / "my.db").evaluations)
    report = leakboard.run(grid, tmp_path / "my.db")

    assert report.ok
    assert report.evaluations == expected
    found = qualities(Store(tmp_path / "my.db"))
    assert found.keys() == {cell.victim.identity for cell in grid.cells}
    for tensors, meta in found.values():
        assert {name: value.shape for name, value in tensors.items()} == {
            "members": (6,),
            "held_out": (6,),
            "kernel_distance": (2,),
        }
        assert (meta["generated"], meta["references"]) == ("6", "24")
        assert np.isfinite(tensors["kernel_distance"]).all()


def test_quality_is_asked_for_by_itself_only_where_a_victim_was_altered(altered, tmp_path):
    from leakboard.runs.plan import QUALITY

    def wanted(**tables):
        made = leakboard.plan(tiny(plugins=[altered()], **tables), tmp_path / "none.db")
        return {task.quality for task in made.observe}

    assert wanted() == {0}
    assert wanted(run={"quality": 5}) == {0, 5}  # the first shard of each victim alone
    assert wanted(victim=["linear", "dulled"]) == {0, QUALITY}
    assert wanted(victim=["dulled"], run={"quality": 0}) == {0}


def test_quality_is_measured_once_whatever_else_is_asked_later(altered, tmp_path):
    tables = {"victim": "dulled", "plugins": [altered()], "run": {"quality": 6}}
    leakboard.run(tiny(**tables), tmp_path / "my.db")
    more = tiny(observer=["glance", "peek"], **tables)
    expected = sum(leakboard.plan(more, tmp_path / "my.db").evaluations)
    report = leakboard.run(more, tmp_path / "my.db")

    assert report.evaluations == expected == 48


def test_what_a_killed_run_left_is_taken_up_and_not_measured_again(altered, tmp_path):
    grid = tiny(victim="dulled", plugins=[altered()], run={"quality": 6})
    leakboard.run(grid, tmp_path / "one.db")
    first, other = Store(tmp_path / "one.db"), tmp_path / "two"
    (key,) = first.artifact_digests("quality")
    path = Artifacts(first.artifacts).path(key)
    (other / key[:2]).mkdir(parents=True)
    (other / key[:2] / path.name).write_bytes(path.read_bytes())
    report = leakboard.run(grid, tmp_path / "two.db", artifacts=other)

    assert report.evaluations == 96
    assert list(Store(tmp_path / "two.db").artifact_digests("quality")) == [key]


def test_a_victim_that_the_gate_refuses_shows_how_bad_it_is_all_the_same(altered, tmp_path):
    """The linear model guesses no better than the best multiple of the noisy state."""
    grid = tiny(victim="dulled", plugins=[altered(gated=True)], run={"quality": 6})
    report = leakboard.run(grid, tmp_path / "my.db")

    assert not report.ok
    ((tensors, _),) = qualities(Store(tmp_path / "my.db")).values()
    assert tensors["held_out"].mean() > 0.1


def test_the_page_shows_quality_beside_the_auc(altered, tmp_path):
    grid = tiny(victim=["linear", "dulled(gain=0.9)"], plugins=[altered()], run={"quality": 6})
    leakboard.run(grid, tmp_path / "my.db")
    page = leakboard.report(tmp_path / "my.db", tmp_path / "out", plugins=grid.plugins).page

    html = page.read_text(encoding="utf-8")
    section = html[html.index('id="quality"') : html.index('id="roc"')]
    assert "dulled(<wbr>gain=0.9)" in section
    assert section.count("±") >= 7
    rows = (tmp_path / "out" / "data" / "quality.csv").read_text().splitlines()
    assert len(rows) == 3
    assert rows[0].startswith("dataset,victim,attack,auc,auc_low,auc_high,loss_members,")


def test_members_and_held_out_images_meet_the_same_noise(tmp_path):
    """Of a model that answers nothing but zero the loss is the mean square of the noise: the same for both sides."""
    grid = tiny(victim="linear(gain=0.0)", run={"quality": 7})
    leakboard.run(grid, tmp_path / "my.db")
    ((tensors, meta),) = qualities(Store(tmp_path / "my.db")).values()

    assert tensors["members"] == pytest.approx(tensors["held_out"])
    assert json.loads(meta["sides"]) == [0, 0]


def test_the_error_of_the_kernel_distance_is_that_of_drawing_anew():
    generator = torch.Generator().manual_seed(0)
    draws = [[torch.rand(24, 1, 8, 8, generator=generator) for _ in range(2)] for _ in range(60)]
    spread = np.std([kernel_distance(*pair) for pair in draws])
    told = np.mean([kernel_distance_error(*pair) for pair in draws])

    assert 0.6 < told / spread < 1.7
