"""What observation tasks will cost, found by walking their observers past the counting twin."""

from __future__ import annotations

import functools
import itertools
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from leakboard.asking import Cost
from leakboard.faults import contained
from leakboard.keys import pool_key
from leakboard.oracle.door import Door
from leakboard.oracle.memo import Memo
from leakboard.oracle.provider import Provider
from leakboard.oracle.twin import CountingTwin, DrawingTwin, TwinDefense, placeholder_samples
from leakboard.registry.bind import at, inside
from leakboard.registry.find import shared
from leakboard.store.artifacts import Artifacts
from leakboard.tasks import quality
from leakboard.tasks.time_limits import Allowance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from leakboard.api import Defense
    from leakboard.registry.bind import Bound
    from leakboard.tasks.task import ObserveTask, Wanted


class Asked(NamedTuple):
    """What a task asks for: the cost of one sample, and that of each pool, by its question."""

    sample: Cost
    pools: Mapping[str, Cost]


def costs(tasks: Sequence[ObserveTask]) -> tuple[Cost, ...]:
    """Queries and denoiser evaluations that each task will pay, one after the other, over all its samples.

    A pool is paid by the first that wants it, and not if it lies on disk. Who pays may differ where workers take turns;
    the sum does not.
    """
    kept: set[str] = set()
    return tuple(_price(task, kept) for task in tasks)


def evaluations(tasks: Sequence[ObserveTask]) -> tuple[float, ...]:
    """Denoiser evaluations alone of `costs`."""
    return tuple(cost.evaluations for cost in costs(tasks))


def _price(task: ObserveTask, kept: set[str]) -> Cost:
    """What a task will pay; what others need not make again, pools and measured quality, is added to ``kept``."""
    asked = _asked(
        task.victim,
        tuple(dict.fromkeys(replace(wanted, key="", distance="") for wanted in task.wanted)),
        task.settings.plugins,
        task.settings.timeout,
    )
    artifacts = Artifacts.at(task.settings.artifacts)
    count = task.stop - task.start
    price = Cost(asked.sample.queries * count, asked.sample.evaluations * count)
    for question, whole in asked.pools.items():
        key = pool_key(task.victim_identity, task.dataset_identity, question)
        if key not in kept:
            kept.add(key)
            price += Cost() if artifacts.whole(key) else whole
    if task.quality and (key := quality.key_of(task)) not in kept:
        kept.add(key)
        victim = shared(task.settings.plugins).one("victim", task.victim).only
        price += Cost() if artifacts.whole(key) else Cost(0, quality.price(task, victim))
    return price


def _twins(defense: Bound, place: str) -> tuple[Defense, ...]:
    """The defenses of a chain at one place, with stand-ins for those that would open a model."""
    return tuple(
        TwinDefense() if any(inner.kind == "victim" for inner in inside(link)) else link
        for link in at(defense.chain, place)
    )


@functools.lru_cache(maxsize=256)
def _asked(victim: str, wanted: tuple[Wanted, ...], plugins: tuple[str, ...], timeout: float) -> Asked:
    """The same for every shard that wants the same."""
    registry = shared(plugins)
    target = registry.one("victim", victim).only
    memo = Memo(DrawingTwin() if target.draws else CountingTwin(), 1, target.evaluations_per_step)
    samples = placeholder_samples()
    for (seed, spec), group in itertools.groupby(wanted, lambda want: (want.seed, want.defense)):
        defense = registry.one("defense", spec)
        provider = Provider(_twins(defense, "query"), _twins(defense, "output"), target.access)
        # What raises here will raise again in the run; what it asked before is what it will cost.
        for want in group:
            with contained():
                observer = registry.one("observer", want.observer).only
                door = Door(memo, samples, seed, observer.access, provider, samples.prompts)
                with Allowance(timeout):
                    deque(observer.observe(door), maxlen=0)
    return Asked(memo.paid, memo.pools_made)
