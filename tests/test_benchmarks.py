"""Benchmarks start as scripts, outside the surroundings of a worker."""

import os
import re
import subprocess
import sys

import pytest

from leakboard.runs.child import ENVIRONMENT


@pytest.fixture
def printed(request):
    """What a benchmark prints."""

    def run(name, *options):
        script = request.config.rootpath / "benchmarks" / name
        bare = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
        done = subprocess.run(
            [sys.executable, str(script), *options], env=bare, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_benchmark_starts_again_with_what_workers_have_and_prints_its_ratio(printed):
    assert "x bare area and curve" in printed("cells.py", "--cells", "2")


def test_costs_are_those_of_each_attack_alone_and_skips_have_their_reason(printed):
    table = printed("attack_costs.py", "--samples", "16", "--victims", "fashion_sd", "--attacks", "pia", "sima", "lira")

    assert table.startswith("# What each attack costs")
    assert "asked about 16 samples: made by `python benchmarks/attack_costs.py --samples 16" in table
    assert "| `pia` | gray | 2 | 2 | " in table
    assert "| `sima` | gray | 1 | 1 | " in table
    assert "skipped: lira compares with shadow victims" in table


def test_gray_attacks_together_pay_the_union_of_their_questions(printed):
    options = ("--victim", "fashion_sd", "--samples", "16", "--attacks", "secmi", "pia", "pian", "sima")
    told = printed("gray_together.py", *options)

    assert "14 together, 16 one by one, 1.14 x fewer together" in told
    assert "x as fast together" in told


def test_gradients_at_once_are_compared_with_a_loop(printed):
    told = printed("gradients.py", "--victim", "fashion_sd(level='light')", "--sizes", "2", "--rounds", "1")

    assert float(re.search(r"norms apart (\S+)", told)[1]) < 1e-4
    assert "x as fast as a loop" in told


def test_every_head_is_timed(printed):
    told = printed("heads.py", "--samples", "8", "--epochs", "1")

    assert len(re.findall(r" 8 samples of .* s\n", told)) == 6
