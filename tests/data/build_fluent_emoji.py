"""Cut the shifted twin of the dataset ``emoji`` out of the npm package of Microsoft's Fluent Emoji in 3D.

It has the first 256 non-members of ``emoji`` that the package has too, by code points, in the order of ``emoji``: the
same things, drawn in another style. Each is laid on white and reduced to 32x32 by the same filter.

    npm pack @lobehub/fluent-emoji-3d@1.1.0
    tar xzf lobehub-fluent-emoji-3d-1.1.0.tgz
    python tests/data/build_fluent_emoji.py package

The pictures are under the MIT licence, see LICENSE-fluent-emoji.txt. The archive has the sha1 digest
ff0679b2bbbf6100dd9709d8952498f08f364ac6.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from leakboard_plugins.datasets import Emoji

SIDE = 32
COUNT = 256


def drawn(file: Path) -> npt.NDArray[np.uint8]:
    """A picture on white (32, 32, 3)."""
    with Image.open(file) as opened:
        picture = opened.convert("RGBA")
    canvas = Image.new("RGBA", picture.size, "white")
    canvas.alpha_composite(picture)
    return np.asarray(canvas.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX))


def build(package: Path, target: Path) -> None:
    """Write the compressed set: ``images`` uint8 (256, 32, 32, 3) and their ``ids`` in ``emoji``."""
    samples = Emoji().load()
    others = [sample for sample, member in zip(samples.ids, samples.member, strict=True) if not member]
    files = {sample: package / "assets" / f"{sample.removeprefix('emoji-')}.webp" for sample in others}
    ids = [sample for sample, file in files.items() if file.is_file()][:COUNT]
    np.savez_compressed(target, images=np.stack([drawn(files[sample]) for sample in ids]), ids=ids)


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(__file__).with_name("fluent_emoji.npz"))
