"""Built-in datasets."""

from leakboard.api import Dataset
from leakboard_plugins.datasets.arrays import Arrays
from leakboard_plugins.datasets.celeba import CelebA
from leakboard_plugins.datasets.cifar import Cifar10, Cifar100
from leakboard_plugins.datasets.copied import Copied
from leakboard_plugins.datasets.emoji import Emoji
from leakboard_plugins.datasets.emoji_unseen import EmojiUnseen
from leakboard_plugins.datasets.fashion_mnist import FashionMnist
from leakboard_plugins.datasets.fashion_mnist_small import FashionMnistSmall
from leakboard_plugins.datasets.fashion_mnist_unseen import FashionMnistUnseen
from leakboard_plugins.datasets.fashion_mnist_wide import FashionMnistWide
from leakboard_plugins.datasets.folder import Folder
from leakboard_plugins.datasets.hub import HuggingFace
from leakboard_plugins.datasets.imagenet import ImageNet
from leakboard_plugins.datasets.openclipart import Openclipart
from leakboard_plugins.datasets.stl10 import Stl10

DATASETS: list[type[Dataset]] = [
    FashionMnist,
    FashionMnistWide,
    FashionMnistSmall,
    FashionMnistUnseen,
    Emoji,
    EmojiUnseen,
    Openclipart,
    Folder,
    Arrays,
    HuggingFace,
    Cifar10,
    Cifar100,
    Stl10,
    CelebA,
    ImageNet,
    Copied,
]
