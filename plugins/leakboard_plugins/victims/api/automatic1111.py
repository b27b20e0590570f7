"""The API of AUTOMATIC1111's stable-diffusion-webui and its kin: ``/sdapi/v1/txt2img`` and ``/sdapi/v1/img2img``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leakboard_plugins.victims.api.calls import unexpected
from leakboard_plugins.victims.api.pictures import from_base64, to_base64
from leakboard_plugins.victims.api.questions import Schema

if TYPE_CHECKING:
    from leakboard_plugins.victims.api.calls import Call
    from leakboard_plugins.victims.api.questions import Api, Question


def ask(call: Call, api: Api, question: Question) -> bytes:
    """One image.

    ``img2img_fix_steps`` makes exactly as many denoising steps as are asked for; without it the API makes that many
    times the strength.
    """
    settings: dict[str, Any] = {"sd_model_checkpoint": api.model} if api.model else {}
    wanted: dict[str, Any] = {
        "prompt": question.prompt,
        "negative_prompt": api.negative_prompt,
        "seed": question.seed,
        "steps": question.steps,
        "cfg_scale": api.guidance,
        "width": api.size,
        "height": api.size,
        "sampler_name": api.sampler or "DDIM",
        "batch_size": 1,
        "n_iter": 1,
    }
    if question.image is not None:
        settings |= {"img2img_fix_steps": True, "img2img_color_correction": False}
        wanted |= {"init_images": [to_base64(question.image)], "denoising_strength": question.strength}
    if settings:
        # a checkpoint that is put back after every query would be loaded twice for each
        wanted |= {"override_settings": settings, "override_settings_restore_afterwards": not api.model}
    reply = call.post(f"/sdapi/v1/{'img2img' if question.image is not None else 'txt2img'}", json=wanted)
    images = reply.json().get("images")
    if not (isinstance(images, list) and images):
        raise unexpected(reply.where, '{"images": ["<base64>"], ...}')
    return from_base64(images[0], reply.where)


SCHEMA = Schema(
    ask,
    ("prompt", "negative_prompt", "image", "strength", "steps", "seed", "guidance", "size", "sampler", "model"),
    login=True,
)
