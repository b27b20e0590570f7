"""What the victims whose weights ship with the package have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from leakboard.api import LeakboardError, Victim
from leakboard_plugins.victims.folders.manifests import NAME, manifest_digest, manifest_facts, read_manifest

if TYPE_CHECKING:
    from pathlib import Path

Level = Literal["light", "moderate", "heavy", "untrained"]


@dataclass(frozen=True, kw_only=True)
class Embedded(Victim):
    """Checkpoints of one training run, each a pipeline folder with a ``manifest.json``, that differ in epochs alone."""

    opened_by: ClassVar[str]
    """The victim that opens a folder that was trained by oneself."""
    level: Level = "moderate"
    """How long it was trained."""

    @classmethod
    def weights(cls) -> Path:
        """The folder that holds the levels."""
        raise NotImplementedError

    @property
    def folder(self) -> Path:
        """The pipeline folder of the level.

        Raises:
            LeakboardError: the level does not come with this installation, or its manifest is missing or spoiled.
        """
        folder = self.weights() / self.level
        if not folder.is_dir():
            raise LeakboardError(
                f"the weights of {self.name}(level={self.level!r}) are not installed",
                where=str(folder),
                expected="the pipeline folder that ships with the package",
                next=f"leakboard train {self.name} --out DIR, then {self.opened_by}(model='DIR/{self.level}')",
            )
        if not read_manifest(folder):
            raise LeakboardError(
                f"the manifest of {self.name}(level={self.level!r}) says nothing of its training",
                where=str(folder / NAME),
                expected="the manifest that ships with the package",
                next="install leakboard again",
            )
        return folder

    @property
    def null(self) -> bool:
        """True for the untrained level: it cannot have learnt its members."""
        return self.level == "untrained"

    @property
    def gated(self) -> bool:
        """True unless it is meant to be untrained."""
        return not self.null

    @classmethod
    def check_shipped(cls) -> list[str]:
        """The levels that come with this installation, after comparing each with its manifest.

        Raises:
            LeakboardError: one is not whole, or its weights are not those of its manifest.
        """
        levels = [level for level in get_args(Level) if (cls.weights() / level).is_dir()]
        for level in levels:
            cls(level=level).files()
        return levels

    def trained_on(self) -> str | None:
        """`member_digest` of the members it was trained on; None for ``untrained``."""
        return manifest_digest(self.folder)

    def facts(self) -> dict[str, Any]:
        """What the manifest says of its training."""
        return manifest_facts(self.folder)
