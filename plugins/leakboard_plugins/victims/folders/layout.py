"""Where things lie in the folder of a diffusers pipeline, and its JSON files, read within bounds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from leakboard.api import LeakboardError
from leakboard_plugins.victims.folders.known import known_file

if TYPE_CHECKING:
    from pathlib import Path

INDEX = "model_index.json"
CONFIG = "config.json"
UNET_CONFIG = "unet/config.json"
SCHEDULER_CONFIG = "scheduler/scheduler_config.json"
WEIGHTS = "unet/diffusion_pytorch_model.safetensors"
LAYOUT = f"a folder with {INDEX}, {SCHEDULER_CONFIG}, {UNET_CONFIG} and {WEIGHTS}"
SAVE = "pipeline.save_pretrained(folder), which writes this layout"
LISTED = 20
"""Files and folders that a message names of all that are there."""
CONFIG_BYTES = 1 << 20
TABLE_BYTES = 1 << 28
"""How large a configuration may be, and a list of words, weights or members."""
DEEPEST = 64
"""Lists and objects inside each other in a JSON file; configurations have five."""


def config_name(component: str) -> str:
    """What the configuration of a component is called."""
    if component == "scheduler":
        return "scheduler_config.json"
    return "tokenizer_config.json" if component.startswith("tokenizer") else CONFIG


def there_is(folder: Path) -> str:
    """What lies in a folder, in words, for messages about what does not."""
    if not folder.is_dir():
        return "there is no such folder"
    names = sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir())
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"there is {', '.join(names[:LISTED])}{more}" if names else "the folder is empty"


def read_json(path: Path, layout: str = LAYOUT, largest: int = CONFIG_BYTES) -> dict[str, Any]:
    """The JSON object in a file of a pipeline folder.

    Args:
        path: of the file.
        layout: what is expected of the folder, in words.
        largest: bytes that it may have.

    Raises:
        LeakboardError: the file is missing, holds no JSON object, or one too large or too deep to be read safely.
    """
    if not path.is_file():
        raise known_file(path) or LeakboardError(
            f"{path.name} is missing, so this is no pipeline that can be opened; {there_is(path.parent)}",
            where=str(path),
            expected=layout,
            next=SAVE,
        )
    size = path.stat().st_size
    if size > largest:
        raise LeakboardError(
            f"{path.name} has {size:,} bytes, too many to be read", where=str(path), expected=f"at most {largest:,}"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise _too_deep(path) from error
    except (OSError, ValueError) as error:
        raise known_file(path) or LeakboardError(
            f"{path.name} cannot be read: {_reason(error)}", where=str(path), expected="a JSON object"
        ) from error
    if not isinstance(content, dict):
        raise LeakboardError(f"{path.name} is not a JSON object", where=str(path), expected="a JSON object")
    _check_depth(content, path)
    return content


def _check_depth(content: Any, path: Path) -> None:
    """The libraries read the same files again, and walk them by recursion."""
    level = [content]
    for _ in range(DEEPEST):
        inner = [value for each in level for value in (each.values() if isinstance(each, dict) else each)]
        level = [value for value in inner if isinstance(value, (dict, list))]
        if not level:
            return
    raise _too_deep(path)


def _reason(error: Exception) -> str:
    """Why a file is not read, without advice to programmers."""
    if isinstance(error, UnicodeDecodeError):
        return "it is no text in UTF-8"
    # json tells the place of every fault but one
    told = isinstance(error, (OSError, json.JSONDecodeError))
    return str(error) if told else "a number in it has thousands of digits"


def _too_deep(path: Path) -> LeakboardError:
    return LeakboardError(
        f"{path.name} has lists or objects nested too deeply to be read",
        where=str(path),
        expected=f"at most {DEEPEST} inside each other",
    )
