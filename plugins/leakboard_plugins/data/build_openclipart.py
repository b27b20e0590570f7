"""Draw the openclipart dataset that ships with Leakboard from the SVG files of Debian's package ``openclipart-svg``.

Every picture is cut to what it shows, centred on a white square and reduced to 64x64; its caption is its title and
its keywords. Geometric shapes, flags, patterns, icon themes and all decks of cards but one are left out: they are many
and alike. What still looks alike is kept once; ``openclipart_copies.csv`` lists each picture that was left out beside
the kept one that it is like. Members, non-members and the auxiliary pool are runs of one random permutation.

    apt install openclipart-svg librsvg2-bin
    python -m leakboard_plugins.data.build_openclipart /usr/share/openclipart/svg

Open Clip Art Library 0.18: in the public domain, see LICENSE-openclipart.txt.
"""

import csv
import io
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

SEED = 2311
SIDE = 64
DRAWN = 512
"""Pixels of the longer side before a picture is cut and reduced."""
LEFT_OUT = (
    *("buttons", "computer/buttons", "computer/icons", "logos", "shapes", "signs_and_symbols/flags", "special"),
    *(f"recreation/games/cards/{deck}" for deck in ("bordered", "ornamental", "white")),
)
MARGIN = 0.04
WORDS = 12
"""Words of a caption at most: what comes after is cut."""
LIKENESS = 0.35
"""Distance of two pictures at 32x32, beside their own distances from white, below which they are near-duplicates."""
FAINTEST = 0.02
"""Share of a picture that must not be white."""
MEMBERS = NONMEMBERS = 1024
SECONDS = 20
CREATOR = "{http://purl.org/dc/elements/1.1/}"
KEYWORD = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}li"
FLAGS = {"flag", "flags"}
CREDITS = re.compile(r"\b(?:clipart by nicu buculei|architetto francesco rollandin|architetto|externally linked)\b")
"""Of artists and of the collection, in titles and keywords."""
SAYS_NOTHING = frozenset(
    (
        *("a", "an", "and", "art", "b", "by", "clip", "clipart", "cliparts", "hash", "image", "mapsym", "of", "svg"),
        *("the", "title", "unsorted", "untitled", "various", "w"),
    )
)

Pixels = npt.NDArray[np.uint8]


def caption_of(file: Path) -> str:
    """Title and keywords in small letters, each word once; an empty string for flags, and where nothing is said."""
    try:
        root = ET.fromstring(file.read_bytes())  # noqa: S314 - files of the package
    except ET.ParseError:
        return ""
    titles = [each.text for each in root.iter(f"{CREATOR}title")][:1]
    keywords = [each.text for each in root.iter(KEYWORD)]
    text = " ".join(re.sub(r"[^a-z0-9']+", " ", (part or "").lower()) for part in (*titles, *keywords))
    words = [word for word in CREDITS.sub(" ", text).split() if word not in SAYS_NOTHING]
    return "" if FLAGS & {*words} else " ".join(list(dict.fromkeys(words))[:WORDS])


def drawn(file: Path) -> Pixels | None:
    """The picture centred on white (64, 64, 3), or None where nothing can be seen."""
    size = ["--width", str(DRAWN), "--height", str(DRAWN), "--keep-aspect-ratio"]
    command = ["rsvg-convert", *size, "--background-color", "white", "--format", "png", str(file)]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=SECONDS)  # noqa: S603 - its own arguments
        image = Image.open(io.BytesIO(done.stdout)).convert("RGB")
    except (subprocess.SubprocessError, OSError):
        return None
    shown = np.argwhere((np.asarray(image) < 250).any(-1))
    if not len(shown):
        return None
    (top, left), (bottom, right) = shown.min(0).tolist(), (shown.max(0) + 1).tolist()
    cut = image.crop((left, top, right, bottom))
    side = round(max(cut.size) * (1 + 2 * MARGIN))
    square = Image.new("RGB", (side, side), "white")
    square.paste(cut, ((side - cut.width) // 2, (side - cut.height) // 2))
    small = np.asarray(square.resize((SIDE, SIDE), Image.Resampling.BOX))
    return small if (small < 250).any(-1).mean() >= FAINTEST else None


def likest(images: Pixels) -> npt.NDArray[np.intp]:
    """For each picture the place of the earlier kept one that it is like, or its own place (N,)."""
    # from white: it tells faint pictures apart, which all are near each other, and not dark ones of equal outline
    ink = 1 - images.reshape(len(images), SIDE // 2, 2, SIDE // 2, 2, 3).mean((2, 4)) / 255
    flat = ink.reshape(len(images), -1).astype(np.float32)
    lengths = np.sqrt(np.square(flat).sum(1))
    kept: list[int] = []
    found = np.arange(len(images))
    for place, image in enumerate(flat):
        if kept:
            apart = np.sqrt(np.square(flat[kept] - image).sum(1) / (lengths[kept] * lengths[place]))
            if apart.min() < LIKENESS:
                found[place] = kept[int(apart.argmin())]
                continue
        kept.append(place)
    return found


def build(source: Path, target: Path, copies: Path) -> None:
    """Write the set (``images``, ``captions``, ``ids``, ``split``: 1 member, 2 auxiliary) and the list of copies."""
    files = sorted(file for file in source.rglob("*.svg") if file.is_file() and not file.is_symlink())
    names = [file.relative_to(source).with_suffix("").as_posix() for file in files]
    wanted = [
        (file, name, caption)
        for file, name in zip(files, names, strict=True)
        if not name.startswith(tuple(f"{folder}/" for folder in LEFT_OUT)) and (caption := caption_of(file))
    ]
    with ThreadPoolExecutor() as pool:
        pictures = list(pool.map(drawn, [file for file, *_ in wanted]))
    seen = [
        (name, caption, image) for (_, name, caption), image in zip(wanted, pictures, strict=True) if image is not None
    ]
    images = np.stack([image for *_, image in seen])
    like = likest(images)
    order = np.random.default_rng(SEED).permutation(np.flatnonzero(like == np.arange(len(like))))
    split = np.full(len(order), 2, np.uint8)
    split[:MEMBERS], split[MEMBERS : MEMBERS + NONMEMBERS] = 1, 0
    ids = [f"openclipart-{seen[place][0]}" for place in order]
    captions = [seen[place][1] for place in order]
    np.savez_compressed(target, images=images[order], captions=captions, ids=ids, split=split)
    with copies.open("w", encoding="utf-8", newline="") as opened:
        table = csv.writer(opened, lineterminator="\n")
        table.writerow(("left_out", "like"))
        table.writerows((seen[place][0], seen[kept][0]) for place, kept in enumerate(like.tolist()) if place != kept)


if __name__ == "__main__":
    here = Path(__file__)
    build(Path(sys.argv[1]), here.with_name("openclipart.npz"), here.with_name("openclipart_copies.csv"))
