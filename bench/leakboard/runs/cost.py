"""What an observation task will cost, found by walking its observers past the counting twin."""

from __future__ import annotations

import functools
import itertools
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from leakboard.faults import Allowance, forgiven
from leakboard.oracle.door import Door, Provider
from leakboard.oracle.memo import Memo
from leakboard.oracle.twin import CountingTwin, placeholder_samples
from leakboard.registry.bind import at
from leakboard.registry.find import shared

if TYPE_CHECKING:
    from leakboard.tasks.task import ObserveTask, Wanted


def evaluations(task: ObserveTask) -> float:
    """Denoiser evaluations a sample that the task will pay; the same for every shard that wants the same."""
    asked = tuple(dict.fromkeys(replace(wanted, key="", distance="") for wanted in task.wanted))
    return _evaluations(task.victim, asked, task.population, task.settings.plugins, task.settings.timeout)


@functools.lru_cache(maxsize=256)
def _evaluations(
    victim: str, wanted: tuple[Wanted, ...], population: int, plugins: tuple[str, ...], timeout: float
) -> float:
    registry = shared(plugins)
    target = registry.one("victim", victim).only
    memo = Memo(CountingTwin(), 1, target.evaluations_per_step, population=population)
    samples = placeholder_samples()
    for (seed, spec), group in itertools.groupby(wanted, lambda want: (want.seed, want.defense)):
        defense = registry.one("defense", spec)
        provider = Provider(at(defense.chain, "query"), at(defense.chain, "output"), target.access)
        # What raises here will raise again in the run; what it asked before is what it will cost.
        for want in group:
            with forgiven():
                observer = registry.one("observer", want.observer).only
                door = Door(memo, samples, seed, observer.access, provider, samples.prompts)
                with Allowance(timeout):
                    deque(observer.observe(door), maxlen=0)
    return memo.paid.evaluations + memo.pool_evaluations / population
