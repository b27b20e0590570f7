"""What a victim answers, how an observer asks it, and what an observer makes of the answers."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from leakboard.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import torch

Access = Literal["black", "gray", "white"]
"""What may be asked: images out; also intermediates and what the denoiser predicts; also gradients and weights."""
ACCESS: tuple[Access, ...] = get_args(Access)
"""From the least that may be asked to the most."""
Space = Literal["image", "latent", "state", "noise", "gradient", "statistic"]
"""Where the two sides of a pair lie. Only images are what a provider's defense acts on."""
Need = Literal["noise", "velocity", "prompts", "gradients", "base"]
"""What not every victim can answer: predicted noise, the velocity of a flow, questions with texts, gradients, and all
of it once more without the adapter that it wears."""
WorksIn = Literal["pixels", "latents"]
"""What a victim's denoiser works in: papers give timesteps for either."""
Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Cost:
    """Queries (requests to the victim) and denoiser evaluations, both per sample, and seconds for the whole batch."""

    queries: float = 0
    evaluations: float = 0
    seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.queries + other.queries, self.evaluations + other.evaluations, self.seconds + other.seconds)


@dataclass(frozen=True)
class Bill:
    """What the questions to a victim cost in money, in whatever currency.

    Attributes:
        account: what they are charged to, an address say; victims of one account share what is spent.
        price: of one query of one sample.
        cap: the most that may be spent on the account; None: no limit.
    """

    account: str
    price: float
    cap: float | None = None


class Ledger(Protocol):
    """What all workers together have spent on one account, and how fast they may ask it."""

    @property
    def spent(self) -> float:
        """Money spent so far."""
        ...

    def charge(self, price: float, cap: float | None) -> None:
        """Take the price of one query before it is sent.

        Raises:
            LeakboardError: more than the cap would be spent.
        """
        ...

    def refund(self, price: float) -> None:
        """Give back the price of a query that was refused."""
        ...

    def turn(self, rate: float) -> float:
        """Seconds to wait before the next query, so that all workers ask at most ``rate`` a second; 0 is no limit."""
        ...

    def pause(self, seconds: float) -> None:
        """Nobody asks for so long: the provider wants a rest."""
        ...


class Answers(Protocol):
    """Where answers that cost money are kept by what was asked, so that none is paid twice."""

    def get(self, question: str, ask: Callable[[], bytes]) -> bytes:
        """The answer that is kept, or what ``ask`` gives, which is kept before it is handed out."""
        ...

    def introduce(self, api: str) -> None:
        """Say in JSON whose answers will be kept, for who replays them."""
        ...

    def ledger(self, account: str) -> Ledger:
        """What was spent on an account."""
        ...


class Noise(Protocol):
    """Standard normal noise that depends on (seed, query, draw, sample id) only, never on the batch."""

    def __call__(self, like: torch.Tensor, draw: int = 0) -> torch.Tensor:
        """Noise of the shape, device and dtype of ``like`` (N, ...), one independent row a sample."""
        ...


@dataclass(frozen=True)
class Pair:
    """What an observer yields for all samples at once: (N, ...) references and observations in one space.

    ``label`` names the column of features that a distance makes of the pair (``step 3``, ``t=100``). Where a distance
    gives several numbers a sample, ``names`` tells them apart, if there are as many; else their places do. Where there
    is a pair in ``less``, the column is what the distance makes of this pair minus what it makes of that one.
    """

    reference: torch.Tensor
    observation: torch.Tensor
    label: str
    space: Space = "image"
    names: tuple[str, ...] = ()
    less: Pair | None = None

    def through(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Pair:
        """The pair with both sides changed, and both sides of what is subtracted."""
        less = self.less.through(change) if self.less else None
        return replace(self, reference=change(self.reference), observation=change(self.observation), less=less)


@dataclass(frozen=True)
class Step:
    """One denoising step in the victim's own space: the predicted clean sample and the noisy state after it."""

    clean: torch.Tensor
    state: torch.Tensor


class Model:
    """An opened victim. It answers what it can; the rest raises `Unsupported`.

    The victim's own space is what its denoiser works in: images scaled to [-1, 1] for pixel models, scaled latents for
    latent ones. ``encode`` and ``decode`` lead there and back, so gray-box observers need not know the difference.
    Images come in ``image_shape``; the harness fits those of the dataset to it and fits what is returned back.
    Randomness comes from seeds, one a sample, never from a state that samples share.
    """

    image_shape: tuple[int, int, int] | None = None
    """Channels, height and width of the images it takes and gives; None: whatever it is given."""
    answers: Answers | None = None
    """Where what it has to pay for is kept; a run says so before it asks. None: nowhere, and nothing is remembered."""
    round_trip_error: float = 0.0
    """Root mean squared error, in [0, 1], that ``decode(encode(images))`` may have: 0 where nothing is lost."""

    def seeded(self, seeds: Sequence[int]) -> Model:
        """The same victim, for questions about a batch that bring no seeds themselves (predicted noise or velocity).

        One whose answers to these are random (`Victim.draws`) draws by these seeds, one a sample: other seeds for
        every question, so that asking again is another request.
        """
        return self

    @functools.cached_property
    def alphas_cumprod(self) -> torch.Tensor:
        """Cumulative product of the noise schedule, float32 (T,), index 0 the least noisy step; may be assigned."""
        raise Unsupported(f"{type(self).__name__} has no alphas_cumprod")

    def networks(self) -> Mapping[str, torch.nn.Module]:
        """Its networks by name, ``denoiser`` among them: the very ones that answer, to be changed in place.

        No observer is given them. Treatments of a victim (pruning, quantising, merging) are plugins that open it and
        change the weights before anybody asks.
        """
        raise Unsupported(f"{type(self).__name__} does not give its networks out, so no treatment can change them")

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) in [0, 1] to the victim's own space, without randomness."""
        raise Unsupported(f"{type(self).__name__} has no encode")

    def decode(self, inner: torch.Tensor) -> torch.Tensor:
        """The victim's own space to images (N, C, H, W) in [0, 1]."""
        raise Unsupported(f"{type(self).__name__} has no decode")

    def predict_noise(self, state: torch.Tensor, timestep: int, prompts: Sequence[str] | None) -> torch.Tensor:
        """Predicted noise for states (N, ...) at one timestep, without guidance; one denoiser evaluation a sample."""
        raise Unsupported(f"{type(self).__name__} predicts no noise")

    def predict_velocity(self, state: torch.Tensor, time: float, prompts: Sequence[str] | None) -> torch.Tensor:
        """Predicted velocity, noise minus clean sample, for states (N, ...) at one time, without guidance.

        Of models that match flows (Liu et al. 2209.03003; Lipman et al. 2210.02747): at ``time`` in (0, 1) the state is
        (1 - time) of the clean sample plus ``time`` of the noise, so 0 is the clean sample and 1 is noise alone. One
        denoiser evaluation a sample.
        """
        raise Unsupported(
            f"{type(self).__name__} predicts no velocity, for it matches no flow; observers of predicted noise fit "
            "victims with a noise schedule"
        )

    def reconstruct(
        self, images: torch.Tensor, seeds: Sequence[int], strength: float, steps: int, prompts: Sequence[str] | None
    ) -> Iterator[Step]:
        """Noise images (N, C, H, W) in [0, 1] up to ``strength`` in (0, 1] and denoise in ``steps``.

        The steps are in the victim's own space; the last clean is the output. A victim that answers black access alone
        may give the output as its only step, for nobody sees the others.
        """
        raise Unsupported(f"{type(self).__name__} reconstructs no image")

    def generate(self, seeds: Sequence[int], steps: int, prompts: Sequence[str] | None) -> torch.Tensor:
        """New samples in the victim's own space, one a seed, denoised from pure noise."""
        raise Unsupported(f"{type(self).__name__} generates no image")

    def gradients(
        self, inner: torch.Tensor, noise: torch.Tensor, timesteps: Sequence[int], prompts: Sequence[str] | None
    ) -> torch.Tensor:
        """(N, parameter tensors): L2 norm of the gradient of each sample's denoising loss, per parameter tensor.

        The loss is the mean over the timesteps, each with the same noise.
        """
        raise Unsupported(f"{type(self).__name__} gives no gradients")

    def state_gradient(
        self, inner: torch.Tensor, noise: torch.Tensor, timestep: int, prompts: Sequence[str] | None
    ) -> torch.Tensor:
        """(N,): L2 norm of the gradient of each sample's denoising loss by the noisy state."""
        raise Unsupported(f"{type(self).__name__} gives no gradients")

    def decoder_gain(self, inner: torch.Tensor, probes: Sequence[torch.Tensor]) -> torch.Tensor:
        """Diagonal of J^T J of ``decode`` at ``inner`` (N, ...), estimated with normal probes of the images' shape.

        The mean over probes u of (J^T u)^2: how much each number changes the image (Hutchinson).
        """
        raise Unsupported(f"{type(self).__name__} gives no gradients of a decoder")

    def base(self) -> Model:
        """The model that it was before it was given an adapter: the same weights with the adapter switched off.

        Both may be asked in turn; asking one changes nothing of what the other answers.
        """
        raise Unsupported(f"{type(self).__name__} wears no adapter that could be switched off")


class Reconstruction(Protocol):
    """The answer to one image-to-image query; images are decoded only when they are asked for."""

    def output(self) -> torch.Tensor:
        """The returned images (N, C, H, W) in [0, 1]. Access: black."""
        ...

    def intermediates(self) -> Iterator[torch.Tensor]:
        """Predicted clean images of every step, the last is the output. Access: gray."""
        ...

    def states(self) -> Iterator[torch.Tensor]:
        """The noisy state after every step, decoded to images. Access: gray."""
        ...


class Oracle(Protocol):
    """The one door to a victim, as an observer sees it. It holds one batch of N samples."""

    @property
    def originals(self) -> torch.Tensor:
        """The attacker's own images (N, C, H, W) in [0, 1]: what to send, or to make other images of."""
        ...

    @property
    def images(self) -> torch.Tensor:
        """What the victim sees when it is sent the originals: for looking only. Sent again it is defended again."""
        ...

    @property
    def prompts(self) -> tuple[str, ...] | None:
        """What the victim is told with each sample, unless a question says otherwise: by rule of the victim."""
        ...

    @property
    def captions(self) -> tuple[str, ...] | None:
        """The captions of the samples as the dataset has them."""
        ...

    @property
    def metadata(self) -> Mapping[str, Array]:
        """Numbers about the file of each sample (N,), by name."""
        ...

    @property
    def alphas_cumprod(self) -> torch.Tensor:
        """The victim's noise schedule, float32 (T,)."""
        ...

    def noise(self, query: str, like: torch.Tensor, draw: int = 0) -> torch.Tensor:
        """Standard normal noise like ``like``, seeded by (seed, query, draw, sample id)."""
        ...

    def reconstruct(
        self, images: torch.Tensor, strength: float, steps: int, draw: int = 0, prompts: Sequence[str] | None = None
    ) -> Reconstruction:
        """Ask for image-to-image of ``images`` in ``steps`` sampler steps; ``prompts`` as above. Access: black.

        Whatever images are sent reach the victim through the provider's query defense.
        """
        ...

    def generate(self, steps: int, draw: int = 0, prompts: Sequence[str] | None = None) -> torch.Tensor:
        """Ask for new images, one a sample, from the prompts if there are any. Access: black."""
        ...

    def pool(self, count: int, steps: int, draw: int = 0, prompts: Sequence[str] | None = None) -> torch.Tensor:
        """``count`` new images (count, C, H, W) that all samples share, asked for and paid once. Access: black.

        They belong to the victim's answer and not to samples: the same for every shard, with ``prompts``, if any, one
        an image.
        """
        ...

    def encode(self, images: torch.Tensor, draw: int = 0) -> torch.Tensor:
        """Images to the victim's own space, through the provider's query defense like any image. Access: gray.

        A defense that draws noise draws another one for another ``draw``, as for a reconstruction.
        """
        ...

    def decode(self, inner: torch.Tensor) -> torch.Tensor:
        """The victim's own space to images. Access: gray."""
        ...

    def predict_noise(self, state: torch.Tensor, timestep: int, prompts: Sequence[str] | None = None) -> torch.Tensor:
        """Predicted noise at one timestep, unguided; texts of "" ask for the unconditional one. Access: gray."""
        ...

    def predict_velocity(self, state: torch.Tensor, time: float, prompts: Sequence[str] | None = None) -> torch.Tensor:
        """Predicted noise minus clean sample at a time in (0, 1), 0 clean and 1 noise; as above. Access: gray."""
        ...

    def gradients(
        self,
        inner: torch.Tensor,
        noise: torch.Tensor,
        timestep: int | Sequence[int],
        prompts: Sequence[str] | None = None,
    ) -> torch.Tensor:
        """Per-sample gradient norms (N, parameter tensors) of the denoising loss, or of its mean. Access: white."""
        ...

    def state_gradient(
        self, inner: torch.Tensor, noise: torch.Tensor, timestep: int, prompts: Sequence[str] | None = None
    ) -> torch.Tensor:
        """Norms (N,) of the denoising loss's gradient by the noisy state. Access: white."""
        ...

    def decoder_gain(self, inner: torch.Tensor, probes: int, draw: int = 0) -> torch.Tensor:
        """How much each number of ``inner`` (N, ...) changes the decoded image, squared. Access: white."""
        ...

    def base(self) -> Oracle:
        """The same victim without the adapter that it wears, behind the same defenses. Access: as its questions need.

        What is asked there is paid here. The observer's own noise is the same on both sides, so that only the adapter
        differs; the victim and the provider draw theirs anew.
        """
        ...
