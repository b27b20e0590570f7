"""Members by how often they stood in a training set."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

from helpers.trainings import Stripes
from leakboard.api import LeakboardError, member_digest
from leakboard_plugins.datasets import Copied


@pytest.fixture
def model(tmp_path):
    """A victim's folder whose manifest lists copies."""
    ids = np.array(Stripes().load().ids)[::2].tolist()
    content = {"member_digest": member_digest(ids), "copied_ids": {"1": ids[:8], "16": ids[8:]}}
    (tmp_path / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
    return str(tmp_path)


def test_members_with_so_many_copies_and_all_non_members_are_taken(model):
    whole = Stripes().load()
    few, many = (Copied(of=Stripes(), model=model, copies=copies).load() for copies in (1, 16))

    assert (few.member.sum(), many.member.sum()) == (8, 4)
    sides = [np.array(each.ids)[each.member] for each in (few, many)]
    assert sorted(np.concatenate(sides)) == sorted(np.array(whole.ids)[whole.member])
    for each in (few, many):
        assert (~each.member).sum() == 12
        assert each.member_digest == member_digest(np.array(whole.ids)[whole.member].tolist())
        assert each.ids == tuple(name for name in whole.ids if name in each.ids), "in the order of the whole"


@dataclass(frozen=True, kw_only=True)
class Others(Stripes):
    """Other samples."""

    seed: int = 3


@pytest.mark.parametrize(
    ("of", "copies", "content", "told"),
    [
        (Stripes(), 4, None, "expected: copies=1, 16"),
        (Others(), 16, None, "4 of the copied members are none of stripes"),
        (Stripes(), 16, {"member_digest": "x"}, "a victim trained with planted copies"),
        (Stripes(), 16, {"member_digest": "x", "copied_ids": [3]}, "a victim trained with planted copies"),
        (Stripes(), 16, {"member_digest": "x", "copied_ids": {"16": 3}}, "no member was planted 16 times"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(model, tmp_path, of, copies, content, told):
    if content:
        (tmp_path / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(LeakboardError) as caught:
        Copied(of=of, model=model, copies=copies).load()
    assert told in str(caught.value)


def test_a_folder_without_a_manifest_is_named(tmp_path):
    with pytest.raises(LeakboardError, match="there is no manifest"):
        Copied(of=Stripes(), model=str(tmp_path), copies=1).load()


def test_it_is_given_as_a_spec(model, registry):
    found = registry.one("dataset", f"copied(of='fashion_mnist_small', model={model!r}, copies=16)").only
    assert found.of.name == "fashion_mnist_small"
    assert not found.public
