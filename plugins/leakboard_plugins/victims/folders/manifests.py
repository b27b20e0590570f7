"""The ``manifest.json`` that training writes beside a pipeline: what it was trained on, and digests of its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from leakboard.api import LeakboardError, member_digest
from leakboard.digests import file_digest
from leakboard_plugins.victims.folders.layout import TABLE_BYTES, read_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from leakboard.api import Mask

NAME = "manifest.json"
OURS = frozenset({"member_digest", "recipe"})
"""Keys of which every manifest of ours has at least one; other files of that name are not looked at."""
UNSHOWN = ("format", "level", "device", "member_ids", "copied_ids", "held_out_digest", "auxiliary_digest", "versions")
"""Keys of every manifest that say nothing to a reader of a report, who sees all others, those of recipes too."""


def read_manifest(folder: Path) -> dict[str, Any]:
    """What the manifest beside a pipeline says; nothing without one of ours.

    Raises:
        LeakboardError: the manifest is no JSON object.
    """
    path = folder / NAME
    manifest = read_json(path, largest=TABLE_BYTES) if path.is_file() else {}
    return manifest if OURS & manifest.keys() else {}


def manifest_facts(folder: Path) -> dict[str, Any]:
    """What a report shows of the manifest beside a pipeline; nothing without one.

    Raises:
        LeakboardError: the manifest is no JSON object.
    """
    shown = {name: value for name, value in read_manifest(folder).items() if name not in UNSHOWN}
    return {"manifest": shown} if shown else {}


def manifest_digest(folder: Path) -> str | None:
    """Digest of the member ids from the ``manifest.json`` beside a pipeline; None without one, or if untrained.

    Raises:
        LeakboardError: the manifest is no JSON object, or has no such digest.
    """
    manifest = read_manifest(folder)
    if not manifest:
        return None
    digest = manifest.get("member_digest")
    if not isinstance(digest, str):
        raise LeakboardError("the manifest names no members", where=str(folder / NAME), expected="a member_digest")
    return digest if manifest.get("epochs") != 0 else None


def manifest_members(folder: Path, ids: Sequence[str]) -> Mask | None:
    """Which of these samples (N,) the manifest beside a pipeline lists as members.

    None if there is no manifest, if it has no list (older trainings wrote only the digest), or if untrained.

    Raises:
        LeakboardError: the manifest is no JSON object, or its list is not the one that its digest was made of.
    """
    digest, listed = manifest_digest(folder), read_manifest(folder).get("member_ids")
    if digest is None or listed is None:
        return None
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise LeakboardError(
            "the member_ids of the manifest are no list of texts",
            where=str(folder / NAME),
            expected="the ids of the samples it was trained on",
        )
    if member_digest(listed) != digest:
        raise LeakboardError(
            f"the {len(listed)} member_ids of the manifest are not those that its member_digest was made of",
            where=str(folder / NAME),
            expected=f"ids whose digest is {digest}",
            next="get the whole folder again, or write its manifest again with leakboard train",
        )
    known = set(listed)
    return np.array([name in known for name in ids], bool)


def check_digests(folder: Path, names: Sequence[str]) -> None:
    """Compare weights with the ``manifest.json`` beside the pipeline, if there is one.

    It says ``{"file": ..., "sha256": ...}`` of the denoiser's weights, and of a pipeline with more networks also
    ``"parts"``, the digest of each file of weights.

    Args:
        folder: the pipeline's.
        names: the weights it must describe, relative to the folder.

    Raises:
        LeakboardError: it does not describe them, or they are others.
    """
    path, manifest = folder / NAME, read_manifest(folder)
    if not manifest:
        return
    weights = manifest.get("weights")
    weights = weights if isinstance(weights, dict) else {}
    parts = weights.get("parts")
    digests = {weights.get("file"): weights.get("sha256"), **(parts if isinstance(parts, dict) else {})}
    for name in names:
        if name not in digests:
            raise LeakboardError("the manifest names no weights", where=str(path), expected=f"a digest of {name}")
        found = file_digest(folder / name)
        if found != digests[name]:
            raise LeakboardError(
                "the weights are not those that the manifest describes",
                where=str(folder / name),
                expected=f"sha256 {digests[name]}, but it is {found}",
                next="get the whole folder again (embedded victims: install leakboard again)",
            )
