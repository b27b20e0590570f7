"""The API of ComfyUI: ``/prompt`` queues a workflow, ``/history/{id}`` says when it is done, ``/view`` has the image.

A workflow of one's own is a file in ComfyUI's API format (Workflow > Export (API)), with fields in the place of what a
question says: ``"seed": "{seed}"``. One with the field ``{image}`` begins with an image, another one with a text.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from typing import TYPE_CHECKING, Any

from leakboard.api import LeakboardError, Unsupported
from leakboard_plugins.victims.api.calls import Again, unexpected
from leakboard_plugins.victims.api.questions import Schema

if TYPE_CHECKING:
    from leakboard_plugins.victims.api.calls import Call
    from leakboard_plugins.victims.api.questions import Api, Question

POLL = 0.25
"""Seconds between two looks at whether it is done, doubled up to `SLOWEST`."""
SLOWEST = 4.0
FIELDS = (
    "prompt", "negative_prompt", "seed", "steps", "guidance", "strength", "size", "image", "model", "sampler", "prefix",
)  # fmt: skip
_FIELD = re.compile(r"\{(\w+)\}")


def ask(call: Call, api: Api, question: Question) -> bytes:
    """One image.

    Raises:
        Unsupported: the workflow begins with an image and the question with a text, or the other way round.
    """
    graph = json.loads(api.workflow) if api.workflow else built_in(edits=question.image is not None)
    if ("{image}" in json.dumps(graph)) != (question.image is not None):
        begins = "with a text" if question.image is not None else "with an image"
        raise Unsupported(f"the ComfyUI workflow begins {begins}, and this question does not")
    wanted = {
        "prompt": question.prompt,
        "negative_prompt": api.negative_prompt,
        "seed": question.seed,
        "steps": question.steps,
        "guidance": api.guidance,
        "strength": question.strength,
        "size": api.size,
        "model": api.model,
        "sampler": api.sampler or "ddim",
        # another name every time, or the server would find the same workflow in its cache and save nothing
        "prefix": f"leakboard-{uuid.uuid4().hex}",
    }
    if question.image is not None:
        wanted["image"] = _upload(call, question)
    reply = call.post("/prompt", json={"prompt": _filled(graph, wanted)})
    number = reply.json().get("prompt_id")
    if not isinstance(number, str):
        raise unexpected(reply.where, '{"prompt_id": "..."}')
    image = _done(call, number)
    return call.get("/view", {name: str(image.get(name, "")) for name in ("filename", "subfolder", "type")}).body


def _upload(call: Call, question: Question) -> str:
    """Put an image into the server's input folder; gives what workflows call it."""
    name = f"leakboard-{question.pixels[:32]}.png"
    files = {"image": (name, question.image, "image/png")}
    reply = call.post("/upload/image", files=files, data={"overwrite": "true"}, pays=False)
    stored = reply.json()
    if not isinstance(stored.get("name"), str):
        raise unexpected(reply.where, '{"name": "...", "subfolder": "", "type": "input"}')
    return "/".join(filter(None, (stored.get("subfolder"), stored["name"])))


def _done(call: Call, number: str) -> dict[str, Any]:
    """The image that a queued workflow made, as the server calls it.

    Raises:
        Again: it takes too long.
        LeakboardError: the workflow failed, or saves no image.
    """
    pause, deadline = POLL, time.monotonic() + call.line.timeout
    while True:
        reply = call.get(f"/history/{number}")
        entry = reply.json().get(number)
        if isinstance(entry, dict):
            status, outputs = _object(entry, "status"), _object(entry, "outputs")
            if status.get("status_str") == "error":
                raise LeakboardError(
                    f"the ComfyUI workflow failed: {_fault(status)}", where=call.line.url, next="run it there by hand"
                )
            saved = [node.get("images") or () for node in outputs.values() if isinstance(node, dict)]
            images = [image for each in saved for image in each if isinstance(image, dict)]
            if images:
                return next((image for image in images if image.get("type") == "output"), images[0])
            if status.get("completed", True):
                raise LeakboardError(
                    "the ComfyUI workflow saved no image", where=call.line.url, expected="a workflow with SaveImage"
                )
        if time.monotonic() > deadline:
            raise Again(f"{call.line.url} did not finish a workflow in {call.line.timeout:g} s")
        if call.over.wait(pause):
            raise LeakboardError("not waited for any more, for another question failed", where=call.line.url)
        pause = min(2 * pause, SLOWEST)


def _object(entry: dict[str, Any], name: str) -> dict[str, Any]:
    found = entry.get(name)
    return found if isinstance(found, dict) else {}


def _fault(status: dict[str, Any]) -> str:
    """What the node says that failed."""
    for message in status.get("messages") or ():
        if isinstance(message, list) and len(message) == 2 and message[0] == "execution_error":
            return f"{message[1].get('node_type', '')} {message[1].get('exception_message', '')}".strip()[:300]
    return "it does not say why"


def _filled(graph: Any, wanted: dict[str, Any]) -> Any:
    """A workflow with values in its fields; a text that is one field alone becomes the value, numbers and all."""
    if isinstance(graph, dict):
        return {name: _filled(value, wanted) for name, value in graph.items()}
    if isinstance(graph, list):
        return [_filled(value, wanted) for value in graph]
    if not isinstance(graph, str):
        return graph
    whole = _FIELD.fullmatch(graph)
    if whole and whole[1] in wanted:
        return wanted[whole[1]]
    return _FIELD.sub(lambda found: str(wanted.get(found[1], found[0])), graph)


def check_workflow(text: str, where: str) -> None:
    """Refuse what is no workflow in the API format.

    Raises:
        LeakboardError: it is none, or it has no field for the seed or the text.
    """
    expected = "a workflow exported in the API format, with fields: " + ", ".join(f"{{{name}}}" for name in FIELDS)
    try:
        graph = json.loads(text)
    except ValueError as error:
        raise LeakboardError(f"the workflow is no JSON: {error}", where=where, expected=expected) from None
    nodes = list(graph.values()) if isinstance(graph, dict) else []
    if not nodes or not all(isinstance(node, dict) and "class_type" in node for node in nodes):
        raise LeakboardError("this is no ComfyUI workflow in the API format", where=where, expected=expected)
    missing = [name for name in ("seed", "prompt") if f"{{{name}}}" not in text]
    if missing:
        fields = " and ".join(f"{{{name}}}" for name in missing)
        raise LeakboardError(f"the workflow has no field {fields}", where=where, expected=expected)


def built_in(*, edits: bool) -> dict[str, Any]:
    """A checkpoint, two texts, one sampler. With ``denoise`` below 1 it makes exactly as many steps as it is told."""
    begun = (
        {
            "image": _node("LoadImage", image="{image}"),
            "begin": _node("VAEEncode", pixels=["image", 0], vae=["model", 2]),
        }
        if edits
        else {"begin": _node("EmptyLatentImage", width="{size}", height="{size}", batch_size=1)}
    )
    return {
        "model": _node("CheckpointLoaderSimple", ckpt_name="{model}"),
        "text": _node("CLIPTextEncode", text="{prompt}", clip=["model", 1]),
        "negative": _node("CLIPTextEncode", text="{negative_prompt}", clip=["model", 1]),
        **begun,
        "sample": _node(
            "KSampler",
            seed="{seed}",
            steps="{steps}",
            cfg="{guidance}",
            sampler_name="{sampler}",
            scheduler="normal",
            denoise="{strength}",
            model=["model", 0],
            positive=["text", 0],
            negative=["negative", 0],
            latent_image=["begin", 0],
        ),
        "decode": _node("VAEDecode", samples=["sample", 0], vae=["model", 2]),
        "save": _node("SaveImage", images=["decode", 0], filename_prefix="{prefix}"),
    }


def _node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


SCHEMA = Schema(
    ask, ("prompt", "negative_prompt", "image", "strength", "steps", "seed", "guidance", "size", "sampler", "model")
)
