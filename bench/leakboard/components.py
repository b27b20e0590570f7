"""The plugins of the six axes: what each kind brings, and what it may declare beside its parameters.

A plugin of an axis is a frozen, keyword-only dataclass whose fields are its parameters, derived from one of the six
base classes below. What a class declares beside its parameters stands as a property here; a class attribute, a field or
a property of the same name overrides it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from leakboard.asking import Access, Array, Bill, Cost, Mask, Model, Need, Noise, Oracle, Pair, Space, WorksIn
from leakboard.errors import Unsupported

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from leakboard.kinds import Axis
    from leakboard.samples import Samples

At = Literal["query", "output", "both", "training", "augmentation"]
IN_TRAINING = frozenset({"training", "augmentation"})
"""Places of defenses that act while a victim is trained, and not when it is asked."""
Fit = Literal["exact", "pad", "resize"]
StoredAs = Literal["float64", "float32", "float16"]
Scorer = Callable[[Array], Array]


class Component:
    """What the plugins of all axes share: a name, and a docstring whose first line ``leakboard list`` shows."""

    kind: ClassVar[Axis]
    name: ClassVar[str]
    declined_checks: ClassVar[Mapping[str, str]] = {}
    """Contract checks of `leakboard.testing` that do not fit the plugin, each with the reason."""
    aside: ClassVar[frozenset[str]] = frozenset()
    """Parameters that change no answer (how fast it is asked, what that costs): they are no part of its identity."""

    def facts(self) -> dict[str, Any]:
        """JSON facts that the report shows beside it (a victim's manifest, say)."""
        return {}

    def files(self) -> Sequence[Path]:
        """Files whose content its results depend on (images, weights); their digest is part of its identity."""
        return ()


class Dataset(Component):
    """Members and non-members drawn from one distribution."""

    kind = "dataset"

    @property
    def public(self) -> bool:
        """True where everybody may see its images: reports show some. Those that ship with Leakboard do not say it."""
        return False

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

    @property
    def access(self) -> Access:
        """The most it can answer; ``black`` for a model behind an API. Observers that need more are skipped."""
        return "white"

    @property
    def works_in(self) -> WorksIn:
        """What its denoiser works in; attacks whose papers give defaults for either are run with those that fit."""
        return "pixels"

    @property
    def offers(self) -> frozenset[Need] | None:
        """What it can answer of what not every victim can; None where that is known only once it is open.

        Observers that need more are skipped when the grid is planned, else when the victim refuses.
        """
        return None

    @property
    def evaluations_per_step(self) -> int:
        """Denoiser evaluations that one sampler step of one sample costs (2 under classifier-free guidance)."""
        return 1

    @property
    def fit(self) -> Fit:
        """How images of another size or colour are fitted to it: not at all, padded with black, or resized."""
        return "exact"

    @property
    def draws(self) -> bool:
        """True: what it predicts is random, by the seeds that `Model.seeded` of its model is given."""
        return False

    @property
    def gated(self) -> bool:
        """True: refused when its denoising loss is at chance or its prediction type looks mislabelled."""
        return False

    @property
    def bill(self) -> Bill | None:
        """What its questions cost in money; None for what computes here."""
        return None

    @property
    def null(self) -> bool:
        """True for a victim that cannot have learnt its members (untrained): every attack must be at chance."""
        return False

    @property
    def altered(self) -> bool:
        """True where no manifest tells how good it is, for its weights were changed on opening.

        Then the run measures the quality of all victims of the grid, so that both can be compared.
        """
        return False

    def open(self, device: str) -> Model:
        """Load the model onto ``device``; called only when an answer is missing."""
        raise NotImplementedError

    def members(self, ids: Sequence[str]) -> Mask | None:
        """Which of these samples (N,) it was trained on; None where only the dataset can tell.

        Shadow victims, trained on other members than the victim under attack, tell it from their manifests.
        """
        return None

    def trained_on(self) -> str | None:
        """`member_digest` of the ids it was trained on, from its manifest; None when there is no manifest.

        Where `members` cannot tell, it must be that of the dataset's members.
        """
        return None

    def check_shipped(self) -> Sequence[str]:
        """What of it comes with the package, compared with its manifests; ``leakboard doctor`` asks. Usually nothing.

        Raises:
            LeakboardError: a file is missing or altered.
        """
        return ()

    def prompts_for(self, samples: Samples) -> tuple[str, ...] | None:
        """The texts it is given with the samples unless an observer says otherwise: the captions, if it takes any.

        Raises:
            Unsupported: it needs prompts, and the dataset has none.
        """
        return samples.prompts


@dataclass(frozen=True, kw_only=True)
class Defense(Component):
    """A transformation of images, placed ``at`` the query, the output, or both images right before the distance.

    Two more places are in the training of a victim (`leakboard.training`): ``training`` transforms every member once,
    before anything is learnt, ``augmentation`` anew each time that it is shown.
    """

    kind = "defense"
    at: At = "query"

    def admit(self, asked: Cost, cost: Cost) -> None:
        """Let a question pass that would cost ``cost``, after this attack has asked for ``asked``; both a sample.

        Raises:
            Refused: it does not pass. What the attack learnt before is its result, and the refusal stands beside it.
        """

    def remark(self, asked: Cost, pooled: Cost) -> str:
        """What to note beside the results of an attack; usually nothing.

        It asked for ``asked`` a sample, and for ``pooled`` for all samples together (`Oracle.pool`).
        """
        return ""

    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:
        """(N, C, H, W) in [0, 1] to the same; any randomness comes from ``noise``."""
        raise NotImplementedError


class Observer(Component):
    """Asks the victim and yields pairs. It never sees who is a member."""

    kind = "observer"

    @property
    @abstractmethod
    def access(self) -> Access:
        """The highest access level it uses; asking for more fails the cell. It has to be declared."""

    @property
    def space(self) -> Space:
        """The space of the pairs it yields."""
        return "image"

    @property
    def needs(self) -> frozenset[Need]:
        """What it asks that not every victim can answer."""
        return frozenset()

    @property
    def null(self) -> bool:
        """True for an observer that asks the victim nothing: every attack built on it must be at chance."""
        return False

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """Yield pairs, always in the same number and order, each for all samples of the oracle."""
        raise NotImplementedError


class Distance(Component):
    """Turns a pair into numbers of each sample, whatever else is in the batch."""

    kind = "distance"

    @property
    def spaces(self) -> frozenset[Space]:
        """The spaces of pairs it can measure."""
        return frozenset({"image"})

    @property
    def larger_is_closer(self) -> bool:
        """True for similarities (PSNR). Features are oriented so that classifiers see larger = closer."""
        return False

    @property
    def stored_as(self) -> StoredAs:
        """How its numbers are kept; large maps need not keep every digit (float16: 3, and none below 6e-8)."""
        return "float64"

    def measure(self, pair: Pair) -> torch.Tensor:
        """Float (N, *shape), finite: one number a sample, a vector (tokens, tensors, statistics), or a map."""
        raise NotImplementedError


class Classifier(Component):
    """Turns the features of a sample into a score; higher means more likely a member."""

    kind = "classifier"

    @property
    def trains(self) -> bool:
        """False for thresholds that never look at ``member``: they need no labels, and serve attackers without any."""
        return True

    @property
    def needs_shadows(self) -> bool:
        """True: it compares with shadow victims (`fit_shadows`), and is skipped for attackers without any."""
        return False

    @property
    def maps(self) -> bool:
        """True: it is given float32 maps (N, P, *shape), one a pair; others get all their numbers in a row (N, K)."""
        return False

    @property
    def on_device(self) -> bool:
        """True: it is fitted and asked with the grid's device as torch's default device."""
        return False

    def fit(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer:
        """Fit scaler and model on calibration features (N, K), oriented so that larger = closer; return the scorer.

        The scorer maps features (M, K) to scores (M,). It must flip its ranking when ``member`` is flipped, unless it
        trains nothing. ``columns`` names the K numbers, or of maps the P pairs.

        Raises:
            Unsupported: the features do not suit it, or it needs shadow victims.
        """
        if self.needs_shadows:
            raise Unsupported(f"{self.name} compares with shadow victims, and there are none")
        raise NotImplementedError

    def fit_shadows(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer | None:
        """Fit on what S shadow victims say of the same N samples (S, N, K), who are members of each (S, N).

        The scorer maps the features (N, K) of the victim under attack to scores (N,), in the same order of samples.
        None, as here, means that the shadows' rows are stacked for `fit`.
        """
        return None
