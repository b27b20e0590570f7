"""What executors are told of the workers that a user wants."""

import os

import pytest

from leakboard.errors import LeakboardError
from leakboard.workers import executor_settings


@pytest.mark.parametrize(("asked", "found"), [((0, 0), (8, 1)), ((2, 0), (2, 4)), ((2, 3), (2, 3)), ((20, 0), (20, 1))])
def test_threads_are_an_equal_share_of_the_cores(monkeypatch, asked, found):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    settings = executor_settings(*asked)

    assert (settings.workers, settings.share) == found
    assert settings.threads == asked[1]


def test_an_accelerator_gets_one_worker_unless_told_otherwise():
    assert executor_settings(0, 0, "cuda").workers == 1
    assert executor_settings(3, 0, "cuda").workers == 3


@pytest.mark.parametrize(("asked", "where"), [((-1, 0), "--workers"), ((0, -2), "--threads")])
def test_a_negative_number_is_refused_with_its_option(asked, where):
    with pytest.raises(LeakboardError) as refused:
        executor_settings(*asked)
    assert refused.value.where == where
