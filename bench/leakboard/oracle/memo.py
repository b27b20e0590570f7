"""What one victim answered for one batch of samples, each question paid for once."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from leakboard.asking import Cost, Model, Step
from leakboard.oracle.fitting import Fitting
from leakboard.oracle.pools import timed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from leakboard.oracle.pools import Pools

DECODED_BYTES = 1 << 30
FREE = Cost()


def digest(tensor: torch.Tensor) -> str:
    """Content of a tensor: its type, shape and bytes."""
    import torch

    hashed = hashlib.blake2b(f"{tensor.dtype} {tuple(tensor.shape)} ".encode(), digest_size=16)
    hashed.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return hashed.hexdigest()


@dataclass
class Memo:
    """What one victim answered for one batch of samples, each question paid for once.

    Attributes:
        model: the opened victim, or the counting twin.
        batch_size: samples a denoiser call at most; halved when memory runs out.
        device: where the victim computes, if that is not where it is asked: each batch is moved there and its answer
            back, so that of all the samples no more than a batch lies there.
        evaluations_per_step: denoiser evaluations of one sampler step (2 under guidance).
        fitting: how the images of the dataset become those of the victim and back.
        room: bytes of decoded images that may be kept; those beyond are decoded anew when asked for again.
        paid: what the victim really had to do.
        known: what it said, by the content of the question, and what that cost.
        pools: where generations that all samples share are kept; None keeps them here alone.
        meter: told what the victim has to do, while it does it: denoiser evaluations over all samples of a batch.
        pools_made: by the question, what the pools cost that the victim really had to make, over all their images.
    """

    model: Model
    batch_size: int
    evaluations_per_step: int = 1
    fitting: Fitting = field(default_factory=Fitting)
    device: torch.device | None = None
    room: int = DECODED_BYTES
    paid: Cost = field(default_factory=Cost)
    known: dict[str, tuple[Any, Cost]] = field(default_factory=dict)
    pools: Pools | None = None
    pools_made: dict[str, Cost] = field(default_factory=dict)
    meter: Callable[[float], None] | None = None

    def ask(
        self,
        query: str,
        tensors: Sequence[torch.Tensor],
        arguments: tuple[Any, ...],
        cost: Cost | Callable[[Any], Cost],
        call: Callable[..., Any],
    ) -> tuple[Any, Cost]:
        """Answer from the memo, or call the model in batches and remember what it said, decoded images within limits.

        The cost that comes back is what the question cost when it was paid for, so an attack's price does not
        depend on who asked first. Where only the answer tells what was done, ``cost`` is a function of it.
        """
        key = repr((query, arguments, [digest(tensor) for tensor in tensors]))
        if key not in self.known:
            start = time.perf_counter()
            answer = self.batched(call, tensors, cost)
            done = cost if isinstance(cost, Cost) else cost(answer)
            full = done + Cost(seconds=time.perf_counter() - start)
            self.paid += full
            if query == "decode":
                self.room -= answer.nbytes
                if self.room < 0:
                    self.room += answer.nbytes
                    return answer, full
            self.known[key] = answer, full
        return self.known[key]

    def defended(
        self, images: torch.Tensor, question: tuple[Any, ...], apply: Callable[[], torch.Tensor]
    ) -> torch.Tensor:
        """What the query defenses make of images, which many observers send alike; it costs the victim nothing."""
        key = repr(("defended", question, digest(images)))
        if key not in self.known:
            self.known[key] = apply(), Cost()
        answer: torch.Tensor = self.known[key][0]
        return answer

    def pool(
        self, question: tuple[Any, ...], count: int, evaluations: int, call: Callable[[int, torch.Tensor], torch.Tensor]
    ) -> tuple[torch.Tensor, Cost]:
        """``count`` images (count, C, H, W) that all samples share, each of which takes ``evaluations``.

        The cost that comes back is of the whole pool, with the seconds that making it took, whoever made it.
        """
        import torch

        key = repr(("pool", question))
        if key not in self.known:
            start = time.perf_counter()

            def make() -> torch.Tensor:
                made: torch.Tensor = self.batched(call, [torch.empty(count, 1)], Cost(1, evaluations))
                return made

            images, seconds, made = self.pools.get(repr(question), make) if self.pools else timed(make)
            # apart from `paid`, whose evaluations are a sample's: a pool's do not grow with the samples that share it
            if made:
                self.pools_made[repr(question)] = Cost(count, count * evaluations)
            # who made it, or waited for it, is not billed for that alone: every asker bears its part of the whole
            self.paid += Cost(seconds=time.perf_counter() - start)
            self.known[key] = images, Cost(count, count * evaluations, seconds)
        answer, cost = self.known[key]
        return answer.clone(), cost

    def batched(
        self, call: Callable[..., Any], tensors: Sequence[torch.Tensor], cost: Cost | Callable[[Any], Cost] = FREE
    ) -> Any:
        """What ``call`` gives for the tensors (N, ...), which it gets in batches after the number of their first row.

        The batches are computed on the device; the answer lies where the tensors do. Both are copies: who writes in
        place, or gives out what it goes on writing into, spoils neither what others send nor what is remembered.
        """
        import torch

        home = tensors[0].device
        while True:
            batches = zip(*(torch.split(tensor, self.batch_size) for tensor in tensors), strict=True)
            starts = range(0, len(tensors[0]), self.batch_size)
            try:
                parts = []
                for start, batch in zip(starts, batches, strict=True):
                    parts.append(_moved(call(start, *(part.to(self.device, copy=True) for part in batch)), home))
                    if self.meter:
                        done = cost if isinstance(cost, Cost) else cost(parts[-1])
                        self.meter(done.evaluations * len(batch[0]))
            except (RuntimeError, MemoryError) as error:
                tried = min(self.batch_size, len(tensors[0]))
                if tried == 1 or not _out_of_memory(error):
                    raise
                self.batch_size = tried // 2
            else:
                return _join(parts)


def _moved(answer: Any, home: torch.device) -> Any:
    """The answer to one batch; of a reconstruction each step is moved before the next one is made."""
    import torch

    if isinstance(answer, Step):
        return Step(_moved(answer.clean, home), _moved(answer.state, home))
    if isinstance(answer, torch.Tensor):
        return answer.detach().to(home, copy=True)
    return [_moved(step, home) for step in answer]


def _join(parts: list[Any]) -> Any:
    import torch

    if isinstance(parts[0], Step):
        return Step(_join([part.clean for part in parts]), _join([part.state for part in parts]))
    if isinstance(parts[0], list):
        return [_join(list(step)) for step in zip(*parts, strict=True)]
    return torch.cat(parts)


def _out_of_memory(error: BaseException) -> bool:
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text
