"""The one door to a victim: it defends, limits, prices and remembers what is asked.

A `Memo` belongs to one victim, one batch of samples and one query defense: it remembers what the victim said, by the
content of the question, for all observers, seeds and output defenses of a task. A `Door` is what one observer of one
cell holds. Every image that is sent passes the provider's query defense once, whoever made it; states, latents and
noise of the victim's own space, which gray access lets an observer make itself, are no images and pass as they are.
The door notes which questions went past a defense so.
"""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from leakboard.api import Access, Model, Refused, Samples, Unsupported
from leakboard.asking import Cost
from leakboard.noise import seeder, standard_normal
from leakboard.oracle.bypass import PLACES
from leakboard.oracle.memo import digest
from leakboard.oracle.provider import Provider, Returned, acts, at_the_query, defended, questions
from leakboard.oracle.questions import ASIDE, OWN, allow, aside, check_images, rows_of, texts, word
from leakboard.oracle.reconstruction import Trajectory
from leakboard.samples import blinded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import torch

    from leakboard.api import Array, Step
    from leakboard.oracle.memo import Memo

PREDICTION = Cost(1, 1)


@dataclass
class Door:
    """The oracle of one observer in one cell; see `leakboard.api.Oracle` for what it answers.

    Attributes:
        memo: what the victim said so far.
        samples: whom it is asked about.
        seed: of all noise.
        access: what the observer declares.
        provider: what stands in the way.
        default_prompts: what the victim is given with each sample unless a question says otherwise.
        asked: what this observer's questions cost so far, a sample.
        pooled: what its pools cost so far, for all samples together.
        refusal: why a defense let a question not pass, the first time it did not.
        past: the questions that went past the query defense, and past the output defense, where one acts on images.
        returned: what the victim gave out last, for the contact sheet.
    """

    memo: Memo
    samples: Samples
    seed: int
    access: Access
    provider: Provider = field(default_factory=Provider)
    default_prompts: tuple[str, ...] | None = None
    asked: Cost = field(default_factory=Cost)
    pooled: Cost = field(default_factory=Cost)
    refusal: str = ""
    past: dict[str, set[str]] = field(default_factory=lambda: {place: set() for place in PLACES})
    returned: Returned | None = None

    def __post_init__(self) -> None:
        # copies without labels and names: an observer can neither spoil what others are shown nor see who is a member
        self._own = self.samples.images
        self._encoded: set[str] = set()
        self._model = self.memo.model
        self._books = self
        self.predictions = 0
        self.seeds = seeder(self.seed, self.samples.ids)
        self.samples = blinded(self.samples)

    @property
    def originals(self) -> torch.Tensor:
        """The attacker's own images."""
        return self.samples.images

    @functools.cached_property
    def images(self) -> torch.Tensor:
        """What the victim sees of the originals."""
        return self._through(self._own).clone()

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
        return self._model.alphas_cumprod.to(self._own.device, copy=True)

    def noise(self, query: str, like: torch.Tensor, draw: int = 0) -> torch.Tensor:
        """Standard normal noise seeded by (seed, query, draw, sample id).

        Raises:
            ValueError: the query is a name under which the victim or a defense draws its own noise.
        """
        if query in OWN or "@" in query:
            raise ValueError(f"the noise {query!r} is the victim's or a defense's own, expected another name")
        return standard_normal(self._books.seeds(query, draw), like)

    def encode(self, images: torch.Tensor, draw: int = 0) -> torch.Tensor:
        """Images to the victim's own space."""
        self._enter("gray", "encode", Cost())
        self._note("encode")
        model, fitting = self._model, self.memo.fitting
        answer: torch.Tensor = self._ask(
            "encode", [self._through(images, draw)], (), Cost(), lambda _, part: model.encode(fitting.to_victim(part))
        )
        if acts(self.provider.query):
            self._encoded.add(digest(answer))
        return answer

    def decode(self, inner: torch.Tensor) -> torch.Tensor:
        """The victim's own space to images."""
        self._enter("gray", "decode", Cost())
        self._note("decode", inner)
        # No output defense acts: it stands behind what a request returns. Whoever may decode could do so without asking
        # the provider, and nothing but a note can tell of it.
        return self._decode(inner)

    def predict_noise(self, state: torch.Tensor, timestep: int, prompts: Sequence[str] | None = None) -> torch.Tensor:
        """Predicted noise at one timestep."""
        self._enter("gray", "predict_noise", PREDICTION)
        return self._predicted("predict_noise", state, timestep, prompts)

    def predict_velocity(self, state: torch.Tensor, time: float, prompts: Sequence[str] | None = None) -> torch.Tensor:
        """Predicted velocity at one time.

        Raises:
            ValueError: the time is not between 0, the clean image, and 1, pure noise.
        """
        self._enter("gray", "predict_velocity", PREDICTION)
        if not 0 < time < 1:
            raise ValueError(f"a velocity was asked at time {time}, expected one between 0 (clean) and 1 (noise)")
        return self._predicted("predict_velocity", state, time, prompts)

    def reconstruct(
        self, images: torch.Tensor, strength: float, steps: int, draw: int = 0, prompts: Sequence[str] | None = None
    ) -> Trajectory:
        """Image-to-image in ``steps`` sampler steps.

        Raises:
            Unsupported: the victim made another number of steps.
        """
        a_step = self.memo.evaluations_per_step
        full = Cost(1, steps * a_step)
        self._enter("black", "reconstruct", full)
        texts, seeds = self._texts(prompts), self.seeds("reconstruct", draw)
        model, fitting = self._model, self.memo.fitting

        def call(start: int, part: torch.Tensor) -> Iterator[Step]:
            rows = slice(start, start + len(part))
            return model.reconstruct(fitting.to_victim(part), seeds[rows], strength, steps, rows_of(texts, start, part))

        walk = self._ask(
            "reconstruct",
            [self._through(images, draw)],
            (strength, steps, seeds, texts),
            # one step may be all that is seen of a victim from outside, and it made all of them
            full if self.provider.access == "black" else lambda made: Cost(1, len(made) * a_step),
            call,
        )
        if len(walk) != steps and not (self.provider.access == "black" and len(walk) == 1):
            raise Unsupported(f"the victim made {len(walk)} steps where {steps} were asked")
        question = f"reconstruct {strength!r} {steps} {draw} {word(prompts)}"
        # what was sent belongs to the question: else another image would tell which noise to subtract from this one
        show = functools.partial(self._show, words=lambda: questions(images, self._own, 0))
        return Trajectory(walk, question, show, lambda what: allow("gray", what, self.access, self.provider.access))

    def generate(self, steps: int, draw: int = 0, prompts: Sequence[str] | None = None) -> torch.Tensor:
        """New images from noise, and from the prompts if there are any."""
        cost = Cost(1, steps * self.memo.evaluations_per_step)
        self._enter("black", "generate", cost)
        texts, seeds = self._texts(prompts), self.seeds("generate", draw)

        def call(start: int, part: torch.Tensor) -> torch.Tensor:
            rows = slice(start, start + len(part))
            return self._model.generate(seeds[rows], steps, rows_of(texts, start, part))

        made = self._ask("generate", [self._own], (steps, seeds, texts), cost, call)
        return self._show(made, f"generate {steps} {draw} {word(prompts)}")

    def pool(self, count: int, steps: int, draw: int = 0, prompts: Sequence[str] | None = None) -> torch.Tensor:
        """New images that all samples share, and whose price they share; a defense that counts sees the whole pool.

        Raises:
            ValueError: there is not one prompt an image.
        """
        evaluations = steps * self.memo.evaluations_per_step
        cost = Cost(count, count * evaluations)
        self._enter("black", "pool", cost)
        if prompts is not None and len(prompts) != count:
            raise ValueError(f"{len(prompts)} prompts for a pool of {count} images, expected one an image")
        # a victim that takes texts is given empty ones: those of the samples belong to them alone
        texts = tuple(prompts) if prompts is not None else None if self.default_prompts is None else ("",) * count
        seeds = seeder(self.seed, [f"pool {place}" for place in range(count)])
        seeds = aside(seeds) if self._whom else seeds
        model, fitting = self._model, self.memo.fitting

        def call(start: int, part: torch.Tensor) -> torch.Tensor:
            rows = slice(start, start + len(part))
            made = model.generate(seeds("generate", draw)[rows], steps, rows_of(texts, start, part))
            return fitting.from_victim(model.decode(made).float())

        asked = tuple(prompts) if prompts is not None else None
        images, paid = self.memo.pool((self.seed, draw, count, steps, asked, *self._whom), count, evaluations, call)
        # Apart from `asked`, which is a sample's: this is of all samples together, and a shard does not know how many
        # they are. Who puts shards together divides it.
        self._books.pooled += paid
        for link, defense in enumerate(self.provider.output):
            images = defended(defense, images, seeds, f"output{link} pool {count} {steps} {draw} {word(prompts)}")
        return images

    def gradients(
        self,
        inner: torch.Tensor,
        noise: torch.Tensor,
        timestep: int | Sequence[int],
        prompts: Sequence[str] | None = None,
    ) -> torch.Tensor:
        """Per-sample gradient norms of the denoising loss, or of its mean over several timesteps."""
        timesteps = (timestep,) if isinstance(timestep, int) else tuple(timestep)
        return self._gradients("gradients", inner, noise, timesteps, prompts, self._model.gradients)

    def state_gradient(
        self, inner: torch.Tensor, noise: torch.Tensor, timestep: int, prompts: Sequence[str] | None = None
    ) -> torch.Tensor:
        """Norms of the denoising loss's gradient by the noisy state."""
        return self._gradients("state_gradient", inner, noise, timestep, prompts, self._model.state_gradient)

    def decoder_gain(self, inner: torch.Tensor, probes: int, draw: int = 0) -> torch.Tensor:
        """How much each number changes the decoded image, with probes of each sample's own."""
        cost = Cost(1, 0)
        self._enter("white", "decoder_gain", cost)
        self._note("decoder_gain", inner)
        seeds = [self.seeds("decoder_gain", draw * probes + number) for number in range(probes)]
        model, shape = self._model, self._model.image_shape or self._own.shape[1:]

        def call(start: int, part: torch.Tensor) -> torch.Tensor:
            like = part.new_zeros(len(part), *shape)
            rows = slice(start, start + len(part))
            return model.decoder_gain(part, [standard_normal(each[rows], like) for each in seeds])

        answer: torch.Tensor = self._ask("decoder_gain", [inner], (probes, draw, self.seed), cost, call)
        return answer

    def base(self) -> Door:
        """The same victim without its adapter, behind the same defenses; what is asked there is paid and noted here.

        What the observer draws by `noise` is the same on both sides; victim and defenses draw theirs anew.

        Raises:
            Unsupported: it wears none.
        """
        found = copy.copy(self)
        found.__dict__ |= {"_model": self._model.base(), "seeds": aside(self.seeds)}
        found.__dict__.pop("images", None)
        return found

    @property
    def _whom(self) -> tuple[str, ...]:
        """What is added to a question to the victim without its adapter."""
        return () if self._books is self else (ASIDE,)

    def _gradients(
        self,
        question: str,
        inner: torch.Tensor,
        noise: torch.Tensor,
        when: Any,
        prompts: Sequence[str] | None,
        ask: Callable[..., torch.Tensor],
    ) -> torch.Tensor:
        count = 1 if isinstance(when, int) else len(when)
        cost = Cost(1, 2 * count)
        self._enter("white", question, cost)
        self._note(question, inner, noise)
        texts = self._texts(prompts)

        def call(start: int, part: torch.Tensor, part_noise: torch.Tensor) -> torch.Tensor:
            return ask(part, part_noise, when, rows_of(texts, start, part))

        answer: torch.Tensor = self._ask(question, [inner, noise], (when, texts), cost, call)
        return answer

    def _predicted(
        self, question: str, state: torch.Tensor, when: float, prompts: Sequence[str] | None
    ) -> torch.Tensor:
        self._note(question, state)
        texts, seeds = self._texts(prompts), self._fresh(question)

        def call(start: int, part: torch.Tensor) -> torch.Tensor:
            model = self._model.seeded(seeds[start : start + len(part)])
            predicted: torch.Tensor = getattr(model, question)(part, when, rows_of(texts, start, part))
            return predicted

        answer: torch.Tensor = self._ask(question, [state], (when, texts, *seeds), PREDICTION, call)
        return answer

    def _fresh(self, question: str) -> tuple[int, ...]:
        """Seeds of the samples that no question before had, where predictions are random; else none.

        They go by how many were asked before, not by the state that is sent: its last digits depend on the batch.
        """
        if type(self._model).seeded is Model.seeded:
            return ()
        self._books.predictions += 1
        return self.seeds(f"victim@{question}", self._books.predictions)

    def _enter(self, needed: Access, query: str, cost: Cost) -> None:
        """Whether a question may be asked at all, by the access levels and by defenses that count."""
        allow(needed, query, self.access, self.provider.access)
        books = self._books
        # defenses at='both' are not asked: they stand right before the distance, where no question passes
        for defense in (*self.provider.query, *self.provider.output):
            try:
                defense.admit(books.asked + books.pooled, cost)
            except Refused as reason:
                # noted here, for the observer may catch it and go on
                books.refusal = books.refusal or str(reason) or f"{defense.name} refused more"
                raise

    def _note(self, question: str, *inner: torch.Tensor) -> None:
        """Note which defenses a question passes by that is asked and answered in the victim's own space.

        An output defense acts on nothing that is given out there. A query defense acted if all that is sent (N, ...)
        is what the victim itself made of images, which it was sent through the defense.
        """
        if acts(self.provider.output):
            self.past["output"].add(question)
        if acts(self.provider.query) and not {digest(tensor) for tensor in inner} <= self._encoded:
            self.past["query"].add(question)

    def _ask(
        self,
        query: str,
        tensors: list[torch.Tensor],
        arguments: tuple[Any, ...],
        cost: Cost | Callable[[Any], Cost],
        call: Any,
    ) -> Any:
        answer, paid = self.memo.ask(query, tensors, (*arguments, *self._whom), cost, call)
        self._books.asked += paid
        # a list holds the steps of a reconstruction, which nobody outside gets; tensors could be written into
        return answer if isinstance(answer, list) else answer.clone()

    def _texts(self, prompts: Sequence[str] | None) -> tuple[str, ...] | None:
        return texts(prompts, self.default_prompts, len(self._own))

    def _through(self, images: torch.Tensor, draw: int = 0) -> torch.Tensor:
        """What the victim sees of images that it is sent, the first time by the defenses and then from the memo."""
        check_images(images, self._own, whole=self.memo.fitting.needed)
        if not self.provider.query:
            return images
        question = (repr(self.provider.query), self.seeds("", draw))
        return self.memo.defended(
            images, question, lambda: at_the_query(self.provider.query, images, self._own, self.seeds, draw)
        )

    def _decode(self, inner: torch.Tensor) -> torch.Tensor:
        model, fitting = self._model, self.memo.fitting
        answer: torch.Tensor = self._ask(
            "decode", [inner], (), Cost(), lambda _, part: fitting.from_victim(model.decode(part).float())
        )
        return answer

    def _show(
        self, inner: torch.Tensor, question: str, words: Callable[[], Sequence[str]] | None = None
    ) -> torch.Tensor:
        """Images after the output defenses, whose noise is another one for every question and step."""
        images = self._decode(inner)
        for link, defense in enumerate(self.provider.output):
            images = defended(defense, images, self.seeds, f"output{link} {question}", words)
        self._books.returned = Returned(question, images.clone())
        return images
