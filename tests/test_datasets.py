"""The shipped datasets, and which datasets there are."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from leakboard.api import LeakboardError, member_digest
from leakboard.tasks.duplicates import describe
from leakboard_plugins.data.build_openclipart import caption_of, likest
from leakboard_plugins.datasets import DATASETS
from leakboard_plugins.datasets.emoji import Emoji
from leakboard_plugins.datasets.fashion_mnist import LABELS, FashionMnist
from leakboard_plugins.datasets.fashion_mnist_wide import FashionMnistWide
from leakboard_plugins.datasets.openclipart import Openclipart
from leakboard_plugins.victims.folders.shipped import WEIGHTS


def test_fashion_mnist_is_a_balanced_set_in_the_contract():
    samples = FashionMnist().load()

    assert samples.images.shape == (2048, 1, 28, 28)
    assert samples.images.dtype == torch.float32
    assert (samples.images.min(), samples.images.max()) == (0, 1)
    assert samples.member.dtype == np.bool_
    assert samples.member.sum() == 1024
    assert len(set(samples.ids)) == 2048
    assert all(name.startswith("fashion-train-") and len(name) == 19 for name in samples.ids)
    assert samples.prompts[0] == "a photo of a trouser"
    assert samples.labels[0] == "trouser"
    assert {prompt for prompt in samples.prompts if "boot" in prompt} == {"a photo of an ankle boot"}
    assert any("MIT" in note for note in samples.notes)


def test_fashion_mnist_loads_the_same_twice():
    first, second = FashionMnist().load(), FashionMnist().load()

    assert first.ids == second.ids
    assert torch.equal(first.images, second.images)


def test_fashion_mnist_keeps_its_samples_whatever_ships_beside_it():
    """Members, non-members and auxiliary images of the shipped victims, by the digests in their manifests."""
    samples, pool = FashionMnist().load(), FashionMnist().auxiliary()
    held_out = [name for name, member in zip(samples.ids, samples.member, strict=True) if not member]
    members = [name for name, member in zip(samples.ids, samples.member, strict=True) if member]

    for victim in ("fashion_ddpm", "fashion_sd"):
        manifest = json.loads((WEIGHTS / victim / "heavy" / "manifest.json").read_text(encoding="utf-8"))
        assert member_digest(members) == manifest["member_digest"]
        assert member_digest(held_out) == manifest["held_out_digest"]
        assert member_digest(pool.ids) == manifest.get("auxiliary_digest", member_digest(pool.ids))


def test_the_wide_fashion_mnist_begins_with_the_narrow_one():
    narrow, wide = FashionMnist().load(), FashionMnistWide().load()

    assert wide.ids[:2048] == narrow.ids
    assert torch.equal(wide.images[:2048], narrow.images)
    assert wide.prompts[:2048] == narrow.prompts
    assert wide.labels[:2048] == narrow.labels
    assert np.array_equal(wide.member[:2048], narrow.member)


def test_the_wide_fashion_mnist_has_twelve_times_the_non_members_and_no_image_twice():
    wide, pool = FashionMnistWide().load(), FashionMnistWide().auxiliary()
    images = {row.tobytes() for row in (torch.cat([wide.images, pool.images]) * 255).byte().numpy()}

    assert (wide.member.sum(), (~wide.member).sum(), len(pool.ids)) == (1024, 12_288, 4096)
    assert len({*wide.ids, *pool.ids}) == len(images) == 1024 + 12_288 + 4096


def test_the_further_non_members_are_like_the_first():
    """One random permutation: every class takes about a tenth of each part."""
    labels = np.array(FashionMnistWide().load().labels)
    first, further = ([np.mean(part == name) for name in LABELS] for part in (labels[1024:2048], labels[2048:]))

    assert np.abs(np.array(first) - 0.1).max() < 0.03
    assert np.abs(np.array(further) - 0.1).max() < 0.01


def test_only_the_wide_fashion_mnist_depends_on_the_further_non_members():
    """Or results of the narrow one would be made again when the others change."""
    assert FashionMnist().files() == (FashionMnist.file,)
    assert FashionMnistWide().files() == (FashionMnist.file, FashionMnistWide.further)


def test_emoji_is_a_balanced_set_of_captioned_colour_pictures():
    samples = Emoji().load()

    assert samples.images.shape == (1024, 3, 32, 32)
    assert samples.images.dtype == torch.float32
    assert samples.images[:, :, 0, 0].median() == 1, "on white"
    assert samples.member.tolist() == [True] * 512 + [False] * 512
    assert dict(zip(samples.ids, samples.prompts, strict=True))["emoji-1f981"] == "lion"
    assert any("SIL Open Font License 1.1" in note for note in samples.notes)


def test_openclipart_is_a_balanced_set_of_captioned_colour_drawings():
    samples, pool = Openclipart().load(), Openclipart().auxiliary()

    assert samples.images.shape == (2048, 3, 64, 64)
    assert samples.member.tolist() == [True] * 1024 + [False] * 1024
    assert len({*samples.ids, *pool.ids}) == 2048 + 484
    assert samples.images[:, :, 0, 0].median() == 1, "on white"
    assert all(caption.strip() for caption in (*samples.prompts, *pool.prompts))
    assert dict(zip(samples.ids, samples.prompts, strict=True))["openclipart-food/fruit/pear"].split()[0] == "pear"
    assert any("public domain" in note for note in samples.notes)
    assert not [name for name in samples.ids if "/flags/" in name or name.startswith("openclipart-shapes")]


def test_openclipart_shows_something_in_every_picture():
    images = torch.cat([Openclipart().load().images, Openclipart().auxiliary().images])

    assert (images < 250 / 255).any(1).flatten(1).float().mean(1).min() >= 0.02


def test_members_of_openclipart_are_drawn_from_every_folder_like_the_others():
    samples = Openclipart().load()
    folders = [[name.split("/")[0] for name in part] for part in (samples.ids[:1024], samples.ids[1024:])]

    for folder in {*folders[0], *folders[1]}:
        one, other = (part.count(folder) for part in folders)
        assert (one - other) ** 2 < 16 * (one + other), folder


def test_no_member_of_openclipart_looks_like_a_non_member():
    assert any(note.startswith("no member is a non-member too") for note in describe(Openclipart().load()).notes)


def test_the_copies_of_openclipart_are_listed_each_with_the_picture_that_was_kept():
    kept = {name.removeprefix("openclipart-") for name in (*Openclipart().load().ids, *Openclipart().auxiliary().ids)}
    with Openclipart.file.with_name("openclipart_copies.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    assert len(rows) > 400
    assert not {row["left_out"] for row in rows} & kept
    assert {row["like"] for row in rows} <= kept
    assert len({row["left_out"] for row in rows}) == len(rows)


def test_a_slightly_changed_drawing_is_a_copy_and_a_faint_other_one_is_not():
    disk = (np.hypot(*np.mgrid[-1:1:64j, -1:1:64j]) < 0.7)[..., None]
    red = np.where(disk, np.array([220, 0, 0], np.uint8), np.uint8(255)).astype(np.uint8)
    changed = red.copy()
    changed[30:34, 30:34] = 255
    lines = [np.full_like(red, 255) for _ in range(2)]
    lines[0][10], lines[1][50] = 200, 200

    assert likest(np.stack([red, lines[0], changed, lines[1]])).tolist() == [0, 1, 0, 3]


def test_the_caption_of_a_drawing_is_its_title_and_keywords_without_credits(tmp_path):
    def caption(title, *keywords):
        rdf = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        listed = "".join(f"<rdf:li>{keyword}</rdf:li>" for keyword in keywords)
        (tmp_path / "x.svg").write_text(f"<svg {rdf}><dc:title>{title}</dc:title>{listed}</svg>", encoding="utf-8")
        return caption_of(tmp_path / "x.svg")

    assert caption("Grinning Bat", "mammal", "bat") == "grinning bat mammal"
    assert caption("clipart by Nicu Buculei - baloon1_04", "hash(0x1)", "party") == "baloon1 04 0x1 party"
    assert caption("Flag of Brazil", "america") == ""
    assert caption("unsorted", "") == ""


@pytest.mark.parametrize(("dataset", "count"), [(FashionMnist, 4096), (Emoji, 507), (Openclipart, 484)])
def test_auxiliary_images_are_disjoint_from_what_is_attacked(dataset, count):
    pool, samples = dataset().auxiliary(), dataset().load()

    assert len(pool.ids) == len(set(pool.ids)) == count
    assert not pool.member.any()
    assert not set(pool.ids) & set(samples.ids)
    assert not {row.tobytes() for row in pool.images.numpy()} & {row.tobytes() for row in samples.images.numpy()}


@pytest.mark.parametrize("dataset", [FashionMnist, Emoji, Openclipart])
def test_the_only_file_is_the_one_that_ships(dataset):
    (file,) = dataset().files()

    assert file.is_file()
    assert file.stem == dataset.name


def test_a_damaged_shipped_file_is_named(tmp_path, monkeypatch):
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 not really")
    monkeypatch.setattr(FashionMnist, "file", tmp_path / "x.npz")

    with pytest.raises(LeakboardError, match=r"x\.npz"):
        FashionMnist().load()


def test_every_dataset_is_found_under_its_name():
    names = {cls.name for cls in DATASETS}

    assert names == {
        "fashion_mnist",
        "fashion_mnist_wide",
        "fashion_mnist_small",
        "fashion_mnist_unseen",
        "emoji",
        "emoji_unseen",
        "openclipart",
        "folder",
        "arrays",
        "hf",
        "cifar10",
        "cifar100",
        "stl10",
        "celeba",
        "imagenet",
        "copied",
    }


def test_importing_the_plugins_imports_no_torch():
    code = "import sys, leakboard_plugins.datasets, leakboard_plugins.victims, leakboard_plugins.victims.pixel.model; sys.exit(bool({'torch', 'datasets', 'PIL'} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
