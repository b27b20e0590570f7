"""What the tasks of a run will pay, found out beside the run.

Observers are walked past the counting twin, as `leakboard plan` does. They are other people's code and may hang or
crash, so this happens in a process of its own: all that is lost with it is the time that is left, on the screen.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from leakboard.runs.child import ENVIRONMENT, surroundings
from leakboard.tasks.worker import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection

    from leakboard.tasks.task import ObserveTask


class Pricing:
    """A process that works out what each task will pay."""

    def __init__(self, tasks: Sequence[ObserveTask]) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, inner = context.Pipe(duplex=False)
        self._process = context.Process(target=_price, args=(inner, tuple(tasks)), daemon=True)
        with surroundings(OMP_NUM_THREADS="1", **ENVIRONMENT), _without_script():
            self._process.start()
        inner.close()

    def poll(self) -> tuple[float, ...] | None:
        """The price of each task, once; None before and after, and for ever when the process died."""
        with contextlib.suppress(EOFError, OSError):
            if self._connection.poll():
                prices: tuple[float, ...] = self._connection.recv()
                return prices
        return None

    def close(self) -> None:
        """End the process, whatever it does."""
        self._connection.close()
        self._process.kill()
        self._process.join()


@contextlib.contextmanager
def _without_script() -> Iterator[None]:
    """A process that is started here does not run the script again that started the run.

    A new process imports the main module, to find what is defined there. Nothing is asked of it here, and its side
    effects would happen twice.
    """
    names = vars(sys.modules["__main__"])
    hidden: dict[str, Any] = {name: names.pop(name) for name in ("__file__", "__spec__") if name in names}
    names["__spec__"] = None
    try:
        yield
    finally:
        del names["__spec__"]
        names.update(hidden)


def _price(connection: Connection, tasks: tuple[ObserveTask, ...]) -> None:
    from leakboard.runs.cost import evaluations

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    sys.stdout = sys.stderr = None  # what observers print is shown once, when they really run
    with contextlib.suppress(OSError):
        connection.send(evaluations(tasks))
