"""How a victim is made: what a recipe brings, and what the harness does with it.

A recipe says what is trained (`prepare`), on what (`Given`), and what its checkpoints are (`opened`, `facts`). The
harness drives each stage: the order of the samples, the learning rate, the average of the weights, checkpoints, going
on after an interruption, manifests. Those that come with the package are in `leakboard.training`, to derive from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from leakboard.samples import Samples

STATE = "state.safetensors"
Weights = Mapping[str, "torch.Tensor"]
Batch = tuple["torch.Tensor", ...]
Step = Callable[[Batch, "torch.Generator"], "torch.Tensor"]


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a recipe may train on, and where.

    Attributes:
        members: the samples that the victim may learn; those held out are not here.
        auxiliary: images that are neither members nor held out, for a recipe that wants them; else None.
        captions: those of all samples, held out or not, each once, sorted. A text model that knew the words of members
            alone would tell them apart by spelling.
        out: folder that the training writes to.
        device: where networks and tensors belong, as torch spells it.
    """

    members: Samples
    auxiliary: Samples | None
    captions: tuple[str, ...]
    out: Path
    device: str


def off(value: Any, *, described: bool = False) -> Any:
    """The default of a field that switches a defense of the training on when it is anything else.

    Manifests list what is on (`switched_on`), and say nothing of what is off.

    Args:
        value: the default.
        described: whether the manifest gives it among the numbers of the recipe all the same.
    """
    return field(default=value, metadata={"off": True, "described": described})


def switched_on(recipe: Any) -> dict[str, Any]:
    """The fields whose defaults are `off` that have another value."""
    known = {each.name: each for each in fields(recipe) if "off" in each.metadata}
    return {name: value for name, each in known.items() if (value := getattr(recipe, name)) != each.default}


@dataclass(frozen=True, kw_only=True)
class Stopping:
    """Early stopping of a stage: its checkpoints hold the averaged weights whose held-out loss was lowest until then.

    Attributes:
        loss: from averaged weights to their loss on images that are neither trained on nor evaluated; the same noise
            every time, or an interrupted training would not end with the same weights.
        patience: epochs without a lower loss after which the stage ends before its last epoch.
        every: epochs from one look at the loss to the next.
    """

    loss: Callable[[Weights], float]
    patience: int
    every: int = 10


def shuffled(count: int, batch_size: int, generator: torch.Generator) -> Sequence[torch.Tensor]:
    """The rows of one epoch, a batch each: every sample once, in random order."""
    import torch

    return torch.split(torch.randperm(count, generator=generator), batch_size)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One optimiser's way from its first step to its last; a recipe has one stage or several, one after the other.

    Attributes:
        module: holds everything that is trained.
        optimizer: over the parameters of ``module``; its learning rates are those that the one cosine of the stage
            starts from.
        data: tensors of N rows each, on the device; a batch is some rows of every one.
        step: from a batch to its mean loss. Whatever it draws comes from the generator given, which is on the CPU, or
            an interrupted training would not end with the same weights.
        save: writes the averaged weights of ``module`` to the folder of a checkpoint, as a model that can be opened.
        checkpoints: name of the folder below ``out`` -> epochs after which it is saved; the largest ends the stage.
        batch_size: samples a step.
        batches: from N, the batch size and a generator to the rows of every batch of an epoch; a Poisson sample, say.
        average: decay of the exponential moving average of the weights.
        clip_norm: longest gradient that is applied as it is.
        seed: of all that is drawn while training.
        doing: what is being done, for whoever waits.
        state: file below ``out`` that the training goes on from; another one in every stage.
        stopping: when it ends early, and which weights it keeps; None for the last ones, always.
    """

    module: torch.nn.Module
    optimizer: torch.optim.Optimizer
    data: Batch
    step: Step
    save: Callable[[Path, Weights], None]
    checkpoints: Mapping[str, int]
    batch_size: int
    batches: Callable[[int, int, torch.Generator], Sequence[torch.Tensor]] = shuffled
    average: float = 0.999
    clip_norm: float = math.inf
    seed: int = 0
    doing: str = "training"
    state: str = STATE
    stopping: Stopping | None = None


class Checkpoint:
    """A checkpoint of a recipe, opened to be measured."""

    loss_rule: str = "mean squared error of predicted noise"
    """What the numbers of `losses` are."""
    conditions: Mapping[str, Any] = {}
    """How images are generated, beyond their number."""

    def losses(self, samples: Samples) -> torch.Tensor:
        """Training loss of each sample (N,), on the CPU; row i draws the same whatever the samples are."""
        raise NotImplementedError

    def generated(self, like: Samples, count: int) -> torch.Tensor:
        """New images (count, C, H, W) in [0, 1], on the CPU, of the shape of ``like`` and by its captions, if any."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a victim is trained: a frozen dataclass whose fields are numbers, texts, lists or the like of them.

    Attributes:
        name: what ``leakboard train`` calls it.
        dataset: spec of the dataset whose members are trained on.
        checkpoints: level -> epochs after which it is saved; 0 is the untrained model.
        seed: of everything that is drawn.
        summary: one line for ``leakboard list``.
    """

    name: str
    dataset: str
    checkpoints: Mapping[str, int]
    seed: int = 0
    summary: str = ""

    @property
    def wants_auxiliary(self) -> bool:
        """True: it is given the dataset's auxiliary images too, and refused without any."""
        return False

    @property
    def packages(self) -> tuple[str, ...]:
        """Distributions whose versions the manifest notes."""
        return ("numpy", "safetensors", "torch")

    def check(self, samples: Samples, auxiliary: Samples | None) -> None:
        """Refuse samples that do not suit it, before anything is written.

        Raises:
            LeakboardError: they do not.
        """

    def prepare(self, given: Given) -> Iterable[Stage]:
        """The stages in order; one that builds on another is made after that one was trained, so ``yield`` them.

        Weights are drawn from the recipe's seed: asked again, it gives the same.
        """
        raise NotImplementedError

    def opened(self, folder: Path, device: str) -> Checkpoint:
        """The finished checkpoint of a folder.

        Raises:
            LeakboardError: it is missing or damaged.
        """
        raise NotImplementedError

    def facts(self, folder: Path, samples: Samples) -> dict[str, Any]:
        """What the manifest of a checkpoint says beyond what it says of all, as JSON: what an accountant found, say.

        Args:
            folder: the checkpoint's; its name is the level.
            samples: members it was trained on, and those held out.
        """
        return {}
