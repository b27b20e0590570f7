"""What an API is asked: which API that is, and one question to it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakboard_plugins.victims.api.calls import Call

FORMAT = 1
"""Of questions. Raised only if the same words come to mean another question: all answers are paid again then."""


@dataclass(frozen=True)
class Api:
    """An API, and all that each of its answers depends on beside the question.

    Attributes:
        url: its address, without what the schema adds.
        schema: name of the format that it is asked in.
        model: name of the model, as the API calls it; empty for the one that it has.
        size: height and width of its images in pixels.
        guidance: classifier-free guidance.
        negative_prompt: what images should not show.
        sampler: as the API calls it; empty for the schema's own.
        workflow: text of a ComfyUI workflow; empty for the one that comes with Leakboard.
    """

    url: str
    schema: str
    model: str = ""
    size: int = 512
    guidance: float = 1.0
    negative_prompt: str = ""
    sampler: str = ""
    workflow: str = ""

    def told(self) -> str:
        """All of it in JSON."""
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True)
class Question:
    """One query of one sample.

    Attributes:
        prompt: the text; empty for none.
        steps: sampler steps that are to be made.
        seed: of the noise, in [0, 2**32).
        image: PNG to begin with; None asks for an image from the text alone.
        pixels: digest of what the PNG shows.
        strength: share of the noise schedule that is gone through, in (0, 1].
    """

    prompt: str
    steps: int
    seed: int
    image: bytes | None = None
    pixels: str = ""
    strength: float = 1.0

    def key(self, api: Api) -> str:
        """What its answer is kept by: all that was asked, also what the schema cannot say.

        A schema without seeds is asked again for every draw, and each answer is one of its own.
        """
        asked: dict[str, Any] = {name: value for name, value in asdict(self).items() if name != "image"}
        return json.dumps({"format": FORMAT, "api": asdict(api), **asked}, sort_keys=True)

    def __str__(self) -> str:
        """In words, for people, who need not see the text: it may be a private caption."""
        what = f"image to image at strength {self.strength:g}" if self.image else "text to image"
        return f"{what} in {self.steps} steps, seed {self.seed}, a prompt of {len(self.prompt)} characters"


class Schema(NamedTuple):
    """How an API is asked.

    Attributes:
        ask: sends one question and gives the image file that it is answered with.
        sends: what of a question and of the API's parameters it can say.
        login: whether keys are ``user:password``.
    """

    ask: Callable[[Call, Api, Question], bytes]
    sends: tuple[str, ...]
    login: bool = False
