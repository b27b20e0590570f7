"""Image files below a folder: which of its files count, and what is said of the others."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from leakboard.api import LeakboardError
from leakboard.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

SUFFIXES = frozenset(
    ".avif .bmp .gif .jfif .jpeg .jpg .jp2 .pbm .pgm .png .pnm .ppm .tga .tif .tiff .webp".split()  # noqa: SIM905 - readable
)
TRASH = frozenset({"__macosx", "$recycle.bin", "system volume information", "lost+found", "@eadir"})
"""Folders that programs make for themselves, beside those whose names begin with a dot."""
ADVICE = (
    (".tar .tgz .gz .bz2 .xz .zst .zip .7z .rar", "unpack the archives there: every image has to be a file of its own"),
    (".parquet .arrow", "hf(path='...') reads Parquet and saved datasets"),
    (".npz .npy", "arrays(path='...') reads images that lie in one array"),
    (".lmdb .mdb .tfrecord .tfrecords .h5 .hdf5 .pkl .pt .bin", "write the images out of it, one file each"),
    (".heic .heif .svg .pdf .psd .raw .cr2 .nef .arw .dng .exr .mp4 .avi .mov .mkv", "convert them to PNG"),
    (".txt .caption", "prompts='beside' takes text files beside the images for their captions"),
    (".csv .tsv .jsonl .json", "prompts='path of the table' takes captions from a table"),
)
STARTS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")
"""How the files of common image formats begin."""
PEEKED = 20
"""So many files of unknown endings are looked into."""
SHOWN = 10


@dataclass(frozen=True)
class Found:
    """What a folder holds, found recursively.

    Attributes:
        root: the folder.
        images: image files that may be read, sorted by relative path.
        unreadable: those without read permission.
        others: names of files that do not end like an image.
        hidden: names of hidden and trash folders, and of hidden image files; they are left out.
        followed: links to folders that were read.
        idle: links that lead nowhere, or to a folder that is read anyway or lies above.
    """

    root: Path
    images: tuple[Path, ...]
    unreadable: tuple[Path, ...]
    others: tuple[str, ...]
    hidden: tuple[str, ...]
    followed: tuple[str, ...]
    idle: tuple[str, ...]

    def name_of(self, path: Path) -> str:
        """Path relative to the root with forward slashes, always valid text."""
        return _name(self.root, path)

    def notes(self, what: str, expected: tuple[str, ...] = ()) -> list[str]:
        """What a reader must know of files that were left out, or lie behind links.

        Args:
            what: what to call the folder.
            expected: names of files that serve a purpose although they are no images.
        """
        kinds = (
            (self.hidden, "hidden or trash folders and files in {} were left out"),
            (self.followed, "links to folders in {} were followed"),
            (self.idle, "links in {} lead nowhere, or to what is read anyway or lies above, and were left out"),
        )
        notes = [f"{len(names)} {text.format(what)}: {listed(names)}" for names, text in kinds if names]
        strangers = tuple(name for name in self.others if name not in set(expected))
        if strangers:
            advice = "; ".join(_advice(self.root, strangers))
            told = f"{len(strangers)} files in {what} do not end like an image and were left out: {_kinds(strangers)}"
            notes.append(told + (f" ({advice})" if advice else ""))
        return notes


def local(path: str) -> Path:
    """A path as it was given, with ``~`` for the home of a user.

    Raises:
        LeakboardError: there is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise LeakboardError(f"there is no home of a user for {path!r}", where=path, expected="~ or ~user") from error


def sibling(missing: Path) -> str:
    """What lies beside a missing file or folder under a similar name, or an empty string."""
    try:
        name = nearest(missing.name, (path.name for path in missing.parent.iterdir() if path != missing))
    except (OSError, ValueError):
        return ""
    return str(missing.parent / name) if name else ""


def listed(texts: Sequence[str]) -> str:
    """The first ten of many texts, and how many more there are."""
    return ", ".join(texts[:SHOWN]) + (f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else "")


def find_images(root: Path) -> Found:
    """All files below ``root`` with the suffix of an image format; hidden and trash folders left out, links followed.

    Raises:
        LeakboardError: ``root`` is no folder, it or a folder below cannot be read, or it holds no image.
    """
    try:
        if not root.is_dir():
            raise _no_folder(root)
        files, hidden, followed, idle = _walked(root)
    except OSError as error:
        raise LeakboardError(
            f"a folder of images cannot be read: {error.strerror}",
            where=str(error.filename or root),
            expected="read permission for the folder and all below it",
        ) from error
    files = sorted(files, key=lambda path: path.relative_to(root).as_posix())
    images = [path for path in files if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    dotted = [path for path in files if path.suffix.lower() in SUFFIXES and path.name.startswith(".")]
    others = tuple(_name(root, path) for path in files if path.suffix.lower() not in SUFFIXES)
    hidden = sorted([*hidden, *(_name(root, path) for path in dotted)])
    if not images:
        raise _no_image(root, others, hidden)
    may = [os.access(path, os.R_OK) for path in images]
    return Found(
        root,
        tuple(path for path, yes in zip(images, may, strict=True) if yes),
        tuple(path for path, yes in zip(images, may, strict=True) if not yes),
        others,
        tuple(hidden),
        tuple(sorted(followed)),
        tuple(sorted(idle)),
    )


def _walked(root: Path) -> tuple[list[Path], list[str], list[str], list[str]]:
    """All files; names of hidden folders, of links to folders, and of links that add nothing.

    Links come after all else, so that a folder keeps its own name where a link leads to it too; no folder is read
    twice, so that a ring of links ends.
    """
    above = {os.path.realpath(folder) for folder in root.absolute().parents}
    seen, starts = set[str](), [str(root)]
    files, hidden, followed, idle = list[Path](), list[str](), list[str](), list[str]()
    for start in starts:  # grows while it is walked
        name = _name(root, Path(start))
        if start != str(root):
            again = os.path.realpath(start) in seen | above
            (idle if again else followed).append(name)
            if again:
                continue
        for folder, folders, names in os.walk(start, onerror=_refuse):
            real, kept = os.path.realpath(folder), list[str]()
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            for each in sorted(folders):
                path = Path(folder, each)
                if each.startswith(".") or each.lower() in TRASH:
                    hidden.append(_name(root, path))
                elif path.is_symlink():
                    starts.append(str(path))
                else:
                    kept.append(each)
            folders[:] = kept
            paths = [Path(folder, each) for each in names]
            files += [path for path in paths if path.is_file()]
            idle += [_name(root, path) for path in paths if path.is_symlink() and not path.exists()]
    return files, hidden, followed, idle


def _name(root: Path, path: Path) -> str:
    return os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "backslashreplace")


def _refuse(error: OSError) -> None:
    raise error


def _no_folder(root: Path) -> LeakboardError:
    advice = "give the path of a folder; a relative one starts at the folder the command runs in"
    if root.is_file():
        advice = next((text for endings, text in ADVICE if root.suffix.lower() in endings.split()), advice)
        return LeakboardError(
            f"{str(root)!r} is a file", where=str(root), expected="a folder of image files", next=advice
        )
    return LeakboardError(
        f"there is no folder {str(root)!r}",
        where=str(root),
        expected="a folder of image files",
        nearest=sibling(root),
        next=advice,
    )


def _no_image(root: Path, others: tuple[str, ...], hidden: list[str]) -> LeakboardError:
    there = [_kinds(others)] if others else []
    there += [f"hidden or trash folders and files that are left out ({listed(hidden)})"] if hidden else []
    advice = [text for text in _advice(root, others) if not text.startswith("prompts=")]
    return LeakboardError(
        f"the folder {str(root)!r} holds no image" + (f", but {' and '.join(there)}" if there else ""),
        where=str(root),
        expected="files ending in " + ", ".join(sorted(SUFFIXES)),
        next="; ".join(advice) or "put image files there, or give another folder",
    )


def _kinds(names: tuple[str, ...]) -> str:
    """How many of each ending, most first, with the first of each: ``3 .tar (00000.tar)``."""
    counts = Counter(Path(name).suffix.lower() for name in names)
    first = {Path(name).suffix.lower(): name for name in reversed(names)}
    return listed([f"{n} {ending or 'without an ending'} ({first[ending]})" for ending, n in counts.most_common()])


def _advice(root: Path, names: tuple[str, ...]) -> list[str]:
    """What to do with files that are no images by their endings."""
    endings = {Path(name).suffix.lower() for name in names}
    known = {ending for kinds, _ in ADVICE for ending in kinds.split()}
    advice = [text for kinds, text in ADVICE if endings & set(kinds.split())]
    unknown = [name for name in names if Path(name).suffix.lower() not in known]
    alike = [name for name in unknown[:PEEKED] if _begins_like_an_image(root / name)]
    if alike:
        advice.append(f"{alike[0]} begins like an image: give such files the ending of their format, such as .png")
    return advice


def _begins_like_an_image(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4).startswith(STARTS)
    except OSError:
        return False
