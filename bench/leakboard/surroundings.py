"""What components share in one process, and one may have changed for the next: put back between them, here alone.

A component may change any of it while it works. What cannot be put back is told, and a worker ends over it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


AT_START = ("OMP_", "GOMP_", "MALLOC_", "PYTHONSAFEPATH")
"""Beginnings of variables that count when a process starts, and later no more. They are left alone: another thread of
the run sets them while it starts a process."""


class Part(NamedTuple):
    """One thing that is shared: what it is called, how it is read, and how it is put back; None where it cannot be."""

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object] | None


@dataclass
class Kept:
    """What a component had changed: ``reset`` was put back, ``lost`` could not be."""

    reset: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


@contextlib.contextmanager
def kept() -> Iterator[Kept]:
    """Around one component: what it changed of what all share is put back at the end, however it ends."""
    found = Kept()
    before = [(part, _read(part)) for part in _parts()]
    try:
        with streams_kept() as closed:
            yield found
    finally:
        found.lost += closed
        for part, value in before:
            now = _read(part)
            if now == value:
                continue
            if part.write is not None:
                with contextlib.suppress(Exception):
                    part.write(value)
            (found.reset if _read(part) == value else found.lost).append(part.name)


@contextlib.contextmanager
def streams_kept() -> Iterator[list[str]]:
    """Opens standard input, output and error again where a component closed them; lists those afterwards."""
    copies, closed = _standard(), list[str]()
    try:
        yield closed
    finally:
        _reopen(copies, closed)


def _read(part: Part) -> Any:
    try:
        return part.read()
    except Exception as error:  # noqa: BLE001 - a working folder that was removed, say
        return type(error)


def _parts() -> list[Part]:
    parts = [
        Part("working folder", os.getcwd, os.chdir),
        Part("recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
        Part("sys.path", lambda: list(sys.path), lambda value: sys.path.__setitem__(slice(None), value)),
        Part("environment variables", _variables, _environ),
        Part("standard streams", lambda: (sys.stdin, sys.stdout, sys.stderr), _streams),
        Part("file mode mask", _umask, os.umask),
    ]
    if threading.current_thread() is threading.main_thread():
        names = [name for name in ("SIGALRM", "SIGINT", "SIGTERM") if hasattr(signal, name)]
        parts += [_handler(name, getattr(signal, name)) for name in names]
        if hasattr(signal, "pthread_sigmask"):
            parts.append(
                Part(
                    "blocked signals",
                    lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()),
                    lambda value: signal.pthread_sigmask(signal.SIG_SETMASK, value),
                )
            )
    with contextlib.suppress(ImportError):
        import resource

        limits = ("RLIMIT_AS", "RLIMIT_DATA", "RLIMIT_NOFILE", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_STACK")
        parts += [_limit(name, getattr(resource, name)) for name in limits]
    if "numpy" in sys.modules:
        import numpy as np

        parts.append(Part("numpy's error handling", np.geterr, lambda value: np.seterr(**value)))
    return parts + (_torch() if "torch" in sys.modules else [])


def _handler(name: str, number: int) -> Part:
    return Part(f"handler of {name}", lambda: signal.getsignal(number), lambda value: signal.signal(number, value))


def _limit(name: str, number: int) -> Part:
    import resource

    return Part(name, lambda: resource.getrlimit(number), lambda value: resource.setrlimit(number, value))


def _torch() -> list[Part]:
    import torch

    def flag(name: str, owner: Any, attribute: str) -> Part:
        return Part(
            f"torch's {name}", lambda: getattr(owner, attribute), lambda value: setattr(owner, attribute, value)
        )

    def autocast(device: str) -> Part:
        return Part(
            f"torch's autocast on {device}",
            lambda: torch.is_autocast_enabled(device),
            lambda value: torch.set_autocast_enabled(device, value),
        )

    return [
        Part("torch's threads", torch.get_num_threads, torch.set_num_threads),
        Part("torch's threads between operations", torch.get_num_interop_threads, None),
        Part("torch's default device", torch.get_default_device, torch.set_default_device),
        Part("torch's default type", torch.get_default_dtype, torch.set_default_dtype),
        Part("torch's gradients", torch.is_grad_enabled, torch.set_grad_enabled),
        Part("torch's determinism", torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
        Part("torch's precision", torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
        autocast("cpu"),
        autocast("cuda"),
        flag("mkldnn", torch.backends.mkldnn, "enabled"),
        flag("cudnn", torch.backends.cudnn, "enabled"),
        flag("cudnn benchmark", torch.backends.cudnn, "benchmark"),
        flag("cudnn determinism", torch.backends.cudnn, "deterministic"),
    ]


def _variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(AT_START)}


def _environ(value: dict[str, str]) -> None:
    for name in _variables().keys() - value.keys():
        os.environ.pop(name, None)
    os.environ.update(value)


def _streams(value: tuple[Any, Any, Any]) -> None:
    sys.stdin, sys.stdout, sys.stderr = value


def _umask() -> int:
    now = os.umask(0o077)
    os.umask(now)
    return now


def _standard() -> dict[int, int]:
    """Copies of the descriptors of standard input, output and error, as far as they are open."""
    copies = {}
    for number in range(3):
        with contextlib.suppress(OSError):
            copies[number] = os.dup(number)
    return copies


def _reopen(copies: dict[int, int], closed: list[str]) -> None:
    """Put closed descriptors back, and new streams in the place of closed ones; ``closed`` tells which."""
    for number, copy in copies.items():
        name = ("stdin", "stdout", "stderr")[number]
        try:
            os.fstat(number)
        except OSError:
            os.dup2(copy, number)
            closed.append(f"standard {('input', 'output', 'error')[number]}")
        if getattr(getattr(sys, name), "closed", False):
            stream = os.fdopen(os.dup(copy), "r" if number == 0 else "w", encoding="utf-8")
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
            closed.append(f"sys.{name}")
        os.close(copy)
