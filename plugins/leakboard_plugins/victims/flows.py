"""What victims that match flows answer, and what they and all others do not."""

from __future__ import annotations

from leakboard.api import Unsupported

NO_NOISE = (
    "the victim matches flows: it predicts velocities and no noise, so it has no alphas_cumprod; "
    "of the gray-box observers velocity_loss and velocity_curve fit it"
)
NO_VELOCITY = (
    "the victim predicts noise along a schedule and no velocities of a flow; "
    "of the gray-box observers loss, pia, secmi and sima fit it"
)


def check_time(time: float) -> None:
    """Refuse a time at which there is no velocity to be asked for.

    Raises:
        Unsupported: it is not between 0, the clean image, and 1, pure noise.
    """
    if not 0 < time < 1:
        raise Unsupported(f"time {time} is not between 0 (the clean image) and 1 (noise)")
