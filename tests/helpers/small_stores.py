"""Small stores for the tests of the store."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import numpy as np

from leakboard.keys import samples_key
from leakboard.store import AttemptRow, CellRow, ComponentRow, ResultRow, RunInfo, TaskRow
from leakboard.store.artifacts import Artifacts

AXES = ("dataset", "victim", "defense", "observer", "distance", "classifier")
START = datetime(2024, 5, 1, 12, tzinfo=UTC)


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def component(kind, label, *, version="", **info):
    return ComponentRow(
        kind=kind, spec=f"{label}(full=1)", label=label, identity=sha(kind + label + version), info=info
    )


COMPONENTS = [component(axis, f"{axis}_a", access="gray") for axis in AXES]


def cell(number, **more):
    axes = {part.kind: part.identity for part in COMPONENTS}
    return CellRow(
        **{
            "key": sha(f"cell {number}"),
            **axes,
            "seed": number,
            "members": 8,
            "nonmembers": 8,
            "access": "gray",
            **more,
        }
    )


def attempt(row, status="done", minutes=0, auc=0.75, **more):
    numbers = [
        ResultRow(measure="auc", value=auc, low=auc - 0.1, high=auc + 0.1, n_member=4, n_nonmember=4, method="delong"),
        ResultRow(measure="tpr_at_1", value=0.25, n_member=4, n_nonmember=4, flag="hidden"),
    ]
    more.setdefault("results", tuple(numbers) if status == "done" else ())
    created = START + timedelta(minutes=minutes)
    return AttemptRow(cell_key=row.key, status=status, created=created, **more)


def task(**more):
    values = {"kind": "observe", "label": "a task", "victim": sha("v"), "dataset": sha("d"), "status": "done"}
    return TaskRow(**{**values, "seconds": 2.0, "nfe": 8.0, "samples": 8, "cells": 1, "created": START, **more})


def put_scores(artifacts, row):
    tensors = {"score": np.array([0.9, 0.1, 1 / 3]), "member": np.array([1, 0, 1], np.uint8)}
    return artifacts.put(sha(f"scores {row.key}"), tensors, {"ids": json.dumps(["x", "y", "z"])}, "scores")


def put_features(artifacts, seed=0):
    meta = {axis: f"{axis}_a(full=1)" for axis in AXES[:-1]} | {"seed": str(seed), "larger_is_closer": "true"}
    meta |= {"columns": json.dumps(["step 1", "step 2"]), "ids": json.dumps(["x", "y"])}
    meta |= {"queries": "1", "nfe": "4", "dataset_identity": COMPONENTS[0].identity}
    return artifacts.put(sha(f"features{seed or ''}"), {"values": np.arange(4.0).reshape(2, 2)}, meta, "features")


def put_population(artifacts, dataset=COMPONENTS[0], member=(1, 0, 1)):
    meta = {"ids": json.dumps(["x", "y", "z"])}
    return artifacts.put(samples_key(dataset.identity), {"member": np.array(member, np.uint8)}, meta, "samples")


def fill(store, cells=3, uid="run one"):
    """A finished run of some cells, with every kind of artifact."""
    artifacts = Artifacts(store.artifacts)
    run = store.begin_run(
        RunInfo(grid_name="demo", grid_text="x = 1", provenance={"git": "abc"}, started=START, uid=uid)
    )
    rows = [cell(number) for number in range(cells)]
    stored = [put_scores(artifacts, row) for row in rows]
    attempts = [
        attempt(row, minutes=number, scores_key=scores.key, seconds=1.5, queries=2.0, nfe=20.0, batch_size=64)
        for number, (row, scores) in enumerate(zip(rows, stored, strict=True))
    ]
    stored += [put_features(artifacts), put_population(artifacts)]
    store.record(run, task=task(), components=COMPONENTS, cells=rows, attempts=attempts, artifacts=stored)
    store.end_run(run, "done")
    return rows
