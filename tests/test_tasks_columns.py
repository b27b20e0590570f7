"""Numbers, vectors and maps of each sample: how they are named, kept, and refused."""

import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from helpers.handmade_victim import Handmade
from leakboard.api import Distance, Pair
from leakboard.oracle.memo import Memo
from leakboard.tasks import columns
from leakboard.tasks.columns import Column, column_names, measure
from leakboard.tasks.task import Wanted
from leakboard.tasks.time_limits import Allowance


@dataclass(frozen=True, kw_only=True)
class Shaped(Distance):
    """Absolute differences, as a map, a vector a channel, or one number."""

    name: ClassVar[str] = "shaped"
    as_a: str = "map"
    stored_as: str = "float64"
    scale: float = 1.0

    def measure(self, pair):
        difference = (pair.reference - pair.observation).abs() * self.scale
        return {"map": difference, "vector": difference.mean((2, 3)), "number": difference.mean((1, 2, 3))}[self.as_a]


def pair(label="step 1", names=(), count=4):
    images = torch.rand((count, 3, 2, 2), generator=torch.Generator().manual_seed(1))
    return Pair(images, images.flip(-1), label, names=names)


def measured(*pairs, **parameters):
    column = Column(Wanted("key", 0, "none", "observer", "distance"), Shaped(**parameters), Allowance(0))
    for each in pairs:
        measure(column, each, Memo(Handmade(), 2))
    return column


@pytest.mark.parametrize(
    ("as_a", "shape", "names"),
    [
        ("number", [], ["step 1", "step 2"]),
        ("vector", [3], [f"step {step} [{channel}]" for step in (1, 2) for channel in range(3)]),
        (
            "map",
            [3, 2, 2],
            [f"step {s} [{c},{y},{x}]" for s in (1, 2) for c in range(3) for y in range(2) for x in range(2)],
        ),
    ],
)
def test_every_number_has_a_name_and_every_pair_its_shape(as_a, shape, names):
    column = measured(pair("step 1"), pair("step 2"), as_a=as_a)

    assert column.failure is None
    assert column.names == names
    assert column.pairs == [("step 1", shape), ("step 2", shape)]
    assert sum(part.shape[1] for part in column.values) == len(names)


def test_maps_are_kept_row_by_row():
    one = pair()
    (values,) = measured(one).values

    assert torch.equal(values.view(4, 3, 2, 2).float(), (one.reference - one.observation).abs())


def test_a_pair_names_its_numbers_where_it_has_as_many():
    named = pair("channels", names=("red", "green", "blue"))

    assert column_names(named, (3,)) == ["channels red", "channels green", "channels blue"]
    assert column_names(named, (2,)) == ["channels [0]", "channels [1]"]
    assert column_names(named, ()) == ["channels"]


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_numbers_are_kept_in_the_type_that_the_distance_names(kind):
    (values,) = measured(pair(), stored_as=kind).values

    assert values.numpy().dtype == np.dtype(kind)


def test_a_number_that_its_type_cannot_hold_is_a_failure_and_not_infinity():
    column = measured(pair(), stored_as="float16", scale=1e9)

    assert column.failure.status == "failed"
    assert "4 of 4 samples too large for float16" in column.failure.error


def test_maps_that_would_fill_the_memory_are_refused_with_what_would_help(monkeypatch):
    monkeypatch.setattr(columns, "PAIR_BYTES", 4 * 12 * 8 - 1)
    column = measured(pair())

    assert "makes 0 MiB of a pair of 4 samples" in column.failure.error
    assert "stored_as='float16'" in column.failure.error
    assert measured(pair(), stored_as="float32").failure is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda self, pair: torch.tensor(1.0), "returned shape (), expected (4, ...)"),
        (lambda self, pair: pair.reference[:3], "returned shape (3, 3, 2, 2), expected (4, ...)"),
        (lambda self, pair: pair.reference[:, :0], "no number a sample"),
        (lambda self, pair: [1.0] * 4, "expected a tensor (N, ...)"),
        (lambda self, pair: pair.reference / 0, "4 of 4 samples that are not finite"),
    ],
    ids=["one number", "rows", "empty", "list", "infinite"],
)
def test_what_is_no_measurement_of_each_sample_fails(monkeypatch, wrong, message):
    monkeypatch.setattr(Shaped, "measure", wrong)
    column = measured(pair())

    assert message in column.failure.error


def test_names_survive_the_file():
    assert json.loads(json.dumps(measured(pair()).pairs)) == [["step 1", [3, 2, 2]]]
