"""Built-in datasets."""

from leakboard.api import Dataset
from leakboard_plugins.datasets.fashion_mnist import FashionMnist
from leakboard_plugins.datasets.folder import Folder

DATASETS: list[type[Dataset]] = [FashionMnist, Folder]
