"""Kills and interrupts runs until they have had enough, and compares what is left with a run that nobody disturbed.

By hand, in full: ``python tests/storm/storm.py``, which ends with exit code 1 if one bit differs. In the tests a short
form of it runs. A storm is one store: its run is killed some times and begun again, then ends undisturbed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers.tiny_grids import PLUGIN, numbers, payloads, same
from leakboard.runs.verify import verify
from leakboard.store import Store

GRID = """
[run]
shard = 8
seeds = [0, 1]
[grid]
dataset = ["tiny"]
victim = ["linear(nap={nap})"]
defense = ["none", "fog"]
observer = ["glance", "peek(noisy=True)"]
distance = ["gap", "gap(power=2.0)"]
classifier = ["mean", "centred"]
attacker = ["adaptive", "naive"]
"""


INTERRUPTED = (130, -signal.SIGINT)
"""Where an interrupt meets Python in the text of an ``exec``, as in the making of a dataclass, ``python -m`` ends by that
signal although it was caught; a shell sees 130 either way."""


class Blows(NamedTuple):
    """How often each is dealt: SIGKILL to a run's whole group and to a worker, SIGINT and SIGTERM to the group."""

    killed: int = 100
    workers: int = 40
    interrupted: int = 20
    terminated: int = 20


def begin(folder: Path, executor: str, workers: int) -> subprocess.Popen[bytes]:
    """The command line in a group of its own, with Ctrl-C as a terminal gives it."""
    command = [sys.executable, "-m", "leakboard", "run", "grid.toml", "--store", "store.db", "--plugin", str(PLUGIN)]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with (folder / "errors").open("ab") as errors:
        return subprocess.Popen(
            [*command, "--executor", executor, "--workers", str(workers), "--threads", "1"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )


def strike(process: subprocess.Popen[bytes], blow: str) -> bool:
    """Deal one blow. Tells whether it hit anything."""
    with contextlib.suppress(ProcessLookupError, psutil.Error):
        if blow == "workers":
            children = psutil.Process(process.pid).children()
            workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
            if workers:
                random.choice(workers).kill()
            return bool(workers)
        number = {"killed": signal.SIGKILL, "interrupted": signal.SIGINT, "terminated": signal.SIGTERM}[blow]
        if process.poll() is None:
            os.killpg(process.pid, number)
            if blow != "killed" and process.wait(timeout=60) not in (0, *INTERRUPTED, -number):
                raise AssertionError(f"{blow}: exit code {process.returncode}")
            return True
    return False


def storm(folder: Path, blows: list[str], nap: float, longest: float, chance: random.Random) -> int:
    """Deal some blows to the runs of one store, then let one end. Gives the blows that hit."""
    hit = 0
    (folder / "grid.toml").write_text(GRID.format(nap=nap))
    for blow in blows:
        executor = "processes" if blow == "workers" else chance.choice(["processes", "serial"])
        process = begin(folder, executor, 2)
        time.sleep(1.0 + chance.random() * longest)  # about a second goes by before there is anything to lose
        hit += strike(process, blow)
        if blow == "workers":
            time.sleep(chance.random())
            strike(process, "killed")
        process.wait(timeout=60)
    last = begin(folder, "processes", 2)
    if last.wait(timeout=600):
        raise AssertionError((folder / "errors").read_text())
    return hit


def differences(whole: Store, store: Store) -> list[str]:
    """What of results, scores and features is not as it was, to the bit, and what `verify` finds."""
    found = [] if numbers(store).equals(numbers(whole)) else ["results"]
    found += [kind for kind in ("features", "scores") if not same(payloads(store, kind), payloads(whole, kind))]
    listed = [each.features().sort_values(["observer", "distance", "sample", "column"]) for each in (store, whole)]
    found += [] if listed[0].reset_index(drop=True).equals(listed[1].reset_index(drop=True)) else ["listed features"]
    return [*found, *verify(store).wrong]


def weather(blows: Blows, each: int = 5, nap: float = 0.05, longest: float = 4.0, seed: int = 0) -> list[str]:
    """Storms of ``each`` blows until all are dealt. Gives what differed, with the storm that it happened in."""
    chance = random.Random(seed)
    todo = [name for name, count in blows._asdict().items() for _ in range(count)]
    chance.shuffle(todo)
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="storm-") as base:
        storm(calm := _made(Path(base) / "calm"), [], nap, longest, chance)
        whole = Store(calm / "store.db")
        for start in range(0, len(todo), each):
            folder = _made(Path(base) / f"storm-{start}")
            hit = storm(folder, todo[start : start + each], nap, longest, chance)
            found = differences(whole, Store(folder / "store.db"))
            wrong += [f"storm {start // each}: {line}" for line in found]
            sys.stderr.write(f"storm {start // each}: {hit} of {len(todo[start : start + each])} hit, {found}\n")
    return wrong


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def main() -> int:
    """The command line: how many blows of each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, count in Blows()._asdict().items():
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--seed", type=int, default=0)
    given = vars(parser.parse_args())
    seed = given.pop("seed")
    return 1 if weather(Blows(**given), seed=seed) else 0


if __name__ == "__main__":
    sys.exit(main())
