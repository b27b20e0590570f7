"""Grids of the embedded parts, and what a refused one says."""

import pytest

from leakboard.errors import LeakboardError
from leakboard.grid.grid import Grid

AXES = {
    "dataset": "fashion_mnist",
    "victim": "fashion_ddpm(level='light')",
    "observer": "complete(steps=2)",
    "distance": "psnr",
    "classifier": "threshold",
}
TEXT = """
[grid]
dataset = ["fashion_mnist"]
victim = ["fashion_ddpm(level='light')"]
defense = ["none", "box_blur(radius={1, 2})"]
observer = ["complete(steps=2)", "blind"]
distance = ["psnr", "rmse"]
classifier = ["threshold"]
attack = ["pia"]
attacker = ["adaptive", "naive"]
"""


def make(**tables):
    return Grid.of(**{**AXES, **tables})


def labels(grid, axis):
    return list(dict.fromkeys(cell.axis(axis)[-1] for cell in grid.cells))


def refusal(action, *arguments, **tables):
    with pytest.raises(LeakboardError) as refused:
        action(*arguments, **tables)
    return refused.value
