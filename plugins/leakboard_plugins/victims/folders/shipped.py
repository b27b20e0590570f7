"""What the victims whose weights ship with the package have in common."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal, Self, get_args

from leakboard.api import LeakboardError
from leakboard_plugins.victims.folders.manifests import NAME, read_manifest
from leakboard_plugins.victims.folders.victim import FolderVictim

Level = Literal["light", "moderate", "heavy", "untrained"]
WEIGHTS = Path(__file__).parents[2] / "weights"
"""A folder for each of these victims, and in it one for each level."""


@dataclass(frozen=True, kw_only=True)
class Shipped(FolderVictim):
    """Checkpoints of one training run, each a pipeline folder with a ``manifest.json``, that differ in epochs alone."""

    opened_by: ClassVar[str]
    """Name of the victim that opens such a folder when users trained it themselves."""
    level: Level = "moderate"
    """How long it was trained."""

    @property
    def part(self) -> str:
        """Its folder among its weights, and in the folder that its training writes."""
        return self.level

    @property
    def training(self) -> str:
        """The command that makes it."""
        return f"leakboard train {self.name} --out DIR"

    @property
    def folder(self) -> Path:
        """The pipeline folder of the level.

        Raises:
            LeakboardError: the level does not come with this installation, or its manifest is missing or damaged.
        """
        folder = WEIGHTS / self.name / self.part
        if not folder.is_dir():
            raise LeakboardError(
                f"the weights of {self.name}, {self.part}, are not installed",
                where=str(folder),
                expected="the pipeline folder that ships with the package",
                next=f"{self.training}, then {self.opened_by}(model='DIR/{self.part}')",
            )
        # without its manifest, what ships could not be told from what took its place
        if not read_manifest(folder):
            raise LeakboardError(
                f"the manifest of {self.name}, {self.part}, says nothing of its training",
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

    def checkpoints(self) -> list[Self]:
        """All that may come with an installation."""
        return [replace(self, level=level) for level in get_args(Level)]

    def check_shipped(self) -> list[str]:
        """The checkpoints that come with this installation, after comparing the weights of each with its manifest.

        Raises:
            LeakboardError: one is not whole, or its weights are not those of its manifest.
        """
        there = [each for each in self.checkpoints() if (WEIGHTS / self.name / each.part).is_dir()]
        for each in there:
            each.files()
        return [each.part for each in there]
