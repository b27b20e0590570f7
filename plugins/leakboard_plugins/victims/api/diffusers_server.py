"""The two example servers of diffusers, which make images of texts alone and answer with addresses of images.

``examples/server`` takes questions at ``/v1/images/generations``, ``examples/server-async`` at
``/api/diffusers/inference``: whoever means the latter ends the url with that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from leakboard.api import Unsupported
from leakboard_plugins.victims.api.calls import unexpected
from leakboard_plugins.victims.api.questions import Schema

if TYPE_CHECKING:
    from leakboard_plugins.victims.api.calls import Call, Reply
    from leakboard_plugins.victims.api.questions import Api, Question

ASYNC = "/api/diffusers/inference"


def ask(call: Call, api: Api, question: Question) -> bytes:
    """One image. Both servers draw their own seeds; the second one takes steps and a negative prompt.

    Raises:
        Unsupported: the question is about an image.
    """
    if question.image is not None:
        raise Unsupported("the example servers of diffusers make images of texts alone")
    if api.url.endswith(ASYNC):
        more = {"negative_prompt": api.negative_prompt, "num_inference_steps": question.steps}
        wanted: dict[str, Any] = {"prompt": question.prompt, "num_images_per_prompt": 1, **more}
        reply = call.post(ASYNC, json={**wanted, **({"model": api.model} if api.model else {})})
        found = reply.json().get("response")
    else:
        size = f"{api.size}x{api.size}"
        reply = call.post(
            "/v1/images/generations", json={"model": api.model, "prompt": question.prompt, "n": 1, "size": size}
        )
        made = reply.json().get("data")
        found = [each.get("url") for each in made if isinstance(each, dict)] if isinstance(made, list) else None
    return call.get(_path(found, reply, api)).body


def _path(found: Any, reply: Reply, api: Api) -> str:
    """Where the image is, below the url: a server names itself as it sees itself, which is not always as it is seen."""
    if not (isinstance(found, list) and found and isinstance(found[0], str)):
        raise unexpected(reply.where, "addresses of images")
    return urlsplit(found[0]).path.removeprefix(urlsplit(api.url.removesuffix(ASYNC)).path)


SCHEMA = Schema(ask, ("prompt", "negative_prompt", "steps", "size", "model"))
