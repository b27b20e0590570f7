"""Scores and features as pandas frames, read from the artifact files beside the store.

A file that was pruned or damaged, or would fill the memory, leaves its rows out; the frame's ``attrs["unreadable"]``
lists one message for each.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import select

from leakboard.api import AXES
from leakboard.keys import contact_sheet_key, samples_key
from leakboard.kinds import FEATURE_AXES
from leakboard.store import frames
from leakboard.store.artifacts import Artifacts, Damaged, Missing
from leakboard.store.tables import ComponentTable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    import pandas as pd

    from leakboard.store.store import Store

    Payload = tuple[dict[str, np.ndarray], dict[str, str]]

FEATURE_LABELS = (*FEATURE_AXES, "seed")
WIDEST = 2048
"""Columns of a features file that may become rows: a frame takes some hundred bytes for each number of each sample."""


def scores(store: Store) -> pd.DataFrame:
    """One row per evaluation sample of every cell whose last attempt is done.

    Columns: cell (key), the cell's axes (categories), sample (its id), member, score (higher = more likely a member).
    """
    import pandas as pd

    cells = frames.cells(store)
    cells = cells[(cells["status"] == "done") & cells["scores_key"].notna()].reset_index(drop=True)
    payloads, unreadable = _read(store, cells["scores_key"].drop_duplicates())
    readable = cells[cells["scores_key"].isin(list(payloads))].reset_index(drop=True)
    parts = [payloads[key] for key in readable["scores_key"]]
    axes = readable[["cell", *frames.GRID]].astype(dict.fromkeys(("cell", *AXES, "attack"), "category"))
    frame = axes.take(np.repeat(np.arange(len(parts)), [len(part[0]["score"]) for part in parts])).reset_index(
        drop=True
    )
    frame["sample"] = pd.Series([name for _, meta in parts for name in json.loads(meta["ids"])], dtype="str")
    frame["member"] = _joined([part[0]["member"] for part in parts], bool)
    frame["score"] = _joined([part[0]["score"] for part in parts], np.float64)
    frame.attrs["unreadable"] = unreadable
    return frame


def scores_of(store: Store, key: str) -> tuple[tuple[str, ...], np.ndarray, np.ndarray] | None:
    """Ids (N,), scores and member flags of the evaluation samples of one cell; None when its file cannot be read."""
    payloads, _ = _read(store, [key])
    if key not in payloads:
        return None
    tensors, meta = payloads[key]
    return tuple(json.loads(meta["ids"])), tensors["score"].astype(np.float64), tensors["member"].astype(np.bool_)


def classes(store: Store, dataset: str) -> dict[str, str]:
    """The class of each sample of a dataset, given by label; empty where its list of samples is gone or tells none."""
    found: dict[str, str] = {}
    for ids, _, meta in _sample_lists(store, dataset):
        found |= dict(zip(ids, json.loads(meta.get("labels", "[]")), strict=False))
    return found


def rarity(store: Store, dataset: str) -> dict[str, float]:
    """How far the nearest others of each sample of a dataset are, given by label, as `leakboard.tasks.likeness` says.

    Samples of which it is not known are left out; empty where the list of samples is gone or tells none.
    """
    found: dict[str, float] = {}
    for ids, tensors, _ in _sample_lists(store, dataset):
        if "rarity" in tensors:
            found |= dict(zip(ids, tensors["rarity"].tolist(), strict=True))
    return {sample: distance for sample, distance in found.items() if math.isfinite(distance)}


def _sample_lists(store: Store, dataset: str) -> Iterator[tuple[list[str], dict[str, np.ndarray], dict[str, str]]]:
    """Ids, and all else that is kept, of each list of samples of the datasets with a label."""
    for row in frames.components(store).to_dict("records"):
        if (row["kind"], row["label"]) == ("dataset", dataset):
            payloads, _ = _read(store, [samples_key(str(row["identity"]))])
            for tensors, meta in payloads.values():
                yield json.loads(meta["ids"]), tensors, meta


def features(store: Store) -> pd.DataFrame:
    """One row per sample and feature column of every features artifact, sorted by what was measured.

    Files of more than `WIDEST` columns, which hold maps, are left out; `leakboard.store.artifacts` reads them.

    Columns: dataset, victim, defense, observer, distance (short spellings), seed, sample (its id), member (missing
    when the dataset's samples artifact is), column (what was measured), value (as the distance gave it).
    """
    import pandas as pd

    flags, without = _flags_by_dataset(store)
    payloads, unreadable = _read(store, store.artifact_digests("features"), _too_wide)
    labels = labels_of(frames.components(store))
    parts = [
        _long(tensors["values"], meta, labels, flags) for _, (tensors, meta) in sorted(payloads.items(), key=_place)
    ]
    names = (*FEATURE_LABELS, "sample", "member", "column", "value")
    empty = pd.DataFrame({name: [] for name in names}).astype({"member": "boolean", "value": "float64"})
    frame = pd.concat(parts, ignore_index=True) if parts else empty
    frame = frame.astype(
        dict.fromkeys((*FEATURE_LABELS[:-1], "column"), "category") | {"seed": "int64", "sample": "str"}
    )
    used = {meta.get("dataset_identity", "") for _, meta in payloads.values()}
    frame.attrs["unreadable"] = [*unreadable, *(why for identity, why in without.items() if identity in used)]
    return frame


def lost_contact_sheets(store: Store) -> pd.DataFrame:
    """Whose pictures were kept once and are missing or damaged now. Columns: dataset, victim, defense, seed."""
    artifacts = Artifacts(store.artifacts)
    return _contact_sheets(store, {key for key in store.artifact_digests("preview") if not artifacts.whole(key)})


def private_datasets(store: Store) -> list[str]:
    """Labels of the datasets that do not say that everybody may see their images."""
    rows = frames.components(store).to_dict("records")
    return sorted(str(r["label"]) for r in rows if r["kind"] == "dataset" and not r["info"].get("public", False))


def pictured(store: Store) -> list[str]:
    """Labels of the datasets of which pictures are kept."""
    artifacts = Artifacts(store.artifacts)
    kept = {key for key in store.artifact_digests("preview") if artifacts.has(key)}
    return sorted(set(_contact_sheets(store, kept)["dataset"]))


def _contact_sheets(store: Store, chosen: Collection[str]) -> pd.DataFrame:
    """Whose pictures lie under some keys: a file may not be there to tell, but its key derives from components."""
    import pandas as pd

    identities = {(row.kind, row.label): str(row.identity) for row in frames.components(store).itertuples()}
    shown = frames.cells(store)[["dataset", "victim", "defense", "seed"]].drop_duplicates()
    keys = [
        contact_sheet_key(
            identities["dataset", dataset], identities["victim", victim], identities["defense", defense], seed
        )
        for dataset, victim, defense, seed in shown.itertuples(index=False)
    ]
    return shown[pd.Series(keys, index=shown.index, dtype="str").isin(list(chosen))].reset_index(drop=True)


def _place(item: tuple[str, Payload]) -> tuple[Any, ...]:
    """What features are sorted by: which task came first depends on who ran it."""
    key, (_, meta) = item
    return (*(meta[name] for name in FEATURE_LABELS[:-1]), int(meta["seed"]), key)


def _long(
    values: np.ndarray,
    meta: dict[str, str],
    labels: dict[tuple[str, str], str],
    flags_by_dataset: dict[str, dict[str, bool]],
) -> pd.DataFrame:
    import pandas as pd

    ids, columns = json.loads(meta["ids"]), json.loads(meta["columns"])
    flags = flags_by_dataset.get(meta.get("dataset_identity", ""), {})
    axes = {name: called(labels, meta, name) for name in FEATURE_LABELS}
    frame = pd.DataFrame(axes, index=range(values.size))
    frame["sample"] = np.repeat(np.asarray(ids, dtype=object), len(columns))
    frame["member"] = pd.array(np.repeat([flags.get(name) for name in ids], len(columns)), dtype="boolean")
    frame["column"] = np.tile(np.asarray(columns, dtype=object), len(ids))
    frame["value"] = values.astype(np.float64).reshape(-1)
    return frame


def labels_of(components: pd.DataFrame) -> dict[tuple[str, str], str]:
    """What `Store.components` are called, by kind and identity, and by kind and spec, of several the newest's."""
    labels: dict[tuple[str, str], str] = {}
    for row in components.itertuples():
        labels[str(row.kind), str(row.spec)] = labels[str(row.kind), str(row.identity)] = str(row.label)
    return labels


def called(labels: Mapping[tuple[str, str], str], meta: Mapping[str, str], kind: str) -> str:
    """What a component is called that the meta of a file names, by identity if it does."""
    spec = meta[kind]
    return labels.get((kind, meta.get(f"{kind}_identity", "")), labels.get((kind, spec), spec))


def _flags_by_dataset(store: Store) -> tuple[dict[str, dict[str, bool]], dict[str, str]]:
    """Member flags by sample id, by the identity of their dataset; datasets may share ids and split them otherwise.

    With them, by identity as well, why those of other datasets are not known.
    """
    kinds = select(ComponentTable.identity, ComponentTable.label).where(ComponentTable.kind == "dataset")
    with store.reading() as connection:
        datasets = [(str(identity), str(label)) for identity, label in connection.execute(kinds)]
    flags: dict[str, dict[str, bool]] = {}
    without: dict[str, str] = {}
    for identity, label in datasets:
        payloads, unreadable = _read(store, [samples_key(identity)])
        for tensors, meta in payloads.values():
            members = tensors["member"].astype(bool).tolist()
            flags[identity] = dict(zip(json.loads(meta["ids"]), members, strict=True))
        if unreadable:
            without[identity] = f"member of the samples of {label}: {unreadable[0]}"
    return flags, without


def _too_wide(payload: Payload) -> str:
    """Why features are not shown as rows, or an empty string."""
    tensors, meta = payload
    count = tensors["values"].shape[1]
    if count <= WIDEST:
        return ""
    return f"{meta['observer']} | {meta['distance']}: {count} columns a sample, more than the {WIDEST} that are shown"


def _read(
    store: Store, keys: Iterable[str], refused: Callable[[Payload], str] = lambda _: ""
) -> tuple[dict[str, Payload], list[str]]:
    """What lies in artifact files, by key, and why others are left out; a file that is refused is let go at once."""
    artifacts = Artifacts(store.artifacts)
    found: dict[str, Payload] = {}
    unreadable: list[str] = []
    for key in keys:
        try:
            payload = artifacts.get(key)
        except (Missing, Damaged) as error:
            unreadable.append(error.what)
            continue
        if reason := refused(payload):
            unreadable.append(f"artifact {key}: {reason}")
        else:
            found[key] = payload
    return found, unreadable


def _joined(parts: list[np.ndarray], dtype: Any) -> np.ndarray:
    return np.concatenate([part.astype(dtype) for part in parts]) if parts else np.empty(0, dtype)
