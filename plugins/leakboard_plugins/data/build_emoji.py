"""Cut the emoji dataset that ships with Leakboard out of the Noto Color Emoji font.

Every picture is drawn from the font's own bitmaps, reduced to 32x32 on white and captioned by its Unicode name. What
differs only in skin tone, gender, hair or clock hand is one picture here, by name; what still looks alike is removed by
image distance. Members, non-members and the auxiliary pool are runs of one random permutation.

    apt install fonts-noto-color-emoji unicode-data
    python -m leakboard_plugins.data.build_emoji /usr/share/fonts/truetype/noto/NotoColorEmoji.ttf \
        /usr/share/unicode/emoji/emoji-test.txt

Noto Color Emoji: copyright 2013 Google Inc., SIL Open Font License 1.1, see LICENSE-noto-emoji.txt. Names: Unicode
emoji data, Unicode License.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

SEED = 2311
SIDE = 32
STRIKE = 109
"""The only size that the font holds bitmaps for."""
CANVAS = 136
LIKENESS = 0.1
"""Root mean squared difference, in [0, 1], below which two pictures are near-duplicates."""
MEMBERS = NONMEMBERS = 512
LINE = re.compile(r"^([0-9A-F ]+?)\s*; fully-qualified\s*# \S+ E[\d.]+ (.+)$")
TONES = re.compile(
    r"[:,]? (?:light|medium-light|medium|medium-dark|dark) skin tone"
    r"|[:,] (?:red|curly|white|bald|blond) hair|[:,] (?:bald|beard)"
)
GENDERS = re.compile(r"\b(?:mer)?(?:woman|man|women|men|person|people|boy|girl|child|maid)\b ?")
CLOCKS = re.compile(r"^(?:\w+ o.clock|\w+-thirty)$")


def names(listing: Path) -> Iterator[tuple[str, str]]:
    """(text, caption) of emoji that differ in more than skin tone, gender, hair or clock hand, in Unicode's order."""
    seen: set[str] = set()
    for line in listing.read_text(encoding="utf-8").splitlines():
        found = LINE.match(line)
        if not found:
            continue
        points, name = found.groups()
        core = TONES.sub("", GENDERS.sub("", TONES.sub("", name))).strip(" :,") or name.split(":")[0]
        core = "clock" if CLOCKS.match(core) else core
        if core not in seen and not TONES.search(name):
            seen.add(core)
            yield "".join(chr(int(point, 16)) for point in points.split()), name.replace("\u2019", "'")


def drawn(text: str, font: ImageFont.FreeTypeFont) -> npt.NDArray[np.uint8] | None:
    """The emoji centred on white (32, 32, 3), or None where the font has no single picture of it."""
    canvas = Image.new("RGBA", (3 * CANVAS, 2 * CANVAS), "white")
    ImageDraw.Draw(canvas).text((CANVAS, CANVAS // 4), text, font=font, embedded_color=True)
    alone = font.getlength(text)
    if alone > CANVAS:
        return None
    differs = np.flatnonzero((np.asarray(canvas)[..., :3] < 255).any(-1))
    if not len(differs):
        return None
    rows, columns = np.divmod(differs, canvas.width)
    middle_y, middle_x = (rows.min() + rows.max() + 1) // 2, (columns.min() + columns.max() + 1) // 2
    half = CANVAS // 2
    square = canvas.convert("RGB").crop((middle_x - half, middle_y - half, middle_x + half, middle_y + half))
    return np.asarray(square.resize((SIDE, SIDE), Image.Resampling.BOX))


def distinct(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """Places of images that no earlier kept one is like."""
    flat = images.reshape(len(images), -1).astype(np.float32) / 255
    kept: list[int] = []
    for place, image in enumerate(flat):
        if not kept or np.sqrt(np.square(flat[kept] - image).mean(1)).min() >= LIKENESS:
            kept.append(place)
    return np.array(kept)


def build(font_file: Path, listing: Path, target: Path) -> None:
    """Write the compressed set: ``images``, ``captions``, ``ids`` (code points), ``split`` (1 member, 2 auxiliary)."""
    font = ImageFont.truetype(font_file, STRIKE, layout_engine=ImageFont.Layout.RAQM)
    found = [(text, name, image) for text, name in names(listing) if (image := drawn(text, font)) is not None]
    images = np.stack([image for *_, image in found])
    order = np.random.default_rng(SEED).permutation(distinct(images))
    split = np.full(len(order), 2, np.uint8)
    split[:MEMBERS], split[MEMBERS : MEMBERS + NONMEMBERS] = 1, 0
    ids = ["emoji-" + "-".join(f"{ord(point):x}" for point in found[place][0]) for place in order]
    captions = [found[place][1] for place in order]
    np.savez_compressed(target, images=images[order], captions=captions, ids=ids, split=split)


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]), Path(__file__).with_name("emoji.npz"))
