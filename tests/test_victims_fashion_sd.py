"""The text-to-image victim of clothes beside the pixel victim, and what it makes of images and captions.

What it shares with the other text-to-image victims that ship is in test_victims_shipped_latent.py.
"""

import pytest
import torch

from leakboard_plugins.victims.latent.fashion_sd import FashionSd
from leakboard_plugins.victims.pixel.fashion_ddpm import FashionDdpm


@pytest.mark.parametrize("level", ["light", "moderate", "heavy", "untrained"])
def test_it_makes_a_matched_pair_with_the_pixel_victim(level):
    latent, pixel = (victim(level=level) for victim in (FashionSd, FashionDdpm))

    for fact in ("epochs", "members", "member_digest", "held_out"):
        assert latent.facts()["manifest"][fact] == pixel.facts()["manifest"][fact]
    assert latent.trained_on() == pixel.trained_on()


def test_it_takes_padded_clothes_and_gives_most_of_them_back(clothes):
    images = torch.nn.functional.pad(clothes.images[~clothes.member][::16], (2, 2, 2, 2))
    model = FashionSd().open("cpu")

    assert FashionSd().fit == "pad"
    error = (model.decode(model.encode(images)) - images).square().mean().sqrt()
    assert error < 0.06


def test_what_it_generates_looks_like_its_prompt(clothes):
    """Generated trousers and bags, each nearer to the mean of its own class among held-out images."""
    model = FashionSd(level="moderate", guidance=5.0).open("cpu")
    kinds = ["a photo of a trouser", "a photo of a bag"]
    held_out = [row for row in range(len(clothes.ids)) if not clothes.member[row]]
    means = [clothes.take([row for row in held_out if clothes.prompts[row] == kind]).images.mean(0) for kind in kinds]

    made = model.decode(model.generate(range(16), 10, kinds * 8))[..., 2:30, 2:30]

    distances = torch.stack([(made - mean).square().flatten(1).mean(1) for mean in means], 1)
    assert distances.argmin(1).tolist() == [0, 1] * 8
