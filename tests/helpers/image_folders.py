"""Two folders of tiny images, and the dataset made of them."""

import numpy as np
from PIL import Image

from leakboard_plugins.datasets.folder import Folder


def picture(path, seed, size=(6, 6), mode="L"):
    """Write a random image of (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    image = Image.fromarray(pixels, "RGBA") if mode == "RGBA" else Image.fromarray(pixels[..., :3]).convert(mode)
    image.save(path)
    return path


def make_sides(root):
    """Two folders: members a, sub/b and non-members a, c; all grey 6x6."""
    for number, name in enumerate(("members/a.png", "members/sub/b.PNG", "nonmembers/a.png", "nonmembers/c.bmp")):
        picture(root / name, number)
    return root


def folder(root, **parameters):
    return Folder(members=str(root / "members"), nonmembers=str(root / "nonmembers"), **parameters)
