"""Which GPU a worker sees: told by what its surroundings and its tasks are told, on a machine that need not have one."""

import os
from collections import Counter

import pytest

from leakboard.errors import LeakboardError
from leakboard.runs.devices import pins
from leakboard.runs.executors import PROCESSES, ProcessOptions
from leakboard.testing.executors import Tray
from leakboard.workers import ExecutorSettings, executor_settings


def seen(task):
    """The work: which GPUs are visible."""
    return os.environ.get("CUDA_VISIBLE_DEVICES")


@pytest.mark.parametrize(
    ("told", "expected"),
    [(None, ["0", "1", "0"]), ("6,7", ["6", "7", "6"]), ("GPU-a,GPU-b,GPU-c", ["GPU-a", "GPU-b", "GPU-a"])],
)
def test_workers_share_gpus_evenly(monkeypatch, told, expected):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if told:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", told)
    assert [pins(2, slot)["CUDA_VISIBLE_DEVICES"] for slot in range(3)] == expected
    assert pins(0, 1) == {}


def test_gpus_that_were_not_allotted_are_refused(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with pytest.raises(LeakboardError, match=r"gpus=2, but CUDA_VISIBLE_DEVICES='3' leaves 1"):
        pins(2, 0)


def test_there_is_one_worker_a_gpu():
    assert executor_settings(0, 0, "cuda", ProcessOptions(gpus=4)).workers == 4
    assert executor_settings(8, 0, "cuda", ProcessOptions(gpus=4)).workers == 8


@pytest.mark.parametrize("device", ["cpu", "cuda:1"])
def test_gpus_that_the_device_does_not_mean_are_refused(device):
    with pytest.raises(LeakboardError, match=f"victims are opened on {device}"):
        executor_settings(0, 0, device, ProcessOptions(gpus=4))


def test_each_worker_process_sees_one_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    tray = Tray([f"task {number}" for number in range(4)])
    PROCESSES.run(tray, seen, ExecutorSettings(2, threads=1, device="cuda", options=ProcessOptions(gpus=2)))
    assert Counter(outcome for _, outcome in tray.settled).keys() == {"4", "5"}
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,5"
