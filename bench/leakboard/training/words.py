"""A CLIP tokenizer whose merges are learnt from the captions of one dataset, members and others alike."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from leakboard.training.opening import opening

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transformers import CLIPTokenizer

START, END, WORD_END = "<|startoftext|>", "<|endoftext|>", "</w>"


def tokenizer_of(prompts: Sequence[str], length: int, folder: Path) -> CLIPTokenizer:
    """The tokenizer of these captions, kept in ``folder`` and read from there the next time.

    Its vocabulary is laid out as CLIP's: every byte, every byte that ends a word, the merges, the two marks. So any
    text can be told to the model, and words of the captions take one token.

    Args:
        prompts: the captions.
        length: tokens of a text at most, marks counted; what is longer is cut.
        folder: where the tokenizer is saved.
    """
    from transformers import CLIPTokenizer

    if not folder.exists():
        merges = _merges(prompts)
        alphabet = _alphabet()
        entries = [*alphabet, *(letter + WORD_END for letter in alphabet), *map("".join, merges), START, END]
        vocabulary = {entry: place for place, entry in enumerate(dict.fromkeys(entries))}
        made = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=length)  # type: ignore[arg-type]
        # under another name until it is whole: an interruption would leave one that is never made again
        part = folder.with_suffix(".part")
        made.save_pretrained(part)
        part.replace(folder)
    return open_tokenizer(folder)


def open_tokenizer(folder: Path) -> CLIPTokenizer:
    """The tokenizer that a folder holds.

    Raises:
        LeakboardError: it is missing or damaged.
    """
    from transformers import CLIPTokenizer

    with opening(folder, remade_without=folder):
        opened: CLIPTokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    return opened


def _alphabet() -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    return sorted(ByteLevel.alphabet())


def _merges(prompts: Sequence[str]) -> list[tuple[str, str]]:
    """Byte pairs to merge until each word is one token (Sennrich et al. 1508.07909), by CLIP's own splitting.

    Equally frequent pairs are merged in the order of their parts' numbers. The trainer numbers the letters that end a
    word as it meets them, in the order of a table whose seed is drawn anew; as its own words they come first, always.
    """
    from tokenizers import Tokenizer, models, trainers
    from transformers import CLIPTokenizer

    alphabet = _alphabet()
    learning = Tokenizer(models.BPE(end_of_word_suffix=WORD_END))
    clip = CLIPTokenizer(vocab={START: 0, END: 1}).backend_tokenizer
    learning.normalizer, learning.pre_tokenizer = clip.normalizer, clip.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=100_000,
        min_frequency=1,
        end_of_word_suffix=WORD_END,
        initial_alphabet=alphabet,
        special_tokens=[letter + WORD_END for letter in alphabet],
        show_progress=False,
    )
    learning.train_from_iterator(sorted(set(prompts)), trainer)
    return [(first, second) for first, second in json.loads(learning.to_str())["model"]["merges"]]
