"""What runs a task, in this process or another: it never raises, and keeps one victim open between tasks."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import threading
from dataclasses import replace
from multiprocessing import parent_process
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from leakboard.api import Model, Samples
from leakboard.errors import LeakboardError
from leakboard.faults import Fault, contained
from leakboard.keys import samples_key
from leakboard.registry.find import shared
from leakboard.store.artifacts import Artifacts, CannotWrite, Damaged, Missing
from leakboard.surroundings import kept
from leakboard.tasks.meter import Meter
from leakboard.tasks.quality import Measured, measured
from leakboard.tasks.splits import choose
from leakboard.tasks.task import ObserveTask, PartOutcome, Settings, TaskOutcome, keys_of, who
from leakboard.tasks.time_limits import Allowance, stop_watching, watch

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from pathlib import Path

    import torch

    from leakboard.api import Victim
    from leakboard.oracle.fitting import Fitting
    from leakboard.registry.find import Registry
    from leakboard.tasks.task import Task

_opened: dict[tuple[str, str, str], Model] = {}
_batches: dict[tuple[str, str, str], int] = {}
"""Samples a call, of victims that ran out of memory with more: the next task need not find out again."""


def work(task: Task, threads: int = 0, meter: str = "") -> TaskOutcome:
    """Run one task; with ``threads`` torch threads, or as many as torch likes.

    What it pays is told while it runs in the folder ``meter``, if there is one.
    """
    try:
        registry = shared(task.settings.plugins)
        with contained(Missing, Damaged, CannotWrite) as caught:
            if isinstance(task, ObserveTask):
                return _observe(task, registry, threads, meter)
            from leakboard.tasks.score import score

            return score(task, registry)
    except (Missing, Damaged):
        return TaskOutcome(damaged=_unsound(task))
    except LeakboardError as error:
        return TaskOutcome(fatal=str(error))
    assert caught.fault
    return _all_failed(task, caught.fault)


def serve(connection: Connection, run: Callable[[Any], Any], note: Path) -> None:
    """The life of a worker process: ``run`` what comes through the connection until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with contextlib.suppress(OSError, AttributeError):
        os.setsid()  # what plugins start is in this worker's group, and ends with it
    me = os.getpid()
    threading.Thread(target=end_with_parent, daemon=True).start()
    watch(note)
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        try:
            outcome = run(task)
        finally:
            if os.getpid() != me:
                os._exit(1)  # a child that a plugin forked off and let go: it must not answer in our name
        stop_watching()
        connection.send(outcome)


def end_with_parent() -> None:
    """A worker whose parent was killed must not go on, perhaps for ever."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        if hasattr(os, "killpg") and os.getpgid(0) == os.getpid():
            os.killpg(0, signal.SIGKILL)  # with what plugins left behind
        os._exit(1)


def _all_failed(task: Task, found: Fault) -> TaskOutcome:
    return TaskOutcome(tuple(PartOutcome(key, *found) for key in keys_of(task)))


def _unsound(task: Task) -> tuple[str, ...]:
    """All artifacts of a scoring task that have to be made again, not just the first that it met."""
    if isinstance(task, ObserveTask):
        return ()
    artifacts = Artifacts.at(task.settings.artifacts)
    needed = (samples_key(task.dataset_identity), *sorted(task.needs))
    return tuple(key for key in needed if not artifacts.whole(key))


def _observe(task: ObserveTask, registry: Registry, threads: int, meter: str) -> TaskOutcome:
    import torch

    from leakboard.oracle.fitting import Fitting
    from leakboard.oracle.memo import Memo
    from leakboard.oracle.pools import Pools
    from leakboard.oracle.quality_gate import IMAGES
    from leakboard.store.answers import Answers
    from leakboard.tasks.observe import observe

    counted = Meter(meter) if meter else None
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    victim = registry.one("victim", task.victim).only
    place = (task.victim, task.victim_identity, task.settings.device)
    batch = min(task.settings.batch, _batches.get(place, task.settings.batch))
    try:
        with kept(), contained() as lost, Allowance(task.settings.timeout, who("victim", task.victim)):
            model = _model(task.victim, task.victim_identity, task.settings)
        with kept(), contained(CannotWrite) as caught, Allowance(task.settings.timeout, who("dataset", task.dataset)):
            samples = _samples(task.dataset, task.dataset_identity, task.settings.plugins)
            chosen = choose(samples.ids, samples.member, task.sides)
            shard = _as_told(victim, samples.take(chosen[task.start : task.stop]))
            prompts = victim.prompts_for(shard)
        if caught.fault:
            return _all_failed(task, lost.fault or caught.fault)
        found = Measured()
        if not lost.fault:
            with kept(), contained() as lost:
                few = samples.take(chosen[:IMAGES])  # always the same images, whatever the shard
                fitting = Fitting(few.image_shape, model.image_shape, victim.fit)
                fitting.check()
                # first, so that one that the gate refuses shows how bad it is
                found = _measured(task, victim, model, fitting, samples, chosen)
                _admit(task, victim, model, fitting, few, batch)
        failed: tuple[PartOutcome, ...] = ()
        if lost.fault:
            # what asks the victim nothing needs none, and says what it says of the dataset all the same
            blind = tuple(want for want in task.wanted if registry.one("observer", want.observer).only.null)
            failed = _all_failed(
                replace(task, wanted=tuple(x for x in task.wanted if x not in blind)), lost.fault
            ).parts
            if not blind:
                return TaskOutcome(failed, found.seconds, found.evaluations, stored=found.stored)
            task, model, fitting = replace(task, wanted=blind), Model(), Fitting()
        memo = Memo(model, batch, victim.evaluations_per_step, fitting, _device(task))
        memo.meter = counted.add if counted else None
        memo.pools = Pools(Artifacts.at(task.settings.artifacts), task.victim_identity, task.dataset_identity)
        paid = model.answers = Answers(Artifacts.at(task.settings.artifacts))
        with torch.no_grad():
            outcome = observe(task, registry, shard, memo, prompts, victim.access)
        if memo.batch_size < batch:
            _batches[place] = memo.batch_size
        return replace(
            outcome,
            parts=(*outcome.parts, *failed),
            seconds=outcome.seconds + found.seconds,
            evaluations=outcome.evaluations + found.evaluations,
            stored=(*outcome.stored, *found.stored, *paid.stored),
        )
    finally:
        if counted:
            counted.close()
        torch.set_num_threads(before)


def _as_told(victim: Victim, shard: Samples) -> Samples:
    """Samples with who is a member of this victim, which knows better than the dataset: pictures are shown with it."""
    members = victim.members(shard.ids)
    return shard if members is None else replace(shard, member=members)


def _measured(
    task: ObserveTask, victim: Victim, model: Model, fitting: Fitting, samples: Samples, chosen: list[int]
) -> Measured:
    """How good the victim is, where the task wants to know; where that cannot be measured, the attacks go on."""
    import torch

    if task.quality:
        with contained(CannotWrite), torch.no_grad(), Allowance(task.settings.timeout, who("victim", task.victim)):
            return measured(task, victim, model, fitting, samples, chosen, _device(task))
    return Measured()


def _admit(task: ObserveTask, victim: Victim, model: Model, fitting: Fitting, few: Samples, batch: int) -> None:
    """Refuse a victim that cannot denoise.

    Raises:
        LeakboardError: it cannot.
    """
    import torch

    from leakboard.oracle.quality_gate import check_quality, wanted

    question = task.victim_identity, task.dataset_identity
    if wanted(victim, model, question):
        with torch.no_grad(), Allowance(task.settings.timeout, who("victim", task.victim)):
            images = fitting.to_victim(few.images.to(_device(task)))
            check_quality(question, victim, model, images, victim.prompts_for(few), batch)


def _device(task: ObserveTask) -> torch.device | None:
    """Where a victim computes; None on the CPU: there images lie already, and nothing is moved."""
    import torch

    return None if task.settings.device == "cpu" else torch.device(task.settings.device)


def forget() -> None:
    """Let go of the victim and the samples that are kept from task to task, and of what is known of its memory."""
    _opened.clear()
    _batches.clear()
    _samples.cache_clear()


def _model(victim: str, identity: str, settings: Settings) -> Model:
    """The opened victim; its identity is part of the question, so a changed folder is opened anew."""
    key = (victim, identity, settings.device)
    if key not in _opened:
        _opened.clear()  # first, for two victims at once may not fit
        model = shared(settings.plugins).one("victim", victim).only.open(settings.device)
        if not isinstance(model, Model):
            raise TypeError(f"{victim} returned {model!r:.80} from open(), expected a leakboard.api.Model")
        _opened[key] = model
    return _opened[key]


@functools.lru_cache(maxsize=1)
def _samples(dataset: str, identity: str, plugins: tuple[str, ...]) -> Samples:  # noqa: ARG001 - as above
    samples: Samples = shared(plugins).one("dataset", dataset).only.load()
    return samples
