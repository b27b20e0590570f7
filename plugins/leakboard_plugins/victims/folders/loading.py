"""Loading the components of a pipeline by diffusers and transformers: whatever they say is told with its component."""

from __future__ import annotations

import contextlib
import importlib
import json
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leakboard.api import LeakboardError
from leakboard_plugins.victims.folders.layout import CONFIG, SAVE
from leakboard_plugins.victims.folders.weights import names_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakboard_plugins.victims.folders.weights import Weights

TOLD = 400
"""Characters of what a library says."""


@contextlib.contextmanager
def told_with(what: str, where: Path) -> Iterator[None]:
    """Whatever a library raises or warns of in here is told with what it was about.

    Raises:
        LeakboardError: anything was raised.
    """
    noted: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as noted:
            yield
    except LeakboardError:
        raise
    except Exception as error:  # a wrong configuration fails anywhere in diffusers, with anything
        words = " ".join(str(error).split())[:TOLD]
        raise LeakboardError(
            f"{what} cannot be opened: {words if ' ' in words else f'{type(error).__name__} {words}'.strip()}",
            where=str(where),
            expected=f"what {what.removeprefix('the ')} was saved with",
            next=SAVE,
        ) from error
    for note in noted:
        words = " ".join(str(note.message).split())[:TOLD]
        warnings.warn(f"{where}: {words}", note.category, stacklevel=3)


def load_network(name: str, library: str, cls: str, home: Path, weights: Weights, dtype: Any) -> Any:
    """A network with its weights, in eval mode, without gradients on them.

    Args:
        name: of the component.
        library: diffusers or transformers.
        cls: its class there.
        home: its folder.
        weights: where they lie.
        dtype: of torch.

    Raises:
        LeakboardError: the weights are not those of the configuration, or hold no numbers.
    """
    with told_with(f"the {name} ({cls})", home), _plainly_named(home, library, weights) as (folder, variant):
        part, loading = getattr(importlib.import_module(library), cls).from_pretrained(
            folder,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            variant=variant,
            **{"torch_dtype" if library == "diffusers" else "dtype": dtype},
        )
    # what is missing was filled with random numbers
    refuse_misfits([str(key) for what in ("missing_keys", "mismatched_keys") for key in loading.get(what, ())], home)
    _refuse_diverged(part, name, home)
    return part.eval().requires_grad_(False)


def refuse_misfits(names: list[str], home: Path) -> None:
    """Refuse weights that are not those of the configuration beside them.

    Raises:
        LeakboardError: there are some.
    """
    if names:
        raise LeakboardError(
            f"{len(names)} weights do not fit the configuration, the first is {names[0]}",
            where=str(home),
            expected=f"exactly the tensors of the network in {home.name}/{CONFIG}",
            next=SAVE,
        )


def _refuse_diverged(part: Any, name: str, home: Path) -> None:
    import torch

    half = part.dtype == torch.float16
    wrong = [key for key, weight in part.named_parameters() if not torch.isfinite(weight).all()]
    if wrong:
        raise LeakboardError(
            f"{len(wrong)} tensors of the {name} hold NaN or infinite numbers, the first is {wrong[0]}",
            where=str(home),
            expected="finite weights",
            next="dtype='float32', where only half precision overflows; else an earlier checkpoint"
            if half
            else "an earlier checkpoint: training diverged before this one was saved",
        )


@contextlib.contextmanager
def _plainly_named(home: Path, library: str, weights: Weights) -> Iterator[tuple[Path, str | None]]:
    """A folder and a variant that the library finds these weights under.

    diffusers looks for old tables under a name that it gets wrong where the path has a dot.
    """
    if not weights.old or weights.table is None:
        yield home, weights.variant or None
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for path in (home / CONFIG, *weights.files):
            (folder / path.name).symlink_to(path.resolve())
        table = json.loads(weights.table.read_text(encoding="utf-8"))
        (folder / names_of(library, "")[1]).write_text(json.dumps(table), encoding="utf-8")
        yield folder, None
