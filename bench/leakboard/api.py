"""The contract between the harness and its plugins: every public name of it, from one place.

A plugin of one of the six axes is a frozen, keyword-only dataclass whose fields are its parameters, derived from a base
class of `leakboard.components`. Fields may carry pydantic constraints (``Annotated[float, Field(gt=0)]``): the harness
checks every value before anything runs. Beside the axes stand the extensions of `leakboard.extensions` that no grid
varies: attacks, measures, executors and pages, plain values with a name. What a victim is asked, and by whom, is in
`leakboard.asking`. Importing a plugin must not import torch; import it inside the method that needs it.
"""

from __future__ import annotations

from leakboard.asking import (
    Access,
    Answers,
    Array,
    Bill,
    Cost,
    Ledger,
    Mask,
    Model,
    Need,
    Noise,
    Oracle,
    Pair,
    Reconstruction,
    Space,
    Step,
    WorksIn,
)
from leakboard.components import At, Classifier, Component, Dataset, Defense, Distance, Fit, Observer, Scorer, Victim
from leakboard.errors import AccessDenied, LeakboardError, Refused, Unsupported
from leakboard.extensions import Attack, Estimate, Executor, Measure, Page, Source
from leakboard.kinds import AXES, Axis, Extension, Kind
from leakboard.samples import LazySamples, Samples, member_digest

__all__ = [
    "AXES",
    "Access",
    "AccessDenied",
    "Answers",
    "Array",
    "At",
    "Attack",
    "Axis",
    "Bill",
    "Classifier",
    "Component",
    "Cost",
    "Dataset",
    "Defense",
    "Distance",
    "Estimate",
    "Executor",
    "Extension",
    "Fit",
    "Kind",
    "LazySamples",
    "LeakboardError",
    "Ledger",
    "Mask",
    "Measure",
    "Model",
    "Need",
    "Noise",
    "Observer",
    "Oracle",
    "Page",
    "Pair",
    "Reconstruction",
    "Refused",
    "Samples",
    "Scorer",
    "Source",
    "Space",
    "Step",
    "Unsupported",
    "Victim",
    "WorksIn",
    "member_digest",
]
