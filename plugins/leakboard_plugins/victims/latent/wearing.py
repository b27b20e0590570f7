"""Putting an adapter on a pipeline, whatever wrote it, and switching it off and on again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from leakboard.api import LeakboardError
from leakboard_plugins.victims.latent.adapters import PEFT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import torch

    from leakboard_plugins.victims.latent.adapters import Adapter
    from leakboard_plugins.victims.latent.kinds import Kind

    Tensors = Mapping[str, torch.Tensor]

WORN = "worn"
"""What peft calls the one adapter of a pipeline."""
SHOWN = 3
"""Misfits that a message names."""


class Switch:
    """The adapter of a pipeline: on, or off as if it were not there.

    Args:
        parts: networks that wear it.
        weight: factor of what it adds.
    """

    def __init__(self, parts: list[Any], weight: float) -> None:
        from peft.tuners.tuners_utils import BaseTunerLayer

        self._layers = [each for part in parts for each in part.modules() if isinstance(each, BaseTunerLayer)]
        self._on = True
        for layer in self._layers:
            layer.set_scale(WORN, weight)
            layer.to(layer.weight.dtype)
            layer.requires_grad_(False)

    def turn(self, *, on: bool) -> None:
        """Switch it on or off."""
        if on == self._on:
            return
        self._on = on
        for layer in self._layers:
            layer.enable_adapters(on)
            layer.requires_grad_(False)  # peft takes one that is switched on for one that is trained


class Misfit(NamedTuple):
    """A tensor of an adapter that no layer of the pipeline takes, and why."""

    name: str
    why: str


def put_on(pipeline: Any, kind: Kind, adapter: Adapter, weight: float) -> Switch:
    """Load an adapter into the networks of a pipeline; nothing is fused, so it can be switched off.

    Args:
        pipeline: of diffusers, loaded and on no device yet.
        kind: what it is made of.
        adapter: whose file was checked.
        weight: factor of what it adds; 1 is as trained.

    Raises:
        LeakboardError: diffusers knows no adapters for such pipelines, or it does not fit.
    """
    import torch
    from safetensors.torch import load_file

    parts = {
        name: part
        for name, part in pipeline.components.items()
        if isinstance(part, torch.nn.Module) and name != kind.autoencoder
    }
    try:
        tensors = load_file(adapter.file)
        if adapter.config:
            _by_peft(parts[kind.denoiser], kind, adapter, tensors, parts)
        else:
            _by_diffusers(pipeline, kind, adapter, tensors, parts)
    except LeakboardError:
        raise
    except Exception as error:  # a file that fits nothing fails anywhere in peft or diffusers, with anything
        words = " ".join(str(error).split())[:400]
        raise LeakboardError(
            f"the adapter {adapter.file.name} cannot be put on: {words or type(error).__name__}",
            where=str(adapter.file),
            expected=f"an adapter of a {type(pipeline).__name__}",
        ) from error
    return Switch(list(parts.values()), weight)


def _by_peft(denoiser: Any, kind: Kind, adapter: Adapter, tensors: Tensors, parts: Mapping[str, Any]) -> None:
    """What peft saved of a denoiser that it wrapped."""
    from peft import PeftConfig, inject_adapter_in_model, set_peft_model_state_dict

    own = {name.removeprefix(PEFT): tensor for name, tensor in tensors.items()}
    _refuse(misfits({f"{kind.denoiser}.{name}": tensor for name, tensor in own.items()}, parts), adapter, denoiser)
    config = PeftConfig.from_pretrained(str(adapter.folder), local_files_only=True)
    inject_adapter_in_model(config, denoiser, adapter_name=WORN)
    set_peft_model_state_dict(denoiser, own, adapter_name=WORN)


def _by_diffusers(pipeline: Any, kind: Kind, adapter: Adapter, tensors: Tensors, parts: Mapping[str, Any]) -> None:
    if not hasattr(pipeline, "load_lora_weights"):
        raise LeakboardError(
            f"diffusers opens no adapters for a {type(pipeline).__name__}",
            where=str(adapter.file),
            expected="one that peft saved of its denoiser: adapter_model.safetensors with adapter_config.json",
        )
    # SDXL numbers its blocks in another way than kohya does
    blocks = {"unet_config": pipeline.unet.config} if kind.denoiser == "unet" else {}
    converted = pipeline.lora_state_dict(dict(tensors), **blocks)
    known = converted[0] if isinstance(converted, tuple) else converted
    _refuse(misfits(known, parts), adapter, pipeline)
    pipeline.load_lora_weights(
        str(adapter.folder),
        weight_name=adapter.file.name,
        adapter_name=WORN,
        local_files_only=True,
        use_safetensors=True,
    )


def misfits(tensors: Tensors, parts: Mapping[str, Any]) -> list[Misfit]:
    """What of an adapter no layer of these networks takes, which peft and diffusers would drop or crash on.

    Args:
        tensors: under the names of diffusers, each after that of its network.
        parts: the networks by name.
    """
    found: list[Misfit] = []
    for name, part in parts.items():
        own = {key.removeprefix(f"{name}."): tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")}
        layers = dict(part.named_modules())
        found += [Misfit(f"{name}.{key}", why) for key, why in _unfit(_as_peft(name, part, own), layers)]
    strangers = [key for key in tensors if key.partition(".")[0] not in parts]
    return found + [Misfit(key, f"the pipeline has no {key.partition('.')[0]}") for key in strangers]


def _unfit(tensors: Tensors, layers: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, tensor in tensors.items():
        layer, inner, side = key.rpartition(".lora_")
        if not inner:
            continue
        weight = getattr(layers.get(layer), "weight", None)
        if weight is None:
            yield key, "there is no such layer"
            continue
        # A maps what goes into the layer to the rank, B the rank to what comes out
        place = 1 if side.startswith("A.") else 0
        if side in ("A.weight", "B.weight") and (
            tensor.ndim != weight.ndim or tensor.shape[place] != weight.shape[place]
        ):
            yield key, f"it is {tuple(tensor.shape)}, and the layer's weight {tuple(weight.shape)}"


def _as_peft(name: str, part: Any, tensors: Tensors) -> Tensors:
    """Tensors of one network under the names that peft gives them, as diffusers makes these itself."""
    from diffusers.utils import (
        convert_state_dict_to_diffusers,
        convert_state_dict_to_peft,
        convert_unet_state_dict_to_peft,
    )

    if not tensors or any(".lora_A." in key for key in tensors):
        named = tensors
    elif name.startswith("text_encoder"):
        named = convert_state_dict_to_peft(convert_state_dict_to_diffusers(tensors))
    else:
        named = convert_unet_state_dict_to_peft(tensors)
    if name.startswith("text_encoder") and not hasattr(part, "text_model"):
        return {key.removeprefix("text_model."): tensor for key, tensor in named.items()}
    return named


def _refuse(found: list[Misfit], adapter: Adapter, base: Any) -> None:
    if found:
        shown = "; ".join(f"{each.name}: {each.why}" for each in found[:SHOWN])
        raise LeakboardError(
            f"the adapter does not fit the base: {len(found)} of its tensors have no place, the first: {shown}",
            where=str(adapter.file),
            expected=f"an adapter that was trained on top of this {type(base).__name__}, or one of the same layers",
            next="model= the pipeline that its page names as the base",
        )
