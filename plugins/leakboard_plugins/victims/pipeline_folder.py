"""A diffusers pipeline folder: found offline, checked before anything is loaded, opened without a pickle."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from leakboard.api import LeakboardError
from leakboard_plugins.victims.layout import INDEX, LAYOUT, SAVE, SCHEDULER_CONFIG, UNET_CONFIG, WEIGHTS, read_json
from leakboard_plugins.victims.manifests import check_digests
from leakboard_plugins.victims.pipeline_config import read_scheduler, read_unet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from leakboard_plugins.victims.pixel_model import PixelModel

SCHEDULERS = ("DDPMScheduler", "DDIMScheduler")
PICKLES = frozenset({".bin", ".ckpt", ".pt", ".pth", ".pkl"})


def locate(model: str, revision: str | None = None, layout: str = LAYOUT) -> Path:
    """The folder of a pipeline: a path, or a hub id that is in the local hub cache. Nothing is downloaded.

    Args:
        model: path or hub id.
        revision: branch, tag or commit of a hub id; None is its main branch.
        layout: what is expected there, in words.

    Raises:
        LeakboardError: it is neither, the cache lacks the revision, or a folder is given with a revision.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise LeakboardError(
                f"a folder has no revision, but revision={revision!r} is given",
                where=f"model={model!r}",
                expected="a revision beside a hub id only",
                next="leave revision out, or check that revision out into the folder first",
            )
        return folder
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", model):
        raise LeakboardError(f"there is no folder {model!r}", where=f"model={model!r}", expected=layout, next=SAVE)
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError as error:
        cached = Path(constants.HF_HUB_CACHE) / f"models--{model.replace('/', '--')}"
        command = f"hf download {model}" + (f" --revision {revision}" if revision else "")
        there = [path.name for part in ("refs", "snapshots") for path in sorted(cached.glob(f"{part}/*"))]
        what = f"{model!r} is neither a folder nor a pipeline in the local hub cache"
        if there:
            what = f"{model!r} is in the local hub cache, but not its revision {revision or 'main'!r}"
        raise LeakboardError(
            what,
            where=f"model={model!r}, hub cache {constants.HF_HUB_CACHE}",
            expected=f"{layout}, as {cached / 'snapshots' / '<commit>'} with that commit in "
            f"{cached / 'refs' / (revision or 'main')}" + (f"; there is {', '.join(there)}" if there else ""),
            next=f"{command}, or copy the pipeline into a folder and give its path",
        ) from error


def pipeline_files(folder: Path) -> tuple[Path, ...]:
    """The files that the answers of a pipeline depend on, after checking that it is one we can open.

    Raises:
        LeakboardError: not a pipeline of a UNet2DModel and a DDPM or DDIM scheduler, a file is missing, a
            configuration makes no sense, or the weights are no whole safetensors, do not fit the network, or are
            not those of the ``manifest.json`` beside the pipeline.
    """
    _check_components(folder)
    read_scheduler(read_json(folder / SCHEDULER_CONFIG), folder / SCHEDULER_CONFIG)
    unet = read_unet(read_json(folder / UNET_CONFIG), folder / UNET_CONFIG)
    weights = component_weights(folder, "unet")
    shapes = dict(shape for path in weights if path.suffix == ".safetensors" for shape in tensor_shapes(path))
    _refuse_misfits(unet.misfits(shapes), folder)
    check_digests(folder, [WEIGHTS])
    return (*(folder / name for name in (INDEX, SCHEDULER_CONFIG, UNET_CONFIG)), *weights)


def open_pipeline(folder: Path, device: str) -> PixelModel:
    """The model of a pipeline folder on ``device``, float32, in eval mode, without gradients on its weights.

    Raises:
        LeakboardError: as `pipeline_files`, or the weights do not fit the network's configuration.
    """
    import torch
    from diffusers import UNet2DModel

    from leakboard_plugins.victims.pixel_model import PixelModel

    pipeline_files(folder)
    try:
        unet, loading = UNet2DModel.from_pretrained(
            folder,
            subfolder="unet",
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except Exception as error:  # a wrong configuration fails anywhere in diffusers, with anything
        raise LeakboardError(
            f"the UNet2DModel cannot be opened: {error}", where=str(folder / "unet"), expected=LAYOUT, next=SAVE
        ) from error
    # diffusers fills what is missing with random numbers
    _refuse_misfits([name for names in loading.values() for name in names], folder)
    unet = unet.float().eval().requires_grad_(False).to(device=device, memory_format=torch.channels_last)
    try:
        return PixelModel(unet, read_json(folder / SCHEDULER_CONFIG))
    except (NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        raise LeakboardError(
            f"the DDIM sampler cannot follow the noise schedule: {error}", where=str(folder / SCHEDULER_CONFIG)
        ) from error


def _check_components(folder: Path) -> None:
    index = read_json(folder / INDEX)
    found = {
        name: value[-1]
        for name, value in index.items()
        if isinstance(value, list) and value and isinstance(value[-1], str)
    }
    if found.keys() != {"unet", "scheduler"} or found["unet"] != "UNet2DModel" or found["scheduler"] not in SCHEDULERS:
        parts = ", ".join(f"{name} = {value}" for name, value in sorted(found.items()))
        raise LeakboardError(
            f"the pipeline is made of {parts or 'nothing'}",
            where=str(folder / INDEX),
            expected=f"unet = UNet2DModel and scheduler = {' or '.join(SCHEDULERS)}, and nothing else",
        )


def tensor_shapes(path: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes out of the header; reading it also finds a file that is cut."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as opened:
            for name in opened.keys():  # noqa: SIM118 - not a mapping
                yield name, tuple(opened.get_slice(name).get_shape())
    except (SafetensorError, OSError) as error:
        raise LeakboardError(
            f"the weights cannot be read: {error}", where=str(path), expected="a whole safetensors file", next=SAVE
        ) from error


def _refuse_misfits(names: Sequence[str], folder: Path) -> None:
    if names:
        raise LeakboardError(
            f"{len(names)} weights do not fit the configuration, the first is {names[0]}",
            where=str(folder / "unet"),
            expected=f"exactly the tensors of the network in {UNET_CONFIG}",
            next=SAVE,
        )


def component_weights(
    folder: Path, component: str, stem: str = "diffusion_pytorch_model", variant: str = ""
) -> tuple[Path, ...]:
    """The safetensors of a component, with the table of its parts if there are several; no pickle.

    Args:
        folder: the pipeline's.
        component: name of its folder there.
        stem: how its files are called.
        variant: ``.fp16`` for files that are so marked.

    Raises:
        LeakboardError: there are none.
    """
    home, wanted = folder / component, f"{component}/{stem}{variant}.safetensors"
    if (folder / wanted).is_file():
        return (folder / wanted,)
    parts = home / f"{stem}.safetensors.index{variant}.json"
    if parts.is_file():
        table = read_json(parts).get("weight_map")
        names = sorted({str(name) for name in table.values()}) if isinstance(table, dict) else []
        shards = tuple(home / name for name in names)
        for shard in shards:
            if not shard.is_file() or shard.suffix != ".safetensors":
                raise LeakboardError("a part of the weights is missing", where=str(shard), expected="safetensors")
        if shards:
            return (parts, *shards)
    pickles = [path.name for path in sorted(home.glob("*")) if path.suffix in PICKLES]
    if pickles:
        raise LeakboardError(
            f"the weights are a pickle ({', '.join(pickles)}), which could run code, so they are not opened",
            where=str(home),
            expected=wanted,
            next="where you trust the file: pipeline.save_pretrained(folder, safe_serialization=True)",
        )
    raise LeakboardError("the weights are missing", where=str(home), expected=wanted, next=SAVE)
