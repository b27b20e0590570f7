"""What a grid still needs, given what a store and its payload files already hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from leakboard.grid.grid import Grid
from leakboard.keys import scores_key
from leakboard.runs.payloads import Payloads
from leakboard.runs.plan import Plan, make_plan
from leakboard.runs.remeasure import outdated, tells_threshold
from leakboard.runs.sharing import told
from leakboard.store import Store
from leakboard.store.artifacts import Artifacts
from leakboard.store.buckets import locate_files
from leakboard.store.database import NoStore
from leakboard.store.engines import locate
from leakboard.store.store import default_artifacts
from leakboard.tasks.sample_lists import Populations

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from leakboard.registry.bind import Bound
    from leakboard.store.buckets import Bucket
    from leakboard.tasks.sample_lists import Population


def plan(
    grid: Grid | str | Path,
    store: Store | str | Path | None = None,
    artifacts: Path | Bucket | str | None = None,
    *,
    features: bool = False,
) -> Plan:
    """What ``grid`` still needs, given what a store and its folder of payload files already hold.

    Args:
        grid: the grid, or the file of one.
        store: a store, or where one is or would be (nothing is made); None for a store that knows nothing yet.
        artifacts: folder or bucket of payload files, as in `leakboard.run`.
        features: as in `leakboard.run`.

    Raises:
        LeakboardError: a victim contradicts its dataset, a dataset is too small, or the store cannot be read.
    """
    grid = grid if isinstance(grid, Grid) else Grid.load(grid)
    default = Path("leakboard-artifacts")
    if isinstance(store, (str, Path)):
        default, store = default_artifacts(locate(store)), existing(store, artifacts)
    folder = Artifacts(store.artifacts if store else locate_files(artifacts or default))
    populations = Populations(folder)
    if store:
        made = missing(grid, store, populations, features=features)
    else:
        made = make_plan(grid, {}, folder, _samples(grid, populations))
    populations.check(made.todo)
    leased = told(made, store) if store else {}
    return replace(made, evaluated=populations.evaluated(made.todo), leased=leased)


def existing(place: str | Path, artifacts: Path | Bucket | str | None = None) -> Store | None:
    """A store for reading, or None where there is no file yet, or an empty database.

    Raises:
        LeakboardError: what is there cannot be read.
    """
    try:
        return Store(place, artifacts=artifacts or None, read_only=True)
    except NoStore:
        return None


def missing(grid: Grid, store: Store, populations: Populations, *, features: bool = False) -> Plan:
    """The plan of a grid on a store that is open; datasets are not checked."""
    artifacts = Artifacts(store.artifacts)
    old, payloads = outdated(grid, store), Payloads(artifacts, store)
    made = make_plan(
        grid,
        store.latest_status(),
        artifacts,
        _samples(grid, populations),
        _sound(artifacts, payloads, old),
        old,
        payloads,
        features=features,
    )
    payloads.look_around(made.cells, populations)
    return replace(made, found=tuple(payloads.found.values()))


def _samples(grid: Grid, populations: Populations) -> Callable[[Bound], Population]:
    return lambda dataset: populations.all(dataset).chosen(grid.run.sides)


def _sound(artifacts: Artifacts, payloads: Payloads, outdated: Collection[str]) -> Callable[[str], bool]:
    """Tells whether the scores of a cell lie there as they were written, and can be measured again if they must."""

    def sound(cell: str) -> bool:
        key = scores_key(cell)
        return payloads.as_recorded(key) and (cell not in outdated or tells_threshold(artifacts, key))

    return sound
