"""What a network would have predicted if its output were of another type than its configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch


def other_readings(
    predicted: torch.Tensor, state: torch.Tensor, signal: torch.Tensor, sigma: torch.Tensor
) -> Iterator[tuple[tuple[str, str], torch.Tensor]]:
    """What the noise would be if the network's output were of another type than its configuration says, by both types.

    The configuration is not known here, so each type stands for the output that would have become ``predicted``.
    """
    outputs = {
        "epsilon": predicted,
        "v_prediction": (predicted - sigma * state) / signal,
        "sample": (state - sigma * predicted) / signal,
    }
    for configured, output in outputs.items():
        readings = {
            "epsilon": output,
            "v_prediction": signal * output + sigma * state,
            "sample": (state - signal * output) / sigma,
        }
        yield from (((name, configured), noise) for name, noise in readings.items() if name != configured)


def flow_readings(
    predicted: torch.Tensor, state: torch.Tensor, time: float, *, backwards: bool = False
) -> Iterator[tuple[tuple[str], torch.Tensor]]:
    """What the velocity at a time would be if the output of a network that should predict it were something else.

    Args:
        predicted: the output (N, ...).
        state: that it is about, (1 - ``time``) of the clean sample plus ``time`` of the noise.
        time: of the state, in (0, 1).
        backwards: whether the network was told the time as if it ran from the noise to the clean sample.
    """
    readings = {
        "a velocity from noise to image": -predicted,
        "noise": (predicted - state) / (1 - time),
        "the clean image": (state - predicted) / time,
    }
    if backwards:
        readings["a velocity"] = predicted
    ending = ", with time running from noise to image" if backwards else ""
    yield from (((name + ending,), velocity) for name, velocity in readings.items())
