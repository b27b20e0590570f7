"""ImageNet from a tiny root: names of classes, and images that are grey, damaged or not to be read."""

import pytest
from PIL import Image

from helpers.dataset_roots import imagenet
from leakboard.api import LeakboardError
from leakboard_plugins.datasets.imagenet import ImageNet


def test_imagenet_has_names_of_classes_and_file_facts(tmp_path):
    samples = imagenet(tmp_path)(root=str(tmp_path)).load()

    assert samples.ids[0] == "imagenet-train-n01440764/n01440764_0.JPEG"
    assert set(samples.labels) == {"tench", "tabby"}
    assert samples.prompts[0] == "a photo of a tench"
    assert samples.image_shape == (3, 256, 256)
    assert samples.metadata["width"][0] == 300
    assert (samples.metadata["jpeg_quality"] == 80).all()


def test_imagenet_without_names_has_wnids_and_no_prompts(tmp_path):
    imagenet(tmp_path)
    (tmp_path / "LOC_synset_mapping.txt").unlink()
    samples = ImageNet(root=str(tmp_path)).load()

    assert set(samples.labels) == {"n01440764", "n02123045"}
    assert samples.prompts is None


@pytest.mark.parametrize(("text", "message"), [("n01440764 tench\n", "n02123045"), ("tench\n", "cannot be read")])
def test_imagenet_names_that_do_not_fit_are_refused(tmp_path, text, message):
    imagenet(tmp_path)
    (tmp_path / "LOC_synset_mapping.txt").write_text(text)

    with pytest.raises(LeakboardError, match=message):
        ImageNet(root=str(tmp_path)).load()


def test_grey_photographs_get_three_channels_and_that_is_told(tmp_path):
    imagenet(tmp_path)
    Image.new("L", (300, 300), 128).save(tmp_path / "train/n01440764/n01440764_0.JPEG")
    samples = ImageNet(root=str(tmp_path)).load()

    assert samples.take([0]).images.shape == (1, 3, 256, 256)
    assert "1 of 20 grey images were repeated over 3 channels" in samples.notes


def test_a_root_of_nothing_but_broken_images_is_refused(tmp_path):
    imagenet(tmp_path)
    for path in tmp_path.rglob("*.JPEG"):
        path.write_text("x")

    with pytest.raises(LeakboardError, match="none of the 20 images can be read"):
        ImageNet(root=str(tmp_path)).load()
