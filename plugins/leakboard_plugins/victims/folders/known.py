"""What people really have in the place of a pipeline or of weights, each told by name with its own next step."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakboard.api import LeakboardError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

PICKLES = frozenset({".bin", ".ckpt", ".pt", ".pth", ".pkl"})
UNFINISHED = (".incomplete", ".part", ".crdownload", ".aria2", ".download", ".opdownload")
"""Endings that programs give to files while they download them."""
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".zst")
HEADER_BYTES = 100_000_000
"""The largest header of a safetensors file that its library reads."""
AGAIN = "get the file again, and compare its size with that on the page it came from"
JOIN = "stable_diffusion(model='BASE', adapter='FOLDER or FILE'): the pipeline that it was trained on top of wears it"
CONVERT = (
    "StableDiffusionPipeline.from_single_file(FILE).save_pretrained(NEW), with the pipeline class of the model, "
    "and model='NEW'"
)


@dataclass(frozen=True)
class Sign:
    """Something that people have instead, and how it is told.

    Attributes:
        marks: beginnings of a file, names of files, or parts of tensors' names, any of which gives it away.
        what: it is.
        next: what to do.
    """

    marks: tuple[str, ...]
    what: str
    next: str


HEADS = (
    Sign(
        ("version https://git-lfs.github.com/spec/",),
        "is a Git LFS pointer, a few lines of text in the place of the file",
        "git lfs install && git lfs pull in the cloned repository, or hf download of the same model",
    ),
    Sign(("<!DOCTYPE", "<!doctype", "<html", "<HTML"), "is a web page that was saved in the place of the file", AGAIN),
    Sign(
        ("PK\x03\x04", "\x80\x02", "\x80\x03", "\x80\x04", "\x80\x05"),
        "is a pickle or an archive, whatever its name says, and pickles could run code, so it is not opened",
        "where you trust the file: open it with diffusers and pipeline.save_pretrained(folder)",
    ),
    Sign(("GGUF",), "is a GGUF file, whose weights are quantised", "get the weights as safetensors"),
)
ADAPTERS = Sign(
    (
        "pytorch_lora_weights.safetensors",
        "pytorch_lora_weights.bin",
        "adapter_config.json",
        "adapter_model.safetensors",
    ),
    "is a LoRA or another adapter, a small change of a model and not the model itself",
    JOIN,
)
EMBEDDINGS = Sign(
    ("learned_embeds.safetensors", "learned_embeds.bin"),
    "is a textual inversion, new words of a text model and not the model itself",
    "pipeline = StableDiffusionPipeline.from_pretrained(BASE); pipeline.load_textual_inversion(FOLDER); "
    "pipeline.save_pretrained(NEW), and model='NEW'",
)
TRAINING = Sign(
    ("optimizer.bin", "random_states_0.pkl", "random_states_0.pt", "trainer_state.json"),
    "is the state of a training, to go on with and not to be opened",
    "load it in the training script, then pipeline.save_pretrained(folder)",
)
TENSORS = (
    Sign(
        ("_orig_mod.",),
        "was saved from a compiled network (torch.compile): its tensors are named _orig_mod.…",
        "pipeline.unet = pipeline.unet._orig_mod, then pipeline.save_pretrained(folder); or take the prefix off",
    ),
    Sign(
        ("module.",),
        "was saved from a parallel wrapper (DataParallel): its tensors are named module.…",
        "save wrapped.module with save_pretrained; or take the prefix off",
    ),
    Sign(("model.diffusion_model.", "first_stage_model.", "cond_stage_model."), "is a single-file checkpoint", CONVERT),
    Sign(("lora_unet_", "lora_te_"), ADAPTERS.what, JOIN),
)
"""Beginnings of the names of tensors, of all or of some."""
LORA_PARTS = (".lora_A.", ".lora_B.", ".lora.down.", ".lora.up.", "lora_linear_layer", ".lora_down.", ".lora_up.")


def known_file(path: Path) -> LeakboardError | None:
    """What a file is that cannot be read as what it should be, if it is one of what people really have."""
    if path.is_symlink() and not path.exists():
        return _told(path, "is a link to a file that is gone", f"it points to {path.readlink()}: {AGAIN}")
    if not path.is_file():
        return _unfinished(path)
    if path.stat().st_size == 0:
        return _told(path, "is empty, as a download leaves it that never began", AGAIN)
    with path.open("rb") as opened:
        head = opened.read(64).lstrip()
    for sign in HEADS:
        if head.startswith(tuple(mark.encode("latin-1") for mark in sign.marks)):
            return _told(path, sign.what, sign.next)
    return _cut(path) if path.suffix == ".safetensors" else None


def known_folder(folder: Path, denoisers: Sequence[str], victim: str) -> LeakboardError | None:
    """What a folder without a `model_index.json` is, if it is one of what people really have.

    Args:
        folder: that was given.
        denoisers: names of components that denoise.
        victim: what is asked to open it, for the next step.
    """
    inside = sorted([*folder.glob("*/model_index.json"), *folder.glob("snapshots/*/model_index.json")])
    if inside:
        return LeakboardError(
            f"the folder is no pipeline, but {len(inside)} inside it {'is' if len(inside) == 1 else 'are'}",
            where=str(folder),
            expected="the folder that has model_index.json",
            nearest=str(inside[0].parent),
        )
    return (
        known_adapter(folder)
        or _one_component(folder, denoisers, victim)
        or _other_weights(folder)
        or _unfinished(folder / "model_index.json")
    )


def _one_component(folder: Path, denoisers: Sequence[str], victim: str) -> LeakboardError | None:
    own = _class_in(folder / "config.json")
    alone = [name for name in denoisers if _class_in(folder / name / "config.json")]
    if alone or (own and any(kind in own for kind in ("UNet", "Transformer"))):
        which = own or f"{_class_in(folder / alone[0] / 'config.json')} in {alone[0]}/"
        return _told(
            folder,
            f"is a denoiser alone ({which}), without the rest of the pipeline",
            f"{victim}(model={str(folder)!r}, base='PIPELINE'): the folder or hub id of the pipeline that it was "
            "tuned from",
        )
    if own:
        return _told(folder, f"is one component alone ({own})", "give the folder of the whole pipeline")
    return None


def _other_weights(folder: Path) -> LeakboardError | None:
    names = sorted(path.name for path in folder.iterdir())
    training = [name for name in names if name in TRAINING.marks]
    if training:
        return _told(folder, TRAINING.what, TRAINING.next, training)
    files = [name for name in names if name.endswith((".safetensors", *PICKLES))]
    return _told(folder, "holds a single-file checkpoint and no pipeline", CONVERT, files) if files else None


def known_adapter(folder: Path) -> LeakboardError | None:
    """Which change of a model a folder holds in the place of the model, if it holds one."""
    names = {path.name for path in folder.iterdir()}
    for sign in (ADAPTERS, EMBEDDINGS):
        if names & set(sign.marks):
            return _told(folder, sign.what, sign.next, sorted(names & set(sign.marks)))
    return None


def known_single(path: Path) -> LeakboardError:
    """What a file is that was given in the place of a pipeline's folder."""
    if path.name == "model_index.json":
        return LeakboardError("this is a file of a pipeline", where=str(path), nearest=str(path.parent))
    if path.suffix in ARCHIVES:
        return _told(path, "is an archive", "unpack it, and give the folder that has model_index.json")
    if path.suffix == ".safetensors":
        found = known_file(path) or known_tensors(_tensor_names(path), path)
        if found:
            return found
    return _told(path, "is a file, and no folder of a pipeline", CONVERT)


def known_tensors(names: Iterable[str], path: Path) -> LeakboardError | None:
    """What a file of weights is whose tensors are named for something else than a network of diffusers."""
    names = list(names)
    for sign in TENSORS:
        first = next((name for name in names if name.startswith(sign.marks)), None)
        if first:
            return _told(path, sign.what, sign.next, [first])
    first = next((name for name in names if any(part in name for part in LORA_PARTS)), None)
    return _told(path, ADAPTERS.what, JOIN, [first]) if first else None


def _told(path: Path, what: str, step: str, shown: Sequence[str] = ()) -> LeakboardError:
    seen = f" ({', '.join(shown[:3])})" if shown else ""
    return LeakboardError(f"{path.name} {what}{seen}", where=str(path), next=step)


def _unfinished(path: Path) -> LeakboardError | None:
    """A download that has not ended in the place of a file; hub downloads keep theirs in a folder of their own."""
    beside = [each for each in path.parent.glob("*") if each.name.endswith(UNFINISHED)]
    # the hub keeps its own beside the folder of a copy, or beside the snapshots of its cache
    hidden = [
        home for parent in list(path.parents)[:5] for home in (parent / ".cache" / "huggingface", parent / "blobs")
    ]
    found = sorted(each.name for each in (*beside, *(each for home in hidden for each in home.rglob("*.incomplete"))))
    if not found:
        return None
    return LeakboardError(
        f"{path.name} is missing, and {', '.join(found[:3])} is a download that has not ended",
        where=str(path),
        expected="whole files",
        next="start the download again; it goes on where it stopped",
    )


def _cut(path: Path) -> LeakboardError | None:
    """A safetensors file that is shorter than its header says."""
    size = path.stat().st_size
    with path.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if not 2 <= length <= HEADER_BYTES:
            return None
        if size < 8 + length:
            needed = 8 + length
        else:
            try:
                parts = json.loads(opened.read(length))
                needed = 8 + length + max(part["data_offsets"][1] for name, part in parts.items() if name[:2] != "__")
            except (AttributeError, KeyError, LookupError, TypeError, ValueError, RecursionError):
                return None
    if size >= needed:
        return None
    return _told(path, f"is half a download: it has {size:,} bytes of {needed:,} or more", AGAIN)


def _tensor_names(path: Path) -> list[str]:
    with path.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        try:
            return list(json.loads(opened.read(length))) if length <= HEADER_BYTES else []
        except (ValueError, RecursionError):
            return []


def _class_in(path: Path) -> str:
    """The class that a configuration names; an empty text without any."""
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.stat().st_size < HEADER_BYTES else None
    except (OSError, ValueError, RecursionError):
        return ""
    named = content.get("_class_name") if isinstance(content, dict) else None
    return named if isinstance(named, str) else ""
