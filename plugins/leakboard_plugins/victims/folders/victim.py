"""What all victims that a pipeline folder makes have in common: what the manifest beside it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leakboard.api import Victim
from leakboard_plugins.victims.folders.manifests import manifest_digest, manifest_facts, manifest_members

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from leakboard.api import Mask


class FolderVictim(Victim):
    """A victim in the folder of a diffusers pipeline, perhaps with a ``manifest.json`` beside its components."""

    @property
    def folder(self) -> Path:
        """Where the pipeline is.

        Raises:
            LeakboardError: there is no such pipeline.
        """
        raise NotImplementedError

    @property
    def described(self) -> Path:
        """The folder whose manifest says what it was trained on last.

        Raises:
            LeakboardError: there is no such folder.
        """
        return self.folder

    def members(self, ids: Sequence[str]) -> Mask | None:
        """Which of these samples (N,) the manifest lists as members; None if it lists none, or if untrained.

        Raises:
            LeakboardError: the manifest is damaged.
        """
        return manifest_members(self.described, ids)

    def trained_on(self) -> str | None:
        """`member_digest` of the members it was trained on, from its manifest; None without one, or if untrained.

        Raises:
            LeakboardError: the manifest is damaged.
        """
        return manifest_digest(self.described)

    def facts(self) -> dict[str, Any]:
        """What the manifest says of its training, if there is one.

        Raises:
            LeakboardError: the manifest is damaged.
        """
        return manifest_facts(self.described)
