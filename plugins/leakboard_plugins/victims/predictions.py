"""From what a denoiser predicts (noise, velocity or the clean sample) to the clean sample, and to the noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def clean_of(
    prediction: str, output: torch.Tensor, state: torch.Tensor, signal: torch.Tensor, sigma: torch.Tensor
) -> torch.Tensor:
    """The clean sample, where the state is ``signal`` times it plus ``sigma`` times noise."""
    if prediction == "v_prediction":
        return signal * state - sigma * output
    return output if prediction == "sample" else (state - sigma * output) / signal


def noise_of(
    prediction: str, output: torch.Tensor, state: torch.Tensor, signal: torch.Tensor, sigma: torch.Tensor
) -> torch.Tensor:
    """The noise, where the state is ``signal`` times the clean sample plus ``sigma`` times it."""
    if prediction == "v_prediction":
        return signal * output + sigma * state
    return (state - signal * output) / sigma if prediction == "sample" else output
