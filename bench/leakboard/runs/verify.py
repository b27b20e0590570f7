"""Whether a store says what its files say: every number made again from its scores, every digest from its file."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leakboard.keys import scores_key
from leakboard.kinds import AXES, FEATURE_AXES
from leakboard.registry.find import shared
from leakboard.store.artifacts import Artifacts, Damaged, Missing
from leakboard.tasks.measure import key_of, measure, registered
from leakboard.texts import home

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from leakboard.api import Measure
    from leakboard.store import ArtifactRow, AttemptRow, ResultRow, Store

NUMBERS = ("value", "low", "high", "n_member", "n_nonmember", "method", "flag")
ROUNDING = 1e-12
"""How far numbers may lie apart, in shares of them: the last digits are another machine's libraries' own."""
NEEDED = ("scores", "samples")
"""Kinds of files that nobody prunes; others may be gone, and are made again on demand."""
BATCH = 500


@dataclass(frozen=True)
class Verified:
    """What was looked at.

    Attributes:
        cells: cells whose numbers were made again.
        files: files whose digest was.
        wrong: one line for each thing that differs, with the cell or the file that it is about.
        unchecked: one line for each kind of thing that could not be looked at.
    """

    cells: int
    files: int
    wrong: tuple[str, ...]
    unchecked: tuple[str, ...] = ()


def verify(store: Store, plugins: Sequence[Path | str] = ()) -> Verified:
    """Look at a whole store. Nothing is written.

    Args:
        store: whose results, and files beside it.
        plugins: files of plugins whose measures are to be made again.

    Raises:
        LeakboardError: the store cannot be read.
    """
    wrong: list[str] = list(store.complaints())
    unchecked: Counter[str] = Counter()
    artifacts, rows = Artifacts(store.artifacts), store.artifact_rows()
    cells = {str(row["cell"]): row for row in store.cells().to_dict("records") if row["status"] == "done"}
    names = {key: _name(row) for key, row in cells.items()}
    users = {str(row["scores_key"]): names[key] for key, row in cells.items()}
    prices: dict[tuple[str, ...], set[tuple[float, float]]] = defaultdict(set)
    files = 0
    for key, row in sorted(rows.items()):
        about = f"{row.kind} {key[:12]}" + (f" of {users[key]}" if key in users else "")
        try:
            meta = _checked(artifacts, row)
        except Missing:
            if row.kind in NEEDED:
                wrong.append(f"{about}: the file is missing")
            else:
                unchecked[f"{row.kind} that are not on disk"] += 1
        except Damaged as error:
            wrong.append(f"{about}: {error.why}")
        else:
            files += 1
            if row.kind == "features":
                _note_price(meta, prices)
    measures = registered(shared(tuple(map(str, map(home, plugins)))))
    keys = sorted(cells)
    for start in range(0, len(keys), BATCH):
        for attempt in store.last_attempts(keys[start : start + BATCH]):
            found = _differences(attempt, artifacts, measures, unchecked)
            wrong += [f"{names[attempt.cell_key]}: {line}" for line in found]
    components = {(kind, label): (spec, identity) for kind, label, spec, identity in _components(store)}
    for key, cell in cells.items():
        wrong += [f"{names[key]}: {line}" for line in _wrong_price(cell, components, prices)]
    told = tuple(f"{count} {what}" for what, count in sorted(unchecked.items()))
    return Verified(len(cells), files, tuple(wrong), told)


def _name(row: Mapping[Any, Any]) -> str:
    parts = " | ".join(str(row[axis]) for axis in (*AXES, "attacker"))
    return f"cell {str(row['cell'])[:12]} ({parts} | labels {row['labels']} | seed {row['seed']})"


def _checked(artifacts: Artifacts, row: ArtifactRow) -> dict[str, str]:
    """The meta of a file that is what its row says.

    Raises:
        Missing: there is no such file.
        Damaged: it is not whole, or not the one that was recorded.
    """
    found = artifacts.row(row.key, row.kind)
    if (found.digest, found.bytes) != (row.digest, row.bytes):
        raise Damaged(row.key, artifacts.shown(row.key), "its digest or size is not the one that was recorded")
    return artifacts.get(row.key)[1]


def _differences(
    attempt: AttemptRow, artifacts: Artifacts, measures: Collection[Measure], unchecked: Counter[str]
) -> Iterator[str]:
    """What of a cell's numbers is not what its scores give."""
    if attempt.scores_key != scores_key(attempt.cell_key):
        yield "its scores are not those of this cell"
        return
    try:
        tensors, meta = artifacts.get(attempt.scores_key)
    except (Missing, Damaged):
        unchecked["cells whose scores cannot be read"] += 1
        return
    if len(tensors["score"]) != attempt.n_evaluation:
        yield f"n_evaluation is {attempt.n_evaluation}, there are {len(tensors['score'])} scores"
    if "threshold" not in meta:
        unchecked["cells whose scores an older version wrote, without a threshold"] += 1
        return
    keys = {each.name: key_of(each) for each in measures}
    same = [each for each in measures if attempt.measured_by.get(each.name) == keys[each.name]]
    threshold = float(meta["threshold"]) if meta["threshold"] else None
    made = measure(same, tensors["score"], tensors["member"].astype(bool), threshold)
    now = {row.measure: row for row in made.results}
    then = {row.measure: row for row in attempt.results}
    mine = {each.name for each in same}
    for name in sorted(mine & then.keys() | now.keys()):
        yield from _compared(name, then.get(name), now.get(name))
    others = (then.keys() | attempt.measured_by.keys()) - mine
    for name in others:
        unchecked[f"numbers of {name}, which other code made than is installed"] += 1


def _compared(name: str, then: ResultRow | None, now: ResultRow | None) -> Iterator[str]:
    if then is None or now is None:
        yield f"{name} is {'missing' if then is None else then.value}, its scores give {now.value if now else 'none'}"
        return
    for part in NUMBERS:
        one, other = getattr(then, part), getattr(now, part)
        if not _alike(one, other):
            yield f"{name}: {part} is {one}, its scores give {other}"


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=ROUNDING, abs_tol=ROUNDING) or (math.isnan(one) and math.isnan(other))
    return bool(one == other)


def _components(store: Store) -> Iterator[tuple[str, str, str, str]]:
    for row in store.components().itertuples():
        yield str(row.kind), str(row.label), str(row.spec), str(row.identity)


def _note_price(meta: Mapping[str, str], prices: dict[tuple[str, ...], set[tuple[float, float]]]) -> None:
    """What features say that they cost; those that share a pool are billed by the number of samples, and left out."""
    if float(meta.get("pool_nfe", 0)) or float(meta.get("pool_queries", 0)) or "dataset_identity" not in meta:
        return
    place = (meta["dataset_identity"], *(meta[axis] for axis in FEATURE_AXES[1:]), meta["seed"])
    prices[place].add((float(meta["queries"]), float(meta["nfe"])))


def _wrong_price(
    row: Mapping[Any, Any],
    components: Mapping[tuple[str, str], tuple[str, str]],
    prices: Mapping[tuple[str, ...], set[tuple[float, float]]],
) -> Iterator[str]:
    """Whether a cell was billed what none of its features cost."""
    dataset = components["dataset", str(row["dataset"])][1]
    specs = [components[axis, str(row[axis])][0] for axis in FEATURE_AXES[1:]]
    known = prices.get((dataset, *specs, str(row["seed"])))
    for place, name in enumerate(("queries", "nfe")):
        if known and not any(_alike(float(row[name]), price[place]) for price in known):
            yield f"{name} is {row[name]}, its features say {next(iter(known))[place]}"
