"""Another victim, whose denoiser is compiled for the machine that it runs on."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from leakboard.api import LeakboardError, Model
from leakboard_plugins.victims.treated.victim import Treated

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

BACKEND = "inductor"
"""Of `torch.compile`."""


@dataclass(frozen=True, kw_only=True)
class Compiled(Treated):
    """A victim whose denoiser is compiled by `torch.compile`, its memory laid out channels last.

    ``[run] compile = true`` makes one of every victim of a grid. The answers differ in their last digits, so it is a
    victim of its own. Whoever is first on a machine compiles, once for all sizes of batches and all timesteps; other
    workers find it in torch's cache (``TORCHINDUCTOR_CACHE_DIR``). Gradients are not compiled. On a CPU it takes a C++
    compiler.
    """

    name: ClassVar[str] = "compiled"

    @property
    def altered(self) -> bool:
        """As the victim: its weights are the same."""
        return self.of.altered

    def open(self, device: str) -> Model:
        """The victim's model on ``device``, which compiles itself when it is first asked.

        Raises:
            LeakboardError: the victim cannot be opened.
            Unsupported: its model does not give its networks out.
        """
        model = self.of.open(device)
        compile_in_place(model.networks()["denoiser"])
        return model

    def facts(self) -> dict[str, Any]:
        """Those of the victim."""
        return self.of.facts()


def compile_in_place(network: torch.nn.Module) -> None:
    """Compile what a network does without gradients; with gradients it goes on as it is.

    Asking it raises LeakboardError where it cannot be compiled.
    """
    import torch

    network.to(memory_format=torch.channels_last)
    plain = network.forward
    compiled = torch.compile(plain, backend=BACKEND)
    known: set[Any] = set()

    @functools.wraps(plain)
    def forward(*arguments: Any, **named: Any) -> Any:
        if torch.is_grad_enabled():  # torch.func has forms of its own for gradients, which are not compiled
            return plain(*arguments, **named)
        shapes = _of_any_size(arguments, named)
        if shapes in known:
            return compiled(*arguments, **named)
        known.add(shapes)
        return _first(lambda: compiled(*arguments, **named))

    network.forward = forward


def _of_any_size(arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Mark the first axis of all tensors as one that changes, and tell what compiling depends on beside it.

    Else the first full batch, the first smaller one and the quality gate's would each be compiled for. A batch of one
    is another program to torch.
    """
    import torch
    from torch.utils._pytree import tree_leaves

    tensors = [leaf for leaf in tree_leaves((arguments, named)) if isinstance(leaf, torch.Tensor)]
    for tensor in tensors:
        if tensor.ndim and len(tensor) > 1:
            torch._dynamo.maybe_mark_dynamic(tensor, 0)  # noqa: SLF001 - torch has no other name for it
    return tuple((tensor.ndim and len(tensor) > 1, tensor.shape[1:], tensor.dtype) for tensor in tensors)


def _first(call: Callable[[], Any]) -> Any:
    """A call that may compile: one process of this machine at a time, so that the others find what it made.

    Raises:
        LeakboardError: it cannot be compiled.
    """
    from pathlib import Path

    from filelock import FileLock
    from torch._dynamo.exc import TorchDynamoException
    from torch._inductor.exc import InductorError, InvalidCxxCompiler
    from torch._inductor.runtime.cache_dir_utils import cache_dir

    folder = Path(cache_dir())
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "leakboard.lock"):
            return call()
    except (TorchDynamoException, InductorError, InvalidCxxCompiler) as error:
        raise LeakboardError(
            f"the denoiser cannot be compiled: {' '.join(str(error).split())[:300]}",
            expected="a denoiser that torch.compile takes, and on a CPU a C++ compiler",
            next="install one (Debian: apt install g++), or leave compile = true out",
        ) from error
