"""Noise depends on seed, query, draw and sample id, and on nothing else."""

import numpy as np
import pytest
import torch

from leakboard.noise import normal, row_seed


def test_noise_is_bit_equal_one_by_one_together_and_shuffled():
    ids = [f"image {row}" for row in range(7)]
    like = torch.zeros(7, 3, 5, 4)
    together = normal(1, "loss", 2, ids, like)
    one_by_one = torch.cat([normal(1, "loss", 2, [name], like[:1]) for name in ids])
    order = [3, 0, 6, 1, 5, 2, 4]
    shuffled = normal(1, "loss", 2, [ids[row] for row in order], like)
    assert torch.equal(together, one_by_one)
    assert torch.equal(together[order], shuffled)
    assert together.shape == like.shape
    assert together.dtype == torch.float32


@pytest.mark.parametrize("other", [(2, "loss", 2, "a"), (1, "pia", 2, "a"), (1, "loss", 3, "a"), (1, "loss", 2, "b")])
def test_noise_depends_on_seed_query_draw_and_id(other):
    like = torch.zeros(1, 1000)
    pair = [normal(seed, query, draw, [name], like) for seed, query, draw, name in ((1, "loss", 2, "a"), other)]
    assert abs(torch.corrcoef(torch.cat(pair))[0, 1]) < 0.15


def test_noise_depends_on_nothing_else():
    """Not on the global generators, nor on the numbers or type of the tensor it is to be like."""
    torch.manual_seed(1)
    first = normal(0, "q", 0, ["a"], torch.zeros(1, 50))
    torch.manual_seed(2)
    np.random.seed(2)  # noqa: NPY002 - the old global generator is what must not matter
    assert torch.equal(first, normal(0, "q", 0, ["a"], torch.rand(1, 50)))
    assert torch.equal(first.double(), normal(0, "q", 0, ["a"], torch.zeros(1, 50, dtype=torch.float64)))


def test_noise_is_standard_normal():
    values = normal(0, "q", 0, [str(row) for row in range(200)], torch.zeros(200, 500)).double()
    assert abs(values.mean()) < 0.01
    assert values.std() == pytest.approx(1, abs=0.01)
    assert (values.abs() < 1.96).double().mean() == pytest.approx(0.95, abs=0.005)
    assert abs(torch.corrcoef(values).fill_diagonal_(0)).max() < 0.25


def test_noise_uses_every_bit_of_its_seed(monkeypatch):
    """Generators that drop the upper bits give two samples of a large run the same noise."""
    assert max(row_seed(0, "q", 0, str(row)) for row in range(20)) > 2**120
    like, rows = torch.zeros(1, 20), []
    for bit in (0, 31, 32, 63, 64, 127):
        monkeypatch.setattr("leakboard.noise.row_seed", lambda *_, bit=bit: 1 << bit)
        rows.append(tuple(normal(0, "q", 0, ["a"], like)[0].tolist()))
    assert len(set(rows)) == 6


def test_noise_stays_what_it_was_when_stored_features_were_made():
    values = normal(7, "loss", 1, ["image 3"], torch.zeros(1, 4))
    assert row_seed(7, "loss", 1, "image 3") == 158457328595253929534349031525953502516
    expected = torch.tensor([[0.1178758, -1.2185107, -0.1539710, 0.1083447]])
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-6)


def test_noise_is_not_drawn_for_rows_that_are_no_samples():
    with pytest.raises(ValueError, match="2 samples, not for a tensor of 3 rows"):
        normal(0, "q", 0, ["a", "b"], torch.zeros(3, 4))
