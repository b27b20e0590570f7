"""When compiling pays: its seconds against those that it saves of the evaluations that a plan still has to pay."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from leakboard.errors import LeakboardError
from leakboard.grid.faster import COMPILED, compiled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leakboard.registry.bind import Bound
    from leakboard.registry.find import Registry
    from leakboard.runs.plan import Plan

SECONDS = 41.0
"""That compiling the embedded network takes on two idle cores; on a busy machine it is a multiple of that."""
SHARE = 0.83
"""Of an evaluation's seconds that are left of the embedded network, on one thread: ``benchmarks/compiled.py``."""


def advice(plan: Plan, registry: Registry, per_evaluation: Mapping[str, float]) -> list[str]:
    """One line a victim whose seconds an evaluation are known from the store: whether compiling it would pay.

    Where the store also knows the compiled victim, the saving is what was measured there; else that of the embedded
    network stands for it, and the line says so.
    """
    evaluations: dict[str, float] = defaultdict(float)
    for task, count in zip(plan.observe, plan.evaluations, strict=True):
        evaluations[task.victim_identity] += count
    victims = {victim.identity: victim for cell in plan.cells for victim in (cell.victim, *cell.attacker.shadows)}
    lines = []
    for identity, count in evaluations.items():
        victim, seconds = victims.get(identity), per_evaluation.get(identity)
        if victim is None or seconds is None or victim.only.name == COMPILED or victim.only.access == "black":
            continue
        measured = _measured(registry, victim, per_evaluation)
        left = SHARE if measured is None else measured / seconds
        lines.append(_line(victim.label, count, seconds, left, measured is not None))
    return lines


def _measured(registry: Registry, victim: Bound, per_evaluation: Mapping[str, float]) -> float | None:
    """Seconds an evaluation of the victim, compiled, where the store knows them."""
    try:
        return per_evaluation.get(compiled(registry, victim).identity)
    except LeakboardError:
        return None


def _line(label: str, count: float, seconds: float, left: float, measured: bool) -> str:
    whole, saved = count * seconds, count * seconds * (1 - left)
    source = "measured in this store" if measured else "as measured of the embedded network"
    told = f"{label}: {count:,.0f} evaluations take about {whole:,.0f} s; compiled {whole - saved:,.0f} s ({source})"
    if left >= 1:
        return f"{told}: compile = true would save nothing"
    enough = SECONDS / (seconds * (1 - left))
    pays = "pays" if saved > SECONDS else "does not pay"
    return f"{told} and about {SECONDS:.0f} s of compiling: compile = true {pays}, from {enough:,.0f} evaluations on"
