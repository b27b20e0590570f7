"""The contract between the harness and its plugins.

A plugin of one of the six axes is a frozen, keyword-only dataclass whose fields are its parameters, derived from one of
the six base classes below. Fields may carry pydantic constraints (``Annotated[float, Field(gt=0)]``): the harness
checks every value before anything runs. What a class declares beside its parameters stands as a property here; a class
attribute, a field or a property of the same name overrides it. Beside the axes stand extensions that no grid varies:
attacks, measures, executors, recipes and pages, plain values with a name. Importing a plugin must not import torch;
import it inside the method that needs it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from leakboard.asking import (
    Access,
    Array,
    Cost,
    Model,
    Noise,
    Oracle,
    Pair,
    Reconstruction,
    Space,
    Step,
)
from leakboard.errors import AccessDenied, LeakboardError, Refused, Unsupported
from leakboard.kinds import AXES, Axis, Extension, Kind
from leakboard.samples import LazySamples, Samples, member_digest

if TYPE_CHECKING:
    from pathlib import Path

    import torch


__all__ = [
    "AXES",
    "Access",
    "AccessDenied",
    "Array",
    "At",
    "Attack",
    "Axis",
    "Classifier",
    "Component",
    "Cost",
    "Dataset",
    "Defense",
    "Distance",
    "Estimate",
    "Executor",
    "Extension",
    "Fit",
    "Kind",
    "LazySamples",
    "LeakboardError",
    "Mask",
    "Measure",
    "Model",
    "Noise",
    "Observer",
    "Oracle",
    "Page",
    "Pair",
    "Reconstruction",
    "Refused",
    "Samples",
    "Scorer",
    "Source",
    "Space",
    "Step",
    "Unsupported",
    "Victim",
    "member_digest",
]

At = Literal["query", "output", "both"]
Fit = Literal["exact", "pad", "resize"]
Flag = Literal["", "uncalibrated", "hidden"]
StoredAs = Literal["float64", "float32", "float16"]
Mask = npt.NDArray[np.bool_]
Scorer = Callable[[Array], Array]


class Component:
    """What the plugins of all axes share: a name, and a docstring whose first line ``leakboard list`` shows."""

    kind: ClassVar[Axis]
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

    @property
    def access(self) -> Access:
        """The most it can answer; ``black`` for a model behind an API. Observers that need more are skipped."""
        return "white"

    @property
    def evaluations_per_step(self) -> int:
        """Denoiser evaluations that one sampler step of one sample costs (2 under classifier-free guidance)."""
        return 1

    @property
    def fit(self) -> Fit:
        """How images of another size or colour are fitted to it: not at all, padded with black, or resized."""
        return "exact"

    @property
    def gated(self) -> bool:
        """True: refused when its denoising loss is at chance or its prediction type looks mislabelled."""
        return False

    @property
    def null(self) -> bool:
        """True for a victim that cannot have learnt its members (untrained): every attack must be at chance."""
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
    """A transformation of images, placed ``at`` the query, the output, or both images right before the distance."""

    kind = "defense"
    at: At = "query"

    def admit(self, asked: Cost, cost: Cost) -> None:
        """Let a question pass that would cost ``cost``, after this attack has asked for ``asked``; both a sample.

        Raises:
            Refused: it does not pass. What the attack learnt before is its result, and the refusal stands beside it.
        """

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
        """
        raise NotImplementedError

    def fit_shadows(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer | None:
        """Fit on what S shadow victims say of the same N samples (S, N, K), who are members of each (S, N).

        The scorer maps the features (N, K) of the victim under attack to scores (N,), in the same order of samples.
        None, as here, means that the shadows' rows are stacked for `fit`.
        """
        return None


@dataclass(frozen=True)
class Attack:
    """A published attack: one observer, one distance, one classifier, written as specs, and its source.

    ``bibtex`` holds the entries of the papers to cite, with an empty line between two of them.
    """

    name: str
    observer: str
    distance: str
    classifier: str
    title: str = ""
    source: str = ""
    notes: str = field(default="", compare=False)
    bibtex: str = field(default="", compare=False)


class Estimate(NamedTuple):
    """One number computed from evaluation scores; low and high are None where there is no interval."""

    value: float
    low: float | None
    high: float | None
    method: str
    flag: Flag = ""


@dataclass(frozen=True)
class Measure:
    """A number that is computed from the evaluation scores of every cell.

    Attributes:
        name: what the store calls it.
        function: scores (N,), member flags (N,) and the threshold chosen on calibration samples, None without labels;
            None where the number cannot be told.
        title: what people call it.
        format: how it is written, a format spec.
        bounds: the lowest and highest value it can have.
    """

    name: str
    function: Callable[[Array, Mask, float | None], Estimate | None]
    title: str = ""
    format: str = ".3f"
    bounds: tuple[float, float] = (0.0, 1.0)


class Source(Protocol):
    """Where an executor gets its tasks from, and where what came of them goes; one thread at a time uses it."""

    def take(self) -> Any:
        """A task that can run now, or None; there may be more after the next `settle`."""
        ...

    def settle(self, task: Any, outcome: Any) -> None:
        """Take in what came of a task; whatever it raises ends the run."""
        ...


@dataclass(frozen=True)
class Executor:
    """A way to run tasks.

    Attributes:
        name: what ``--executor`` calls it.
        run: runs tasks until the source is dry: (source, work, settings). ``work(task)`` gives the outcome, never
            raises, and may be sent to another process; ``settings`` is a `leakboard.workers.ExecutorSettings`.
        summary: one line for ``leakboard list``.
    """

    name: str
    run: Callable[[Source, Callable[[Any], Any], Any], None]
    summary: str = ""


@dataclass(frozen=True)
class Page:
    """A page that joins the report.

    Attributes:
        name: stem of its file.
        title: its heading, and its name in the navigation.
        body: from the store to the HTML below the heading; the report puts it into its own base template. Text that
            is not meant as HTML is the page's to escape, see `leakboard_reports.table` and ``html.escape``.
    """

    name: str
    title: str
    body: Callable[[Any], str]
