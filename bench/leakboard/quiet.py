"""Diffusers and transformers without their advice on standard error."""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let the two libraries report errors alone: no progress bars, no advice on licences or truncated prompts.

    Their settings are put back afterwards. Notices of deprecation go to whoever writes the pipeline, not who runs it.
    """
    from diffusers.utils import logging as diffusers
    from transformers.utils import logging as transformers

    libraries = (diffusers, transformers)
    before = [(each, each.get_verbosity(), each.is_progress_bar_enabled()) for each in libraries]
    try:
        for each in libraries:
            each.set_verbosity_error()
            each.disable_progress_bar()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        for each, verbosity, bar in before:
            each.set_verbosity(verbosity)
            if bar:
                each.enable_progress_bar()
