"""Tiny parts of diffusion pipelines, a few thousand weights each."""

from __future__ import annotations

from typing import Any

SIDE = 16
"""Height and width of the images; latents are half as large."""
WORDS = 12
"""Tokens that the text models of CLIP take."""
LONG = 300
"""Tokens that the others take, which pipelines of flows fill up."""
CHAT = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def vae(blocks: int = 2, **config: Any) -> Any:
    """An autoencoder that halves height and width ``blocks`` - 1 times."""
    from diffusers import AutoencoderKL

    settings = {
        "down_block_types": ("DownEncoderBlock2D",) * blocks,
        "up_block_types": ("UpDecoderBlock2D",) * blocks,
        "block_out_channels": (8, 16, 16, 16)[:blocks],
        "latent_channels": 4,
        "norm_num_groups": 4,
        "sample_size": SIDE,
        "scaling_factor": 0.7,
    }
    return AutoencoderKL(**(settings | config))


def clip_tokenizer() -> Any:
    """Letters as the tokens of CLIP."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    alphabet = sorted(ByteLevel.alphabet())
    entries = [*alphabet, *(f"{letter}</w>" for letter in alphabet), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={entry: row for row, entry in enumerate(entries)}, merges=[], model_max_length=WORDS)


def clip(projected: bool = False) -> Any:
    """A text model of CLIP, perhaps with the projection of the whole text."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    tokenizer = clip_tokenizer()
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        projection_dim=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=WORDS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def tokenizer(words: int = LONG) -> Any:
    """Letters as the tokens of T5 and of decoders."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = [("<pad>", 0.0), ("</s>", 0.0), *((chr(code), -3.0) for code in range(97, 123)), ("<", -9.0)]
    letters = Tokenizer(models.Unigram(pieces, unk_id=28))
    letters.pre_tokenizer = pre_tokenizers.Whitespace()
    letters.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    opened = PreTrainedTokenizerFast(
        tokenizer_object=letters, pad_token="<pad>", eos_token="</s>", model_max_length=words
    )
    opened.chat_template = CHAT
    return opened


def t5() -> Any:
    """The text model of T5."""
    from transformers import T5Config, T5EncoderModel

    config = T5Config(vocab_size=32, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, use_cache=False)
    return T5EncoderModel(config)


DECODER = {
    "vocab_size": 32,
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": None,
}
"""The configuration of decoders, which newer pipelines take for text models."""


def gemma() -> Any:
    """A decoder as Sana and Lumina have it."""
    from transformers import Gemma2Config, Gemma2Model

    return Gemma2Model(Gemma2Config(**DECODER))


def qwen() -> Any:
    """A decoder as Z-Image has it."""
    from transformers import Qwen3Config, Qwen3Model

    return Qwen3Model(Qwen3Config(**DECODER))
