"""Configurations of a pipeline: types and ranges, checked without torch, and the noise schedule that all have."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from leakboard.api import LeakboardError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Beta = Annotated[float, Field(ge=0, lt=1)]


class Config(BaseModel):
    """What a JSON file must say; keys that are not named here are diffusers' own business."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, defer_build=True)


class SchedulerConfig(Config):
    """What `DDIMScheduler` makes of a noise schedule, with its defaults."""

    num_train_timesteps: Annotated[int, Field(ge=1, le=100_000)] = 1000
    beta_start: Beta = 1e-4
    beta_end: Beta = 0.02
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] = "linear"
    trained_betas: Annotated[list[Beta], Field(min_length=1, max_length=100_000)] | None = None
    prediction_type: Literal["epsilon", "v_prediction", "sample"] = "epsilon"
    timestep_spacing: Literal["leading", "linspace", "trailing"] = "leading"
    steps_offset: Annotated[int, Field(ge=0)] = 0
    set_alpha_to_one: bool = True
    clip_sample: bool = True
    clip_sample_range: Annotated[float, Field(gt=0)] = 1.0
    thresholding: bool = False
    dynamic_thresholding_ratio: Annotated[float, Field(ge=0, le=1)] = 0.995
    sample_max_value: Annotated[float, Field(gt=0)] = 1.0
    rescale_betas_zero_snr: bool = False


_Checked = TypeVar("_Checked", bound=Config)


def read_scheduler(content: dict[str, Any], path: Path) -> SchedulerConfig:
    """The noise schedule of the JSON object in ``path``.

    Raises:
        LeakboardError: it is none that the DDIM sampler can follow.
    """
    return validated(SchedulerConfig, content, path)


def validated(kind: type[_Checked], content: dict[str, Any], path: Path) -> _Checked:
    """The JSON object in ``path`` as the configuration that it must be.

    Raises:
        LeakboardError: a value has another type, or is out of range.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        wrong = error.errors(include_url=False)
        key = str(wrong[0]["loc"][0])
        wishes = dict.fromkeys(_wish(each) for each in wrong if each["loc"][0] == key)
        raise LeakboardError(
            f"{key} is {reprlib.repr(content[key])}, which no model can be made of",
            where=str(path),
            expected=", or: ".join(wishes),
        ) from error


def _wish(wrong: Mapping[str, Any]) -> str:
    """What a value should be, without the words of the library that compared it."""
    own = wrong.get("ctx", {}).get("error")
    return str(own) if own else wrong["msg"].replace("Input should be ", "")
