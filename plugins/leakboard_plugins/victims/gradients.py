"""Norms of the gradient of each sample's own loss by each of a network's weights, as victims answer them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    Weights = dict[str, torch.Tensor]
    Loss = Callable[..., torch.Tensor]

CHUNK = 16
GRADIENT_BYTES = 1 << 30
"""Samples, and bytes of their gradients, that are in memory at once. More of them gain nothing: see
``benchmarks/gradients.py``."""
FEWEST = 4
"""Samples at once from which on doing them together pays; fewer are done one by one."""


def sample_norms(loss: Loss, weights: Weights, samples: tuple[Any, ...]) -> torch.Tensor:
    """L2 norms (N, weights) of each sample's gradient, many samples at once where the network allows it.

    What a network does that has no form for many samples with gradients of their own (a decision by the value of a
    tensor, a function with a backward pass of its own) is done one by one.

    Args:
        loss: a number for ``weights`` and one sample: ``loss(weights, *sample)``, each part without its first axis.
        weights: by name, in the order of the answer.
        samples: tensors (N, ...), or nests of such.

    Raises:
        RuntimeError: whatever the loss of one sample raises, or memory ran out.
    """
    import torch
    from torch.utils._pytree import tree_leaves

    room = GRADIENT_BYTES // max(1, sum(weight.nbytes for weight in weights.values()))
    chunk = min(CHUNK, room, len(tree_leaves(samples)[0]))
    if chunk >= FEWEST:
        try:
            return together(loss, weights, samples, chunk)
        except torch.OutOfMemoryError:  # whoever asks may ask about fewer at once
            raise
        except RuntimeError:  # torch has no kind of its own for it; what is wrong with the loss is raised again below
            pass
    return one_by_one(loss, weights, samples)


def together(loss: Loss, weights: Weights, samples: tuple[Any, ...], chunk: int) -> torch.Tensor:
    """The norms (N, weights), ``chunk`` samples at once, by `torch.func`."""
    import torch
    from torch.func import grad, vmap
    from torch.nn.attention import SDPBackend, sdpa_kernel

    def norms(*one: Any) -> torch.Tensor:
        found = grad(loss)(weights, *one)
        return torch.stack([found[name].float().norm() for name in weights])

    # the fused attention kernels know no per-sample form
    with sdpa_kernel(SDPBackend.MATH):
        return vmap(norms, chunk_size=chunk)(*samples)


def one_by_one(loss: Loss, weights: Weights, samples: tuple[Any, ...]) -> torch.Tensor:
    """The norms (N, weights), one sample after the other."""
    import torch
    from torch.utils._pytree import tree_leaves, tree_map

    own = {name: weight.detach().requires_grad_() for name, weight in weights.items()}
    rows = []
    for row in range(len(tree_leaves(samples)[0])):
        # a copy, for what a model answered under inference cannot be differentiated through
        one = tree_map(lambda each, row=row: each[row].clone(), samples)
        with torch.enable_grad():
            found = torch.autograd.grad(loss(own, *one), list(own.values()), materialize_grads=True, allow_unused=True)
        rows.append(torch.stack([part.float().norm() for part in found]))
    return torch.stack(rows)
