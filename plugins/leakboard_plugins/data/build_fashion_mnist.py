"""Cut the Fashion-MNIST subset that ships with Leakboard out of the original IDX files.

Members, non-members and the auxiliary pool are consecutive runs of one random permutation of the 60,000 training
images (exact duplicates removed first), so the three sets share one distribution and are disjoint.

    python -m leakboard_plugins.data.build_fashion_mnist /usr/share/datasets/fashion-mnist

Fashion-MNIST: Xiao, Rasul, Vollgraf 2017 (arXiv 1708.07747), MIT licence, see LICENSE-fashion-mnist.txt.
"""

import gzip
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

SEED = 2311
MEMBERS = NONMEMBERS = 1024
AUXILIARY = 4096


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """Read one gzip-compressed IDX file of unsigned bytes."""
    raw = gzip.decompress(path.read_bytes())
    dimensions = raw[3]
    shape = np.frombuffer(raw, ">u4", dimensions, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(tuple(int(size) for size in shape))


def build(source: Path, target: Path) -> None:
    """Write the compressed subset: ``images``, ``labels``, ``index`` (place in the original file) and ``split``."""
    images = read_idx(source / "train-images-idx3-ubyte.gz")
    labels = read_idx(source / "train-labels-idx1-ubyte.gz")
    _, unique = np.unique(images.reshape(len(images), -1), axis=0, return_index=True)
    order = np.random.default_rng(SEED).permutation(np.sort(unique))[: MEMBERS + NONMEMBERS + AUXILIARY]
    split = np.repeat(np.array([1, 0, 2], np.uint8), [MEMBERS, NONMEMBERS, AUXILIARY])
    np.savez_compressed(target, images=images[order], labels=labels[order], index=order.astype(np.uint32), split=split)


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(__file__).with_name("fashion_mnist.npz"))
