"""Norms of each sample's gradient: many samples at once, and one by one where a network knows no other way."""

from unittest import mock

import pytest
import torch

from leakboard_plugins.victims import gradients
from leakboard_plugins.victims.gradients import one_by_one, sample_norms, together


@pytest.fixture
def weights():
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(4, generator=generator) for name in ("scale", "shift", "idle")}


@pytest.fixture
def samples():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(9, 4, generator=generator), {"more": torch.randn(9, 4, generator=generator)}


def smooth(weights, state, others):
    return ((weights["scale"] * state + weights["shift"]).tanh() - others["more"]).square().mean()


def decided(weights, state, others):
    """The same, by a network that looks at a value."""
    return smooth(weights, state, others) * (1 if float(state.sum()) < 1e9 else 2)


def expected(weights, samples):
    """By hand, in float64."""
    state, more = samples[0].double(), samples[1]["more"].double()
    inner = (weights["scale"].double() * state + weights["shift"].double()).tanh()
    slope = 2 * (inner - more) * (1 - inner**2) / 4
    return torch.stack([(slope * state).norm(dim=1), slope.norm(dim=1), torch.zeros(9)], dim=1)


@pytest.mark.parametrize("chunk", [1, 4, 9, 16])
def test_norms_are_those_of_the_formula_however_many_at_once(weights, samples, chunk):
    for norms in (together(smooth, weights, samples, chunk), one_by_one(smooth, weights, samples)):
        torch.testing.assert_close(norms.double(), expected(weights, samples).double(), rtol=1e-4, atol=1e-7)
    assert not any(weight.requires_grad for weight in weights.values())


def test_a_network_that_decides_by_values_is_asked_one_by_one(weights, samples):
    with pytest.raises(RuntimeError, match="vmap"):
        together(decided, weights, samples, 4)
    torch.testing.assert_close(
        sample_norms(decided, weights, samples), sample_norms(smooth, weights, samples), rtol=1e-4, atol=1e-7
    )


def test_answers_made_under_inference_go_one_by_one_too(weights, samples):
    with torch.inference_mode():
        made = samples[0] + 0, {"more": samples[1]["more"] + 0}
    assert torch.equal(one_by_one(smooth, weights, made), one_by_one(smooth, weights, samples))


@pytest.mark.parametrize(
    ("count", "room", "at_once"), [(9, 1 << 30, 9), (9, 5 * 48, 5), (9, 3 * 48, None), (3, 1 << 30, None)]
)
def test_gradients_in_memory_are_bounded_and_few_samples_go_one_by_one(weights, samples, count, room, at_once):
    chosen = samples[0][:count], {"more": samples[1]["more"][:count]}
    with mock.patch.object(gradients, "GRADIENT_BYTES", room), mock.patch.object(gradients, "together") as batched:
        sample_norms(smooth, weights, chosen)
    assert [call.args[3] for call in batched.call_args_list] == ([at_once] if at_once else [])


def test_no_memory_is_told_to_whoever_asks_and_a_wrong_loss_raises_its_own_error(weights, samples):
    with (
        mock.patch.object(gradients, "together", side_effect=torch.OutOfMemoryError("out of memory")),
        pytest.raises(torch.OutOfMemoryError),
    ):
        sample_norms(smooth, weights, samples)

    def wrong(weights, state, others):
        return smooth(weights, state[:3], others)

    with pytest.raises(RuntimeError, match="size of tensor"):
        sample_norms(wrong, weights, samples)
