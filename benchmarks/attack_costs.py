"""What each published attack costs alone, as a page in Markdown: one victim a table, one attack a run of its own.

Every figure is read from the store of that run. Seconds are those of one processor and thread, so that what else the
machine does falls on no attack; those of an attack over those of a single loss are a ratio of one run.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common

VICTIMS = ("fashion_ddpm(level='light')", "fashion_sd(level='light')", "untrained_flow")
"""A pixel victim, a latent one that takes texts, and one that matches flows."""
ONE_EVALUATION = ("loss", "flow_loss")
"""Attacks of a single denoiser evaluation, which the others are compared with."""
INTRO = """# What each attack costs

One attack at a time, in a store of its own, asked about {samples} samples: made by `{command}`.

- **queries**: requests a sample. **NFE**: denoiser evaluations a sample; a gradient counts as two for each timestep.
  Encoding and decoding are not counted; they are in the seconds.
- **seconds**: of one processor and thread, of asking about 100 samples and of the distance, without the classifier.
- **over one evaluation**: those seconds over those of the loss at one timestep in the same run.
- Images that all samples share (`nearest_generation`) are generated once: the more samples, the less of it each bears.
- The flow has the weights its training begins with, which cost as much as trained ones.
"""
HEAD = """| attack | access | queries | NFE | seconds | over one evaluation | |
|---|---|---:|---:|---:|---:|---|"""


@dataclass(frozen=True)
class Cost:
    """What the store says of an attack that ran alone.

    Attributes:
        access: black, gray, white or none.
        queries, nfe: per sample.
        seconds: of asking about 100 samples and measuring the answers.
        skipped: why the victim cannot be attacked so; empty where it was.
    """

    access: str
    queries: float = 0
    nfe: float = 0
    seconds: float = 0
    skipped: str = ""


def cost(victim: str, attack: str, samples: int) -> Cost:
    """Run one attack in a store of its own, on one thread."""
    from leakboard import Store

    tables: dict[str, Any] = {
        "dataset": "fashion_mnist",
        "victim": victim,
        "attack": attack,
        "run": {"samples": samples // 2, "shard": samples, "batch": samples},
    }
    with common.new_store() as place, common.processor_clock():
        common.run_here(tables, place, threads=1)
        store = Store(place, read_only=True)
        (cell,) = store.cells().to_dict("records")
        tasks = store.tasks()
    if cell["status"] == "skipped":
        return Cost(cell["access"], skipped=cell["error"])
    asked = tasks[tasks["kind"] == "observe"]
    seconds = 100 * float(asked["seconds"].sum()) / float(asked["samples"].sum())
    return Cost(cell["access"], cell["queries"], cell["nfe"], seconds)


def row(attack: str, found: Cost, single: float) -> str:
    """One row; who is skipped says why."""
    if found.skipped:
        return f"| `{attack}` | {found.access} | | | | | skipped: {found.skipped} |"
    numbers = f"{found.queries:g} | {found.nfe:g} | {found.seconds:.2f} | {found.seconds / single:.1f}"
    return f"| `{attack}` | {found.access} | {numbers} | |"


def main() -> None:
    """Run every attack on every victim and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=64, help="samples that are asked about")
    parser.add_argument("--victims", nargs="+", default=VICTIMS)
    parser.add_argument("--attacks", nargs="+", help="those to run  [default: all]")
    options = parser.parse_args()
    from leakboard.registry.find import shared

    command = shlex.join(["python", f"benchmarks/{Path(__file__).name}", *sys.argv[1:]])
    print(INTRO.format(samples=options.samples, command=command))
    for number, victim in enumerate(options.victims):
        print("\n" * bool(number) + f"## {victim}", "", HEAD, sep="\n", flush=True)
        # the first round pays for what a process and a victim do only once
        rounds = [[cost(victim, attack, options.samples) for attack in ONE_EVALUATION] for _ in range(2)]
        single = max(found.seconds for found in rounds[-1])
        for attack in options.attacks or shared().attacks:
            print(row(attack, cost(victim, attack, options.samples), single), flush=True)


if __name__ == "__main__":
    main()
