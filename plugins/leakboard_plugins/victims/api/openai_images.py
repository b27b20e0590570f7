"""The images API of OpenAI and of servers that are like it: ``/v1/images/generations`` and ``/v1/images/edits``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leakboard_plugins.victims.api.calls import unexpected
from leakboard_plugins.victims.api.pictures import from_base64
from leakboard_plugins.victims.api.questions import Schema

if TYPE_CHECKING:
    from leakboard_plugins.victims.api.calls import Call
    from leakboard_plugins.victims.api.questions import Api, Question

ALWAYS_BASE64 = ("gpt-image", "chatgpt-image")
"""Beginnings of names of models that refuse to be asked for base64, for they answer with nothing else."""


def ask(call: Call, api: Api, question: Question) -> bytes:
    """One image. There are no seeds, steps and strengths: each answer is one of its own."""
    root = "" if api.url.endswith("/v1") else "/v1"
    wanted: dict[str, Any] = {"prompt": question.prompt, "n": 1, "size": f"{api.size}x{api.size}"}
    if api.model:
        wanted["model"] = api.model
    if not api.model.startswith(ALWAYS_BASE64):
        wanted["response_format"] = "b64_json"
    if question.image is None:
        reply = call.post(f"{root}/images/generations", json=wanted)
    else:
        files = {"image": ("image.png", question.image, "image/png")}
        reply = call.post(f"{root}/images/edits", data=wanted, files=files)
    made = reply.json().get("data")
    if not (isinstance(made, list) and made and isinstance(made[0], dict) and "b64_json" in made[0]):
        raise unexpected(reply.where, '{"data": [{"b64_json": "<base64>"}]}')
    return from_base64(made[0]["b64_json"], reply.where)


SCHEMA = Schema(ask, ("prompt", "image", "size", "model"))
