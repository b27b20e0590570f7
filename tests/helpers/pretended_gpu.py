"""A device that is not there: tensors that say they lie on a GPU, and mix with none that do not."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

GPU = torch.device("cuda")


class OnGpu(torch.Tensor):
    """Computes like any other tensor, but cannot be read from the CPU."""


class PretendedGpu(TorchFunctionMode):
    """Inside, what is moved to a GPU says so until it is moved back.

    Attributes:
        rows: the largest first dimension of anything that lay there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rows = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Calls the function, or fails as a real GPU would."""
        kwargs = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        there = [isinstance(tensor, OnGpu) for tensor in tensors]
        if func == torch.Tensor.device.__get__ and any(there):
            return GPU
        if func in (torch.Tensor.to, torch.Tensor.cpu):
            return self._noted(_moved(func, *args, **kwargs))
        if func is torch.Tensor.numpy and any(there):
            raise TypeError("can't convert cuda device type tensor to numpy")
        # scalars of the CPU mix with everything
        if any(there) and not all(on or not tensor.ndim for on, tensor in zip(there, tensors, strict=True)):
            raise RuntimeError("Expected all tensors to be on the same device")
        return self._noted(func(*args, **kwargs))

    def _noted(self, result: Any) -> Any:
        for leaf in tree_leaves(result):
            if isinstance(leaf, OnGpu) and leaf.ndim:
                self.rows = max(self.rows, len(leaf))
        return result


def _moved(func: Any, tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    device, dtype = (torch.device("cpu"), None) if func is torch.Tensor.cpu else _target(args, kwargs)
    if dtype is not None:
        tensor = tensor.to(dtype)
    if device is None:
        return tensor
    # a copy, as a real move makes one
    return tensor.clone().as_subclass(OnGpu if device.type == "cuda" else torch.Tensor)


def _target(args: Any, kwargs: Any) -> tuple[torch.device | None, torch.dtype | None]:
    given = [*args, *kwargs.values()]
    like = [value for value in given if isinstance(value, torch.Tensor)]
    if like:
        return GPU if isinstance(like[0], OnGpu) else torch.device("cpu"), like[0].dtype
    devices = [torch.device(value) for value in given if isinstance(value, (str, torch.device))]
    types = [value for value in given if isinstance(value, torch.dtype)]
    return next(iter(devices), None), next(iter(types), None)
