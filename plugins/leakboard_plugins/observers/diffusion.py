"""The maps of deterministic diffusion, and the walk, that gray-box observers are written in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from leakboard.api import LeakboardError, Oracle, Unsupported

if TYPE_CHECKING:
    import torch


Timestep = Annotated[int, Field(ge=0)]
"""0 is the least noisy one."""
Timesteps = Annotated[tuple[Timestep, ...], Field(min_length=1)]
"""One or more: without any there is nothing to ask."""


def signal(oracle: Oracle, timestep: int) -> torch.Tensor:
    """The cumulative product of the schedule at a timestep, a scalar tensor.

    Raises:
        Unsupported: the victim's schedule is shorter.
    """
    schedule = oracle.alphas_cumprod
    if timestep >= len(schedule):
        raise Unsupported(f"the victim has {len(schedule)} timesteps, timestep {timestep} is beyond them")
    return schedule[timestep]


def noised(oracle: Oracle, clean: torch.Tensor, noise: torch.Tensor, timestep: int) -> torch.Tensor:
    """The state at ``timestep`` of a clean sample and its noise: sqrt(abar) x0 + sqrt(1 - abar) eps."""
    level = signal(oracle, timestep)
    return level.sqrt() * clean + (1 - level).sqrt() * noise


def moved(oracle: Oracle, state: torch.Tensor, noise: torch.Tensor, start: int, stop: int) -> torch.Tensor:
    """Deterministic DDIM from one timestep to another, up or down, along the predicted noise."""
    level = signal(oracle, start)
    clean = (state - (1 - level).sqrt() * noise) / level.sqrt()
    return noised(oracle, clean, noise, stop)


def check_strides(name: str, t: int, k: int) -> None:
    """Refuse a walk in strides of ``k`` that never reaches timestep ``t``.

    Raises:
        LeakboardError: ``t`` is no multiple of ``k``.
    """
    if t % k:
        raise LeakboardError(
            f"{name}(t={t}, k={k}) never reaches timestep {t} in strides of {k}",
            expected="t a multiple of k",
            nearest=f"{name}(t={max(1, round(t / k)) * k}, k={k})",
        )


def inverted(oracle: Oracle, t: int, k: int) -> torch.Tensor:
    """The state at ``t`` that the image is carried up to in strides of ``k``; ``t / k`` denoiser evaluations."""
    state = oracle.encode(oracle.originals)
    for level in range(0, t, k):
        state = moved(oracle, state, oracle.predict_noise(state, level), level, level + k)
    return state
