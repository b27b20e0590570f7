"""The store as a program sees it: begin a run, record what a task gave, ask what is done."""

from __future__ import annotations

import os
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update

from leakboard.errors import LeakboardError, nearest
from leakboard.store import frames, payloads
from leakboard.store.artifacts import ArtifactRow
from leakboard.store.buckets import Bucket, locate_files
from leakboard.store.database import open_engine
from leakboard.store.engines import locate, shown, transaction
from leakboard.store.inserting import (
    add_artifacts,
    add_attempts,
    add_cells,
    add_components,
    add_run,
    add_tasks,
    after_the_last,
    renewed,
)
from leakboard.store.leases import release
from leakboard.store.processes import is_dead, machine
from leakboard.store.queries import as_row, attempt_rows, chunks, last_attempts
from leakboard.store.rows import now
from leakboard.store.tables import ArtifactTable, AttemptTable, MetaTable, RunTable, TaskTable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from contextlib import AbstractContextManager

    import numpy as np
    import pandas as pd
    from sqlalchemy import URL, Connection

    from leakboard.store.rows import AttemptRow, CellRow, ComponentRow, RunInfo, RunStatus, TaskRow


class Store:
    """Results of any number of runs. Every write is one transaction: a killed program leaves whole tasks.

    Args:
        url: a file path (SQLite) or an SQLAlchemy URL.
        artifacts: folder or bucket of payload files, as `leakboard.store.buckets.locate_files` reads it, remembered; by
            default the one last used, else ``<stem>-artifacts`` beside the file, or ``leakboard-artifacts`` in the
            current folder for a server.
        read_only: never write.
        create: make the store where there is none yet; without, it has to exist, for a path may be misspelt.

    Raises:
        LeakboardError: the store cannot be opened; the message says why and what to do.
    """

    def __init__(
        self,
        url: str | Path,
        *,
        artifacts: Path | Bucket | str | None = None,
        read_only: bool = False,
        create: bool = False,
    ) -> None:
        self.place = locate(url)
        self.url = shown(self.place)
        self.read_only = read_only
        self._engine = open_engine(self.place, read_only=read_only, create=create)
        self.artifacts = self._artifacts(artifacts)

    def __repr__(self) -> str:
        return f"Store({self.url!r})"

    @property
    def shared(self) -> bool:
        """Whether several runs may work on it at once, see `leakboard.store.leases`: on a server."""
        return not isinstance(self.place, Path)

    def reading(self) -> AbstractContextManager[Connection]:
        """A transaction that sees one consistent state."""
        return transaction(self._engine, self.place, write=False)

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction that holds the write lock.

        Raises:
            LeakboardError: the store was opened read-only.
        """
        self.must_be_writable()
        return transaction(self._engine, self.place, write=True)

    def must_be_writable(self) -> None:
        """Complain before anything is begun.

        Raises:
            LeakboardError: the store was opened read-only.
        """
        if self.read_only:
            raise LeakboardError("the store was opened for reading only", where=self.url)

    def begin_run(self, run: RunInfo) -> int:
        """Write down a run, and that those whose process is gone were interrupted. Gives the run's id."""
        with self.writing() as connection:
            running = select(RunTable.id, RunTable.pid, RunTable.boot_id, RunTable.started)
            rows = connection.execute(running.where(RunTable.status == "running", RunTable.host == machine())).all()
            dead = [row.id for row in rows if is_dead(row.pid, row.boot_id, row.started)]
            for ids in chunks(dead):
                connection.execute(update(RunTable).where(RunTable.id.in_(ids)).values(status="interrupted"))
            return add_run(connection, run, "running")

    def end_run(self, run_id: int, status: RunStatus) -> None:
        """Write down how a run ended."""
        with self.writing() as connection:
            connection.execute(update(RunTable).where(RunTable.id == run_id).values(status=status, finished=now()))

    def record(
        self,
        run_id: int,
        *,
        task: TaskRow | None = None,
        components: Sequence[ComponentRow] = (),
        cells: Sequence[CellRow] = (),
        attempts: Sequence[AttemptRow] = (),
        artifacts: Sequence[ArtifactRow] = (),
        released: Collection[str] = (),
    ) -> None:
        """Write down what a task gave, all of it or nothing. Components and cells may be there already.

        With it the run lets go of the leases ``released``, given by their keys.

        Raises:
            LookupError: a cell's component is neither in the store nor given.
            LeakboardError: the store cannot be written now.
        """
        with self.writing() as connection:
            add_components(connection, components, renew=True)
            add_cells(connection, cells)
            add_attempts(connection, run_id, after_the_last(connection, attempts))
            add_artifacts(connection, run_id, artifacts)
            add_tasks(connection, run_id, [task] if task else [])
            release(connection, run_id, released)

    def renew(self, components: Sequence[ComponentRow]) -> None:
        """Bring up to date what components are called that are in the store; nothing is written if that is no news."""
        with self.reading() as connection:
            news = renewed(connection, components)
        if news:
            with self.writing() as connection:
                add_components(connection, components, renew=True)

    def latest_status(self) -> dict[str, str]:
        """Status of each cell's last attempt, by cell key; cells never tried are left out."""
        last = select(AttemptTable.cell_key, AttemptTable.status).where(AttemptTable.id.in_(last_attempts()))
        with self.reading() as connection:
            return {key: status for key, status in connection.execute(last)}  # noqa: C416 - rows are not pairs to mypy

    def measured_by(self) -> dict[str, dict[str, str]]:
        """By which measures each cell that is done was measured (see `AttemptRow`), by cell key."""
        last = select(AttemptTable.cell_key, AttemptTable.measured_by).where(AttemptTable.id.in_(last_attempts()))
        with self.reading() as connection:
            rows = connection.execute(last.where(AttemptTable.status == "done"))
            return {key: measures for key, measures in rows}  # noqa: C416 - rows are not pairs to mypy

    def last_attempts(self, cells: Sequence[str]) -> list[AttemptRow]:
        """The attempts that count of some cells, given by their keys."""
        last = select(AttemptTable).where(AttemptTable.id.in_(last_attempts()))
        found = []
        with self.reading() as connection:
            for keys in chunks(cells):
                rows = connection.execute(last.where(AttemptTable.cell_key.in_(keys)).order_by(AttemptTable.id))
                found += attempt_rows(connection, rows)
        return found

    def seconds_per_evaluation(self) -> dict[str, float]:
        """By victim identity: median seconds that one denoiser evaluation of one sample took."""
        done = select(TaskTable.victim, TaskTable.seconds / TaskTable.nfe)
        with self.reading() as connection:
            rows = connection.execute(
                done.where(TaskTable.kind == "observe", TaskTable.status == "done", TaskTable.nfe > 0)
            ).all()
        victims = {victim for victim, _ in rows}
        return {victim: median(seconds for other, seconds in rows if other == victim) for victim in victims}

    def seconds_per_cell(self) -> float | None:
        """Median seconds that scoring one cell took; None before any was scored."""
        done = select(TaskTable.seconds / TaskTable.cells)
        with self.reading() as connection:
            seconds = connection.scalars(
                done.where(TaskTable.kind == "score", TaskTable.status == "done", TaskTable.cells > 0)
            ).all()
        return median(seconds) if seconds else None

    def artifact_digests(self, kind: str) -> dict[str, str]:
        """sha256 of the whole file by key, of the artifacts of one kind (see `ArtifactRow`), oldest first."""
        of_kind = select(ArtifactTable.key, ArtifactTable.digest).where(ArtifactTable.kind == kind)
        with self.reading() as connection:
            rows = connection.execute(of_kind.order_by(ArtifactTable.created, ArtifactTable.key))
            return {key: digest for key, digest in rows}  # noqa: C416 - rows are not pairs to mypy

    def complaints(self) -> list[str]:
        """What the database itself finds wrong in its file; nothing is asked of a server, which looks for itself."""
        if not isinstance(self.place, Path):
            return []
        with self.reading() as connection:
            said = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check")]
            lost = [
                f"a row of {row[0]} names a row of {row[2]} that is not there"
                for row in connection.exec_driver_sql("PRAGMA foreign_key_check")
            ]
        return [f"the database: {line}" for line in (*said, *lost) if line != "ok"]

    def artifact_rows(self) -> dict[str, ArtifactRow]:
        """What is known of every payload file, by key."""
        with self.reading() as connection:
            return {row.key: as_row(ArtifactRow, row) for row in connection.execute(select(ArtifactTable))}

    def results(self, measure: str | None = None) -> pd.DataFrame:
        """One row per measure of every cell whose last attempt is done; see `leakboard.store.frames.results`.

        ``measure`` names the only one to read, such as ``auc``.

        Raises:
            LeakboardError: no cell has that measure.
        """
        found = frames.results(self, measure)
        if measure is not None and found.empty and (known := frames.known_measures(self)):
            raise LeakboardError(
                f"no cell has the measure {measure!r}",
                where=self.url,
                expected=f"one of {', '.join(known)}",
                nearest=nearest(measure, known),
            )
        return found

    def cells(self) -> pd.DataFrame:
        """One row per cell, with how its last attempt went."""
        return frames.cells(self)

    def components(self) -> pd.DataFrame:
        """One row per plugin with parameters: kind, label, spec, identity, info (a dict)."""
        return frames.components(self)

    def runs(self) -> pd.DataFrame:
        """One row per run, oldest first."""
        return frames.runs(self)

    def tasks(self) -> pd.DataFrame:
        """One row per task, oldest first."""
        return frames.tasks(self)

    def failures(self) -> pd.DataFrame:
        """Cells whose last attempt gave no result, grouped by status and error, most frequent first."""
        return frames.failures(self)

    def scores(self) -> pd.DataFrame:
        """One row per evaluation sample of every done cell, read from artifact files."""
        return payloads.scores(self)

    def scores_of(self, key: str) -> tuple[tuple[str, ...], np.ndarray, np.ndarray] | None:
        """Ids, scores and member flags by the ``scores_key`` of one cell; None when the file cannot be read."""
        return payloads.scores_of(self, key)

    def classes(self, dataset: str) -> dict[str, str]:
        """The class of each sample of a dataset, given by label, as far as it is known."""
        return payloads.classes(self, dataset)

    def rarity(self, dataset: str) -> dict[str, float]:
        """How far the nearest others of each sample of a dataset are: mean RMSE of thumbnails; may be empty."""
        return payloads.rarity(self, dataset)

    def features(self) -> pd.DataFrame:
        """One row per sample and feature column, read from artifact files."""
        return payloads.features(self)

    def private_datasets(self) -> list[str]:
        """Labels of the datasets that do not say that everybody may see their images."""
        return payloads.private_datasets(self)

    def pictured(self) -> list[str]:
        """Labels of the datasets of which images are kept."""
        return payloads.pictured(self)

    def lost_contact_sheets(self) -> pd.DataFrame:
        """Whose pictures are missing or damaged: dataset, victim, defense and seed."""
        return payloads.lost_contact_sheets(self)

    def _artifacts(self, given: Path | Bucket | str | None) -> Path | Bucket:
        with self.reading() as connection:
            last = connection.scalar(select(MetaTable.value).where(MetaTable.key == "artifacts"))
        base = self.place.parent if isinstance(self.place, Path) else Path()
        if given is None:
            remembered = locate_files(last) if last else None
            if isinstance(remembered, Bucket):
                return remembered
            default = default_artifacts(self.place)
            # the one last used; after both were copied elsewhere it lies beside the store
            places = (base / remembered, base / remembered.name, default) if remembered else (default,)
            return next((place for place in places if place.is_dir()), places[0])
        place = locate_files(given)
        chosen = _remembered(place, base if isinstance(self.place, Path) else None)
        if chosen != last and not self.read_only:
            with self.writing() as connection:
                connection.execute(delete(MetaTable).where(MetaTable.key == "artifacts"))
                connection.execute(insert(MetaTable).values(key="artifacts", value=chosen))
        return place


def default_artifacts(place: Path | URL) -> Path:
    """The folder of payload files of a store that nobody gave another: beside the file, or here for a server."""
    return place.with_name(f"{place.stem}-artifacts") if isinstance(place, Path) else Path("leakboard-artifacts")


def _remembered(folder: Path | Bucket, base: Path | None) -> str:
    """Relative below the folder ``base`` of a store, so that both can be moved; absolute elsewhere."""
    if isinstance(folder, Bucket):
        return str(folder)
    if base is None:
        return str(folder.absolute())
    inside = Path(os.path.relpath(folder.absolute(), base.absolute()))
    return str(folder.absolute()) if inside.parts[:1] == ("..",) else str(inside)
