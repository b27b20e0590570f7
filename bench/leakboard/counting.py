"""What an observation task will cost, found by walking its observers past the counting twin."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections import deque
from dataclasses import replace

from leakboard.components import at
from leakboard.observing import seen_by_victim
from leakboard.oracle import Answers, Door
from leakboard.registry import Registry, shared
from leakboard.tasks import ObserveTask, Wanted
from leakboard.twin import CountingTwin, placeholder_samples


def evaluations(task: ObserveTask) -> int:
    """Denoiser evaluations a sample that the task will pay; the same for every shard that wants the same."""
    asked = tuple(dict.fromkeys(replace(wanted, key="", distance="") for wanted in task.wanted))
    return _evaluations(task.victim, asked, task.settings.plugins)


@functools.lru_cache(maxsize=256)
def _evaluations(victim: str, wanted: tuple[Wanted, ...], plugins: tuple[str, ...]) -> int:
    registry = shared(plugins)
    answers = Answers(CountingTwin(), 1, registry.one("victim", victim).only.evaluations_per_step)
    for (seed, defense), group in itertools.groupby(wanted, lambda want: (want.seed, want.defense)):
        # An observer or defense that raises will raise again in the run; what it asked before is what it will cost.
        with contextlib.suppress(Exception):
            _walk(registry, answers, seed, defense, [want.observer for want in group])
    return answers.paid.evaluations


def _walk(registry: Registry, answers: Answers, seed: int, spec: str, observers: list[str]) -> None:
    samples = placeholder_samples(prompts=False)
    defense = registry.one("defense", spec)
    images = seen_by_victim(samples, defense, seed)
    for observer_spec in observers:
        observer = registry.one("observer", observer_spec).only
        door = Door(answers, samples, images, observer.access, seed, at(defense.chain, "output"))
        with contextlib.suppress(Exception):
            deque(observer.observe(door), maxlen=0)
