"""Cut the Fashion-MNIST subsets that ship with Leakboard out of the original IDX files.

Members, non-members, the auxiliary pool and the further non-members of ``fashion_mnist_wide`` are consecutive runs of
one random permutation of the 60,000 training images (exact duplicates removed first), so they share one distribution
and are disjoint. The further ones have a file of their own: who attacks few samples reads as little as before.

    apt install dataset-fashion-mnist
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
FURTHER = 11_264
SPLIT = np.repeat(np.array([1, 0, 2, 0], np.uint8), [MEMBERS, NONMEMBERS, AUXILIARY, FURTHER])
"""1 a member, 0 a non-member, 2 auxiliary."""
WIDE = MEMBERS + NONMEMBERS + AUXILIARY
"""Place in the permutation from which on all is for ``fashion_mnist_wide``."""


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """Read one gzip-compressed IDX file of unsigned bytes."""
    raw = gzip.decompress(path.read_bytes())
    dimensions = raw[3]
    shape = np.frombuffer(raw, ">u4", dimensions, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(tuple(int(size) for size in shape))


def build(source: Path, target: Path) -> None:
    """Write two compressed files: ``images``, ``labels``, ``index`` (place in the original file) and ``split``.

    Args:
        source: folder of the IDX files.
        target: folder that gets ``fashion_mnist.npz`` and ``fashion_mnist_wide.npz``.
    """
    images = read_idx(source / "train-images-idx3-ubyte.gz")
    labels = read_idx(source / "train-labels-idx1-ubyte.gz")
    _, unique = np.unique(images.reshape(len(images), -1), axis=0, return_index=True)
    order = np.random.default_rng(SEED).permutation(np.sort(unique))[: len(SPLIT)]
    for name, part in (("fashion_mnist", slice(WIDE)), ("fashion_mnist_wide", slice(WIDE, None))):
        rows = order[part]
        np.savez_compressed(
            target / f"{name}.npz",
            images=images[rows],
            labels=labels[rows],
            index=rows.astype(np.uint32),
            split=SPLIT[part],
        )


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent)
