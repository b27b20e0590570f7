"""Stored results stay valid: what the shipped grids are made of keeps its identity unless it computes something else."""

import hashlib
import json
from pathlib import Path

import pytest

from leakboard.grid.grid import Grid

HERE = Path(__file__).parent
BEFORE = json.loads((HERE / "keys" / "before_the_rooms.json").read_text(encoding="utf-8"))
"""Keys of the shipped grids, and identities of their components, before the modules were laid out in rooms."""


@pytest.mark.parametrize("name", BEFORE["grids"])
def test_cells_of_shipped_grids_keep_their_keys(name):
    keys = sorted(cell.key for cell in Grid.load(HERE.parent / "grids" / f"{name}.toml").cells)

    assert {"cells": len(keys), "digest": hashlib.sha256("\n".join(keys).encode()).hexdigest()} == BEFORE["grids"][name]
