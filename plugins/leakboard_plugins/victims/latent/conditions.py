"""What a denoiser is conditioned on beside the noisy state: embedded texts, classes, or nothing."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any, Protocol

from leakboard.api import Unsupported
from leakboard.errors import nearest
from leakboard.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from leakboard_plugins.victims.latent.kinds import Kind

CACHED_BYTES = 1 << 28
"""Of embedded texts that are kept."""
Tensors = dict[str, Any]
"""Tensors (N, ...) by name, one of them perhaps such a dictionary itself."""


class Conditions(Protocol):
    """Turns prompts into what a denoiser is called with."""

    def arguments(self, prompts: Sequence[str]) -> Tensors:
        """Arguments of the denoiser beside state and timestep; "" is unconditional."""
        ...


class Texts:
    """The embedded texts of a pipeline, each text encoded once.

    Args:
        pipeline: with its text models.
        kind: what its ``encode_prompt`` returns.
        size: height and width of the images in pixels, which some denoisers are conditioned on.
    """

    def __init__(self, pipeline: Any, kind: Kind, size: tuple[int, int]) -> None:
        self._pipeline, self._kind, self._size = pipeline, kind, size
        self._names = [name for name in kind.embeddings if not name.startswith("negative")]
        self._kept: dict[str, tuple[torch.Tensor, ...]] = {}
        self._bytes = 0

    def embedded(self, prompts: Sequence[str]) -> dict[str, torch.Tensor]:
        """Embeddings (N, ...) by their names in the pipeline; texts are cut where the tokenizer cuts them."""
        import torch

        found = {text: self._kept.pop(text) for text in dict.fromkeys(prompts) if text in self._kept}
        missing = [text for text in dict.fromkeys(prompts) if text not in found]
        if missing:
            found |= zip(missing, self._encode(missing), strict=True)
        self._keep(found, missing)
        columns = zip(*(found[text] for text in prompts), strict=True)
        return {name: torch.stack(rows) for name, rows in zip(self._names, columns, strict=True)}

    def for_pipeline(self, prompts: Sequence[str], guided: bool) -> dict[str, torch.Tensor]:
        """Arguments of the pipeline instead of ``prompt``, with the unconditional ones under guidance."""
        embedded = self.embedded(prompts)
        if guided:
            embedded |= {f"negative_{name}": value for name, value in self._unconditional(embedded).items()}
        return embedded

    def arguments(self, prompts: Sequence[str]) -> Tensors:
        """Arguments of the denoiser beside state and timestep; "" is unconditional."""
        import torch

        embedded = self.embedded(prompts)
        empty = torch.tensor([not text for text in prompts])
        if empty.any():
            for name, value in self._unconditional(embedded).items():
                here = empty.to(value.device).view(-1, *(1,) * (value.ndim - 1))
                embedded[name] = torch.where(here, value, embedded[name])
        arguments: Tensors = {"encoder_hidden_states": embedded["prompt_embeds"]}
        if "prompt_attention_mask" in embedded:
            arguments["encoder_attention_mask"] = embedded["prompt_attention_mask"]
            arguments["added_cond_kwargs"] = self._shapes(embedded["prompt_embeds"])
        if "pooled_prompt_embeds" in embedded:
            pooled = embedded["pooled_prompt_embeds"]
            ids = torch.tensor([*self._size, 0, 0, *self._size], dtype=pooled.dtype, device=pooled.device)
            arguments["added_cond_kwargs"] = {"text_embeds": pooled, "time_ids": ids.repeat(len(pooled), 1)}
        return arguments

    def _shapes(self, like: torch.Tensor) -> dict[str, Any]:
        """PixArt's large models are conditioned on the resolution and the ratio of the sides."""
        import torch

        if not self._pipeline.transformer.use_additional_conditions:
            return {}
        height, width = self._size
        shapes = {"resolution": [height, width], "aspect_ratio": [height / width]}
        return {name: torch.tensor(value).to(like).repeat(len(like), 1) for name, value in shapes.items()}

    def _unconditional(self, like: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Embeddings of no prompt, as many as ``like``: zeros where SDXL was trained so, else an empty text."""
        import torch

        if self._pipeline.config.get("force_zeros_for_empty_prompt"):
            return {name: torch.zeros_like(value) for name, value in like.items()}
        return self.embedded([""] * len(like["prompt_embeds"]))

    def _encode(self, texts: list[str]) -> list[tuple[torch.Tensor, ...]]:
        import torch

        pipeline = self._pipeline
        others = {
            name: None for name in ("prompt_2", "prompt_3") if name in signature(pipeline.encode_prompt).parameters
        }
        pipeline.maybe_free_model_hooks()  # offloaded, the denoiser makes room for the text models
        with torch.no_grad(), quiet():
            answers = pipeline.encode_prompt(
                prompt=texts,
                **others,  # every text model gets the same text
                device=pipeline._execution_device,  # noqa: SLF001 - where offloaded models run
                num_images_per_prompt=1,
                do_classifier_free_guidance=False,
            )
        named = dict(zip(self._kind.embeddings, answers, strict=True))
        return list(zip(*(named[name] for name in self._names), strict=True))

    def _keep(self, found: dict[str, tuple[torch.Tensor, ...]], new: list[str]) -> None:
        """Put what was just used last, and let go of what was not used for longest."""
        self._kept |= found
        self._bytes += sum(part.nbytes for text in new for part in found[text])
        while self._bytes > CACHED_BYTES and self._kept:
            oldest = self._kept.pop(next(iter(self._kept)))
            self._bytes -= sum(part.nbytes for part in oldest)


class Nothing:
    """A denoiser that is conditioned on nothing."""

    def arguments(self, prompts: Sequence[str]) -> Tensors:  # noqa: ARG002 - it is handed prompts all the same
        """No arguments beside state and timestep."""
        return {}


class Labels:
    """The classes of a class-conditional denoiser, given by name or by number.

    Args:
        names: class numbers by name.
        count: how many classes there are; this number itself stands for none of them.
        device: where the denoiser is.
    """

    def __init__(self, names: dict[str, int], count: int, device: Any) -> None:
        self._names = {name.casefold(): number for name, number in names.items()}
        self._count, self._device = count, device

    def arguments(self, prompts: Sequence[str]) -> Tensors:
        """Arguments of the denoiser beside state and timestep; "" is unconditional.

        Raises:
            Unsupported: a prompt is no class.
        """
        import torch

        return {"class_labels": torch.tensor([self._number(text.strip()) for text in prompts], device=self._device)}

    def _number(self, text: str) -> int:
        if not text:
            return self._count
        if text.isdecimal() and int(text) < self._count:
            return int(text)
        if text.casefold() in self._names:
            return self._names[text.casefold()]
        close = nearest(text.casefold(), self._names)
        raise Unsupported(
            f"the victim takes classes for prompts, and {text[:80]!r} is none of its {self._count}"
            + (f" (did you mean {close!r}?)" if close else "")
            + "; prompts='template: {label}' names the dataset's labels, prompts='empty' no class"
        )
