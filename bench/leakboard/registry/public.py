"""Whose images may be shown to everybody who reads a report."""

from __future__ import annotations

import functools
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from leakboard.faults import blamed
from leakboard.hookspecs import PROJECT

if TYPE_CHECKING:
    from leakboard.registry.bind import Bound


def is_public(dataset: Bound) -> bool:
    """Whether a dataset says that everybody may see its images, or ships with Leakboard: it and all that it reads.

    Raises:
        LeakboardError: it fails to say so, or to name its files.
    """
    with blamed(dataset.label, "public"):
        if dataset.only.public:
            return True
    package = type(dataset.only).__module__.partition(".")[0]
    file = getattr(sys.modules.get(package), "__file__", None)
    if package not in _own() or not file:
        return False
    (files,) = dataset.files
    return bool(files) and all(path.is_relative_to(Path(file).parent) for path in files)


@functools.cache
def _own() -> frozenset[str]:
    """Packages of plugins that come with Leakboard itself."""
    found = entry_points(group=PROJECT)
    return frozenset(e.module.partition(".")[0] for e in found if e.dist is not None and e.dist.name == PROJECT)
