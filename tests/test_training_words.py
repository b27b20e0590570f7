"""The tokenizer whose words are those of the captions."""

import ast
import subprocess
import sys

from leakboard.training import latent
from leakboard.training.words import tokenizer_of


def test_words_of_the_captions_take_one_token_and_others_are_spelt(tmp_path):
    captions = ["a photo of an ankle boot", "a photo of a T-shirt"]
    tokenizer = tokenizer_of(captions, 16, tmp_path / "words")

    start, *words, end = tokenizer("a photo of an ankle boot").input_ids
    assert tokenizer.decode(words).split() == ["a", "photo", "of", "an", "ankle", "boot"]
    assert len(words) == 6
    assert (start, end) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
    assert tokenizer.decode(tokenizer("żółw").input_ids, skip_special_tokens=True).strip() == "żółw"
    assert tokenizer.unk_token_id not in tokenizer("zebra 7").input_ids[1:-1]


def test_a_vocabulary_is_the_same_whatever_the_order_of_captions(tmp_path):
    one = tokenizer_of(["b c d", "a b"], 16, tmp_path / "one")
    other = tokenizer_of(["a b", "b c d", "a b"], 16, tmp_path / "other")

    assert one.get_vocab() == other.get_vocab()


def test_another_process_learns_the_same_words_although_many_pairs_are_equally_frequent():
    """Ties used to fall as the seed of a hash table did, so that no text model could be trained again bit by bit."""
    code = f"from leakboard.training import words; print(words._merges({CAPTIONS!r}))"
    told = [subprocess.check_output([sys.executable, "-c", code], text=True) for _ in range(3)]

    assert len(set(told)) == 1
    assert len(ast.literal_eval(told[0])) > 30


CAPTIONS = (
    "grinning cat face",
    "smiling cat with heart eyes",
    "weary cat",
    "crying cat",
    "hear no evil monkey",
    "gorilla",
)


def test_long_captions_are_cut_and_short_ones_padded(tmp_path):
    tokenizer = tokenizer_of(["a white square"], 8, tmp_path / "words")

    ids = latent.token_ids(tokenizer, ["a", "white " * 50, ""])

    assert ids.shape == (3, 8)
    assert (ids[:, -1] == tokenizer.eos_token_id).all()
