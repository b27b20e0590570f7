"""Members by how often they stood in a training set, to see what copies add to the leak."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from leakboard.api import Dataset, LeakboardError, Samples, member_digest

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, kw_only=True)
class Copied(Dataset):
    """Of another dataset the members that a victim was shown so many copies of, and all non-members.

    Which these are says the manifest of a victim that was trained with planted copies:
    ``leakboard train "fashion_small(copies=(1, 4, 16))"``. Non-members are the same for every number of copies.

    Attributes:
        of: the dataset that the victim was trained on.
        model: the victim's folder.
        copies: how often the members stood in its training set.
    """

    name: ClassVar[str] = "copied"
    of: Dataset
    model: str
    copies: Annotated[int, Field(ge=1)]

    @property
    def public(self) -> bool:
        """As the other dataset."""
        return self.of.public

    def load(self) -> Samples:
        """Its samples, in their order.

        Raises:
            LeakboardError: the manifest is missing or damaged, plants no such copies, or copies of other members.
        """
        whole, ids = self.of.load(), self._copied()
        strangers = ids - {whole.ids[row] for row in np.flatnonzero(whole.member).tolist()}
        if strangers:
            raise LeakboardError(
                f"{len(strangers)} of the copied members are none of {self.of.name}, the first is {min(strangers)!r}",
                where=str(self.files()[0]),
                expected="the dataset that the victim was trained on",
            )
        digest = whole.member_digest or member_digest(np.array(whole.ids)[whole.member].tolist())
        rows = [row for row, name in enumerate(whole.ids) if name in ids or not whole.member[row]]
        return replace(whole.take(rows), member_digest=digest)

    def auxiliary(self) -> Samples:
        """Those of the other dataset."""
        return self.of.auxiliary()

    def files(self) -> Sequence[Path]:
        """The manifest."""
        return (Path(self.model) / "manifest.json",)

    def _copied(self) -> set[str]:
        from leakboard_plugins.victims.folders.manifests import read_manifest

        (path,) = self.files()
        if not path.is_file():
            raise LeakboardError(
                "there is no manifest", where=str(path), expected="the folder of a checkpoint that was trained here"
            )
        planted = read_manifest(path.parent).get("copied_ids")
        planted = planted if isinstance(planted, dict) else {}
        ids = planted.get(str(self.copies))
        if not isinstance(ids, list) or not all(isinstance(name, str) for name in ids):
            known = ", ".join(planted)
            raise LeakboardError(
                f"no member was planted {self.copies} times",
                where=str(path),
                expected=f"copies={known}" if known else "a victim trained with planted copies",
                next="" if known else 'leakboard train "fashion_small(copies=(1, 4, 16))" --out FOLDER',
            )
        return set(ids)
