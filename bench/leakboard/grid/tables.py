"""The tables of a grid file, and what is said of a value that does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from leakboard.errors import LeakboardError, nearest
from leakboard.kinds import Sides

if TYPE_CHECKING:
    from collections.abc import Mapping

M = TypeVar("M", bound=BaseModel)
Specs = Annotated[
    list[str], Field(min_length=1), BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
]
MOST = 2**31 - 1
"""Samples that anything can be told to take."""
STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class RunSettings(BaseModel):
    """The ``[run]`` table: how the grid is run.

    Attributes:
        samples: samples a side, members and as many non-members; 0 takes all there are of each.
        members: members in use, in the place of ``samples``; 0 takes all there are.
        nonmembers: non-members in use, in the place of ``samples``; 0 takes all there are.
        seeds: each is a repetition with its own noise and its own calibration half.
        calibration: share of the samples that classifiers and thresholds may see.
        shard: samples an observation task, whose images lie in memory together; smaller shards need less and spread
            over more workers. Beside the victim a device holds no more than a batch.
        batch: samples a denoiser call at most.
        timeout: seconds that each component may take: an observer, a distance or a defense on one shard, a classifier
            to be fitted, a victim to be opened; 0 for no limit.
        quality: images that each victim generates to have its quality measured, and images of each side that its loss
            is measured on; 0 measures none. By default 128 where a victim was altered on opening, else 0.
        pictures: keep images also of datasets that are not public, and show them in a report of the run.
        compile: compile the denoiser of every victim, as the victim ``compiled`` does: another victim, for its answers
            differ in their last digits. ``leakboard plan`` tells when it pays.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
    """

    model_config = STRICT

    samples: Annotated[int, Field(ge=0, le=MOST)] = 0
    members: Annotated[int, Field(ge=0, le=MOST)] | None = None
    nonmembers: Annotated[int, Field(ge=0, le=MOST)] | None = None
    seeds: Annotated[list[Annotated[int, Field(ge=-(2**63), lt=2**63)]], Field(min_length=1)] = [0]
    calibration: Annotated[float, Field(gt=0, lt=1)] = 0.5
    shard: Annotated[int, Field(ge=2, le=MOST)] = 256
    batch: Annotated[int, Field(ge=1, le=MOST)] = 128
    timeout: Annotated[float, Field(ge=0, le=1e7)] = 0.0
    quality: Annotated[int, Field(ge=0, le=MOST)] | None = None
    pictures: bool = False
    compile: bool = False
    device: Annotated[str, Field(pattern=r"^(cpu|mps|cuda(:\d+)?)$")] = "cpu"

    @property
    def sides(self) -> Sides:
        """How many members and non-members are in use."""
        given = (self.members, self.nonmembers)
        return Sides(*(self.samples if side is None else side for side in given))


class Axes(BaseModel):
    """The ``[grid]`` table: specs along each axis, and names of published attacks.

    Attributes:
        dataset: whose images are attacked.
        victim: which diffusion models.
        defense: what stands between; ``none``, single defenses, or chains written with ``+``.
        observer: what is asked; every observer meets every distance and every classifier.
        distance: what is measured.
        classifier: what decides.
        attack: names of published attacks, each one observer, distance and classifier of its own.
        attacker: ``adaptive`` calibrates under the defense, ``naive`` on the undefended victim,
            ``shadow(victims=['...', ...])`` on other victims, trained on other members, and ``none`` on nothing.
    """

    model_config = STRICT

    dataset: Specs
    victim: Specs
    defense: Specs = ["none"]
    observer: Specs = []
    distance: Specs = []
    classifier: Specs = []
    attack: Specs = []
    attacker: Specs = ["adaptive"]


class Checks(BaseModel):
    """The ``[checks]`` table: null checks that the harness adds to the grid.

    Attributes:
        permuted_labels: give every cell of an adaptive attacker a twin whose member flags are shuffled. Classifiers
            that compare with shadow victims have theirs beside shadow attackers, where those of all are shuffled.
    """

    model_config = STRICT

    permuted_labels: bool = False


class GridFile(BaseModel):
    """A whole grid file."""

    model_config = STRICT

    run: RunSettings = RunSettings()
    grid: Axes
    checks: Checks = Checks()
    exclude: list[Annotated[dict[str, Any], Field(min_length=1)]] = []


TABLES: dict[str, type[BaseModel]] = {"run": RunSettings, "grid": Axes, "checks": Checks}


def validated(model: type[M], content: Mapping[str, Any], where: str) -> M:
    """The content as a model.

    Raises:
        LeakboardError: it says where, what was expected, and the nearest name.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        # A misspelt key often makes another one missing: it is what has to be told.
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        *tables, key = [str(part) for part in first["loc"]]
        place = f"{where}, {'.'.join([*tables, key])}"
        advice = "leakboard list" if "grid" in tables else ""
        if first["type"] == "extra_forbidden":
            known = list(TABLES[tables[0]].model_fields if tables else model.model_fields)
            what, wanted, hint = f"unknown key {key!r}", f"one of {', '.join(known)}", nearest(key, known)
        elif first["type"] == "missing":
            what, wanted, hint = f"{key!r} is missing", f"a value for {key}", ""
        elif first["type"] == "too_short":
            name = key if isinstance(first["loc"][-1], str) else place.rpartition(" ")[2]
            what, wanted, hint = f"{name!r} is empty", "at least one value", ""
        elif first["type"] in ("model_type", "dict_type"):
            what, wanted, hint = f"bad value {first['input']!r:.80}", f"a table with keys, like [{key}]", ""
        elif key == "device":
            what, wanted, hint = f"no device is called {first['input']!r:.80}", "cpu, cuda, cuda:1 or mps", ""
        else:
            wanted, hint = first["msg"].replace("Input should be ", ""), ""
            what = f"bad value {first['input']!r:.80}"
        raise LeakboardError(what, where=place, expected=wanted, nearest=hint, next=advice) from None
