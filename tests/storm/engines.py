"""Kills workers, scheduler and driver of a run on dask until they have had enough, and compares what is left.

By hand, in full: ``python tests/storm/engines.py --kills 100``, which ends with exit code 1 if one bit differs or if
anything failed. A storm is one store: whatever is killed is started again, until the run ends by itself.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from typing import TYPE_CHECKING

from helpers.dask_processes import Processes
from leakboard.store import Store
from storm import GRID, begin, differences

if TYPE_CHECKING:
    import subprocess

WORKERS = 3
VICTIMS = ("worker", "worker", "scheduler", "driver")


def storm(folder: Path, kills: int, nap: float, chance: random.Random) -> Counter[str]:
    """Kill and start again until the run ends, or until so many were killed and it then ends undisturbed."""
    folder.mkdir()
    (folder / "grid.toml").write_text(GRID.format(nap=nap))
    dealt: Counter[str] = Counter()
    processes = Processes(folder / "processes")
    executor = f"dask://{processes.address}"
    try:
        processes.start_scheduler()
        driver = begin(folder, executor, 0)
        following = time.monotonic() + 10.0 + 5 * chance.random()
        while (code := driver.poll()) is None or code:
            if code is not None:
                driver = begin(folder, executor, 0)
            assert processes.scheduler
            if processes.scheduler.poll() is not None:
                processes.start_scheduler()
            processes.workers = [worker for worker in processes.workers if worker.poll() is None]
            while len(processes.workers) < WORKERS:
                processes.start_worker()
            if dealt.total() < kills and time.monotonic() > following:
                _kill(chance.choice(VICTIMS), processes, driver, chance, dealt)
                following = time.monotonic() + 6 * chance.random()
            time.sleep(0.1)
    finally:
        processes.close()
    return dealt


def _kill(
    what: str, processes: Processes, driver: subprocess.Popen[bytes], chance: random.Random, dealt: Counter[str]
) -> None:
    dealt[what] += 1
    if what == "scheduler":
        processes.kill_scheduler()
    else:
        process = chance.choice(processes.workers) if what == "worker" else driver
        process.kill()
        process.wait()


def main() -> int:
    """The command line: how many kills, and how long tasks take."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--nap", type=float, default=0.1, help="seconds of each call of the victim")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    chance, left, wrong, number = random.Random(given.seed), given.kills, [], 0
    dealt: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="storm-") as base:
        calm = Path(base) / "calm"
        calm.mkdir()
        (calm / "grid.toml").write_text(GRID.format(nap=given.nap))
        begin(calm, "serial", 1).wait()
        whole = Store(calm / "store.db")
        while left > 0:
            folder = Path(base) / f"storm-{number}"
            now = storm(folder, left, given.nap, chance)
            dealt, left, number = dealt + now, left - now.total(), number + 1
            store = Store(folder / "store.db")
            found = differences(whole, store) + [str(error) for error in store.failures()["error"]]
            wrong += found
            sys.stderr.write(f"storm {number}: {dict(now)}, {found}\n")
    told = ", ".join(f"{count} of a {what}" for what, count in sorted(dealt.items()))
    sys.stdout.write(f"storm    {dealt.total()} kills ({told}): {len(wrong)} differences\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
