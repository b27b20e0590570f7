"""What is attacked: what the store knows of victims and datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leakboard_reports import bills, datasets, formats, manifests

if TYPE_CHECKING:
    import pandas as pd

    from leakboard.store import Store
    from leakboard_reports.payloads import ContactSheet
    from leakboard_reports.reading import Cell


def told(components: pd.DataFrame, cells: list[Cell], sheets: list[ContactSheet], store: Store) -> dict[str, Any]:
    """Tables of the datasets, of the victims' training, price and way of taking images, and all further facts."""
    used = {(axis, getattr(cell, axis)) for cell in cells for axis in ("dataset", "victim")}
    described = [row for row in components.to_dict("records") if (row["kind"], row["label"]) in used]
    of_kind = {
        kind: [(row["label"], row["info"]) for row in described if row["kind"] == kind]
        for kind in ("victim", "dataset")
    }
    return {
        "trained": manifests.trained(of_kind["victim"]),
        "paid": bills.rows(of_kind["victim"], store),
        "taken": manifests.taken(of_kind["victim"], cells),
        "datasets": datasets.rows(of_kind["dataset"], sheets),
        "subjects": [(row["label"], row["kind"], facts) for row in described if (facts := _facts(row["info"]))],
    }


def _facts(info: dict[str, Any]) -> list[tuple[str, str]]:
    """What is known of a victim or a dataset beside the tables: a victim's manifest (losses, recipe, digests), say."""
    known = {name: value for name, value in info.items() if name not in ("doc", "null", "bill", *datasets.TOLD)}
    manifest = known.pop("manifest", None) or {}
    return formats.flatten({**(manifest if isinstance(manifest, dict) else {"manifest": manifest}), **known})
