"""Compiled victims and those in bfloat16 against the default: seconds, digits and AUC.

Claim: none of general validity, for it depends on the machine. Prints what compiling takes the first time and in a
second process, which finds it in the cache, and of each way the seconds an evaluation, its ratio to the default, the
largest difference of a predicted noise, and the AUC of the denoising loss.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

import common
import numpy as np

WAYS = {
    "default": "{victim}",
    "compiled": 'compiled(of="{victim}")',
    "bfloat16": "{bfloat16}",
    "compiled bfloat16": 'compiled(of="{bfloat16}")',
}


def main() -> None:
    """Measure and print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--victim", default="fashion_ddpm")
    parser.add_argument("--dataset", default="fashion_mnist")
    parser.add_argument("--samples", type=int, default=128, help="a side")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--again", action="store_true", help="only the first call of the compiled victim")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", folder)
        if chosen.again:
            _, first, _ = asked(chosen, WAYS["compiled"], 1)
            print(f"{first:.1f}")
            return
        exact, default = None, 0.0
        for name, spec in WAYS.items():
            predicted, first, seconds = asked(chosen, spec, chosen.rounds)
            exact, default = (predicted, seconds) if exact is None else (exact, default)
            difference = float((predicted - exact).abs().max())
            print(
                f"{name:<18} {1e3 * seconds:7.2f} ms an evaluation, {seconds / default:.2f} x the default; "
                f"first batch {first:6.1f} s; largest difference {difference:.1e}; AUC {auc(chosen, predicted)}"
            )
        repeated = subprocess.run(
            [sys.executable, *sys.argv, "--again"], capture_output=True, text=True, check=True, env=os.environ
        )
        print(f"compiled, first batch in another process {repeated.stdout.strip()} s")


def asked(chosen: argparse.Namespace, spec: str, rounds: int) -> tuple[Any, float, float]:
    """Predicted noise of all samples, wall seconds of the first batch, processor seconds an evaluation after it."""
    import torch

    from leakboard.registry.find import shared

    half = chosen.victim[:-1] + ", " if chosen.victim.endswith(")") else chosen.victim + "("
    spec = spec.format(victim=chosen.victim, bfloat16=f"{half}dtype='bfloat16')")
    model = shared(()).one("victim", spec).only.open("cpu")
    states, _, _ = questions(chosen, model)

    def predict() -> torch.Tensor:
        return torch.cat([model.predict_noise(part, 100, None) for part in states.split(chosen.batch)])

    with torch.no_grad():
        first = common.timed(lambda: model.predict_noise(states[: chosen.batch], 100, None))
        predicted = predict()
        taken = []
        for _ in range(rounds):
            start = time.process_time()
            predict()
            taken.append(time.process_time() - start)
    return predicted, first, float(np.median(taken)) / len(states)


def questions(chosen: argparse.Namespace, model: Any) -> tuple[Any, Any, Any]:
    """Noisy images, their noise, and who of them is a member."""
    from leakboard.noise import normal
    from leakboard.registry.find import shared

    samples = shared(()).one("dataset", chosen.dataset).only.load()
    rows = [row for side in (True, False) for row in np.flatnonzero(samples.member == side)[: chosen.samples]]
    some = samples.take(rows)
    clean = model.encode(some.images)
    noise = normal(0, "compiled", 0, some.ids, clean)
    level = model.alphas_cumprod[100]
    return level.sqrt() * clean + (1 - level).sqrt() * noise, noise, some.member


def auc(chosen: argparse.Namespace, predicted: Any) -> str:
    """AUC of the denoising loss with its interval and the samples it was made of."""
    from leakboard.registry.find import shared
    from leakboard.statistics.auc import auc as area

    _, noise, member = questions(chosen, shared(()).one("victim", chosen.victim).only.open("cpu"))
    scores = -(predicted - noise).square().flatten(1).mean(1).numpy()
    found = area(scores, member)
    return f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}], {chosen.samples} a side"


if __name__ == "__main__":
    main()
