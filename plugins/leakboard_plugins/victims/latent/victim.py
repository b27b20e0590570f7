"""What all victims with an autoencoder share: parameters, prompts, and how they are opened."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from leakboard.api import Fit, LeakboardError, Unsupported, Victim
from leakboard_plugins.victims.latent.folder import open_latent, read_kind, read_latent
from leakboard_plugins.victims.folders.manifests import manifest_digest, manifest_facts
from leakboard_plugins.victims.latent.samplers import Choice  # noqa: TC001 - the harness reads it

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from leakboard.api import Model, Samples

TEMPLATE = "template:"
FIELDS = ("label", "caption")
EXPECTED = "'caption', 'empty', or 'template: a photo of {label}' with the fields {label} and {caption}"


def told_by(prompts: str, samples: Samples) -> tuple[str, ...]:
    """What a victim is told with each sample by the rule ``prompts``.

    Args:
        prompts: ``caption``, ``empty``, or ``template:`` and a text with the fields {label} and {caption}.
        samples: whose captions and labels are told.

    Raises:
        Unsupported: the dataset has no captions or labels, and the rule needs them.
    """
    count = len(samples.ids)
    if prompts == "empty":
        return ("",) * count
    text = "{caption}" if prompts == "caption" else prompts.removeprefix(TEMPLATE).strip()
    known = {"label": samples.labels, "caption": samples.prompts}
    for _, field, _, _ in string.Formatter().parse(text):
        if field is not None and known[field] is None:
            others = [f"'template: a photo of {{{name}}}'" for name in FIELDS if known[name] is not None]
            raise Unsupported(
                f"prompts={prompts!r} needs the {field}s of the dataset, which has none; "
                f"prompts={' or '.join([*others, repr('empty')])} would do, or a dataset with {field}s"
            )
    rows = [{name: "" if of is None else of[row] for name, of in known.items()} for row in range(count)]
    return tuple(text.format(**row) for row in rows)


def check_prompts(prompts: str) -> None:
    """Refuse a rule that `told_by` could not follow.

    Raises:
        LeakboardError: it is none.
    """
    if prompts in ("caption", "empty"):
        return
    text = prompts.removeprefix(TEMPLATE).strip()
    try:
        fields = list(string.Formatter().parse(text))
    except ValueError as error:
        raise LeakboardError(f"the template cannot be read: {error}", where=f"prompts={prompts!r}") from error
    plain = all(field in (None, *FIELDS) and not spec and not change for _, field, spec, change in fields)
    if not prompts.startswith(TEMPLATE) or not text or not plain:
        raise LeakboardError("no rule for prompts", where=f"prompts={prompts!r}", expected=EXPECTED)


@dataclass(frozen=True, kw_only=True)
class LatentVictim(Victim):
    """A victim that a folder of a diffusers latent pipeline makes."""

    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    """Type of weights and latents."""
    guidance: Annotated[float, Field(ge=1, le=100)] = 1.0
    """Classifier-free guidance (Ho and Salimans 2207.12598). 1 is none: one denoiser evaluation a step, not two."""
    prompts: str = "caption"
    """What it is told with each sample: 'caption', 'empty', or 'template: a photo of {label}' ({label}, {caption})."""
    scheduler: Choice = "auto"
    """Sampler: 'auto' is DDIM with eta = 0 on the model's own schedule, or its own where it matches flows."""
    fit: Fit = "exact"
    """How images of another size or colour are fitted to it."""
    attention_slicing: bool = False
    """Less memory for more time."""
    offload: Literal["no", "model", "sequential"] = "no"
    """Keep on the CPU what is not running on the GPU."""
    allow_untrained: bool = False
    """Attack it even if its denoising loss is at chance."""

    def __post_init__(self) -> None:
        check_prompts(self.prompts)

    @property
    def evaluations_per_step(self) -> int:
        """Two under guidance, with and without the prompt, unless its denoiser is told how much guidance to imitate."""
        return 2 if self.guidance > 1 and not read_kind(self.folder).distilled else 1

    @property
    def gated(self) -> bool:
        """True unless it may be untrained."""
        return not self.allow_untrained

    @property
    def folder(self) -> Path:
        """Where the pipeline is."""
        raise NotImplementedError

    @property
    def side(self) -> int | None:
        """Height and width of its images in pixels; None is the size that the pipeline makes by itself."""
        return None

    def open(self, device: str) -> Model:
        """The model on ``device``, in eval mode.

        Raises:
            LeakboardError: there is no such pipeline, it is of another kind or damaged, or the device cannot offload.
        """
        return open_latent(
            self.folder,
            device,
            dtype=self.dtype,
            guidance=self.guidance,
            scheduler=self.scheduler,
            attention_slicing=self.attention_slicing,
            offload=self.offload,
            size=self.side,
        )

    def files(self) -> Sequence[Path]:
        """Configurations, vocabularies and weights of the components that are used.

        Raises:
            LeakboardError: there is no such pipeline, it is of another kind, damaged, or not that of its manifest.
        """
        return read_latent(self.folder).files

    def trained_on(self) -> str | None:
        """`member_digest` out of the ``manifest.json`` beside the pipeline, if there is one."""
        return manifest_digest(self.folder)

    def facts(self) -> dict[str, Any]:
        """What the ``manifest.json`` beside the pipeline says of its training, if there is one."""
        return manifest_facts(self.folder)

    def prompts_for(self, samples: Samples) -> tuple[str, ...]:
        """The prompts that ``prompts`` makes of captions and labels.

        Raises:
            Unsupported: the dataset has no captions or labels, and ``prompts`` needs them.
        """
        return told_by(self.prompts, samples)
