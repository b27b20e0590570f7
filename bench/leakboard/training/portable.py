"""A pipeline that transformers 5 saved, made so that transformers 4 and 5 open it alike."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from leakboard.training.claim import write_json
from leakboard.training.words import open_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = "text_model."


def make_portable(folder: Path) -> None:
    """Give the text model and the tokenizer of a pipeline folder the layout of released Stable Diffusions.

    The tokenizer gets ``vocab.json`` and ``merges.txt`` too, weights of the text model their old names, and it opens in
    single precision by default, as the other components do. Doing it again changes nothing.
    """
    from safetensors.torch import load_file, save_file

    words, text = folder / "tokenizer", folder / "text_encoder"
    open_tokenizer(words).backend_tokenizer.model.save(str(words))
    config = json.loads((text / "config.json").read_text(encoding="utf-8"))
    write_json(text / "config.json", {**config, "dtype": "float32"})
    weights = load_file(text / "model.safetensors")
    renamed = {PREFIX + name.removeprefix(PREFIX): value for name, value in weights.items()}
    temporary = text / "model.part"
    save_file(renamed, temporary, metadata={"format": "pt"})
    temporary.replace(text / "model.safetensors")
