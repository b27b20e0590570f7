"""The quality gate: a victim that cannot denoise what it is asked about is refused before anybody attacks it."""

from __future__ import annotations

import operator
from collections import defaultdict
from typing import TYPE_CHECKING

from leakboard.asking import Cost
from leakboard.errors import LeakboardError, Unsupported
from leakboard.noise import normal
from leakboard.oracle.door import rows_of
from leakboard.oracle.memo import Memo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch

    from leakboard.api import Model, Victim

SHARES = (0.2, 0.4, 0.6)
"""Of the noise schedule: where images are still to be seen through the noise."""
IMAGES = 32
CHANCE = 0.9
"""Share of the best linear guess's loss that a trained denoiser has to stay below."""
_passed: set[tuple[str, str]] = set()
"""Identities of the victims and datasets that were checked in this process."""


def wanted(victim: Victim, model: Model, question: tuple[str, str]) -> bool:
    """Whether a victim, asked about a dataset (both by identity), has still to pass the gate in this process.

    A victim that has no noise schedule (it matches flows, say) cannot be judged.
    """
    return victim.gated and question not in _passed and _predicts_noise(model)


def check_quality(
    question: tuple[str, str],
    victim: Victim,
    model: Model,
    images: torch.Tensor,
    prompts: tuple[str, ...] | None,
    batch: int = IMAGES,
) -> None:
    """Refuse a victim whose denoising loss on a few ``images`` (N, C, H, W) in its own shape is at chance.

    Members and non-members are asked about alike, ``batch`` images at a time, fewer when memory runs out. Chance is
    the best multiple of the noisy state itself, in hindsight: what a network that learnt nothing but the noise level
    would say.

    Raises:
        LeakboardError: it answers what is no finite number, its loss is at chance, or so much lower when its
            predictions are read as another type that the type in its configuration must be wrong.
    """
    ids = [str(row) for row in range(len(images))]
    answers = Memo(model, batch)

    def ask(query: str, tensor: torch.Tensor, call: Callable[[int, torch.Tensor], torch.Tensor]) -> torch.Tensor:
        answer: torch.Tensor = answers.ask(query, [tensor], (), Cost(), call)[0]
        return answer

    def predict(start: int, part: torch.Tensor) -> torch.Tensor:
        return model.predict_noise(part, timestep, rows_of(prompts, start, part))

    clean = ask("encode", images, lambda _, part: model.encode(part))
    _check_finite(victim, clean, "encoding images")
    loss = chance = 0.0
    misread: defaultdict[tuple[str, str], float] = defaultdict(float)
    for share in SHARES:
        timestep = round(share * len(model.alphas_cumprod))
        level = model.alphas_cumprod[timestep].to(clean)
        # the name is part of the noise, and so of every number that was measured
        noise = normal(0, "admission", timestep, ids, clean)
        state = level.sqrt() * clean + (1 - level).sqrt() * noise
        predicted = ask("predict_noise", state, predict).to(clean)
        _check_finite(victim, predicted, f"predicting noise at timestep {timestep} of {len(model.alphas_cumprod)}")
        linear = (noise * state).sum() / state.square().sum() * state
        loss += _error(predicted, noise)
        chance += _error(linear, noise)
        for reading, answer in _other_readings(predicted, state, level.sqrt(), (1 - level).sqrt()):
            misread[reading] += _error(answer, noise)
    (name, _), other = min(misread.items(), key=operator.itemgetter(1))
    if other < CHANCE * min(chance, loss) and other < loss / 2:
        raise LeakboardError(
            f"{victim.name} denoises {loss / other:.1f} times better when its predictions are read as {name}",
            where="prediction_type in its scheduler_config.json",
            expected=f"the type it was trained to predict, it seems {name}",
            next="correct the configuration, or allow_untrained=True to attack it as it is",
        )
    if loss >= CHANCE * chance:
        raise LeakboardError(
            f"the denoising loss of {victim.name} is at chance: {loss / len(SHARES):.3f} where a linear guess "
            f"has {chance / len(SHARES):.3f}",
            where=f"the first {len(images)} images",
            expected=f"a trained denoiser below {CHANCE:.0%} of the linear guess",
            next="check the weights, or allow_untrained=True to attack it as it is",
        )
    _passed.add(question)


def _predicts_noise(model: Model) -> bool:
    try:
        return len(model.alphas_cumprod) > 0
    except Unsupported:
        return False


def _check_finite(victim: Victim, answer: torch.Tensor, doing: str) -> None:
    """No comparison with NaN is true: it would pass every limit below."""
    if not answer.isfinite().all():
        images = int((~answer.isfinite()).flatten(1).any(1).sum())
        raise LeakboardError(
            f"{victim.name} answers with NaN or infinity",
            where=f"{doing}: {images} of {len(answer)} images",
            expected="finite numbers",
            next="take weights that did not diverge; if these are whole, half precision may overflow: dtype='float32'",
        )


def _other_readings(
    predicted: torch.Tensor, state: torch.Tensor, signal: torch.Tensor, sigma: torch.Tensor
) -> Iterator[tuple[tuple[str, str], torch.Tensor]]:
    """What the noise would be if the network's output were of another type than its configuration says, by both types.

    The configuration is not known here, so each type stands for the output that would have become ``predicted``.
    """
    outputs = {
        "epsilon": predicted,
        "v_prediction": (predicted - sigma * state) / signal,
        "sample": (state - sigma * predicted) / signal,
    }
    for configured, output in outputs.items():
        readings = {
            "epsilon": output,
            "v_prediction": signal * output + sigma * state,
            "sample": (state - signal * output) / sigma,
        }
        yield from (((name, configured), noise) for name, noise in readings.items() if name != configured)


def _error(predicted: torch.Tensor, noise: torch.Tensor) -> float:
    return float((predicted - noise).square().mean())
