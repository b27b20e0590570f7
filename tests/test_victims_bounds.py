"""What a folder says is bounded before anything is built of it."""

import json

import pytest

from leakboard.api import LeakboardError
from leakboard_plugins.victims.folders.layout import SCHEDULER_CONFIG, UNET_CONFIG
from leakboard_plugins.victims.latent.stable_diffusion import StableDiffusion
from leakboard_plugins.victims.pixel.ddpm import Ddpm

BILLIONS = 4_000_000_000


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refused(victim, path, *words):
    """Listing the files refuses quickly, with the file and all the words."""
    with pytest.raises(LeakboardError) as caught:
        victim.files()
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert caught.value.where == str(path)


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("unet/config.json", "layers_per_block", BILLIONS),
        ("unet/config.json", "layers_per_block", 900),
        ("unet/config.json", "transformer_layers_per_block", [1, BILLIONS]),
        ("unet/config.json", "cross_attention_dim", BILLIONS),
        ("unet/config.json", "sample_size", 100_000),
        ("unet/config.json", "block_out_channels", [8] * 5_000),
        ("vae/config.json", "layers_per_block", BILLIONS),
        ("vae/config.json", "latent_channels", BILLIONS),
        ("text_encoder/config.json", "num_hidden_layers", BILLIONS),
        ("text_encoder/config.json", "num_hidden_layers", 500),
        ("text_encoder/config.json", "max_position_embeddings", BILLIONS),
        (SCHEDULER_CONFIG, "num_train_timesteps", BILLIONS),
    ],
)
def test_numbers_that_no_network_has_are_refused_with_file_and_key(copy, part, key, value):
    edit(copy / part, **{key: value})

    refused(StableDiffusion(model=str(copy)), copy / part, key)


@pytest.mark.parametrize("value", [BILLIONS, 500])
def test_more_layers_than_weights_have_tensors_are_refused(pixel, value):
    edit(pixel / UNET_CONFIG, layers_per_block=value)

    refused(Ddpm(model=str(pixel)), pixel / UNET_CONFIG, f"layers_per_block is {value}")


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("tokenizer.json", {"truncation": {"max_length": 10**12}}, "max_length"),
        ("tokenizer.json", {"padding": {"strategy": {"Fixed": 10**12}}}, "Fixed"),
        ("tokenizer.json", {"added_tokens": [{"id": 10**12}]}, "id"),
        ("tokenizer.json", {"model": {"vocab": {"a": 10**12}}}, "a is 1000000000000"),
        ("vocab.json", {"a": 10**12}, "a is 1000000000000"),
        ("tokenizer_config.json", {"model_max_length": 0}, "model_max_length is 0"),
        ("tokenizer_config.json", {"model_max_length": "long"}, "model_max_length is 'long'"),
        ("tokenizer_config.json", {"added_tokens_decoder": {"1000000000000": {}}}, "token number 1000000000000"),
    ],
)
def test_sizes_in_the_files_of_a_tokenizer_are_bounded(copy, name, content, word):
    path = copy / "tokenizer" / name
    path.write_text(json.dumps(content))

    refused(StableDiffusion(model=str(copy)), path, word)


@pytest.mark.parametrize(
    "name", ["model_index.json", "unet/config.json", "tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json"]
)
@pytest.mark.parametrize("depth", [80, 100_000])
def test_json_that_is_nested_too_deeply_is_refused_by_name(copy, name, depth):
    (copy / name).write_text('{"a": ' + "[" * depth + "]" * depth + "}")

    refused(StableDiffusion(model=str(copy)), copy / name, "nested too deeply")


def test_a_configuration_that_is_too_large_is_not_read(copy):
    path = copy / "vae" / "config.json"
    path.write_text('{"a": "' + "x" * (1 << 20) + '"}')

    refused(StableDiffusion(model=str(copy)), path, "too many to be read")


def test_what_hides_a_number_of_thousands_of_digits_is_refused_by_name(copy):
    path = copy / "unet" / "config.json"
    path.write_text('{"layers_per_block": ' + "9" * 5000 + "}")

    refused(StableDiffusion(model=str(copy)), path, "a number in it has thousands of digits")
