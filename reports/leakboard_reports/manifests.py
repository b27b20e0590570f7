"""What is known of victims: their training, for how far one overfits bounds what can leak, and how they take images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leakboard_reports.formats import ABSENT, MINUS, decibel, decimal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from leakboard_reports.reading import Cell


@dataclass(frozen=True)
class VictimRow:
    """One victim's training as texts; ``weights`` is the whole sha256, ``defenses`` what it was defended by, if any."""

    label: str
    epochs: str
    members: str
    held_out: str
    quality: str
    weights: str
    defenses: str = ""


@dataclass(frozen=True)
class Trained:
    """All victims that have a manifest, and the rules by which their numbers were measured."""

    rows: tuple[VictimRow, ...]
    loss_rules: tuple[str, ...]
    quality_rules: tuple[str, ...]


@dataclass(frozen=True)
class Taken:
    """How one victim takes images.

    Attributes:
        label: the victim.
        fits: how those of each dataset were fitted to it: dataset and the rule in words.
        autoencoder: what it loses and gives away by itself, in words; empty without one, or where nobody measured it.
        leaks: whether the interval of the autoencoder's own AUC excludes one half.
        rule: how the autoencoder was measured.
    """

    label: str
    fits: tuple[tuple[str, str], ...]
    autoencoder: str
    leaks: bool
    rule: str


def taken(victims: Iterable[tuple[str, Mapping[str, Any]]], cells: Sequence[Cell]) -> list[Taken]:
    """From labels and facts as in `trained`, and the cells that tell how images were fitted."""
    found = []
    for label, facts in victims:
        manifest = facts.get("manifest")
        auc = _at(manifest, "autoencoder.auc")
        low, high = _real(_at(auc, "low")), _real(_at(auc, "high"))
        fits = sorted({(cell.dataset, cell.fit) for cell in cells if cell.victim == label})
        leaks = low is not None and high is not None and not low <= 0.5 <= high
        rule = str(_at(manifest, "autoencoder.rule") or "")
        found.append(Taken(label, tuple(fits), _autoencoder(manifest), leaks, rule))
    return found


def _autoencoder(manifest: Any) -> str:
    psnr, images = _real(_at(manifest, "autoencoder.psnr")), _at(manifest, "auxiliary")
    auc, low, high = (_real(_at(manifest, f"autoencoder.auc.{name}")) for name in ("value", "low", "high"))
    parts = []
    if psnr is not None:
        parts.append(f"PSNR {decibel(psnr)}")
    if auc is not None:
        interval = "" if low is None or high is None else f" [{decimal(low)}, {decimal(high)}]"
        parts.append(f"own AUC {decimal(auc)}{interval}")
    if parts and isinstance(images, int):
        parts.append(f"trained on {images:,} auxiliary images")
    return ", ".join(parts)


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
            _listed(_at(manifest, "training_defenses")),
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


def _listed(value: Any) -> str:
    """Texts in a row; manifests of others may have anything there."""
    return ", ".join(map(str, value)) if isinstance(value, list) else ""


def _real(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _number(value: Any) -> str:
    """A number, or a mean with its standard error."""
    if isinstance(value, dict):
        mean, error = _number(value.get("mean")), value.get("error")
        return f"{mean} ± {error:.1g}" if isinstance(error, int | float) else mean
    if isinstance(value, float):
        return f"{value:#.4g}".replace("-", MINUS)
    return str(value) if isinstance(value, int) else ABSENT
