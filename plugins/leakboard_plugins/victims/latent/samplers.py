"""Which sampler takes the noise away, and what each of its steps predicts."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Literal

from leakboard.api import Step, Unsupported
from leakboard_plugins.victims.predictions import clean_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

SamplerName = Literal["auto", "own", "ddim", "ddpm", "euler", "euler_ancestral", "dpmpp", "unipc"]
CLASSES = {
    "ddim": "DDIMScheduler",
    "ddpm": "DDPMScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler_ancestral": "EulerAncestralDiscreteScheduler",
    "dpmpp": "DPMSolverMultistepScheduler",
    "unipc": "UniPCMultistepScheduler",
}
CLIPPING = ("ddim", "ddpm")
"""Samplers that clip to the range of pixels by default, which latents leave."""
GIVEN = ("pred_original_sample", "denoised")
"""Where the result of a step may have the clean sample."""


def sampler_of(name: str, own: Any) -> Any:
    """A new sampler, since samplers carry state, on the noise schedule of the pipeline's own scheduler.

    Args:
        name: ``own`` is the pipeline's, ``auto`` DDIM with eta = 0 (Song et al. 2010.02502), or the pipeline's where
            it matches flows, others by name.
        own: the pipeline's scheduler.

    Raises:
        Unsupported: the sampler makes other than one denoiser evaluation a step, or follows no flow.
    """
    import diffusers

    if is_flow(own) and name not in ("auto", "own"):
        raise Unsupported(f"the victim matches flows, which {name} does not follow; scheduler='auto' does")
    if name == "own" or is_flow(own):
        sampler = type(own).from_config(own.config, **_fixed_variance(own))
    else:
        named = "ddim" if name == "auto" else name
        clip = {"clip_sample": False} if named in CLIPPING else {}
        sampler = getattr(diffusers, CLASSES[named]).from_config(own.config, **clip, **_fixed_variance(own))
    if sampler.order != 1 or type(sampler).__name__ == "PNDMScheduler":
        raise Unsupported(
            f"{type(sampler).__name__} makes other than one denoiser evaluation a step; "
            f"choose scheduler={' or '.join(map(repr, ('auto', *CLASSES)))}"
        )
    return sampler


def _fixed_variance(own: Any) -> dict[str, str]:
    """A variance that was learned comes beside the prediction, which is all that a sampler is given here."""
    return {"variance_type": "fixed_small"} if str(own.config.get("variance_type")).startswith("learned") else {}


class Recorder:
    """Notes what every step of a sampler predicts, and the state that it leads to.

    Args:
        sampler: whose steps are recorded from now on.
    """

    def __init__(self, sampler: Any) -> None:
        self._name = type(sampler).__name__
        self._steps: list[Step] = []
        self._clean: torch.Tensor | None = None
        plain = sampler.step

        @functools.wraps(plain)  # pipelines look at the signature
        def step(model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, *args: Any, **options: Any) -> Any:
            wanted = options.pop("return_dict", True)
            result = plain(model_output, timestep, sample, *args, return_dict=True, **options)
            self._clean = predicted_clean(sampler, result, model_output, timestep, sample)
            return result if wanted else (result.prev_sample,)

        sampler.step = step

    def keep(self, _pipeline: Any, _place: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """The ``callback_on_step_end`` of a pipeline."""
        assert self._clean is not None
        self._steps.append(Step(self._clean.float(), tensors["latents"].float()))
        return {}

    def finished(self, count: int) -> list[Step]:
        """All ``count`` steps; the clean sample of the last is what a pipeline returns.

        Raises:
            Unsupported: the sampler made another number of them.
        """
        if len(self._steps) != count:
            raise Unsupported(f"{self._name} made {len(self._steps)} steps where {count} were asked for")
        # the two differ when the schedule ends above zero noise
        *steps, last = self._steps
        return [*steps, Step(last.state, last.state)]


def after_setting(sampler: Any, then: Callable[[], None]) -> None:
    """Do something more whenever a pipeline has set the sampler's schedule."""
    plain = sampler.set_timesteps

    @functools.wraps(plain)  # pipelines look at the signature
    def set_timesteps(*args: Any, **options: Any) -> None:
        plain(*args, **options)
        then()

    sampler.set_timesteps = set_timesteps


def recorded_outputs(sampler: Any) -> list[torch.Tensor]:
    """A list that gets what the denoiser says at every step of a sampler from now on, as the sampler takes it."""
    outputs: list[torch.Tensor] = []
    plain = sampler.step

    @functools.wraps(plain)  # pipelines look at the signature
    def step(model_output: torch.Tensor, *args: Any, **options: Any) -> Any:
        outputs.append(model_output)
        return plain(model_output, *args, **options)

    sampler.step = step
    return outputs


def only_at(sampler: Any, time: float) -> None:
    """From now on a sampler makes one step, from a share of noise to none, whatever schedule a pipeline sets."""

    def set_time() -> None:
        timesteps, sigmas = sampler.timesteps, sampler.sigmas
        # where they are whole numbers they are cut, as diffusers cuts its own
        sampler.timesteps = timesteps.new_tensor([time * sampler.config.num_train_timesteps])
        sampler.sigmas = sigmas.new_tensor([time, 0.0])

    after_setting(sampler, set_time)


def is_flow(own: Any) -> bool:
    """Whether a scheduler interpolates straight between image and noise, even if it could do otherwise."""
    return not hasattr(own, "alphas_cumprod") or bool(own.config.get("use_flow_sigmas"))


def predicted_clean(
    sampler: Any, result: Any, output: torch.Tensor, timestep: Any, sample: torch.Tensor
) -> torch.Tensor:
    """The clean sample (N, ...) that a step predicted: what the sampler says it is, else computed.

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
