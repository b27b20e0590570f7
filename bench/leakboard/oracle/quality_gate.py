"""The quality gate: a victim that cannot denoise what it is asked about is refused before anybody attacks it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from leakboard.asking import Cost, Model
from leakboard.errors import LeakboardError, Unsupported
from leakboard.noise import normal
from leakboard.oracle.memo import Memo
from leakboard.oracle.readings import flow_readings, other_readings
from leakboard.oracle.told import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import torch

    from leakboard.api import Victim

SHARES = (0.2, 0.4, 0.6)
"""Of the noise schedule: where images are still to be seen through the noise."""
TIMES = (0.25, 0.5, 0.75)
"""Of a flow, where both the image and the noise are to be seen."""
IMAGES = 32
CHANCE = 0.9
"""Share of the best linear guess's loss that a trained denoiser has to stay below."""
_passed: set[tuple[str, str]] = set()
"""Identities of the victims and datasets that were checked in this process."""


@dataclass
class _Judged:
    """Losses of a victim, added up over a few noise levels.

    Attributes:
        loss: of its predictions.
        chance: of the best multiple of the noisy state itself, in hindsight.
        others: of its predictions read as another type than they should be, by the name of the type and by what
            they were read as before.
    """

    loss: float = 0.0
    chance: float = 0.0
    others: dict[tuple[str, ...], float] = field(default_factory=dict)

    def add(
        self,
        predicted: torch.Tensor,
        target: torch.Tensor,
        state: torch.Tensor,
        readings: Iterable[tuple[tuple[str, ...], torch.Tensor]],
    ) -> None:
        """One noise level more."""
        linear = (target * state).sum() / state.square().sum() * state
        self.loss += _error(predicted, target)
        self.chance += _error(linear, target)
        self.read(readings, target)

    def read(self, readings: Iterable[tuple[tuple[str, ...], torch.Tensor]], target: torch.Tensor) -> None:
        """What other readings of the predictions at one noise level come to."""
        for reading, answer in readings:
            self.others[reading] = self.others.get(reading, 0.0) + _error(answer, target)

    @property
    def at_chance(self) -> bool:
        """Whether the predictions are no better than a linear guess."""
        return self.loss >= CHANCE * self.chance

    @property
    def misread(self) -> tuple[str, float] | None:
        """The type that the predictions seem to be of, and its loss, if that is not the one they are said to be of."""
        reading, other = min(self.others.items(), key=lambda item: item[1])
        return (reading[0], other) if other < CHANCE * min(self.chance, self.loss) and other < self.loss / 2 else None


def wanted(victim: Victim, model: Model, question: tuple[str, str]) -> bool:
    """Whether a victim, asked about a dataset (both by identity), has still to pass the gate in this process.

    A victim that predicts neither noise nor velocities cannot be judged.
    """
    return victim.gated and question not in _passed and (_predicts_noise(model) or _predicts_velocity(model))


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
    would say. The loss is that of predicted noise, or for a victim that has no noise schedule of predicted velocities.

    Raises:
        LeakboardError: it answers what is no finite number, its loss is at chance, or so much lower when its
            predictions are read as another type that the type in its configuration must be wrong.
    """
    answers = Memo(model, batch)

    def asked(query: str, tensor: torch.Tensor, call: Callable[[int, torch.Tensor], torch.Tensor]) -> torch.Tensor:
        answer: torch.Tensor = answers.ask(query, [tensor], (), Cost(), call)[0]
        return answer

    clean = asked("encode", images, lambda _, part: model.encode(part))
    _check_finite(victim, clean, "encoding images")
    judge = _judge_noise if _predicts_noise(model) else _judge_velocity
    judged = judge(victim, model, clean, prompts, asked)
    if judged.misread:
        name, other = judged.misread
        raise LeakboardError(
            f"{victim.name} denoises {judged.loss / other:.1f} times better when its predictions are read as {name}",
            where="prediction_type in its scheduler_config.json" if judge is _judge_noise else "its predictions",
            expected=f"the type it was trained to predict, it seems {name}"
            if judge is _judge_noise
            else "noise minus clean image, at time 0 of the clean image to 1 of the noise",
            next="correct the configuration, or allow_untrained=True to attack it as it is",
        )
    if judged.at_chance:
        levels = len(SHARES if judge is _judge_noise else TIMES)
        raise LeakboardError(
            f"the denoising loss of {victim.name} is at chance: {judged.loss / levels:.3f} where a linear guess "
            f"has {judged.chance / levels:.3f}",
            where=f"the first {len(images)} images",
            expected=f"a trained denoiser below {CHANCE:.0%} of the linear guess",
            next="check the weights, or allow_untrained=True to attack it as it is",
        )
    _passed.add(question)


def _judge_noise(
    victim: Victim, model: Model, clean: torch.Tensor, prompts: Sequence[str] | None, asked: Callable[..., torch.Tensor]
) -> _Judged:
    judged = _Judged()
    for share in SHARES:
        timestep = round(share * len(model.alphas_cumprod))
        level = model.alphas_cumprod[timestep].to(clean)
        noise = _noise(timestep, clean)
        state = level.sqrt() * clean + (1 - level).sqrt() * noise

        def predict(start: int, part: torch.Tensor, timestep: int = timestep) -> torch.Tensor:
            return model.predict_noise(part, timestep, rows_of(prompts, start, part))

        predicted = asked("predict_noise", state, predict).to(clean)
        _check_finite(victim, predicted, f"predicting noise at timestep {timestep} of {len(model.alphas_cumprod)}")
        judged.add(predicted, noise, state, other_readings(predicted, state, level.sqrt(), (1 - level).sqrt()))
    return judged


def _judge_velocity(
    victim: Victim, model: Model, clean: torch.Tensor, prompts: Sequence[str] | None, asked: Callable[..., torch.Tensor]
) -> _Judged:
    def at(time: float, told: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The noise, the state of a time, and the velocity that a victim predicts which is told another one."""
        noise = _noise(round(time * 1000), clean)
        state = (1 - time) * clean + time * noise

        def predict(start: int, part: torch.Tensor) -> torch.Tensor:
            return model.predict_velocity(part, told, rows_of(prompts, start, part))

        predicted = asked(f"predict_velocity {told}", state, predict).to(clean)
        _check_finite(victim, predicted, f"predicting a velocity at time {told}")
        return noise, state, predicted

    judged = _Judged()
    for time in TIMES:
        noise, state, predicted = at(time, time)
        judged.add(predicted, noise - clean, state, flow_readings(predicted, state, time))
    if judged.at_chance or judged.misread:
        # asked only now, for it takes as many evaluations again
        for time in TIMES:
            noise, state, predicted = at(time, 1 - time)
            judged.read(flow_readings(predicted, state, time, backwards=True), noise - clean)
    return judged


def _noise(place: int, clean: torch.Tensor) -> torch.Tensor:
    # the name is part of the noise, and so of every number that was measured
    return normal(0, "admission", place, [str(row) for row in range(len(clean))], clean)


def _predicts_noise(model: Model) -> bool:
    try:
        return len(model.alphas_cumprod) > 0
    except Unsupported:
        return False


def _predicts_velocity(model: Model) -> bool:
    return type(model).predict_velocity is not Model.predict_velocity


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


def _error(predicted: torch.Tensor, target: torch.Tensor) -> float:
    return float((predicted - target).square().mean())
