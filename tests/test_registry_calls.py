"""How an executor is called on the command line."""

from dataclasses import dataclass
from typing import Annotated

import pytest
from pydantic import Field

from leakboard.api import Executor
from leakboard.errors import LeakboardError
from leakboard.registry.calls import executor_call
from leakboard.registry.find import Registry
from leakboard.runs.executors import ProcessOptions
from leakboard.runs.slurm import SlurmOptions


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("serial", "serial", None),
        ("processes", "processes", {"gpus": 0}),
        ("processes(gpus=4)", "processes", {"gpus": 4}),
        ("local-cluster(gpus=2)", "local-cluster", {"gpus": 2}),
        ("dask://node1:8786", "dask", {"address": "node1:8786", "gpus": 0, "wait": 60.0}),
        ("dask(address='tls://node1:8786', gpus=8)", "dask", {"address": "tls://node1:8786", "gpus": 8, "wait": 60.0}),
    ],
)
def test_a_name_parameters_or_an_address(registry, text, name, options):
    executor, found = executor_call(registry, text)
    assert executor.name == name
    assert (vars(found) if found else found) == options


def test_slurm_takes_what_sbatch_takes(registry):
    _, options = executor_call(registry, "slurm(jobs=2, gpus=8, memory='64G', more=('account=lab',))")
    assert options == SlurmOptions(jobs=2, gpus=8, memory="64G", more=("account=lab",))
    assert options.slots == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dask", "dask needs the parameter 'address'"),
        ("dask(adress='h:1')", "dask has no parameter 'adress'(.|\n)*did you mean: address"),
        ("serial(gpus=2)", "serial has no parameter 'gpus'"),
        ("processes(gpus=-1)", "processes cannot take gpus=-1"),
        ("processes(gpus={1, 2})", "sweeps 2 points"),
        ("processes(gpus=", "cannot read"),
        ("serial + serial", "cannot read the executor"),
        ("dusk://h:1", "did you mean: dask"),
        ("serial://h:1", "serial has no parameter 'address'"),
        ("slurm(cluster='pbs')", "slurm cannot take cluster='pbs'"),
    ],
)
def test_what_cannot_be_called_is_explained(registry, text, message):
    with pytest.raises(LeakboardError, match=message):
        executor_call(registry, text)


@dataclass(frozen=True)
class Patience:
    """An executor's.

    Attributes:
        patience: seconds.
    """

    patience: Annotated[float, Field(gt=0)] = 1.0


def test_parameters_of_executors_are_shown_with_what_is_said_of_them(registry):
    from leakboard.registry.describe import describe_all, describe_one

    told = describe_one(registry, "processes")
    assert told.startswith("executor processes(gpus=0)")
    assert "  gpus: int >= 0 (default 0)\n      of this machine, one for each worker process." in told
    (row,) = [row for row in describe_all(registry) if row["name"] == "dask"]
    assert row["signature"] == "dask(address, gpus=0, wait=60.0)"


def test_an_executor_of_a_third_party_may_have_parameters(load):
    found = load(
        """
        from dataclasses import dataclass
        from leakboard import hookimpl
        from leakboard.api import Executor

        @dataclass(frozen=True)
        class Options:
            patience: float = 1.0

        @hookimpl
        def leakboard_executors():
            return [Executor("slow", lambda source, work, settings: None, options=Options)]
        """
    )
    assert executor_call(found, "slow(patience=2.5)")[1].patience == 2.5


def test_options_that_no_command_line_could_give_are_refused(write):
    from leakboard.registry.contract import check_value

    with pytest.raises(ValueError, match="no frozen dataclass"):
        check_value("executor", Executor("odd", print, options=dict))
    check_value("executor", Executor("even", print, options=Patience))
    assert ProcessOptions().gpus == 0
    assert Registry().values["executor"] == {}
