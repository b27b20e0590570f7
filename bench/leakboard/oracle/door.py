"""The one door to a victim.

A `Memo` belongs to one victim, one batch of samples and one query defense: it memoises what the victim said,
by the content of the question, for all observers, seeds and output defenses of a task. A `Door` is what one observer
of one cell holds: it applies the defenses, enforces the declared access and counts what was asked.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from leakboard.api import Access, AccessDenied, Defense, Samples, Step
from leakboard.asking import Cost
from leakboard.noise import normal, seeds_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import torch

    from leakboard.oracle.memo import Memo
    from leakboard.samples import Array

LEVELS: tuple[Access, ...] = ("black", "gray", "white")


class Returned(NamedTuple):
    """Images that the victim gave out, and the question they answer: only equal questions can be compared."""

    question: str
    images: torch.Tensor


@dataclass
class Door:
    """The oracle of one observer in one cell; see `leakboard.api.Oracle` for what it answers."""

    memo: Memo
    samples: Samples
    images: torch.Tensor
    access: Access
    seed: int
    output_defenses: Sequence[Defense] = ()
    default_prompts: tuple[str, ...] | None = None
    asked: Cost = field(default_factory=Cost)
    returned: Returned | None = None
    """What the victim gave out last, for the contact sheet."""

    def __post_init__(self) -> None:
        # copies without labels: an observer can neither spoil what others are shown nor see who is a member
        self.images = self.images.clone()
        self.samples = replace(
            self.samples,
            images=self.samples.images.clone(),
            member=np.zeros_like(self.samples.member),
            member_digest=None,
        )

    @property
    def originals(self) -> torch.Tensor:
        """The attacker's own images."""
        return self.samples.images

    @property
    def prompts(self) -> tuple[str, ...] | None:
        """The texts that the victim is given with each sample unless a question says otherwise."""
        return self.default_prompts

    @property
    def captions(self) -> tuple[str, ...] | None:
        """The captions of the samples as the dataset has them."""
        return self.samples.prompts

    @property
    def metadata(self) -> Mapping[str, Array]:
        """Numbers about the file of each sample."""
        return self.samples.metadata

    @property
    def alphas_cumprod(self) -> torch.Tensor:
        """The victim's noise schedule."""
        return self.memo.model.alphas_cumprod.to(self.images.device)

    def noise(self, query: str, like: torch.Tensor, draw: int = 0) -> torch.Tensor:
        """Standard normal noise seeded by (seed, query, draw, sample id)."""
        return normal(self.seed, query, draw, self.samples.ids, like)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Images to the victim's own space."""
        self._allow("gray", "encode")
        return self._encode(images)

    def decode(self, inner: torch.Tensor) -> torch.Tensor:
        """The victim's own space to images."""
        self._allow("gray", "decode")
        return self._decode(inner)

    def predict_noise(self, state: torch.Tensor, timestep: int, prompts: Sequence[str] | None = None) -> torch.Tensor:
        """Predicted noise at one timestep."""
        self._allow("gray", "predict_noise")
        texts = self._texts(prompts)

        def call(start: int, part: torch.Tensor) -> torch.Tensor:
            return self.memo.model.predict_noise(part, timestep, rows_of(texts, start, part))

        answer: torch.Tensor = self._ask("predict_noise", [state], (timestep, texts), Cost(1, 1), call)
        return answer

    def reconstruct(
        self, images: torch.Tensor, strength: float, steps: int, draw: int = 0, prompts: Sequence[str] | None = None
    ) -> Trajectory:
        """Image-to-image in ``steps`` sampler steps."""
        self._allow("black", "reconstruct")
        texts, seeds = self._texts(prompts), seeds_of(self.seed, "reconstruct", draw, self.samples.ids)
        cost = Cost(1, steps * self.memo.evaluations_per_step)
        model, fitting = self.memo.model, self.memo.fitting

        def call(start: int, part: torch.Tensor) -> Iterator[Step]:
            rows = slice(start, start + len(part))
            return model.reconstruct(fitting.to_victim(part), seeds[rows], strength, steps, rows_of(texts, start, part))

        walk = self._ask("reconstruct", [self._sent(images)], (strength, steps, seeds, texts), cost, call)
        return Trajectory(self, walk, f"reconstruct {strength!r} {steps} {draw} {_word(prompts)}")

    def generate(self, steps: int, draw: int = 0, prompts: Sequence[str] | None = None) -> torch.Tensor:
        """New images from noise, and from the prompts if there are any."""
        self._allow("black", "generate")
        texts, seeds = self._texts(prompts), seeds_of(self.seed, "generate", draw, self.samples.ids)
        cost = Cost(1, steps * self.memo.evaluations_per_step)

        def call(start: int, part: torch.Tensor) -> torch.Tensor:
            rows = slice(start, start + len(part))
            return self.memo.model.generate(seeds[rows], steps, rows_of(texts, start, part))

        made = self._ask("generate", [self.originals], (steps, seeds, texts), cost, call)
        return self._give_out(self._decode(made), f"generate {steps} {draw} {_word(prompts)}")

    def pool(self, count: int, steps: int, draw: int = 0, prompts: Sequence[str] | None = None) -> torch.Tensor:
        """New images that all samples share."""
        raise NotImplementedError

    def gradients(
        self, inner: torch.Tensor, noise: torch.Tensor, timestep: int, prompts: Sequence[str] | None = None
    ) -> torch.Tensor:
        """Per-sample gradient norms of the denoising loss."""
        self._allow("white", "gradients")
        texts = self._texts(prompts)

        def call(start: int, part: torch.Tensor, part_noise: torch.Tensor) -> torch.Tensor:
            return self.memo.model.gradients(part, part_noise, timestep, rows_of(texts, start, part))

        answer: torch.Tensor = self._ask("gradients", [inner, noise], (timestep, texts), Cost(1, 2), call)
        return answer

    def _allow(self, needed: Access, query: str) -> None:
        if LEVELS.index(needed) > LEVELS.index(self.access):
            raise AccessDenied(f"{query} needs {needed} access, the observer declares {self.access}")

    def _ask(self, query: str, tensors: list[torch.Tensor], arguments: tuple[Any, ...], cost: Cost, call: Any) -> Any:
        answer, paid = self.memo.ask(query, tensors, arguments, cost, call)
        self.asked += paid
        # a list holds the steps of a reconstruction, which nobody outside gets; tensors could be written into
        return answer if isinstance(answer, list) else answer.clone()

    def _texts(self, prompts: Sequence[str] | None) -> tuple[str, ...] | None:
        if prompts is None:
            return self.default_prompts
        if len(prompts) != len(self.samples.ids):
            raise ValueError(f"{len(prompts)} prompts for {len(self.samples.ids)} samples, expected one a sample")
        return tuple(prompts)

    def _sent(self, images: torch.Tensor) -> torch.Tensor:
        # whoever sends the victim its own image sends it through the provider's defense, like everybody else
        if images.shape == self.originals.shape and images.equal(self.originals):
            return self.images
        return images

    def _encode(self, images: torch.Tensor) -> torch.Tensor:
        model, fitting = self.memo.model, self.memo.fitting
        answer: torch.Tensor = self._ask(
            "encode", [self._sent(images)], (), Cost(), lambda _, part: model.encode(fitting.to_victim(part))
        )
        return answer

    def _decode(self, inner: torch.Tensor) -> torch.Tensor:
        model, fitting = self.memo.model, self.memo.fitting
        answer: torch.Tensor = self._ask(
            "decode", [inner], (), Cost(), lambda _, part: fitting.from_victim(model.decode(part).float())
        )
        return answer

    def _give_out(self, images: torch.Tensor, question: str) -> torch.Tensor:
        """Images after the output defenses, whose noise is another one for every question and step."""
        for link, defense in enumerate(self.output_defenses):
            images = defended(defense, images, self.samples, self.seed, f"output{link} {question}")
        self.returned = Returned(question, images)
        return images


@dataclass(frozen=True)
class Trajectory:
    """One image-to-image answer; see `leakboard.api.Reconstruction`."""

    door: Door
    walk: list[Step]
    question: str

    def output(self) -> torch.Tensor:
        """The returned images."""
        return self._clean(len(self.walk) - 1)

    def intermediates(self) -> Iterator[torch.Tensor]:
        """The predicted clean images of every step."""
        self.door._allow("gray", "intermediates")  # noqa: SLF001 - the two classes are one door
        return (self._clean(step) for step in range(len(self.walk)))

    def states(self) -> Iterator[torch.Tensor]:
        """The noisy states of every step, as images."""
        self.door._allow("gray", "states")  # noqa: SLF001 - the two classes are one door
        return (self._image(step.state, f"state {place}") for place, step in enumerate(self.walk))

    def _clean(self, step: int) -> torch.Tensor:
        return self._image(self.walk[step].clean, f"step {step}")

    def _image(self, inner: torch.Tensor, place: str) -> torch.Tensor:
        door = self.door
        return door._give_out(door._decode(inner), f"{self.question} {place}")  # noqa: SLF001 - one door


def defended(defense: Defense, images: torch.Tensor, samples: Samples, seed: int, place: str) -> torch.Tensor:
    """Images after one defense, which draws its noise from (seed, defense and place, sample id).

    Raises:
        TypeError, ValueError: the defense gave no images, changed the shape or type, or left [0, 1].
    """

    def noise(like: torch.Tensor, draw: int = 0) -> torch.Tensor:
        return normal(seed, f"{defense.name}@{place}", draw, samples.ids, like)

    result = defense.apply(images.clone(), noise)
    if not isinstance(result, type(images)):
        raise TypeError(f"{defense.name} returned {result!r:.80} from apply(), expected images")
    if result.shape != images.shape:
        raise ValueError(f"{defense.name} returned shape {tuple(result.shape)}, expected {tuple(images.shape)}")
    if result.dtype != images.dtype:
        raise ValueError(f"{defense.name} returned {result.dtype}, expected {images.dtype}")
    if not bool(((result >= 0) & (result <= 1)).all()):
        raise ValueError(f"{defense.name} returned values outside [0, 1] or not a number")
    return result


def _word(prompts: Sequence[str] | None) -> str:
    """Tells questions with other prompts apart, where their answers are shown or get noise of their own."""
    return "" if prompts is None else hashlib.blake2b(repr(tuple(prompts)).encode(), digest_size=8).hexdigest()


def rows_of(prompts: Sequence[str] | None, start: int, part: torch.Tensor) -> Sequence[str] | None:
    """The prompts of a batch that begins at ``start``."""
    return None if prompts is None else prompts[start : start + len(part)]
