"""Benchmarks start as scripts, outside the surroundings of a worker."""

import os
import subprocess
import sys

from leakboard.runs.processes import ENVIRONMENT


def test_a_benchmark_starts_again_with_what_workers_have_and_prints_its_ratio(request):
    script = request.config.rootpath / "benchmarks" / "cells.py"
    bare = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    done = subprocess.run(
        [sys.executable, str(script), "--cells", "2"], env=bare, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "x bare area and curve" in done.stdout
