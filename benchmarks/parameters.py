"""What plugins cost to import: plain dataclasses against pydantic's, as a ratio measured in one run.

Each form is a module of fifty defenses with three limited parameters, imported by a process of its own, after
everything that both need. ``python benchmarks/parameters.py``; see decision 22.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

CLASSES, ROUNDS = 50, 9
HEAD = """
from __future__ import annotations
from {home} import dataclass
from typing import Annotated, ClassVar, Literal
from pydantic import ConfigDict, Field
from leakboard.api import Defense
"""
CLASS = """
@dataclass(frozen=True, kw_only=True{config})
class P{number}(Defense):
    name: ClassVar[str] = "p{number}"
    sigma: Annotated[float, Field(gt=0, le=64)] = 1.0
    steps: Annotated[int, Field(ge=1)] = 10
    against: Literal["original", "seen"] = "seen"
"""
STRICT = ", config=ConfigDict(strict=True, allow_inf_nan=False, extra='forbid'{more})"
FORMS = {
    "plain": ("dataclasses", ""),
    "pydantic": ("pydantic.dataclasses", STRICT.format(more="")),
    "deferred": ("pydantic.dataclasses", STRICT.format(more=", defer_build=True")),
}
TIMED = """
import time
import leakboard.api
from pydantic import ConfigDict, Field
begun = time.perf_counter()
import form_{form}
print(time.perf_counter() - begun)
"""


def main() -> None:
    """Print milliseconds and ratios."""
    with tempfile.TemporaryDirectory() as folder:
        for form, (home, config) in FORMS.items():
            classes = [CLASS.format(config=config, number=number) for number in range(CLASSES)]
            (Path(folder) / f"form_{form}.py").write_text(HEAD.format(home=home) + "".join(classes), encoding="utf-8")
        rounds = [{form: seconds(form, folder) for form in FORMS} for _ in range(ROUNDS + 1)][1:]  # the first compiles
    median = {form: statistics.median(each[form] for each in rounds) for form in FORMS}
    for form in FORMS:
        print(f"{form:>9}: {1000 * median[form]:4.0f} ms, {median[form] / median['plain']:.1f} x")


def seconds(form: str, folder: str) -> float:
    """How long the module of one form takes to import."""
    command = [sys.executable, "-c", TIMED.format(form=form)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
