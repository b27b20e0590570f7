"""What all victims with an autoencoder share: parameters, prompts, and how they are opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from leakboard.api import Fit, LeakboardError, Unsupported
from leakboard_plugins.victims.folders.victim import FolderVictim
from leakboard_plugins.victims.latent.adapters import check_adapter, find_adapter
from leakboard_plugins.victims.latent.folder import LatentFolder, read_kind, read_offers, read_pipeline
from leakboard_plugins.victims.latent.opening import open_pipeline
from leakboard_plugins.victims.latent.prompts import check_rule, made_prompts
from leakboard_plugins.victims.latent.samplers import SamplerName  # noqa: TC001 - as above

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from leakboard.api import Model, Need, Samples, WorksIn
    from leakboard_plugins.victims.latent.adapters import Adapter


@dataclass(frozen=True, kw_only=True)
class LatentVictim(FolderVictim):
    """A victim that a folder of a diffusers latent pipeline makes."""

    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    """Type of weights and latents."""
    guidance: Annotated[float, Field(ge=1, le=100)] = 1.0
    """Classifier-free guidance (Ho and Salimans 2207.12598). 1 is none: one denoiser evaluation a step, not two."""
    prompts: str = "caption"
    """Its prompt with each sample: 'caption', 'empty', or 'template: a photo of {label}' ({label}, {caption})."""
    scheduler: SamplerName = "auto"
    """Sampler: 'auto' is DDIM with eta = 0 on the model's own schedule, or its own where it matches flows."""
    fit: Fit = "exact"
    """How images of another size or colour are fitted to it."""
    attention_slicing: bool = False
    """Less memory for more time."""
    offload: Literal["no", "model", "sequential"] = "no"
    """Keep on the CPU what is not running on the GPU."""
    allow_untrained: bool = False
    """Attack it even if its denoising loss is at chance."""
    adapter: str | None = None
    """Folder or file of an adapter (LoRA) that it wears, as diffusers, kohya or peft saved it."""
    adapter_weight: float = 1.0
    """Factor of what the adapter adds; 1 is as trained."""

    def __post_init__(self) -> None:
        check_rule(self.prompts)
        if self.adapter is None and self.adapter_weight != 1:
            raise LeakboardError(
                "there is no adapter to weigh", where=f"adapter_weight={self.adapter_weight}", expected="adapter=..."
            )

    @property
    def works_in(self) -> WorksIn:
        """Latents."""
        return "latents"

    @property
    def offers(self) -> frozenset[Need] | None:
        """What its pipeline folder says; None where there is none to be read, which `files` tells."""
        try:
            offers = read_offers(self.folder, self.rest)
        except LeakboardError:
            return None
        return offers if self.adapter is None else offers | {"base"}

    @property
    def evaluations_per_step(self) -> int:
        """Two under guidance, with and without the prompt, unless its denoiser imitates guidance itself."""
        return 2 if self.guidance > 1 and not read_kind(self.folder, self.rest).distilled else 1

    @property
    def gated(self) -> bool:
        """True unless it may be untrained."""
        return not self.allow_untrained

    @property
    def null(self) -> bool:
        """True for an adapter that was not trained: the base has never seen what it would have learnt."""
        try:
            return self.worn is not None and self.worn.manifest().get("epochs") == 0
        except LeakboardError:
            return False

    @property
    def worn(self) -> Adapter | None:
        """The adapter that it wears.

        Raises:
            LeakboardError: there is no such adapter.
        """
        return None if self.adapter is None else find_adapter(self.adapter)

    @property
    def described(self) -> Path:
        """Of a victim with an adapter the adapter's folder: the members are those of the adapter.

        Raises:
            LeakboardError: there is no such folder.
        """
        return self.worn.folder if self.worn else self.folder

    @property
    def side(self) -> int | None:
        """Height and width of its images in pixels; None is the size that the pipeline makes by itself."""
        return None

    @property
    def rest(self) -> Path | None:
        """The pipeline that the rest is taken from, where the folder holds a denoiser alone."""
        return None

    @property
    def weights_variant(self) -> str | None:
        """Variant of the weights; None is plain ones, or the only variant there is."""
        return None

    def open(self, device: str) -> Model:
        """The model on ``device``, in eval mode.

        Raises:
            LeakboardError: there is no such pipeline, it is of another kind or damaged, the device cannot offload, or
                the adapter does not fit.
        """
        return open_pipeline(
            self._found(),
            device,
            dtype=self.dtype,
            guidance=self.guidance,
            scheduler=self.scheduler,
            attention_slicing=self.attention_slicing,
            offload=self.offload,
            size=self.side,
            adapter=self.worn,
            adapter_weight=self.adapter_weight,
        )

    def files(self) -> Sequence[Path]:
        """Configurations, vocabularies and weights of the components that are used, and the adapter.

        Raises:
            LeakboardError: there is no such pipeline, it is of another kind, damaged, or not that of its manifest.
        """
        return (*self._found().files, *(self.worn.files if self.worn else ()))

    def prompts_for(self, samples: Samples) -> tuple[str, ...]:
        """The prompts that ``prompts`` makes of captions and labels; unconditional pipelines do without.

        Raises:
            Unsupported: the dataset has no captions or labels, and ``prompts`` needs them.
        """
        try:
            return made_prompts(self.prompts, samples)
        except Unsupported:
            if read_kind(self.folder, self.rest).unconditional:
                return made_prompts("empty", samples)
            raise

    def _found(self) -> LatentFolder:
        found = read_pipeline(self.folder, self.rest, self.weights_variant)
        scheduler = found.parts["scheduler"][1]
        if self.scheduler == "own" and not found.own_steps:
            raise LeakboardError(
                f"of the pipeline's {scheduler} only the betas are used, and not its steps",
                where="scheduler='own'",
                expected="scheduler='auto' or another sampler by name",
            )
        if self.guidance > 1 and found.kind.unconditional:
            raise LeakboardError(
                f"the {found.pipeline} takes no prompts, so there is nothing to guide it by",
                where=f"guidance={self.guidance}",
                expected="guidance=1",
            )
        if self.worn:
            check_adapter(self.worn, found.files)
        return found
