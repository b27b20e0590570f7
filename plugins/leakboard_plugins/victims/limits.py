"""The limits within which any diffusion model answers: steps, strengths, timesteps and shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.api import LeakboardError, Unsupported

if TYPE_CHECKING:
    from collections.abc import Sequence


def sampler_steps(steps: int, strength: float, length: int) -> int:
    """Steps of the whole schedule of which image-to-image makes the last ``steps``: round(steps / strength).

    Args:
        steps: at least 1.
        strength: in (0, 1].
        length: of the noise schedule.

    Raises:
        LeakboardError: ``strength`` or ``steps`` is out of range.
        Unsupported: the schedule is too short for so many steps at so small a strength.
    """
    if not 0 < strength <= 1:
        raise LeakboardError(f"the strength {strength} is out of range", expected="a number above 0 and up to 1")
    if steps < 1:
        raise LeakboardError(f"{steps} steps cannot be made", expected="at least 1 step")
    total = steps / strength
    if total >= length + 0.5:
        raise Unsupported(
            f"{steps} steps at strength {strength} need {total:.0f} sampler steps, but the victim has {length}"
        )
    return round(total)


def check_timestep(timestep: int, length: int) -> None:
    """Refuse a timestep that is not on the schedule.

    Raises:
        Unsupported: there is none such.
    """
    if not 0 <= timestep < length:
        raise Unsupported(f"timestep {timestep} is not among the victim's {length}")


def check_shape(shape: Sequence[int], expected: Sequence[int], what: str, advice: str) -> None:
    """Refuse tensors of another shape than the victim takes; ``advice`` says what would make them fit.

    Raises:
        Unsupported: they do not fit.
    """
    if tuple(shape) != tuple(expected):
        got, wanted = ("x".join(map(str, each)) for each in (shape, expected))
        raise Unsupported(
            f"the {what} do not fit the victim: they are {got} and it takes {wanted} "
            f"(channels, height, width); {advice}"
        )
