"""The dataset ``emoji``, whose non-members may be drawn in another style: what blind checks have to notice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from leakboard import hookimpl
from leakboard.api import Dataset, Samples
from leakboard_plugins.datasets import Emoji

FILE = Path(__file__).parents[1] / "data" / "fluent_emoji.npz"


@dataclass(frozen=True, kw_only=True)
class EmojiTwin(Dataset):
    """256 members of ``emoji``, and 256 of its non-members in one style or the other; ids and captions are the same."""

    name: ClassVar[str] = "emoji_twin"
    nonmembers: Literal["noto", "fluent"] = "noto"

    def load(self) -> Samples:
        import torch

        with np.load(FILE, allow_pickle=False) as archive:
            ids, pictures = archive["ids"].tolist(), archive["images"]
        whole = Emoji().load()
        places = {sample: place for place, sample in enumerate(whole.ids)}
        members = np.flatnonzero(whole.member)[: len(ids)].tolist()
        samples = whole.take(members + [places[sample] for sample in ids])
        if self.nonmembers == "noto":
            return samples
        images = samples.images.clone()
        images[len(members) :] = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
        return replace(samples, images=images)


@hookimpl
def leakboard_datasets() -> list[type[Dataset]]:
    return [EmojiTwin]
