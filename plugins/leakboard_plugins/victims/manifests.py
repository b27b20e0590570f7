"""The ``manifest.json`` that training writes beside a pipeline: what it was trained on, and which weights it means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leakboard.api import LeakboardError
from leakboard.digests import file_digest
from leakboard_plugins.victims.layout import read_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAME = "manifest.json"
OURS = frozenset({"member_digest", "recipe"})
"""Keys of which every manifest of ours has at least one; others that happen to lie there are none of our business."""
TOLD = (
    "epochs",
    "seed",
    "members",
    "member_digest",
    "held_out",
    "data",
    "loss",
    "quality",
    "weights",
    "recipe",
    "autoencoder",
    "auxiliary",
)
"""What a report shows of it."""


def read_manifest(folder: Path) -> dict[str, Any]:
    """What the manifest beside a pipeline says; nothing without one of ours.

    Raises:
        LeakboardError: the manifest is no JSON object.
    """
    path = folder / NAME
    manifest = read_json(path) if path.is_file() else {}
    return manifest if OURS & manifest.keys() else {}


def manifest_facts(folder: Path) -> dict[str, Any]:
    """What a report shows of the manifest beside a pipeline; nothing without one.

    Raises:
        LeakboardError: the manifest is no JSON object.
    """
    manifest = read_manifest(folder)
    return {"manifest": {name: manifest[name] for name in TOLD if name in manifest}} if manifest else {}


def manifest_digest(folder: Path) -> str | None:
    """Digest of the member ids from the ``manifest.json`` beside a pipeline; None without one, or if untrained.

    Raises:
        LeakboardError: the manifest is no such JSON.
    """
    manifest = read_manifest(folder)
    if not manifest:
        return None
    digest = manifest.get("member_digest")
    if not isinstance(digest, str):
        raise LeakboardError("the manifest names no members", where=str(folder / NAME), expected="a member_digest")
    return digest if manifest.get("epochs") != 0 else None


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
    told = manifest.get("weights")
    told = told if isinstance(told, dict) else {}
    parts = told.get("parts")
    promised = {told.get("file"): told.get("sha256"), **(parts if isinstance(parts, dict) else {})}
    for name in names:
        if name not in promised:
            raise LeakboardError("the manifest names no weights", where=str(path), expected=f"a digest of {name}")
        found = file_digest(folder / name)
        if found != promised[name]:
            raise LeakboardError(
                "the weights are not those that the manifest describes",
                where=str(folder / name),
                expected=f"sha256 {promised[name]}, but it is {found}",
                next="get the whole folder again (embedded victims: install leakboard again)",
            )
