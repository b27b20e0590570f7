"""The clean sample that a denoiser's output stands for, and the noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

GIVEN = ("pred_original_sample", "denoised")


def is_flow(own: Any) -> bool:
    """Whether a scheduler interpolates straight between image and noise, even if it could do otherwise."""
    return not hasattr(own, "alphas_cumprod") or bool(own.config.get("use_flow_sigmas"))


def predicted_clean(
    sampler: Any, result: Any, output: torch.Tensor, timestep: Any, sample: torch.Tensor
) -> torch.Tensor:
    """The clean sample (N, ...) that a step predicted: the sampler's own word if it gives one, else computed.

    Args:
        sampler: right after the step.
        result: what the step returned.
        output: of the denoiser, after guidance.
        timestep: of the step.
        sample: the state before the step.
    """
    for name in GIVEN:
        given: torch.Tensor | None = getattr(result, name, None)
        if given is not None:
            return given
    output, sample = output.float(), sample.float()
    if not hasattr(sampler, "sigmas"):
        level = sampler.alphas_cumprod[int(timestep)].to(sample)
        return clean_of(sampler.config.prediction_type, output, sample, level.sqrt(), (1 - level).sqrt())
    sigma: torch.Tensor = sampler.sigmas[sampler.step_index - 1].to(sample)
    if is_flow(sampler):
        return sample - sigma * output  # the velocity of a straight flow (Lipman et al. 2210.02747)
    signal = (1 + sigma.square()).rsqrt()
    return clean_of(sampler.config.prediction_type, output, sample, signal, signal * sigma)


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
