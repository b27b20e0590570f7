"""Shards of features, read from artifacts and put together to what a classifier is given."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from leakboard.api import Unsupported
from leakboard.oracle.bypass import together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard.store.artifacts import Artifacts

KEPT = 2**30
"""Bytes of tables that are kept for the next classifier."""


class Table(NamedTuple):
    """Features of all samples, oriented so that larger means closer, and what the answers behind them cost.

    Attributes:
        values: float64 (N, K), or maps, float32 (N, P, *shape).
        columns: names of the K numbers, or of maps the P pairs.
        queries, evaluations: requests and denoiser evaluations of one sample.
        seconds: of all samples, those of a pool that they share once.
        fit: as in `PartOutcome`.
        refusal: why a defense let no more questions pass, where one did.
        bypass: as in `PartOutcome`.
        remarks: what defenses note of what was asked, a line each.
    """

    values: npt.NDArray[Any]
    columns: tuple[str, ...]
    queries: float
    evaluations: float
    seconds: float
    fit: str
    refusal: str = ""
    bypass: str = ""
    remarks: str = ""


class _Layout(NamedTuple):
    """What the numbers of a row are: their names, and the pairs that they come from with the shape of each."""

    columns: tuple[str, ...]
    pairs: tuple[tuple[str, tuple[int, ...]], ...]


@dataclass
class Tables:
    """The tables of one scoring task: a row for each of ``ids``, in their order. The last ones are kept."""

    artifacts: Artifacts
    ids: tuple[str, ...]
    _kept: dict[tuple[tuple[str, ...], bool], Table] = field(default_factory=dict)

    def get(self, keys: tuple[str, ...], *, maps: bool) -> Table:
        """The table that some shards make, one below the other.

        Raises:
            Missing, Damaged: a shard has to be made again.
            ValueError: the shards do not belong together, or not to these samples.
            Unsupported: maps are wanted, and the pairs are not all of one shape.
        """
        table = self._kept.pop((keys, maps), None) or self._read(keys, maps)
        self._kept[keys, maps] = table
        while len(self._kept) > 1 and sum(kept.values.nbytes for kept in self._kept.values()) > KEPT:
            del self._kept[next(iter(self._kept))]
        return table

    def _read(self, keys: tuple[str, ...], maps: bool) -> Table:
        seen: list[str] = []
        values = np.empty((len(self.ids), 0))
        layout: _Layout | None = None
        seconds = 0.0
        meta: dict[str, str] = {}
        past: list[str] = []
        for key in keys:
            tensors, meta = self.artifacts.get(key)
            found = _layout(meta)
            if layout is None:
                layout = found
                width, shape = (np.float32, _shape(found)) if maps else (np.float64, (len(found.columns),))
                values = np.empty((len(self.ids), *shape), width)
            if found != layout:
                first = unlike(*((*each.columns, *map(str, each.pairs)) for each in (layout, found)))
                raise ValueError(f"the observer yielded other pairs for other samples: {first}")
            start, ids = len(seen), json.loads(meta["ids"])
            seen += ids
            if tuple(seen) != self.ids[: len(seen)]:
                raise ValueError(OTHERS)
            # every number is copied once: into its place, in its width, and turned round where smaller is closer
            sign = 1.0 if json.loads(meta["larger_is_closer"]) else -1.0
            rows = values[start : len(seen)]
            np.multiply(tensors["values"].reshape(rows.shape), sign, out=rows, casting="same_kind", dtype=rows.dtype)
            seconds += float(meta["seconds"])
            past.append(meta.get("bypass", ""))
        if layout is None or tuple(seen) != self.ids:
            raise ValueError(OTHERS)
        names = tuple(label for label, _ in layout.pairs) if maps else layout.columns
        # an empty note: nothing had to be fitted; none at all: older features do not say, and unknown is not exact
        fit = meta["fit"] or "exact" if "fit" in meta else ""
        seconds += float(meta.get("pool_seconds", 0))
        price, refusal = _price(meta, len(self.ids)), meta.get("refusal", "")
        return Table(values, names, *price, seconds, fit, refusal, together(past), meta.get("remarks", ""))


OTHERS = "the features are of other samples than those listed: the dataset does not load alike twice"


def _layout(meta: dict[str, str]) -> _Layout:
    columns = tuple(json.loads(meta["columns"]))
    shapes = json.loads(meta["shapes"]) if "shapes" in meta else [(column, ()) for column in columns]
    return _Layout(columns, tuple((label, tuple(shape)) for label, shape in shapes))


def _shape(layout: _Layout) -> tuple[int, ...]:
    """Pairs, and the one shape that all of them have."""
    shapes = dict.fromkeys(shape for _, shape in layout.pairs)
    if len(shapes) != 1:
        listed = ", ".join("x".join(map(str, shape)) or "a number" for shape in itertools.islice(shapes, 3))
        raise Unsupported(f"maps are wanted, all of one shape, and the pairs have different ones: {listed}")
    return (len(layout.pairs), *next(iter(shapes)))


def alike(*tables: Table) -> list[Table]:
    """Tables with the same columns, so that what is fitted on some fits the last, which is evaluated.

    Where a defense cut off questions, these are the columns that all begin with, and the refusal says how many.

    Raises:
        Unsupported: questions were refused, and the tables do not begin alike.
        ValueError: tables differ though nothing was refused, or hold maps of different shapes.
    """
    shortest, longest = (pick(tables, key=lambda table: len(table.columns)).columns for pick in (min, max))
    refusal = next((table.refusal for table in reversed(tables) if table.refusal), "")
    for table in tables:
        if table.columns != longest and not refusal:
            raise ValueError(f"calibrated and evaluated on different pairs: {unlike(table.columns, longest)}")
        if table.columns[: len(shortest)] != shortest:
            different = unlike(table.columns[: len(shortest)], shortest)
            raise Unsupported(f"calibrated and evaluated on different pairs: {different}, for {refusal}")
    if shortest != longest:
        told = f"{refusal}; calibrated and evaluated on the first {len(shortest)} of {len(longest)} columns"
        tables = tuple(
            table._replace(values=table.values[:, : len(shortest)], columns=shortest, refusal=told) for table in tables
        )
    shapes = list(dict.fromkeys(table.values.shape[1:] for table in tables))
    if len(shapes) > 1:
        raise ValueError(f"calibrated and evaluated on maps of different shapes: {shapes[0]} and {shapes[1]}")
    return list(tables)


def unlike(one: Sequence[str], other: Sequence[str]) -> str:
    """The first names in which two rows of columns differ; there may be thousands."""
    left, right = next(pair for pair in itertools.zip_longest(one, other) if pair[0] != pair[1])
    return f"{left!r:.80} / {right!r:.80}"


def _price(meta: dict[str, str], count: int) -> tuple[float, float]:
    """Requests and denoiser evaluations of one sample of ``count``, who share what was asked for all of them."""
    queries, evaluations = (
        float(meta[name]) + float(meta.get(f"pool_{name}", 0)) / count for name in ("queries", "nfe")
    )
    return queries, evaluations
