"""A third party's plugins: a dataset and a victim so small that a grid takes no time, and components that misbehave.

Every denoiser evaluation of a sample is appended to the file named by TINY_LOG, as the digest of what was asked.
"""

from __future__ import annotations

import ctypes
import hashlib
import math
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

import leakboard
from leakboard.api import (
    Access,
    Classifier,
    Dataset,
    Defense,
    Distance,
    Model,
    Noise,
    Observer,
    Oracle,
    Pair,
    Samples,
    Scorer,
    Step,
    Unsupported,
    Victim,
)
from leakboard.noise import standard_normal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

How = Literal["raise", "nan", "shape", "hang", "deaf", "quit", "exit", "kill", "in place", "unsupported"]


def misbehave(how: str) -> None:
    if how == "raise":
        raise RuntimeError("tiny fault")
    if how == "unsupported":
        raise Unsupported("tiny does not fit")
    if how == "hang":
        time.sleep(60)
    if how == "deaf":  # hangs in C, holds the interpreter's lock and hears no signal
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        ctypes.PyDLL(None).sleep(60)
    if how == "quit":
        sys.exit(0)
    if how == "exit":
        os._exit(1)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)


def spoilt(how: str, values: Any) -> Any:
    """Values after the misbehaviour that lies in them."""
    misbehave(how)
    if how == "nan":
        return values * math.nan
    return values[1:] if how == "shape" else values


@dataclass(frozen=True, kw_only=True)
class Tiny(Dataset):
    """Random images of 8 x 8; members are a little brighter, so that there is something to find."""

    name: ClassVar[str] = "tiny"
    public: ClassVar[bool] = True
    count: int = 24
    seed: int = 0

    def load(self) -> Samples:
        import torch

        generator = np.random.default_rng(self.seed)
        images = torch.from_numpy(generator.random((2 * self.count, 1, 8, 8), np.float32))
        member = np.arange(2 * self.count) % 2 == 0
        images[torch.from_numpy(member)] = images[torch.from_numpy(member)] * 0.8 + 0.2
        return Samples(tuple(f"tiny-{number}" for number in range(2 * self.count)), images, member)


class Linear(Model):
    """Denoises by shrinking."""

    def __init__(self, gain: float, nap: float) -> None:
        import torch

        self.gain, self.nap = gain, nap
        self.alphas_cumprod = torch.linspace(0.999, 0.01, 1000)

    def denoise(self, state: torch.Tensor, timestep: Any) -> torch.Tensor:
        if log := os.environ.get("TINY_LOG"):
            digests = [hashlib.sha256(repr(timestep).encode() + row.numpy().tobytes()).hexdigest() for row in state]
            with Path(log).open("a", encoding="ascii") as file:
                file.write("".join(f"{digest}\n" for digest in digests))
        time.sleep(self.nap)
        return state * self.gain

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        return images * 2 - 1

    def decode(self, inner: torch.Tensor) -> torch.Tensor:
        return (inner / 2 + 0.5).clamp(0, 1)

    def predict_noise(self, state: torch.Tensor, timestep: int, prompts: Sequence[str] | None) -> torch.Tensor:
        return self.denoise(state, timestep)

    def reconstruct(
        self, images: torch.Tensor, seeds: Sequence[int], strength: float, steps: int, prompts: Sequence[str] | None
    ) -> Iterator[Step]:
        inner = self.encode(images)
        state = inner + strength * standard_normal(seeds, inner)
        for step in range(steps):
            clean = state - self.denoise(state, (strength, steps, step))
            state = (state + clean) / 2
            yield Step(clean, state)

    def generate(self, seeds: Sequence[int], steps: int, prompts: Sequence[str] | None) -> torch.Tensor:
        import torch

        state = standard_normal(seeds, torch.empty(len(seeds), 1, 8, 8))
        for step in range(steps):
            state = state - self.denoise(state, ("generate", steps, step))
        return state

    def gradients(
        self, inner: torch.Tensor, noise: torch.Tensor, timesteps: Sequence[int], prompts: Sequence[str] | None
    ) -> torch.Tensor:
        first = timesteps[0]
        return (self.denoise(inner, first) - self.denoise(noise, first)).flatten(1)[:, :3].abs()


@dataclass(frozen=True, kw_only=True)
class LinearVictim(Victim):
    """A fixed linear denoiser. ``nap``: seconds that every evaluation takes."""

    name: ClassVar[str] = "linear"
    gain: float = 0.25
    nap: float = 0.0

    def open(self, device: str) -> Model:
        if log := os.environ.get("TINY_OPENED"):
            Path(log).touch()
        return Linear(self.gain, self.nap)


class BadLinear(Linear):
    how: str = "raise"

    def denoise(self, state: torch.Tensor, timestep: Any) -> torch.Tensor:
        return spoilt(self.how, super().denoise(state, timestep))


@dataclass(frozen=True, kw_only=True)
class BadVictim(Victim):
    """Misbehaves when it is opened, or when it is asked."""

    name: ClassVar[str] = "bad_victim"
    how: How = "raise"
    when: Literal["open", "asked"] = "asked"

    def open(self, device: str) -> Model:
        if self.when == "open":
            misbehave(self.how)
        model = BadLinear(0.25, 0.0)
        model.how = self.how
        return model


@dataclass(frozen=True, kw_only=True)
class Fog(Defense):
    """Mixes the image with noise."""

    name: ClassVar[str] = "fog"
    share: float = 0.1

    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:
        return (images + self.share * noise(images)).clamp(0, 1)


@dataclass(frozen=True, kw_only=True)
class BadDefense(Defense):
    """Misbehaves."""

    name: ClassVar[str] = "bad_defense"
    how: How = "raise"

    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:
        result: torch.Tensor = spoilt(self.how, images)
        return result


@dataclass(frozen=True, kw_only=True)
class Glance(Observer):
    """Compares the image with its reconstructions."""

    name: ClassVar[str] = "glance"
    access: Access = "gray"
    strength: float = 0.5
    steps: int = 2

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        answer = oracle.reconstruct(oracle.originals, self.strength, self.steps)
        for step, image in enumerate(answer.intermediates() if self.access == "gray" else [answer.output()]):
            yield Pair(oracle.originals, image, f"step {step}")


@dataclass(frozen=True, kw_only=True)
class Peek(Observer):
    """Compares added noise with predicted noise: asks the same of every seed when there is no noise."""

    name: ClassVar[str] = "peek"
    access: Access = "gray"
    noisy: bool = False

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        inner = oracle.encode(oracle.originals)
        state = inner + oracle.noise("peek", inner) if self.noisy else inner
        yield Pair(oracle.originals, oracle.decode(oracle.predict_noise(state, 3)), "peek")


@dataclass(frozen=True, kw_only=True)
class BadObserver(Observer):
    """Misbehaves after its first pair, or yields other pairs than it should."""

    name: ClassVar[str] = "bad_observer"
    access: Access = "gray"
    how: How | Literal["no pair", "other pairs", "no pair at all", "too curious"] = "raise"

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        images = oracle.originals
        if self.how == "no pair":
            return
        if self.how == "no pair at all":
            yield "a pair"  # type: ignore[misc]
        if self.how == "too curious":
            oracle.gradients(images, images, 1)
        label = f"first image {float(images[0, 0, 0, 0]):.6f}" if self.how == "other pairs" else "first"
        yield Pair(images, images.flip(-1), label)
        yield Pair(images, spoilt(self.how, images), "second")


@dataclass(frozen=True, kw_only=True)
class Gap(Distance):
    """Mean absolute difference, to a power."""

    name: ClassVar[str] = "gap"
    power: float = 1.0

    def measure(self, pair: Pair) -> torch.Tensor:
        return (pair.reference - pair.observation).abs().flatten(1).mean(1) ** self.power


@dataclass(frozen=True, kw_only=True)
class BadDistance(Distance):
    """Misbehaves."""

    name: ClassVar[str] = "a_bad_distance"
    how: How = "raise"

    def measure(self, pair: Pair) -> torch.Tensor:
        if self.how == "in place":
            pair.reference.zero_()
            pair.observation.fill_(math.nan)
        values: torch.Tensor = spoilt(self.how, pair.reference.flatten(1).mean(1))
        return values


@dataclass(frozen=True, kw_only=True)
class Mean(Classifier):
    """The mean of the features times a factor."""

    name: ClassVar[str] = "mean"
    factor: float = 1.0

    def fit(self, features: np.ndarray, member: np.ndarray, columns: Sequence[str]) -> Scorer:
        return lambda unseen: unseen.mean(axis=1) * self.factor


@dataclass(frozen=True, kw_only=True)
class Centred(Classifier):
    """Fitted: how far a sample lies on the members' side of the calibration means."""

    name: ClassVar[str] = "centred"

    def fit(self, features: np.ndarray, member: np.ndarray, columns: Sequence[str]) -> Scorer:
        inside, outside = features[member].mean(axis=0), features[~member].mean(axis=0)
        return lambda unseen: (unseen - (inside + outside) / 2) @ (inside - outside)


@dataclass(frozen=True, kw_only=True)
class BadClassifier(Classifier):
    """Misbehaves, and spoils what it was given."""

    name: ClassVar[str] = "a_bad_classifier"
    how: How = "raise"

    def fit(self, features: np.ndarray, member: np.ndarray, columns: Sequence[str]) -> Scorer:
        features[:] = 0
        member[:] = True
        return lambda unseen: spoilt(self.how, unseen.mean(axis=1))


@leakboard.hookimpl
def leakboard_datasets() -> list[type[Dataset]]:
    return [Tiny]


@leakboard.hookimpl
def leakboard_victims() -> list[type[Victim]]:
    return [LinearVictim, BadVictim]


@leakboard.hookimpl
def leakboard_defenses() -> list[type[Defense]]:
    return [Fog, BadDefense]


@leakboard.hookimpl
def leakboard_observers() -> list[type[Observer]]:
    return [Glance, Peek, BadObserver]


@leakboard.hookimpl
def leakboard_distances() -> list[type[Distance]]:
    return [Gap, BadDistance]


@leakboard.hookimpl
def leakboard_classifiers() -> list[type[Classifier]]:
    return [Mean, Centred, BadClassifier]
