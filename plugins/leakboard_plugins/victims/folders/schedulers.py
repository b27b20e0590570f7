"""The schedulers of diffusers whose configuration is a noise schedule of betas, which DDIM can follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.api import LeakboardError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

OWN = frozenset(
    f"{name}Scheduler"
    for name in (
        *("DDIM", "DDPM", "PNDM", "LMSDiscrete", "EulerDiscrete", "EulerAncestralDiscrete", "HeunDiscrete"),
        *("DPMSolverMultistep", "DPMSolverSinglestep", "DEISMultistep", "UniPCMultistep"),
        *("KDPM2Discrete", "KDPM2AncestralDiscrete"),
    )
)
"""Those that can also be asked for their own steps."""
BETAS = OWN | {
    f"{name}Scheduler"
    for name in (
        *("DDIMInverse", "DDIMParallel", "DDPMParallel", "DPMSolverMultistepInverse", "DPMSolverSDE"),
        *("LCM", "RePaint", "SASolver", "TCD"),
    )
}
"""All of whose configuration the betas are used; those of CogVideoX change the betas further."""
KEYS = ("beta_start", "beta_end", "beta_schedule", "trained_betas")


def check_betas(scheduler: str, schedule: Mapping[str, Any], path: Path, others: str = "") -> None:
    """Refuse a scheduler whose noise schedule is not one of betas, or is not told.

    Args:
        scheduler: its class in diffusers.
        schedule: its configuration.
        path: of the configuration.
        others: which schedulers would do as well.

    Raises:
        LeakboardError: DDIM cannot be made of it.
    """
    if scheduler not in BETAS:
        raise LeakboardError(
            f"the scheduler is {scheduler}, whose noise schedule is not one of betas",
            where=str(path),
            expected=f"one of {', '.join(sorted(BETAS))}{others}",
            next="where the model was trained on betas: "
            "pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, beta_start=…, beta_end=…, "
            "beta_schedule=…), then pipeline.save_pretrained(folder)",
        )
    if scheduler not in OWN and not any(key in schedule for key in KEYS):
        raise LeakboardError(
            f"the {scheduler} does not say its noise schedule", where=str(path), expected=f"one of {', '.join(KEYS)}"
        )
