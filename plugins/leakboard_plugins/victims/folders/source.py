"""Which folder each component of a pipeline lies in, by the rules of diffusers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from leakboard.api import LeakboardError
from leakboard_plugins.victims.folders.known import known_adapter, known_folder
from leakboard_plugins.victims.folders.layout import CONFIG, INDEX, SAVE, config_name, read_json, there_is
from leakboard_plugins.victims.folders.manifests import check_digests

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

DENOISERS = ("unet", "transformer")
"""What pipelines call the component that denoises."""


@dataclass(frozen=True)
class Source:
    """A pipeline's `model_index.json`, and where its components lie.

    Attributes:
        folder: that the user named.
        root: of the pipeline, which is the base's where the folder holds a denoiser alone.
        index: what its `model_index.json` says.
        own: components that the folder has in the place of the base's, by name.
    """

    folder: Path
    root: Path
    index: Mapping[str, Any]
    own: Mapping[str, Path] = field(default_factory=dict)

    def home(self, component: str) -> Path:
        """The folder of a component: of its own, else that of the pipeline, where all files lie side by side."""
        if component in self.own:
            return self.own[component]
        inside = self.root / component
        return inside if inside.is_dir() else self.root

    def config(self, component: str) -> Path:
        """The configuration of a component.

        Raises:
            LeakboardError: there is none.
        """
        path = self.home(component) / config_name(component)
        if not path.exists() and self.home(component) == self.root:
            raise LeakboardError(
                f"{INDEX} names a component that is missing: {component}; {there_is(self.root)}",
                where=str(self.root / component),
                expected=f"a folder {component} with {path.name}, or {path.name} beside {INDEX}",
                next=SAVE,
            )
        return path

    def check_digests(self, weights: Iterable[Path]) -> None:
        """Compare weights with the ``manifest.json`` of the folder that they lie in, if there is one.

        Raises:
            LeakboardError: they are others than it describes.
        """
        waiting = list(weights)
        # a denoiser's folder may lie inside that of its base, whose manifest does not know it
        for root in dict.fromkeys((self.folder, self.root)):
            inside = [path for path in waiting if path.is_relative_to(root)]
            waiting = [path for path in waiting if path not in inside]
            check_digests(root, [path.relative_to(root).as_posix() for path in inside])


def find_source(folder: Path, base: Path | None, layout: str, victim: str) -> Source:
    """The pipeline in a folder, or that of ``base`` with what the folder has in the place of its components.

    Args:
        folder: a pipeline's, or with ``base`` a denoiser's, or one that has a denoiser's inside.
        base: of the pipeline that the rest is taken from.
        layout: what is expected there, in words.
        victim: name of the victim that opens it.

    Raises:
        LeakboardError: there is no pipeline, the folder holds no component of the base, or needs none.
    """
    if base is None:
        if not (folder / INDEX).exists():
            found = known_folder(folder, DENOISERS, victim)
            if found:
                raise found
        return Source(folder, folder, read_json(folder / INDEX, layout))
    if (folder / INDEX).exists():
        raise LeakboardError(
            f"a whole pipeline needs no base, but base={str(base)!r} is given",
            where=str(folder),
            expected="base= beside a denoiser alone",
            next="leave base out",
        )
    index = read_json(base / INDEX, layout)
    own = _components(folder, index)
    if not own:
        raise known_adapter(folder) or LeakboardError(
            f"nothing here takes the place of a component of the base; {there_is(folder)}",
            where=str(folder),
            expected=f"{CONFIG} of a component of {base}, or a folder called as one: "
            + ", ".join(name for name, value in index.items() if isinstance(value, list)),
        )
    return Source(folder, base, index, own)


def _components(folder: Path, index: Mapping[str, Any]) -> dict[str, Path]:
    classes = {name: value[1] for name, value in index.items() if isinstance(value, list) and len(value) == 2}
    if (folder / CONFIG).exists():
        named = read_json(folder / CONFIG).get("_class_name")
        return {name: folder for name, cls in classes.items() if named is not None and cls == named}
    return {name: folder / name for name in classes if (folder / name / config_name(name)).exists()}
