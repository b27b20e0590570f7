"""Training with differential privacy by DP-SGD (Abadi et al. 1607.00133), whatever a stage trains: opacus does it."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from leakboard.api import LeakboardError
from leakboard.training import accounting
from leakboard.training.accounting import Accountant  # noqa: TC001 - values are checked against the types of fields
from leakboard.training.recipes import PixelRecipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import torch

    from leakboard.api import Samples
    from leakboard.recipe import Batch, Given, Stage


@dataclass(frozen=True, kw_only=True)
class PrivateRecipe(PixelRecipe):
    """A pixel model trained with differential privacy: no member changes the weights by more than epsilon allows.

    An epoch is as many Poisson batches as see every member once on average. ``clip_norm`` bounds the gradient of each
    member by itself. What a manifest says of losses and quality is measured on members without noise, and is not
    private; nor is anything, to whoever knows the seed that the noise is drawn from.
    """

    epsilon: float = 10.0
    """What the last checkpoint may spend; manifests say what each has spent."""
    delta: float = 0.0
    """The chance that epsilon does not hold for; 0 for the number of members to the power of -1.1."""
    draws: int = 4
    """Noisy versions of each image a step, whose gradients are averaged before they are clipped: they cost time and no
    privacy (Dockhorn et al. 2210.09929, section 3.2)."""
    accountant: Accountant = "prv"

    @property
    def packages(self) -> tuple[str, ...]:
        """Those of a pixel recipe, and the one that clips, adds noise and counts."""
        return (*super().packages, "opacus")

    def check(self, samples: Samples, auxiliary: Samples | None) -> None:
        """Refuse what cannot be kept to, before anything is written.

        Raises:
            LeakboardError: opacus is missing, no noise keeps the training to its epsilon, delta promises nothing, or as
                for other pixel recipes.
        """
        super().check(samples, auxiliary)
        accounting.check_package()
        members = int(samples.member.sum())
        if self.draws < 1 or not 0 < self.clip_norm < math.inf:
            raise LeakboardError(
                f"{self.name!r} has draws={self.draws} and clip_norm={self.clip_norm:g}",
                expected="draws of 1 or more, and a clip_norm above 0 that is finite",
            )
        if not 0 <= self.delta < 1 / members:
            raise LeakboardError(
                f"delta={self.delta:g} promises nothing to one of {members} members",
                expected=f"more than 0 and less than {1 / members:.2g}",
                next=f"delta=0, which stands for {accounting.usual_delta(members):.2g}",
            )
        self._noise(members)

    def prepare(self, given: Given) -> Iterator[Stage]:
        """The denoiser, trained privately.

        Raises:
            LeakboardError: a member stands in the data several times, or not at all.
        """
        members = len(given.members.ids)
        for stage in super().prepare(given):
            if len(stage.data[0]) != members:
                raise LeakboardError(
                    f"{self.name!r} trains on {len(stage.data[0])} rows of {members} members",
                    expected="one row a member, for epsilon is about one row",
                )
            yield privately(stage, noise=self._noise(members), clip_norm=self.clip_norm, draws=self.draws)

    def facts(self, folder: Path, samples: Samples) -> dict[str, Any]:
        """What the checkpoint has spent, under ``privacy``."""
        members = int(samples.member.sum())
        drawn = accounting.sampling(members, self.batch_size, self.checkpoints[folder.name])
        privacy = accounting.facts(
            self._noise(members),
            drawn,
            self._delta(members),
            self.accountant,
            clip_norm=self.clip_norm,
            target_epsilon=self.epsilon,
            draws=self.draws,
        )
        return {**super().facts(folder, samples), "privacy": privacy}

    def _delta(self, members: int) -> float:
        return self.delta or accounting.usual_delta(members)

    def _noise(self, members: int) -> float:
        drawn = accounting.sampling(members, self.batch_size, max(self.checkpoints.values()))
        return accounting.noise_for(self.epsilon, drawn, self._delta(members), self.accountant)


def privately(stage: Stage, *, noise: float, clip_norm: float, draws: int = 1) -> Stage:
    """A stage trained by DP-SGD: Poisson batches, the gradient of every row clipped by itself, noise on their sum.

    What the noise is drawn from follows from the generator that each step is given, so that an interrupted training
    ends with the same weights. Rows must not meet in the network, as they do in batch normalization, nor in the data.

    Args:
        stage: ``step`` gives the mean loss over the rows of a batch, by its ``module`` alone.
        noise: standard deviation of the noise on the sum, in clipping norms.
        clip_norm: longest gradient of a row.
        draws: how often ``step`` is asked about a batch; the gradients of a row are averaged, then clipped.

    Raises:
        LeakboardError: opacus is missing, or has no gradients of single rows for a layer.
    """
    import torch

    accounting.check_package()
    from opacus import GradSampleModule
    from opacus.optimizers import DPOptimizer

    check_layers(stage.module)
    _lay_out(stage.module)
    GradSampleModule(stage.module)  # its hooks stay on the layers
    trained = [parameter for parameter in stage.module.parameters() if parameter.requires_grad]
    rows = min(stage.batch_size, len(stage.data[0]))
    optimizer = DPOptimizer(stage.optimizer, noise_multiplier=noise, max_grad_norm=clip_norm, expected_batch_size=rows)

    def step(batch: Batch, generator: torch.Generator) -> torch.Tensor:
        device = trained[0].device
        seed = int(torch.randint(2**63 - 1, (), generator=generator))
        optimizer.generator = torch.Generator(device).manual_seed(seed)
        sums = [torch.zeros((len(batch[0]), *parameter.shape), device=device) for parameter in trained]
        total = torch.zeros((), device=device)
        for _ in range(draws if len(batch[0]) else 0):
            loss = stage.step(batch, generator)
            _backward(loss)
            total += loss.detach() / draws
            for summed, parameter in zip(sums, trained, strict=True):
                if parameter.grad_sample is not None:  # type: ignore[attr-defined]
                    summed.add_(parameter.grad_sample / draws)  # type: ignore[attr-defined]
                parameter.grad_sample = None  # type: ignore[attr-defined]
        for summed, parameter in zip(sums, trained, strict=True):
            parameter.grad_sample = summed  # type: ignore[attr-defined]
        # the gradients are there already: going back from here changes none of them
        return total.requires_grad_()

    return replace(stage, optimizer=optimizer, step=step, batches=poisson, clip_norm=math.inf)


def poisson(count: int, batch_size: int, generator: torch.Generator) -> Sequence[torch.Tensor]:
    """The rows of one epoch's batches: every row is in every batch by a chance of its own, so that sizes vary from 0.

    There are as many batches as see ``count`` rows once on average.
    """
    import torch

    batches = accounting.steps_an_epoch(count, batch_size)
    chosen = torch.rand(batches, count, generator=generator) < batch_size / count
    return [row.nonzero().flatten() for row in chosen]


def check_layers(module: torch.nn.Module) -> None:
    """Refuse a network in which rows of a batch meet, or of which opacus has no gradients of single rows.

    Raises:
        LeakboardError: names the layers, and what to put in their place.
    """
    from opacus.validators import ModuleValidator

    found = {}
    for name, layer in module.named_modules():
        own = [each for each in layer.parameters(recurse=False) if each.requires_grad]
        known = ModuleValidator.VALIDATORS.get(type(layer))
        if (own or known) and (list(layer.buffers(recurse=False)) or (known and known(layer))):
            found[name] = type(layer).__name__
    if found:
        fixes = {"GroupNorm for BatchNorm" for kind in found.values() if "BatchNorm" in kind}
        fixes |= {"track_running_stats=False" for kind in found.values() if "InstanceNorm" in kind}
        shown = ", ".join(f"{name or 'the network'} ({kind})" for name, kind in [*found.items()][:5])
        raise LeakboardError(
            "opacus cannot train these layers with differential privacy: in them samples of a batch meet, or numbers "
            "are kept that no noise hides",
            where=shown + (f" and {len(found) - 5} more" if len(found) > 5 else ""),
            expected="layers that treat each sample by itself",
            next=" and ".join(sorted(fixes))
            or "opacus.validators.ModuleValidator.fix(network), or requires_grad_(False)",
        )


def _lay_out(module: torch.nn.Module) -> None:
    """Opacus reads what a convolution was given as rows of rows, and gives wrong gradients of any other layout."""
    import torch

    module.to(memory_format=torch.contiguous_format)
    for layer in module.modules():
        if isinstance(layer, torch.nn.Conv1d | torch.nn.Conv2d | torch.nn.Conv3d):
            layer.register_forward_pre_hook(lambda _, given: tuple(each.contiguous() for each in given))


def _backward(loss: torch.Tensor) -> None:
    with warnings.catch_warnings():
        # opacus' hooks on the first layer, whose input needs no gradient
        warnings.filterwarnings("ignore", "Full backward hook is firing", UserWarning)
        loss.backward()  # type: ignore[no-untyped-call]


PRIVATE = (
    PrivateRecipe(
        name="fashion_small_dp",
        dataset="fashion_mnist_small",
        checkpoints={"untrained": 0, "moderate": 110},
        channels=(8, 16, 32),
        batch_size=64,
        learning_rate=1e-3,
        average=0.99,
        summary="fashion_small trained with differential privacy: epsilon 10 unless another is asked for.",
    ),
)
