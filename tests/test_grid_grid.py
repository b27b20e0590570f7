"""A grid: its axes, its cells, and what is left out."""

import json

import pytest

from helpers.grids import AXES, TEXT, labels, make
from leakboard.errors import LeakboardError
from leakboard.grid.grid import Grid
from leakboard.keys import cell_key
from leakboard.kinds import Sides


def test_one_point_an_axis_is_one_cell():
    (cell,) = make().cells

    assert cell.dataset.spec == "fashion_mnist"
    assert cell.observer.label == "complete(steps=2)"
    assert (cell.defense.label, cell.attacker.spec, cell.labels, cell.seed, cell.attack) == (
        "none",
        "adaptive",
        "true",
        0,
        "",
    )


def test_axes_multiply_and_sets_sweep():
    grid = make(defense=["none", "jpeg(quality={50, 75})"], distance="lp(p={1, 2, 4})", run={"seeds": [3, 4]})

    assert len(grid.cells) == 3 * 3 * 2
    assert labels(grid, "defense") == ["none", "jpeg(quality=50)", "jpeg"]
    assert labels(grid, "seed") == ["3", "4"]


def test_a_point_that_is_given_twice_counts_once():
    grid = make(distance=["psnr", "psnr(cap=120)", "psnr(cap={120.0, 60})"], defense=["none", "none + none"])

    assert len(grid.cells) == 2
    assert len({cell.key for cell in grid.cells}) == 2


def test_chains_are_points_of_the_defense_axis():
    grid = make(defense="gaussian_noise(sigma={0.1, 0.2}) + jpeg(at='output')")

    assert labels(grid, "defense") == [
        "gaussian_noise + jpeg(at='output')",
        "gaussian_noise(sigma=0.2) + jpeg(at='output')",
    ]


def test_named_attacks_join_the_product_and_keep_their_name():
    grid = make(attack=["pia", "secmi"])

    assert [cell.attack for cell in grid.cells] == ["", "pia", "secmi"]
    assert grid.cells[1].observer.label == "pia"


def test_named_attacks_alone_are_a_grid():
    grid = Grid.of(dataset="fashion_mnist", victim=AXES["victim"], attack="pia")

    assert [cell.attack for cell in grid.cells] == ["pia"]


def test_a_triple_that_has_a_name_is_one_cell_with_that_name():
    grid = make(observer="pia", distance="lp(p=4)", attack="pia")

    assert [cell.attack for cell in grid.cells] == ["pia"]


def test_without_a_defense_both_attackers_are_one_cell():
    grid = make(defense=["none", "none(at='output')", "jpeg"], attacker=["adaptive", "naive"])

    found = [(cell.defense.label, cell.attacker.name, calibration(cell)) for cell in grid.cells]
    assert found == [
        ("none", "adaptive", [("light", "none")]),
        ("jpeg", "adaptive", [("light", "jpeg")]),
        ("jpeg", "naive", [("light", "none")]),
    ]


def calibration(cell):
    """Level of each victim that a cell's attacker calibrates on, and the defense before it."""
    return [(victim.only.level, defense.label) for victim, defense in cell.attacker.calibrates_on]


SHADOW = """shadow(victims=["fashion_ddpm(level={'moderate', 'heavy'})"])"""


def test_shadow_victims_stand_behind_the_same_defense_and_nobody_is_known_to_an_attacker_without_labels():
    grid = make(defense=["none", "jpeg"], attacker=[SHADOW, "none"])

    found = [(cell.defense.label, cell.attacker.name, calibration(cell)) for cell in grid.cells]
    assert found == [
        ("none", "shadow", [("heavy", "none"), ("moderate", "none")]),
        ("none", "none", []),
        ("jpeg", "shadow", [("heavy", "jpeg"), ("moderate", "jpeg")]),
        ("jpeg", "none", []),
    ]


def test_an_attacker_has_one_canonical_spelling_by_which_it_is_found():
    other = """shadow(victims=["fashion_ddpm(level='heavy')", 'fashion_ddpm'])"""
    first, second = make(attacker=SHADOW).cells[0], make(attacker=other).cells[0]

    assert first.attacker.spec == second.attacker.spec
    assert first.attacker.label == second.attacker.label == other
    assert first.key == second.key
    grid = make(attacker=["adaptive", SHADOW, "none"])
    for pattern in (first.attacker.spec, first.attacker.label, "shadow*moderate*"):
        (cell,) = grid.select(only=[f"attacker={pattern}"]).cells
        assert cell.key == first.key
    assert make(attacker=first.attacker.spec).cells[0].key == first.key


@pytest.mark.parametrize(
    ("run", "sides"),
    [
        ({}, (0, 0)),
        ({"samples": 64}, (64, 64)),
        ({"members": 32, "nonmembers": 96}, (32, 96)),
        ({"samples": 64, "nonmembers": 256}, (64, 256)),
        ({"samples": 64, "nonmembers": 0}, (64, 0)),
        ({"nonmembers": 256}, (0, 256)),
    ],
)
def test_sides_are_those_of_samples_unless_one_is_said(run, sides):
    (cell,) = Grid.of(dataset="fashion_mnist", victim="fashion_ddpm", attack="pia", run=run).cells
    assert cell.sides == sides


def test_results_of_equal_sides_stay_valid_and_other_sides_are_other_results():
    keys = [
        Grid.of(dataset="fashion_mnist", victim="fashion_ddpm", attack="pia", run=run).cells[0].key
        for run in (
            {"samples": 64},
            {"members": 64, "nonmembers": 64},
            {"members": 64, "nonmembers": 96},
            {"members": 96, "nonmembers": 64},
            {"members": 64, "nonmembers": 0},
            {},
        )
    ]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 5


def test_the_key_of_a_cell_knows_its_shadow_victims_and_stays_what_it_was_without():
    moderate, heavy = (f"""shadow(victims=["fashion_ddpm(level='{level}')"])""" for level in ("moderate", "heavy"))
    cells = make(defense="jpeg", attacker=["adaptive", "naive", "none", moderate, heavy, SHADOW]).cells

    assert len({cell.key for cell in cells}) == 6
    for cell in cells[:2]:
        parts = [getattr(cell, axis).identity for axis in cell.axes]
        assert cell.key == cell_key(parts, cell.attacker.name, "true", 0, Sides(), 0.5)
    assert all(victim.identity in cells[5].attacker.identity[1] for victim in cells[5].attacker.shadows)


def test_a_sweep_of_victims_is_several_attackers():
    grid = make(attacker="""shadow(victims={["fashion_ddpm(level='moderate')"], ["fashion_ddpm(level='heavy')"]})""")

    assert [calibration(cell) for cell in grid.cells] == [[("moderate", "none")], [("heavy", "none")]]


def test_a_rule_takes_the_attack_of_a_shadow_victim_on_itself_out_of_a_grid():
    victims = "fashion_ddpm(level={'light', 'heavy'})"
    attacker = ["adaptive", """shadow(victims=["fashion_ddpm(level='heavy')"])"""]
    grid = make(victim=victims, attacker=attacker, exclude={"victim": "*heavy*", "attacker": "shadow*"})

    assert [(cell.victim.only.level, cell.attacker.name) for cell in grid.cells] == [
        ("light", "adaptive"),
        ("light", "shadow"),
        ("heavy", "adaptive"),
    ]


def test_a_classifier_that_trains_is_skipped_where_there_are_no_labels():
    grid = make(classifier=["threshold", "logistic_regression"], attacker="none")

    assert [cell.skip_reason() for cell in grid.cells] == [
        "",
        "logistic_regression trains on labels, and the attacker none has none",
    ]


API = """
from dataclasses import dataclass
from typing import ClassVar
from leakboard import hookimpl
from leakboard.api import Victim

@dataclass(frozen=True, kw_only=True)
class Behind(Victim):
    "A victim behind an API."
    name: ClassVar[str] = "behind_an_api"
    access: str = "black"

@hookimpl
def leakboard_victims():
    return [Behind]
"""


def test_an_observer_that_asks_for_more_than_a_victim_answers_is_skipped_and_a_blind_check_never(write):
    plugin = write("extra.py", API)
    grid = make(
        victim=["behind_an_api", "behind_an_api(access='gray')"],
        observer=["complete(steps=2)", "complete(steps=2, access='black')", "blind"],
        plugins=[plugin],
    )

    reasons = [cell.skip_reason() for cell in grid.cells]
    assert reasons == [
        "complete(steps=2) asks for gray access, behind_an_api answers black at most",
        "",
        "",
        "",
        "",
        "",
    ]
    (cell,) = make(attacker="shadow(victims=['behind_an_api'])", plugins=[plugin]).cells
    assert cell.skip_reason() == "complete(steps=2) asks for gray access, behind_an_api answers black at most"


def test_a_naive_attacker_alone_is_still_a_grid():
    cells = make(defense=["none", "jpeg"], attacker="naive").cells
    assert [cell.attacker.name for cell in cells] == ["adaptive", "naive"]


def test_permuted_labels_add_a_null_check_to_every_adaptive_cell():
    grid = make(defense=["none", "jpeg"], attacker=["adaptive", "naive", "none"], checks={"permuted_labels": True})

    permuted = [cell for cell in grid.cells if cell.labels == "permuted"]
    attacked = [(cell.defense.label, cell.attacker.name) for cell in permuted]
    assert attacked == [("none", "adaptive"), ("jpeg", "adaptive")]
    assert all(cell.is_null for cell in permuted)
    assert len(grid.cells) == 7


def test_the_null_twin_of_a_shadow_attack_stands_beside_the_shadow_attackers():
    shadow = """shadow(victims=["fashion_ddpm(level='heavy')"])"""
    grid = make(classifier=["lira", "threshold"], attacker=["adaptive", shadow], checks={"permuted_labels": True})

    permuted = [(cell.classifier.label, cell.attacker.name) for cell in grid.cells if cell.labels == "permuted"]
    assert permuted == [("lira", "shadow"), ("threshold", "adaptive")]


def test_null_observers_and_untrained_victims_are_null_checks():
    grid = make(victim="fashion_ddpm(level={'light', 'untrained'})", observer=["complete(steps=2)", "blind"])

    nulls = {(cell.victim.label, cell.observer.label): cell.is_null for cell in grid.cells}
    assert list(nulls.values()) == [False, True, True, True]


def test_components_that_do_not_fit_stay_in_the_grid_with_a_reason():
    """Nothing is dropped silently."""
    grid = make(observer=["complete(steps=2)", "pia"], distance=["psnr", "lp"], defense=["none", "jpeg(at='both')"])

    reasons = {(c.observer.label, c.distance.label, c.defense.label): c.skip_reason() for c in grid.cells}
    assert len(grid.cells) == 8
    assert reasons["pia", "psnr", "none"] == "psnr measures image, pia yields noise"
    assert reasons["pia", "lp", "jpeg(at='both')"] == "jpeg(at='both') acts on images, pia yields noise"
    assert sum(map(bool, reasons.values())) == 3


def test_a_key_depends_on_what_the_result_depends_on_and_nothing_else():
    (cell,) = make().cells
    (same,) = make(run={"batch": 7, "shard": 11, "timeout": 5.0}, name="other").cells
    others = [make(run={"samples": 64}), make(run={"seeds": [1]}), make(run={"calibration": 0.4}), make(defense="jpeg")]

    assert same.key == cell.key
    assert len({cell.key, *(other.cells[0].key for other in others)}) == 5


def test_a_file_is_read_with_its_name(write):
    grid = Grid.load(write("mine.toml", TEXT))

    assert (grid.name, grid.text) == ("mine", TEXT)
    assert len(grid.cells) == 5 * 5


def test_a_byte_order_mark_does_no_harm(write):
    assert Grid.load(write("mine.toml", "\ufeff" + TEXT)).cells


def test_a_grid_of_a_notebook_remembers_what_it_was_made_of():
    grid = make(run={"samples": 64}, name="mine")

    assert json.loads(grid.text)["grid"]["distance"] == ["psnr"]
    assert (grid.name, grid.run.samples) == ("mine", 64)


def test_plugin_files_bring_their_plugins(write):
    plugin = write(
        "extra.py",
        """
        from dataclasses import dataclass
        from typing import ClassVar
        from leakboard import hookimpl
        from leakboard.api import Distance

        @dataclass(frozen=True, kw_only=True)
        class Mine(Distance):
            "Mine."
            name: ClassVar[str] = "mine"

        @hookimpl
        def leakboard_distances():
            return [Mine]
        """,
    )
    grid = make(distance="mine", plugins=[plugin, plugin])

    assert grid.plugins == (str(plugin),)
    assert labels(grid, "distance") == ["mine"]


def test_another_device_changes_where_a_grid_runs_and_nothing_else():
    grid = Grid.of(dataset="fashion_mnist", victim="fashion_ddpm", attack="pia", run={"samples": 16})
    moved = grid.on("cuda:1")
    assert (moved.run.device, moved.run.samples, moved.cells) == ("cuda:1", 16, grid.cells)
    with pytest.raises(LeakboardError, match="no device is called 'gpu'") as error:
        grid.on("gpu")
    assert "--device" in str(error.value)


def test_an_axis_of_one_point_may_be_written_without_a_list():
    text = '[grid]\ndataset = "fashion_mnist"\nvictim = "fashion_ddpm"\nattack = "pia"\n'
    (cell,) = Grid.parse(text).cells
    assert (cell.dataset.label, cell.victim.label, cell.attack) == ("fashion_mnist", "fashion_ddpm", "pia")


def test_a_device_that_nobody_has_is_told_by_the_words_for_devices():
    with pytest.raises(LeakboardError) as error:
        Grid.parse(
            '[run]\ndevice = "gpu"\n[grid]\ndataset = "fashion_mnist"\nvictim = "fashion_ddpm"\nattack = "pia"\n'
        )
    assert (error.value.what, error.value.expected) == ("no device is called 'gpu'", "cpu, cuda, cuda:1 or mps")
