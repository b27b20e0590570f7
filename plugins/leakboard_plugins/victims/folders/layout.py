"""Where things lie in the folder of a diffusers pipeline."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from leakboard.api import LeakboardError

if TYPE_CHECKING:
    from pathlib import Path

INDEX = "model_index.json"
UNET_CONFIG = "unet/config.json"
SCHEDULER_CONFIG = "scheduler/scheduler_config.json"
WEIGHTS = "unet/diffusion_pytorch_model.safetensors"
LAYOUT = f"a folder with {INDEX}, {SCHEDULER_CONFIG}, {UNET_CONFIG} and {WEIGHTS}"
SAVE = "pipeline.save_pretrained(folder), which writes this layout"


def read_json(path: Path, layout: str = LAYOUT) -> dict[str, Any]:
    """The JSON object in a file of a pipeline folder.

    Raises:
        LeakboardError: the file is missing, which ``layout`` says in words, or holds no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise LeakboardError(
            f"{path.name} is missing, so this is no pipeline that can be opened",
            where=str(path),
            expected=layout,
            next=SAVE,
        ) from error
    except (OSError, ValueError) as error:
        raise LeakboardError(
            f"{path.name} cannot be read: {error}", where=str(path), expected="a JSON object"
        ) from error
    if not isinstance(content, dict):
        raise LeakboardError(f"{path.name} is not a JSON object", where=str(path), expected="a JSON object")
    return content
