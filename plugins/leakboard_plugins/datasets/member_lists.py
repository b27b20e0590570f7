"""Lists of members as they are published: ids or row numbers, as text or in arrays of NumPy."""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from leakboard.api import LeakboardError
from leakboard.errors import nearest
from leakboard_plugins.datasets.finding import sibling

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from leakboard_plugins.datasets.splitting import Mask

MEMBERS = re.compile("train|(?<!non)(?<!non_)(?<!non-)member|^in$|seen", re.IGNORECASE)
NONMEMBERS = re.compile("eval|test|held|valid|non.?member|^out$|unseen", re.IGNORECASE)
SEPARATORS = re.compile(r"[\s,;\[\]()]+")
NEXT = "members='path of a list', or leave members out: half of the images are members then, by split_seed"


class Listing(NamedTuple):
    """Which of N images are members, and which are used at all."""

    member: Mask
    used: Mask


def on_list(ids: Sequence[str], file: Path) -> Listing:
    """What a file says of N images: those it names are members, the rest are not.

    Text has an id a line, or row numbers from 0 on, one a line or between commas; empty lines count for nothing.
    ``.npy`` and ``.npz`` hold row numbers or N truth values. Of two arrays in an ``.npz``, the one of which the name
    says train or member has the members, the one that says eval, test or nonmember the rest, and images on neither are
    not used: SecMI's ``mia_train_idxs`` and ``mia_eval_idxs``, say.

    Raises:
        LeakboardError: the file is missing or damaged, or names what is none of the images.
    """
    everybody = np.ones(len(ids), bool)
    if file.suffix.lower() in {".npy", ".npz"}:
        arrays = _arrays(file, ids)
        members, others = _sides(arrays, file, ids)
        member = _rows(arrays[members], ids, f"{file}, {members}")
        if others is None:
            return Listing(member, everybody)
        rest = _rows(arrays[others], ids, f"{file}, {others}")
        if (member & rest).any():
            raise LeakboardError(
                f"{int((member & rest).sum()):,} rows are in {members} and in {others}, "
                f"the first is {int((member & rest).argmax())}",
                where=str(file),
                expected="members and non-members that share no row",
                next="take the rows that are in both out of one of them",
            )
        return Listing(member, member | rest)
    return Listing(_text(ids, file), everybody)


def _expected(ids: Sequence[str]) -> str:
    return (
        f"UTF-8 text with the id of one member a line, such as {ids[0]}; or row numbers from 0 to {len(ids) - 1}, "
        "as text, .npy or .npz"
    )


def _unread(reason: str, ids: Sequence[str], file: Path, error: Exception) -> LeakboardError:
    return LeakboardError(
        f"the list of members cannot be read: {reason}",
        where=str(file),
        expected=_expected(ids),
        nearest=sibling(file) if isinstance(error, FileNotFoundError) else "",
        next=NEXT,
    )


def _text(ids: Sequence[str], file: Path) -> Mask:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise _unread(getattr(error, "strerror", None) or "it is not UTF-8 text", ids, file, error) from error
    words = [word for word in SEPARATORS.split(text) if word]
    rows = {name: row for row, name in enumerate(ids)}
    if words and all(word.isdecimal() for word in words) and words[0] not in rows:
        return _rows(np.array([int(word[:18]) for word in words]), ids, str(file))
    member = np.zeros(len(ids), bool)
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if line and line not in rows:
            raise LeakboardError(
                f"there is no image {line!r:.200}",
                where=f"{file}, line {number}",
                expected=_expected(ids),
                nearest=nearest(line, ids[:1000]),
                next="write the ids as this dataset spells them, or row numbers alone",
            )
        if line:
            member[rows[line]] = True
    return member


def _arrays(file: Path, ids: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a file that may be row numbers or truth values."""
    try:
        with file.open("rb") as opened:
            loaded = np.load(opened, allow_pickle=False)
            arrays = (
                {"the array": loaded} if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded}
            )
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or "it holds no plain arrays of NumPy"
        raise _unread(reason, ids, file, error) from error
    return {name: array for name, array in arrays.items() if array.ndim == 1 and array.dtype.kind in "biu"}


def _sides(arrays: Iterable[str], file: Path, ids: Sequence[str]) -> tuple[str, str | None]:
    """The names of the array of members, and of that of non-members if there is one."""
    names = list(arrays)
    if len(names) == 1:
        return names[0], None
    others = [name for name in names if NONMEMBERS.search(name)]
    members = [name for name in names if MEMBERS.search(name) and name not in others]
    if len(members) != 1 or len(others) > 1:
        raise LeakboardError(
            f"the arrays {', '.join(names) or '(none)'} do not say which are the row numbers of members",
            where=str(file),
            expected="one array of row numbers, or two such as mia_train_idxs and mia_eval_idxs; " + _expected(ids),
            next="save the row numbers of the members alone: numpy.save('members.npy', rows)",
        )
    return members[0], others[0] if others else None


def _rows(numbers: npt.NDArray[Any], ids: Sequence[str], where: str) -> Mask:
    if numbers.dtype != bool and len(numbers) == len(ids) > 2 and not (set(np.unique(numbers)) - {0, 1}):
        numbers = numbers.astype(bool)
    if numbers.dtype == bool:
        if len(numbers) == len(ids):
            return numbers
        what = f"there are {len(numbers):,} truth values for {len(ids):,} images"
    else:
        wrong = numbers[(numbers < 0) | (numbers >= len(ids))]
        if not len(wrong):
            return np.isin(np.arange(len(ids)), numbers)
        what = f"there is no row {int(wrong[0])} of the {len(ids):,} images"
    raise LeakboardError(
        what, where=where, expected=_expected(ids), next="row numbers count from 0 in the dataset's own order"
    )
