"""What runs a task, in this process or another: it never raises, and keeps one victim open between tasks."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

from leakboard.api import Model, Samples
from leakboard.artifacts import Damaged, Missing
from leakboard.errors import LeakboardError
from leakboard.limits import fault
from leakboard.registry import shared
from leakboard.sampling import choose
from leakboard.tasks import Answer, ObserveTask, Outcome, ScoreTask, Settings, Task

if TYPE_CHECKING:
    from leakboard.registry import Registry


def prepare(threads: int) -> None:
    """Set up a worker process before its first task: passive waiting and its share of the cores."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    os.environ["OMP_NUM_THREADS"] = str(threads)


def work(task: Task) -> Outcome:
    """Run one task."""
    registry = shared(task.settings.plugins)
    try:
        if isinstance(task, ScoreTask):
            from leakboard.scoring import score

            return score(task, registry)
        return _observe(task, registry)
    except (Missing, Damaged) as error:
        return Outcome(damaged=(error.key,))
    except LeakboardError as error:
        return Outcome(fatal=str(error))


def _observe(task: ObserveTask, registry: Registry) -> Outcome:
    import torch

    from leakboard.observing import observe
    from leakboard.oracle import Answers

    victim = registry.one("victim", task.victim).only
    try:
        model = _model(task.victim, task.victim_identity, task.settings)
        samples = _samples(task.dataset, task.dataset_identity, task.per_side, task.settings.plugins)
        shard = samples.take(range(task.start, task.stop))
    except Exception as error:
        found = fault(error)
        return Outcome(tuple(Answer(wanted.key, *found) for wanted in task.wanted))
    answers = Answers(model, task.settings.batch, victim.evaluations_per_step)
    device = torch.device(task.settings.device)
    shard = Samples(shard.ids, shard.images.to(device), shard.member, shard.prompts)
    with torch.no_grad():
        return observe(task, registry, shard, answers)


@functools.lru_cache(maxsize=1)
def _model(victim: str, identity: str, settings: Settings) -> Model:
    """The opened victim; its identity is part of the question, so a changed folder is opened anew."""
    opened: Model = shared(settings.plugins).one("victim", victim).only.open(settings.device)
    return opened


@functools.lru_cache(maxsize=1)
def _samples(dataset: str, identity: str, per_side: int, plugins: tuple[str, ...]) -> Samples:
    samples: Samples = shared(plugins).one("dataset", dataset).only.load()
    return samples.take(choose(samples.ids, samples.member, per_side))
