"""An API, ready to be asked: images out, and nothing else."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

from leakboard.api import LeakboardError, Model, Step
from leakboard_plugins.victims.api.calls import Call
from leakboard_plugins.victims.api.pictures import png, unpacked
from leakboard_plugins.victims.api.questions import Question
from leakboard_plugins.victims.api.schemas import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from leakboard.api import Answers
    from leakboard.store.answers import Answers as Kept
    from leakboard_plugins.victims.api.calls import Line
    from leakboard_plugins.victims.api.questions import Api

SEEDS = 1 << 32
"""Seeds that every API takes: those of Leakboard have more digits, of which the last are sent."""


class ApiModel(Model):
    """A model behind an API. Its own space is images in [0, 1], RGB.

    Args:
        api: which one.
        line: how it is reached.
        concurrency: questions that are on their way at once.
    """

    def __init__(self, api: Api, line: Line, concurrency: int) -> None:
        self._api, self._line, self._concurrency = api, line, concurrency
        self.image_shape = (3, api.size, api.size)
        weakref.finalize(self, line.client.close)

    def decode(self, inner: torch.Tensor) -> torch.Tensor:
        """Images as they are, in [0, 1]."""
        return inner.clamp(0, 1)

    def reconstruct(
        self, images: torch.Tensor, seeds: Sequence[int], strength: float, steps: int, prompts: Sequence[str] | None
    ) -> Iterator[Step]:
        """Image to image; of its steps only the output is seen.

        Raises:
            LeakboardError: the API refused, gave no whole answer, or would cost more than may be spent.
            Unsupported: it makes images of texts alone.
        """
        questions = [
            Question(prompt, steps, seed % SEEDS, *png(image), strength)
            for image, seed, prompt in zip(images, seeds, _texts(prompts, len(seeds)), strict=True)
        ]
        made = self.answered(questions).to(images.device)
        return iter([Step(made, made)])

    def generate(self, seeds: Sequence[int], steps: int, prompts: Sequence[str] | None) -> torch.Tensor:
        """Text to image.

        Raises:
            LeakboardError: the API refused, gave no whole answer, or would cost more than may be spent.
            Unsupported: it makes images of images alone.
        """
        texts = _texts(prompts, len(seeds))
        return self.answered([Question(prompt, steps, seed % SEEDS) for seed, prompt in zip(seeds, texts, strict=True)])

    def answered(self, questions: Sequence[Question]) -> torch.Tensor:
        """Images (N, 3, size, size) in the order of the questions, which are on their way several at once.

        When one fails, those that have not been sent are given up. What was answered meanwhile is kept all the same.
        """
        from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

        import torch

        answers = self._answers()
        answers.introduce(self._api.told())
        ledger, over = answers.ledger(self._line.bill.account), threading.Event()
        failed: list[Exception] = []

        def ask(question: Question) -> bytes:
            call = Call(self._line, ledger, over)
            try:
                return answers.get(question.key(self._api), lambda: self._asked(call, question))
            except Exception as error:
                # at once, before this thread takes the next question; what others meet after it only follows from it
                failed.append(error)
                over.set()
                raise

        threads = ThreadPoolExecutor(min(self._concurrency, len(questions)), thread_name_prefix="leakboard-api")
        try:
            running = [threads.submit(ask, question) for question in questions]
            wait(running, return_when=FIRST_EXCEPTION)
            if failed:
                raise failed[0]
            received = [each.result() for each in running]
        finally:
            over.set()
            threads.shutdown(wait=False, cancel_futures=True)
        return torch.stack([unpacked(payload, self._api.size, self._line.url) for payload in received])

    def _asked(self, call: Call, question: Question) -> bytes:
        """The image file that the API gives, once it is whole and of the right size: only such ones are kept."""
        schema = SCHEMAS[self._api.schema]

        def ask() -> bytes:
            payload = schema.ask(call, self._api, question)
            unpacked(payload, self._api.size, self._line.url)
            return payload

        return call.patiently(ask)

    def _answers(self) -> Answers:
        """Where answers are kept: outside of a run as long as this process lives."""
        if self.answers is None:
            from leakboard.store.answers import temporary

            self.answers = temporary(self)
        return self.answers


class Replayed(ApiModel):
    """Answers of an API that are kept in a folder, and nothing else.

    Args:
        api: whose they are.
        answers: where they are.
        where: the same, for people.
    """

    def __init__(self, api: Api, answers: Kept, where: str) -> None:
        self._api, self._kept, self._where = api, answers, where
        self.image_shape = (3, api.size, api.size)

    def answered(self, questions: Sequence[Question]) -> torch.Tensor:
        """Images (N, 3, size, size) in the order of the questions.

        Raises:
            LeakboardError: one was never answered.
        """
        import torch

        found = [self._kept.find(question.key(self._api)) for question in questions]
        received = [payload for payload in found if payload is not None]
        if len(received) < len(questions):
            raise LeakboardError(
                f"{len(questions) - len(received)} of {len(questions)} questions are not among the answers that were "
                f"kept; the first is {questions[found.index(None)]}",
                where=self._where,
                expected="samples, seeds, observers and query defenses that the API was asked with",
                next="http(...) in the place of replay(...) asks the API for what is missing",
            )
        return torch.stack([unpacked(payload, self._api.size, self._where) for payload in received])


def _texts(prompts: Sequence[str] | None, count: int) -> Sequence[str]:
    return ("",) * count if prompts is None else prompts
