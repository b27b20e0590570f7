"""The two maps of deterministic diffusion that gray-box observers are written in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.api import Oracle, Unsupported

if TYPE_CHECKING:
    import torch


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
