"""The formats that APIs are asked in, by name."""

from __future__ import annotations

from typing import Literal

from leakboard_plugins.victims.api import automatic1111, comfyui, diffusers_server, openai_images
from leakboard_plugins.victims.api.questions import Schema  # noqa: TC001 - the type of a value

SchemaName = Literal["automatic1111", "openai_images", "diffusers_server", "comfyui"]
SCHEMAS: dict[str, Schema] = {
    "automatic1111": automatic1111.SCHEMA,
    "openai_images": openai_images.SCHEMA,
    "diffusers_server": diffusers_server.SCHEMA,
    "comfyui": comfyui.SCHEMA,
}
