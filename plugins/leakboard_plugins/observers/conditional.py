"""What a text changes: losses with and without the caption, and the size of what the text adds to a prediction."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Need, Observer, Oracle, Pair, Space, Unsupported
from leakboard_plugins.observers.blind_numbers import pair_of
from leakboard_plugins.observers.diffusion import Timesteps, noised

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

STEPS = 50
"""Of the generation whose first and third-last timestep ``anisotropy`` takes."""


def captions_of(oracle: Oracle, who: str) -> tuple[str, ...]:
    """The captions of the samples.

    Raises:
        Unsupported: there are none, or the victim is told nothing with them.
    """
    if oracle.captions is None or oracle.prompts is None:
        raise Unsupported(f"{who} needs captions, and a victim that takes prompts")
    return oracle.captions


def cut(text: str, parts: int) -> list[str]:
    """A text in ``parts`` pieces of nearly as many characters each, in order."""
    ends = [len(text) * part // parts for part in range(parts + 1)]
    return [text[start:end] for start, end in pairwise(ends)]


@dataclass(frozen=True, kw_only=True)
class ConditionalLoss(Observer):
    """CLiD: denoising losses with the caption, with pieces of it and without (Zhai et al. 2024, arXiv 2405.14800).

    The classifier ``clid`` makes the paper's statistic of these pairs. Captions are reduced as ``mia_CLiD_clip.py`` of
    the released code has it, to the first, the middle and the last third of their characters, at its timesteps. The
    other script, ``mia_CLiD_impt.py``, blanks the words that a CLIP model finds most important; no such model ships.

    Attributes:
        ts: timesteps, a noise each.
        parts: pieces into which a caption is cut; the empty caption is always added.
    """

    name: ClassVar[str] = "conditional_loss"
    access = "gray"
    space: ClassVar[Space] = "noise"
    needs: ClassVar[frozenset[Need]] = frozenset({"noise", "prompts"})
    ts: Timesteps = (485, 495, 505)
    parts: Annotated[int, Field(ge=1)] = 3

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """At every timestep the caption, its pieces and none: one evaluation and one pair each.

        Raises:
            Unsupported: the dataset has no captions, or the victim takes no prompts.
        """
        captions = captions_of(oracle, self.name)
        texts = {"caption": captions}
        pieces = zip(*(cut(text, self.parts) for text in captions), strict=True)
        texts |= {f"piece {number}": texts_of for number, texts_of in enumerate(pieces, 1)}
        texts["no caption"] = ("",) * len(captions)
        clean = oracle.encode(oracle.originals)
        for t in self.ts:
            noise = oracle.noise("conditional_loss", clean, t)
            state = noised(oracle, clean, noise, t)
            for kind, prompts in texts.items():
                yield Pair(noise, oracle.predict_noise(state, t, prompts), f"t={t} {kind}", "noise")


@dataclass(frozen=True, kw_only=True)
class PromptNorm(Observer):
    """Memorised prompts: prediction with against without the caption, of pure noise (Wen et al., ICLR 2024).

    Members lie farther: the text of a memorised image adds more. The paper averages over all steps of a generation and
    finds that the first says almost as much.

    Attributes:
        t: timestep told to the denoiser; -1 is the last of the schedule.
        draws: noises; each gives one pair.
    """

    name: ClassVar[str] = "prompt_norm"
    access = "gray"
    space: ClassVar[Space] = "noise"
    needs: ClassVar[frozenset[Need]] = frozenset({"noise", "prompts"})
    t: Annotated[int, Field(ge=-1)] = -1
    draws: Annotated[int, Field(ge=1)] = 1

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair a draw, in noise space; two denoiser evaluations each.

        Raises:
            Unsupported: the dataset has no captions, or the victim takes no prompts.
        """
        captions_of(oracle, self.name)
        for draw in range(self.draws):
            without, with_text = text_pair(oracle, _pure(oracle, draw), _timestep(oracle, self.t))
            yield Pair(without, with_text, f"draw {draw}", "noise")


@dataclass(frozen=True, kw_only=True)
class Anisotropy(Observer):
    """Norm of what the text adds, and its angle to the prediction without (Asthana and Belagiannis, arXiv 2601.20642).

    Two guided passes on pure noise, at the first and at the third-last of 50 timesteps, counted as Stable Diffusion
    counts them (981 and 41 of 1000); nothing is denoised. The cosine is that of the channels of one place, averaged
    over all places, as in ``local_model/pipe.py`` of the released code. The classifier ``weighted`` joins both numbers
    with the paper's two weights.
    """

    name: ClassVar[str] = "anisotropy"
    access = "gray"
    space: ClassVar[Space] = "statistic"
    needs: ClassVar[frozenset[Need]] = frozenset({"noise", "prompts"})

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair of two numbers a sample; four denoiser evaluations.

        Raises:
            Unsupported: the dataset has no captions, or the victim takes no prompts.
        """
        import torch

        captions_of(oracle, self.name)
        state, total = _pure(oracle, 0), len(oracle.alphas_cumprod)
        first, late = (min(total // STEPS * step + 1, total - 1) for step in (STEPS - 1, 2))
        without, with_text = text_pair(oracle, state, first)
        norm = (with_text - without).flatten(1).norm(dim=1)
        without, with_text = text_pair(oracle, state, late)
        angle = torch.nn.functional.cosine_similarity(without, with_text - without, dim=1).flatten(1).mean(1)
        yield pair_of("anisotropy", {"norm": norm, "cosine": angle})


def text_pair(oracle: Oracle, state: torch.Tensor, t: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Predicted noise (N, ...) at a timestep, without and with the caption."""
    nothing = ("",) * len(state)
    return oracle.predict_noise(state, t, nothing), oracle.predict_noise(state, t, oracle.captions)


def _pure(oracle: Oracle, draw: int) -> torch.Tensor:
    inner = oracle.encode(oracle.originals)
    return oracle.noise("prompt_norm", inner, draw)


def _timestep(oracle: Oracle, t: int) -> int:
    return len(oracle.alphas_cumprod) - 1 if t < 0 else t
