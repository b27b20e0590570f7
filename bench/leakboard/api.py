"""The contract between the harness and its plugins.

A plugin is a frozen, keyword-only dataclass whose fields are its parameters, derived from one of the six base classes
below. Fields may carry pydantic constraints (``Annotated[float, Field(gt=0)]``): the harness checks every value
before anything runs. Importing a plugin must not import torch; import it inside the method that needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

from leakboard.errors import AccessDenied, LeakboardError, Unsupported
from leakboard.samples import LazySamples, Samples, member_digest

if TYPE_CHECKING:
    from pathlib import Path

    import torch

__all__ = [
    "Access",
    "AccessDenied",
    "At",
    "Attack",
    "Classifier",
    "Component",
    "Dataset",
    "Defense",
    "Distance",
    "Fit",
    "Kind",
    "LazySamples",
    "LeakboardError",
    "Model",
    "Noise",
    "Observer",
    "Oracle",
    "Pair",
    "Reconstruction",
    "Samples",
    "Scorer",
    "Space",
    "Step",
    "Unsupported",
    "Victim",
    "member_digest",
]

Kind = Literal["dataset", "victim", "defense", "observer", "distance", "classifier"]
Access = Literal["black", "gray", "white"]
Space = Literal["image", "latent", "state", "noise", "gradient", "statistic"]
At = Literal["query", "output", "both"]
Fit = Literal["exact", "pad", "resize"]
Array = npt.NDArray[np.float64]
Scorer = Callable[[Array], Array]


class Noise(Protocol):
    """Standard normal noise that depends on (seed, query, draw, sample id) only, never on the batch."""

    def __call__(self, like: torch.Tensor, draw: int = 0) -> torch.Tensor:
        """Noise of the shape, device and dtype of ``like`` (N, ...), one independent row a sample."""
        ...


@dataclass(frozen=True)
class Pair:
    """What an observer yields for all samples at once: (N, ...) references and observations in one space.

    ``label`` names the column of features that a distance makes of the pair (``step 3``, ``t=100``).
    """

    reference: torch.Tensor
    observation: torch.Tensor
    label: str
    space: Space = "image"


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

    alphas_cumprod: torch.Tensor
    """Cumulative product of the noise schedule, float32 (T,), index 0 the least noisy step."""
    image_shape: tuple[int, int, int] | None = None
    """Channels, height and width of the images it takes and gives; None: whatever it is given."""
    round_trip_error: float = 0.0
    """Root mean squared error, in [0, 1], that ``decode(encode(images))`` may have: 0 where nothing is lost."""

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) in [0, 1] to the victim's own space, without randomness."""
        raise Unsupported(f"{type(self).__name__} has no encode")

    def decode(self, inner: torch.Tensor) -> torch.Tensor:
        """The victim's own space to images (N, C, H, W) in [0, 1]."""
        raise Unsupported(f"{type(self).__name__} has no decode")

    def predict_noise(self, state: torch.Tensor, timestep: int, prompts: Sequence[str] | None) -> torch.Tensor:
        """Predicted noise for states (N, ...) at one timestep, without guidance; one denoiser evaluation a sample."""
        raise Unsupported(f"{type(self).__name__} predicts no noise")

    def reconstruct(
        self, images: torch.Tensor, seeds: Sequence[int], strength: float, steps: int, prompts: Sequence[str] | None
    ) -> Iterator[Step]:
        """Noise images (N, C, H, W) in [0, 1] up to ``strength`` in (0, 1] and denoise in ``steps``.

        The steps are in the victim's own space; the last clean is the output.
        """
        raise Unsupported(f"{type(self).__name__} reconstructs no image")

    def generate(self, seeds: Sequence[int], steps: int, prompts: Sequence[str] | None) -> torch.Tensor:
        """New samples in the victim's own space, one a seed, denoised from pure noise."""
        raise Unsupported(f"{type(self).__name__} generates no image")

    def gradients(
        self, inner: torch.Tensor, noise: torch.Tensor, timestep: int, prompts: Sequence[str] | None
    ) -> torch.Tensor:
        """(N, parameter tensors): L2 norm of each sample's denoising-loss gradient, per parameter tensor."""
        raise Unsupported(f"{type(self).__name__} gives no gradients")


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
        """The attacker's own images (N, C, H, W) in [0, 1]."""
        ...

    @property
    def images(self) -> torch.Tensor:
        """The same images after the provider's query defense: what the victim sees."""
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

        ``originals`` reach the victim through the query defense, as anybody's images do: they count as ``images``.
        """
        ...

    def generate(self, steps: int, draw: int = 0, prompts: Sequence[str] | None = None) -> torch.Tensor:
        """Ask for new images, one a sample, from the prompts if there are any. Access: black."""
        ...

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Images to the victim's own space. Access: gray."""
        ...

    def decode(self, inner: torch.Tensor) -> torch.Tensor:
        """The victim's own space to images. Access: gray."""
        ...

    def predict_noise(self, state: torch.Tensor, timestep: int, prompts: Sequence[str] | None = None) -> torch.Tensor:
        """Predicted noise at one timestep, unguided; texts of "" ask for the unconditional one. Access: gray."""
        ...

    def gradients(
        self, inner: torch.Tensor, noise: torch.Tensor, timestep: int, prompts: Sequence[str] | None = None
    ) -> torch.Tensor:
        """Per-sample gradient norms of the denoising loss. Access: white."""
        ...


class Component:
    """What all plugins share: a name to be called by, and a docstring whose first line ``leakboard list`` shows."""

    kind: ClassVar[Kind]
    name: ClassVar[str]
    declined_checks: ClassVar[Mapping[str, str]] = {}
    """Contract checks of `leakboard.testing` that do not fit the plugin, each with the reason."""

    def facts(self) -> dict[str, Any]:
        """JSON facts that the report shows beside it (a victim's manifest, say)."""
        return {}

    def files(self) -> Sequence[Path]:
        """Files whose content its results depend on (images, weights); their digest is part of its identity."""
        return ()


class Dataset(Component):
    """Members and non-members drawn from one distribution."""

    kind = "dataset"

    def load(self) -> Samples:
        """Read the samples; nothing is downloaded.

        Raises:
            LeakboardError: a file is missing; it says what to place where.
        """
        raise NotImplementedError

    def auxiliary(self) -> Samples:
        """Images of the same distribution that are neither members nor non-members, to train helper networks on."""
        raise Unsupported(f"{self.name} has no images beside its members and non-members")


class Victim(Component):
    """The diffusion model under attack."""

    kind = "victim"
    evaluations_per_step: ClassVar[int] = 1
    """Denoiser evaluations that one sampler step of one sample costs (2 under classifier-free guidance)."""
    fit: Fit = "exact"
    """How images of another size or colour are fitted to it: not at all, padded with black, or resized (bicubic)."""
    gated: ClassVar[bool] = False
    """True: the harness refuses it when its denoising loss is at chance or its prediction type looks mislabelled."""
    null: ClassVar[bool] = False
    """True for a victim that cannot have learnt its members (untrained): every attack on it must be at chance."""

    def open(self, device: str) -> Model:
        """Load the model onto ``device``; called only when an answer is missing."""
        raise NotImplementedError

    def trained_on(self) -> str | None:
        """`member_digest` of the ids it was trained on, from its manifest; None when there is no manifest."""
        return None

    def told(self, samples: Samples) -> tuple[str, ...] | None:
        """What it is told with each sample unless an observer says otherwise: the captions, if it takes any.

        Raises:
            Unsupported: it needs prompts, and the dataset has none.
        """
        return samples.prompts


@dataclass(frozen=True, kw_only=True)
class Defense(Component):
    """A transformation of images, placed ``at`` the query, the output, or both images right before the distance."""

    kind = "defense"
    at: At = "query"

    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:
        """(N, C, H, W) in [0, 1] to the same; any randomness comes from ``noise``."""
        raise NotImplementedError


class Observer(Component):
    """Asks the victim and yields pairs. It never sees who is a member."""

    kind = "observer"
    access: Access
    """The highest access level it uses, as a field or a class attribute; asking for more fails the cell."""
    space: ClassVar[Space] = "image"
    """The space of the pairs it yields."""
    null: ClassVar[bool] = False
    """True for an observer that asks the victim nothing: every attack built on it must be at chance."""

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """Yield pairs, always in the same number and order, each for all samples of the oracle."""
        raise NotImplementedError


class Distance(Component):
    """Turns a pair into one number a sample, whatever else is in the batch."""

    kind = "distance"
    spaces: ClassVar[frozenset[Space]] = frozenset({"image"})
    """The spaces of pairs it can measure."""
    larger_is_closer: ClassVar[bool] = False
    """True for similarities (PSNR). The harness orients features so that classifiers see larger = closer."""

    def measure(self, pair: Pair) -> torch.Tensor:
        """Float (N,), finite."""
        raise NotImplementedError


class Classifier(Component):
    """Turns a row of features into a score; higher means more likely a member."""

    kind = "classifier"

    def fit(self, features: Array, member: npt.NDArray[np.bool_]) -> Scorer:
        """Fit scaler and model on calibration features (N, K), oriented so that larger = closer; return the scorer.

        The scorer maps features (M, K) to scores (M,). It must flip its ranking when ``member`` is flipped,
        unless the classifier trains nothing.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Attack:
    """A published attack: one observer, one distance, one classifier, written as specs, and its source."""

    name: str
    observer: str
    distance: str
    classifier: str
    title: str = ""
    source: str = ""
    notes: str = field(default="", compare=False)
