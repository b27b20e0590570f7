"""What a recipe owes: stages that train the same twice, checkpoints that open, facts that can be written down."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from leakboard.errors import LeakboardError
from leakboard.testing import checks
from leakboard.testing.checks import Check, Declined, Subject
from leakboard.training import given_of
from leakboard.training.claim import describe

if TYPE_CHECKING:
    import torch

    from leakboard.api import Samples
    from leakboard.recipe import Recipe

SIDE = 4
"""Members that are trained on; as many samples are held out, and as many again of both are auxiliary."""
GENERATED = 2


def _described(subject: Subject) -> None:
    recipe: Recipe = subject.made
    assert recipe.dataset, "it names no dataset"
    assert recipe.summary, "it has no summary for `leakboard list recipes`"
    assert recipe.checkpoints, "it has no checkpoints"
    assert all(epochs >= 0 for epochs in recipe.checkpoints.values()), "a checkpoint lies before the first epoch"
    describe(recipe)


def _repeatable(subject: Subject) -> None:
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        losses = _trained(subject, Path(first), disturb=1)
        assert np.isfinite(losses).all(), f"the losses of its first epoch are {losses}"
        _trained(subject, Path(second), disturb=2)
        for one in sorted(Path(first).rglob("*.safetensors")):
            name = one.relative_to(first)
            assert one.read_bytes() == (Path(second) / name).read_bytes(), (
                f"{name} differs when the same is trained twice: draw from the generator that `step` is given"
            )


def _checkpoints(subject: Subject) -> None:
    recipe, (samples, _) = subject.made, _handful(subject)
    with tempfile.TemporaryDirectory() as out:
        _trained(subject, Path(out))
        for level in recipe.checkpoints:
            assert list((Path(out) / level).rglob("*.safetensors")), f"the checkpoint {level!r} has no weights"
            checkpoint = recipe.opened(Path(out) / level, "cpu")
            losses = checkpoint.losses(samples)
            assert losses.shape == (len(samples.ids),), f"losses of shape {tuple(losses.shape)}, expected one a sample"
            assert bool(losses.isfinite().all()), f"the losses of {level!r} are not finite"
            _check_images(checkpoint.generated(samples, GENERATED), samples)


def _facts(subject: Subject) -> None:
    recipe, (samples, _) = subject.made, _handful(subject)
    with tempfile.TemporaryDirectory() as out:
        _trained(subject, Path(out))
        for level in recipe.checkpoints:
            facts = recipe.facts(Path(out) / level, samples)
            try:
                again = json.loads(json.dumps(facts, allow_nan=False))
            except (TypeError, ValueError) as error:
                raise AssertionError(f"the facts of {level!r} are no JSON: {error}") from error
            assert isinstance(again, dict), f"the facts of {level!r} are {facts!r:.80}, expected a dictionary"


def _trained(subject: Subject, out: Path, disturb: int | None = None) -> list[float]:
    """Train each stage for one epoch and give its losses; ``disturb`` seeds what no stage may draw from."""
    import torch

    from leakboard.training import loop

    samples, auxiliary = _handful(subject)
    losses: list[float] = []
    files: list[str] = []
    with loop.secluded("cpu"):
        for stage in subject.made.prepare(given_of(samples, auxiliary, out, "cpu")):
            if disturb is not None:
                torch.manual_seed(disturb)
            short = {name: min(epochs, 1) for name, epochs in stage.checkpoints.items()}
            loop.run(replace(stage, checkpoints=short), out, lambda _, loss: losses.append(loss))
            files.append(stage.state)
    assert files, "it prepares no stage"
    assert len(files) == len(set(files)), f"several stages go on from one file: {', '.join(files)}"
    return losses


def _handful(subject: Subject) -> tuple[Samples, Samples | None]:
    """A few samples of both sides, and others that play the auxiliary ones where it wants some."""
    recipe: Recipe = subject.made
    everybody = subject.samples or checks.samples(4 * SIDE)
    sides = [np.flatnonzero(everybody.member == side).tolist() for side in (True, False)]
    samples = everybody.take([row for side in sides for row in side[:SIDE]])
    auxiliary = everybody.take([row for side in sides for row in side[SIDE : 2 * SIDE]])
    wanted = auxiliary if recipe.wants_auxiliary else None
    try:
        recipe.check(samples, wanted)
    except LeakboardError as refused:
        raise Declined(f"needs other samples: {refused.what}") from refused
    return samples, wanted


def _check_images(images: torch.Tensor, samples: Samples) -> None:
    expected = (GENERATED, *samples.image_shape)
    assert images.shape == expected, f"generated images of shape {tuple(images.shape)}, expected {expected}"
    assert bool(((images >= 0) & (images <= 1)).all()), "generated images leave [0, 1]"


CHECKS = (
    Check("it says what it trains", _described),
    Check("the same weights twice, finite losses", _repeatable),
    Check("checkpoints open and are measured", _checkpoints),
    Check("manifest facts are JSON", _facts),
)
