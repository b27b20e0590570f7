"""What victims' manifests say of their training, side by side: how far a victim overfits bounds what can leak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leakboard_reports.formats import ABSENT, MINUS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class VictimRow:
    """One victim's training as texts; ``weights`` is the whole sha256, empty when unknown."""

    label: str
    epochs: str
    members: str
    held_out: str
    quality: str
    weights: str


@dataclass(frozen=True)
class Trained:
    """All victims that have a manifest, and the rules by which their numbers were measured."""

    rows: tuple[VictimRow, ...]
    loss_rules: tuple[str, ...]
    quality_rules: tuple[str, ...]


def trained(victims: Iterable[tuple[str, Mapping[str, Any]]]) -> Trained:
    """From labels and the facts that the store keeps of each victim; a manifest may lack any part."""
    known = [(label, facts["manifest"]) for label, facts in victims if isinstance(facts.get("manifest"), dict)]
    rows = tuple(
        VictimRow(
            label,
            _number(_at(manifest, "epochs")),
            _number(_at(manifest, "loss.members")),
            _number(_at(manifest, "loss.held_out")),
            _number(_at(manifest, "quality.kernel_distance")),
            str(_at(manifest, "weights.sha256") or ""),
        )
        for label, manifest in known
    )
    rules = [tuple(dict.fromkeys(_texts(known, path))) for path in ("loss.rule", "quality.rule")]
    return Trained(rows, *rules)


def _texts(known: Iterable[tuple[str, Mapping[str, Any]]], path: str) -> list[str]:
    return [str(text) for _, manifest in known if (text := _at(manifest, path))]


def _at(facts: Any, path: str) -> Any:
    """What stands at a dotted place, or None: manifests of others may have any shape."""
    for name in path.split("."):
        facts = facts.get(name) if isinstance(facts, dict) else None
    return facts


def _number(value: Any) -> str:
    """A number, or a mean with its standard error."""
    if isinstance(value, dict):
        mean, error = _number(value.get("mean")), value.get("error")
        return f"{mean} ± {error:.1g}" if isinstance(error, int | float) else mean
    if isinstance(value, float):
        return f"{value:#.4g}".replace("-", MINUS)
    return str(value) if isinstance(value, int) else ABSENT
