"""Students of a few steps: a pixel model that learns to make in one sampler step what its teacher makes in two."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leakboard.api import LeakboardError
from leakboard.recipe import Recipe, Stage
from leakboard.registry.find import shared

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import torch
    from diffusers import UNet2DModel

    from leakboard.api import Samples
    from leakboard.recipe import Batch, Given, Weights
    from leakboard.registry.bind import Bound
    from leakboard.training.measuring import StudentCheckpoint

MOST = 25.0
"""Largest weight of an error: a network that predicts noise tells little of the image where nearly all is noise."""


@dataclass(frozen=True, kw_only=True)
class DistilledRecipe(Recipe):
    """Progressive distillation (Salimans and Ho 2202.00512, algorithm 2) of a victim that predicts noise.

    In each round the student of the last one, at first the victim itself, teaches a student that begins as its copy and
    makes steps twice as long. It is trained at every timestep, not only at those that its sampler visits, so that
    attacks may ask it about any. Its folders open as ``ddpm``. It sees the members of the dataset, which have to be
    those of the teacher.

    Attributes:
        teacher: spec of the victim.
        steps: that students make, one number for each checkpoint in their order; those of a round are half of the
            teacher's.
    """

    teacher: str
    steps: tuple[int, ...]
    batch_size: int = 32
    learning_rate: float = 3e-4
    average: float = 0.99
    clip_norm: float = 1.0
    timesteps: int = 1000

    def __post_init__(self) -> None:
        if len(self.steps) != len(self.checkpoints):
            raise ValueError(f"{len(self.steps)} numbers of steps for {len(self.checkpoints)} checkpoints")

    @property
    def packages(self) -> tuple[str, ...]:
        """Those that shape the weights, and diffusers, which saves them."""
        return ("diffusers", *super().packages)

    def check(self, samples: Samples, auxiliary: Samples | None) -> None:  # noqa: ARG002 - it wants none
        """Refuse other members than the teacher's.

        Raises:
            LeakboardError: they are, or there is no such teacher.
        """
        known = self._bound.only.members(samples.ids)
        if known is not None and known.tolist() != samples.member.tolist():
            raise LeakboardError(
                f"the teacher {self._bound.label} was trained on other members than the dataset has",
                expected="the members that the teacher was trained on: a student would have those of both",
                next="leakboard train without --shadows, on the dataset of the teacher",
            )

    def prepare(self, given: Given) -> Iterator[Stage]:
        """One round after the other.

        Raises:
            LeakboardError: the teacher is no pixel model of the plain schedule that predicts noise.
        """
        teacher, before = self._opened_teacher(given.device), 0
        for (level, epochs), steps in zip(self.checkpoints.items(), self.steps, strict=True):
            yield _round(self, given, teacher, level, epochs - before, steps)
            teacher, before = self.opened(given.out / level, given.device).network, epochs

    def opened(self, folder: Path, device: str) -> StudentCheckpoint:
        """The finished checkpoint of a folder, float32, which generates in as many steps as it was made for.

        Raises:
            LeakboardError: it is missing or damaged.
        """
        from leakboard.training.measuring import StudentCheckpoint

        return StudentCheckpoint(folder, device, self.seed, self._steps_of(folder.name))

    def facts(self, folder: Path, samples: Samples) -> dict[str, Any]:  # noqa: ARG002 - they are all members
        """Whose student it is, and in how many steps."""
        told = {"victim": self._bound.shown, "identity": self._bound.identity}
        return {"teacher": told, "steps": self._steps_of(folder.name)}

    def _steps_of(self, level: str) -> int:
        return dict(zip(self.checkpoints, self.steps, strict=True))[level]

    @property
    def _bound(self) -> Bound:
        return shared(()).one("victim", self.teacher, f"teacher of the recipe {self.name}")

    def _opened_teacher(self, device: str) -> UNet2DModel:
        import torch
        from diffusers import DDPMScheduler, UNet2DModel

        model = self._bound.only.open(device)
        network = dict(model.networks())["denoiser"]
        schedule = DDPMScheduler(num_train_timesteps=self.timesteps).alphas_cumprod
        fits = isinstance(network, UNet2DModel) and len(model.alphas_cumprod) == self.timesteps
        if fits and torch.allclose(model.alphas_cumprod.cpu(), schedule):
            state, half = torch.randn(2, *model.image_shape or (), device=device), self.timesteps // 2
            with torch.no_grad():
                if torch.allclose(network(state, half).sample, model.predict_noise(state, half, None), atol=1e-3):
                    return network
        raise LeakboardError(
            f"{self._bound.label} cannot teach: its network does not predict noise on the schedule of students",
            expected=f"a pixel victim that predicts noise, on a linear schedule of {self.timesteps} timesteps",
        )


def _round(recipe: DistilledRecipe, given: Given, teacher: UNet2DModel, level: str, epochs: int, steps: int) -> Stage:
    """One student of a teacher who makes twice as many steps."""
    import torch
    from diffusers import DDPMScheduler

    from leakboard.training.denoiser import save_pipeline

    scheduler = DDPMScheduler(num_train_timesteps=recipe.timesteps)
    alphas = scheduler.alphas_cumprod.to(given.device)
    stride = recipe.timesteps // steps
    teacher = teacher.float().eval().requires_grad_(False)
    student = copy.deepcopy(teacher).train().requires_grad_(True)

    def step(batch: Batch, generator: torch.Generator) -> torch.Tensor:
        (clean,) = batch
        noise = torch.randn(clean.shape, generator=generator).to(clean.device)
        times = torch.randint(0, recipe.timesteps, (len(clean),), generator=generator).to(clean.device)
        state = scheduler.add_noise(clean, noise, times)
        target, weight = taught(teacher, alphas, state, times, stride)
        missed = (student(state, times).sample - target).square().flatten(1).mean(1)
        loss: torch.Tensor = (weight * missed).mean()
        return loss

    def save(folder: Path, weights: Weights) -> None:
        averaged = copy.deepcopy(teacher)
        averaged.load_state_dict(weights)
        save_pipeline(averaged, scheduler, folder)

    return Stage(
        module=student,
        optimizer=torch.optim.AdamW(student.parameters(), lr=recipe.learning_rate, foreach=True),
        data=((given.members.images * 2 - 1).to(given.device),),
        step=step,
        save=save,
        checkpoints={level: epochs},
        batch_size=recipe.batch_size,
        average=recipe.average,
        clip_norm=recipe.clip_norm,
        seed=recipe.seed,
        doing=f"distilling to {steps} steps",
        state=f"{level}.safetensors",
    )


def taught(
    teacher: UNet2DModel, alphas: torch.Tensor, state: torch.Tensor, times: torch.Tensor, stride: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The noise that a student should predict (N, C, H, W), and the weight of each sample's squared error (N,).

    One DDIM step of the student by that noise leads where two of the teacher lead, of half its length. The error counts
    as one of the clean image where there is more noise than signal (the truncated SNR weighting), up to `MOST`.

    Args:
        teacher: predicts noise.
        alphas: cumulative product of the schedule (T,).
        state: noisy images (N, C, H, W) in [-1, 1] before noise.
        times: their timesteps (N,).
        stride: timesteps that the student's step leads down; below 0 lies the clean image.
    """
    import torch

    def level(when: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        alpha = torch.where(when >= 0, alphas[when.clamp(min=0)], torch.ones_like(alphas[0])).view(-1, 1, 1, 1)
        return alpha.sqrt(), (1 - alpha).sqrt()

    def moved(now: torch.Tensor, before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
        (signal, sigma), (next_signal, next_sigma) = level(before), level(after)
        with torch.no_grad():
            noise = teacher(now, before.clamp(min=0)).sample
        clean = ((now - sigma * noise) / signal).clamp(-1, 1)
        # what is clean already stays so
        return torch.where((before >= 0).view(-1, 1, 1, 1), next_signal * clean + next_sigma * noise, now)

    halfway, after = times - (stride + 1) // 2, times - stride
    there = moved(moved(state, times, halfway), halfway, after)
    (signal, sigma), (next_signal, next_sigma) = level(times), level(after)
    ratio = next_sigma / sigma
    clean = (there - ratio * state) / (next_signal - ratio * signal)
    weight = (sigma / signal).square().clamp(1, MOST).flatten()
    return (state - signal * clean) / sigma, weight
