"""Which cells of a grid are wanted: rules of exclude, and the patterns of a selection."""

import pytest

from helpers.grids import TEXT, labels, make
from leakboard.grid.grid import Grid


def test_an_exclude_rule_removes_what_all_its_patterns_match():
    grid = make(
        observer=["complete(steps=2)", "blind"],
        defense=["none", "jpeg"],
        run={"seeds": [0, 1]},
        exclude=[{"observer": "blind", "defense": ["jpeg*", "[!n]*"]}, {"observer": "blind", "seed": 1}],
    )

    found = [(cell.observer.label, cell.defense.label, cell.seed) for cell in grid.cells]
    assert ("blind", "none", 0) in found
    assert len(found) == 5


def test_a_list_of_patterns_excludes_what_any_of_them_matches():
    defenses = ["none", "jpeg", "box_blur"]
    grid = make(observer="blind", defense=defenses, exclude={"defense": ["n*", "jpeg*"]})
    assert {cell.defense.label for cell in grid.cells} == {"box_blur"}


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ("defense=box_blur", 10),
        ("defense=box_blur*", 20),
        ("defense=box_blur(at='query', radius=1.0)", 10),
        ("defense=*radius=2.0*", 10),
        (" defense = none ", 5),
        ("attack=pia", 5),
        ("observer=blind", 10),
        ("attacker=naive", 10),
        ("seed=0", 25),
    ],
)
def test_patterns_match_the_canonical_and_the_short_spelling(pattern, count):
    grid = Grid.parse(TEXT)

    assert len(grid.select(only=[pattern]).cells) == count
    if count < 25:
        assert len(grid.select(skip=[pattern]).cells) == 25 - count


def test_a_spelling_with_brackets_matches_itself(write):
    """Brackets are classes to fnmatch, but a user pastes what a table shows."""
    folders = [str(write(f"{name}[1]/image.png", name).parent) for name in ("members", "others")]
    grid = make(dataset=f"folder(members={folders[0]!r}, nonmembers={folders[1]!r})")
    (dataset,) = labels(grid, "dataset")

    assert "[1]" in dataset
    assert len(grid.select(only=[f"dataset={dataset}"]).cells) == 1


def test_only_patterns_of_one_axis_are_alternatives_and_axes_combine():
    grid = Grid.parse(TEXT).select(only=["defense=none", "defense=box_blur", "distance=psnr"])

    assert labels(grid, "defense") == ["none", "box_blur"]
    assert labels(grid, "distance") == ["psnr"]


def test_selection_leaves_the_keys_alone():
    grid = Grid.parse(TEXT)
    keys = {cell.key for cell in grid.cells}

    assert {cell.key for cell in grid.select(skip=["defense=none"]).cells} < keys
