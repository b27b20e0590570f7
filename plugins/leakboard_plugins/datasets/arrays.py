"""Images, labels and membership that lie in arrays of NumPy: ``.npz`` and ``.npy``."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple

import numpy as np
from pydantic import Field

from leakboard.api import Dataset, LeakboardError, Samples, member_digest
from leakboard.errors import nearest
from leakboard_plugins.datasets.captions import photos_of
from leakboard_plugins.datasets.finding import local, sibling
from leakboard_plugins.datasets.member_lists import on_list
from leakboard_plugins.datasets.splitting import half

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt
    import torch

    from leakboard_plugins.datasets.splitting import Mask

    Array = npt.NDArray[Any]

SIDES = (
    ("members", "nonmembers"),
    ("member_images", "nonmember_images"),
    ("x_train", "x_test"),
    ("train_images", "test_images"),
    ("X_train", "X_test"),
    ("train", "test"),
)
"""Names that the arrays of both sides go by; Keras has the third, MedMNIST the fourth."""
IMAGES = ("images", "x", "X", "data", "arr_0")
LABELS = ("labels", "label", "y", "Y", "targets")
EXPECTED = "images (N, H, W), (N, H, W, C) or (N, C, H, W), uint8 or floats in [0, 1]"


class Side(NamedTuple):
    """Images as they lie in the file, the name of their array, their labels or None."""

    images: Array
    name: str
    labels: Array | None


@dataclass(frozen=True, kw_only=True)
class Arrays(Dataset):
    """Your own images out of an array: ``.npz`` or ``.npy``, with labels and membership if it has them.

    Members and non-members may be two arrays (``members`` and ``nonmembers``, ``x_train`` and ``x_test`` as in Keras,
    ``train_images`` and ``test_images`` as in MedMNIST) or two files; or one array of images (``images``, ``x``,
    ``data``) beside an array ``member`` of truth values. Labels (``labels``, ``y``; ``y_train`` and ``y_test``) are
    taken if they are there; names make prompts, ``a photo of a {label}``. Images are (N, H, W), (N, H, W, C) or
    (N, C, H, W), uint8 or floats in [0, 1]. Ids are the name of the array and the row: ``x_train-0000000``.
    """

    name: ClassVar[str] = "arrays"
    path: str
    """The file."""
    images: str = ""
    """The array of images, or of the members' images; without one it goes by the names above."""
    nonmember_images: str = ""
    """The array of the non-members' images, if it is another one."""
    nonmember_path: str = ""
    """Another file that has the non-members."""
    members: str = ""
    """List of members among one array: an id or a row number a line, or row numbers in ``.npy`` or ``.npz``."""
    split_seed: Annotated[int, Field(ge=0)] = 0
    """Which half of one array are members, when nothing says so."""
    licence: str = ""
    """What the notes say of the licence of the images."""

    def load(self) -> Samples:
        """Members first where they are an array of their own; images float32 (N, C, H, W) in [0, 1].

        Raises:
            LeakboardError: a file is missing or damaged, there is no array of images, or arrays do not fit.
        """
        import torch

        sides, flags = self._sides()
        names = [
            f"nonmembers-{side.name}" if place and self.nonmember_path else side.name
            for place, side in enumerate(sides)
        ]
        ids = tuple(
            f"{name}-{row:07d}" for name, side in zip(names, sides, strict=True) for row in range(len(side.images))
        )
        used = np.ones(len(ids), bool)
        if len(sides) == 2:
            member = np.arange(len(ids)) < len(sides[0].images)
            counts = [f"the {len(side.images):,} images of {name}" for side, name in zip(sides, names, strict=True)]
            how = "; non-members: ".join(counts)
        elif self.members:
            member, used = on_list(ids, local(self.members))
            how = f"{int(member.sum()):,} of the {len(ids):,} images, those on {local(self.members).name}"
        elif flags is not None:
            member, how = flags, f"{int(flags.sum()):,} of the {len(ids):,} images, those that the array member says"
        else:
            member = half(ids, self.split_seed)
            how = f"{int(member.sum()):,} of the {len(ids):,} images, half, by split_seed={self.split_seed}"
        tensors = [self._tensor(side) for side in sides]
        if len({each.shape[1:] for each in tensors}) > 1:
            raise self._wrong(f"images differ in shape: {' and '.join(str(tuple(each.shape[1:])) for each in tensors)}")
        labels = _texts(sides)
        rows = np.flatnonzero(used).tolist()
        samples = Samples(
            ids,
            torch.cat(tensors),
            member,
            prompts=labels and photos_of(labels),
            notes=(f"licence: {self.licence or 'not stated'}", f"members: {how}"),
            labels=labels,
            member_digest=member_digest([ids[row] for row in np.flatnonzero(member)]),
        )
        return samples if used.all() else samples.take(rows)

    def files(self) -> Sequence[Path]:
        """The files of arrays, and the list of members."""
        found = {path: local(path) for path in (self.path, self.nonmember_path, self.members) if path}
        for given, path in found.items():
            if not path.is_file():
                near = nearest(path.name, [each.name for each in path.parent.glob("*")] if path.parent.is_dir() else [])
                raise LeakboardError(
                    f"there is no file {path.name}",
                    where=given,
                    expected="an .npz or .npy file of images, or a list of members",
                    nearest=near,
                )
        return list(found.values())

    def _sides(self) -> tuple[list[Side], Mask | None]:
        """One or two sides, and who is a member where an array of one side says so."""
        arrays = _read(local(self.path))
        pair = next((pair for pair in SIDES if set(pair) <= arrays.keys()), None)
        if self.nonmember_path:
            first = self._side(arrays, self.images or _first(arrays, (*IMAGES, *(name for name, _ in SIDES))))
            others = _read(local(self.nonmember_path))
            known = (*([self.nonmember_images] if self.nonmember_images else []), first.name, *IMAGES)
            return [first, self._side(others, _first(others, (*known, *(name for _, name in SIDES))))], None
        if self.nonmember_images or (pair and not self.images):
            names = (self.images or (pair or ("", ""))[0], self.nonmember_images or (pair or ("", ""))[1])
            return [self._side(arrays, name) for name in names], None
        side = self._side(arrays, self.images or _first(arrays, IMAGES))
        flags = arrays.get("member")
        if flags is None:
            return [side], None
        if flags.shape != (len(side.images),) or not np.isin(flags, (0, 1)).all():
            raise self._wrong(f"the array member is {_kind(flags)}, for {len(side.images):,} images")
        return [side], flags.astype(bool)

    def _side(self, arrays: dict[str, Array], name: str) -> Side:
        if name not in arrays:
            there = ", ".join(f"{key} {_kind(array)}" for key, array in arrays.items())
            raise LeakboardError(
                f"there is no array {name!r}" if name else "no array goes by a name that images have",
                where=self.path,
                expected=f"one of: {there}",
                nearest=nearest(name, arrays),
                next="images='name', and nonmember_images='name' if the non-members are another array",
            )
        wanted = [name.replace("images", "labels"), name.replace("x_", "y_").replace("X_", "y_"), f"{name}_labels"]
        wanted += LABELS if name in IMAGES or name == self.images else ()
        labels = next((arrays[each] for each in wanted if each != name and each in arrays), None)
        images = arrays[name]
        if labels is not None and labels.squeeze().shape != (len(images),):
            labels = None
        return Side(images, name, None if labels is None else labels.squeeze())

    def _tensor(self, side: Side) -> torch.Tensor:
        import torch

        images = side.images
        if images.ndim == 3:
            images = images[:, None]
        elif images.ndim == 4 and images.shape[3] in {1, 3} and images.shape[1] not in {1, 3}:
            images = images.transpose(0, 3, 1, 2)
        elif images.ndim == 4 and images.shape[3] in {1, 3}:
            raise self._wrong(f"{side.name} is {_kind(side.images)}: either side may be the channels")
        if images.ndim != 4 or images.shape[1] not in {1, 3} or not images.size:
            raise self._wrong(f"{side.name} is {_kind(side.images)}")
        if images.dtype == np.uint8:
            return torch.from_numpy(np.ascontiguousarray(images)).float().div(255)
        if images.dtype.kind != "f" or not (images.min() >= 0 and images.max() <= 1):
            raise self._wrong(f"{side.name} is {_kind(side.images)} with values {images.min():g} to {images.max():g}")
        return torch.from_numpy(np.ascontiguousarray(images, np.float32))

    def _wrong(self, what: str) -> LeakboardError:
        return LeakboardError(
            what, where=self.path, expected=EXPECTED, next="save the array anew in one of these forms"
        )


def _read(path: Path) -> dict[str, Array]:
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            return {"arr_0": loaded} if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise LeakboardError(
            f"the arrays cannot be read: {getattr(error, 'strerror', None) or 'it holds no plain arrays of NumPy'}",
            where=str(path),
            expected="an .npz or .npy without Python objects",
            nearest=sibling(path) if isinstance(error, FileNotFoundError) else "",
            next="numpy.savez('images.npz', members=..., nonmembers=...)",
        ) from error


def _first(arrays: dict[str, Array], names: Sequence[str]) -> str:
    return next((name for name in names if name in arrays), "")


def _kind(array: Array) -> str:
    return f"{array.dtype} ({', '.join(map(str, array.shape))})"


def _texts(sides: Sequence[Side]) -> tuple[str, ...] | None:
    """The labels of all sides as texts, if all have some."""
    found: list[str] = []
    for side in sides:
        if side.labels is None or side.labels.dtype.kind not in "iuU":
            return None
        found += [str(label) for label in side.labels.tolist()]
    return tuple(found)
