"""The plugins that ``leakboard new`` writes: the smallest of each kind that keeps to the contract.

``@NAME@`` and ``@CLASS@`` stand for the plugin's name and the name of its class.
"""

from __future__ import annotations

import re

_CLASS = '''"""@TITLE@: a plugin for Leakboard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from leakboard import hookimpl
from leakboard.api import @IMPORTS@
@TYPES@

@dataclass(frozen=True, kw_only=True)
class @CLASS@(@BASE@):
    """@ABOUT@"""

    name: ClassVar[str] = "@NAME@"
@BODY@

@hookimpl
def leakboard_@KIND@s() -> list[type[@BASE@]]:
    """What this file brings."""
    return [@CLASS@]
'''
_VALUE = '''"""@TITLE@: a plugin for Leakboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard import hookimpl
from leakboard.api import @IMPORTS@
@TYPES@
@BODY@

@hookimpl
def leakboard_@KIND@s() -> list[@BASE@]:
    """What this file brings."""
    return [@NAME_UPPER@]
'''


def _types(*lines: str) -> str:
    return "\n".join(["\nif TYPE_CHECKING:", *(f"    {line}".rstrip() for line in lines), ""])


_TENSORS = _types("import torch")
PARTS: dict[str, dict[str, str]] = {
    "dataset": {
        "BASE": "Dataset",
        "IMPORTS": "Dataset, Samples",
        "TYPES": "",
        "ABOUT": "Sixty-four images of noise, 16x16; every other one is a member.",
        "BODY": '''
    def load(self) -> Samples:
        """Replace this by images of your own: ids that stay, float32 (N, C, H, W) in [0, 1], who is a member."""
        import torch

        images = torch.rand((64, 1, 16, 16), generator=torch.Generator().manual_seed(0))
        ids = tuple(f"@NAME@-{row}" for row in range(64))
        return Samples(ids, images, (torch.arange(64) % 2 == 0).numpy())
''',
    },
    "victim": {
        "BASE": "Victim",
        "IMPORTS": "Model, Step, Victim",
        "TYPES": _types("from collections.abc import Iterator, Sequence", "", "import torch"),
        "ABOUT": "A model behind an API that greys every image a little.",
        "BODY": '''    access = "black"

    def open(self, device: str) -> Model:  # noqa: ARG002 - this one computes where the images lie
        """Load your model here; what it answers is in `leakboard.api.Model`."""
        return @CLASS@Model()


class @CLASS@Model(Model):
    """Answers image-to-image requests."""

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Images in [0, 1] to the model's own space."""
        return images

    def decode(self, inner: torch.Tensor) -> torch.Tensor:
        """The model's own space to images in [0, 1]."""
        return inner.clamp(0, 1)

    def reconstruct(
        self,
        images: torch.Tensor,
        seeds: Sequence[int],  # noqa: ARG002 - nothing is drawn
        strength: float,
        steps: int,
        prompts: Sequence[str] | None,  # noqa: ARG002 - it takes none
    ) -> Iterator[Step]:
        """One step after the other; the last one is the answer."""
        for _ in range(steps):
            images = images + strength * (0.5 - images) / steps
            yield Step(clean=images, state=images)
''',
    },
    "defense": {
        "BASE": "Defense",
        "IMPORTS": "Defense, Noise",
        "TYPES": _TENSORS,
        "ABOUT": "Round every pixel to sixteen levels.",
        "BODY": '''
    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:  # noqa: ARG002 - it draws nothing
        """(N, C, H, W) in [0, 1] to the same; any randomness comes from ``noise``."""
        return (images * 15).round() / 15
''',
    },
    "observer": {
        "BASE": "Observer",
        "IMPORTS": "Observer, Oracle, Pair",
        "TYPES": _types("from collections.abc import Iterator"),
        "ABOUT": "Compare each image with what the victim makes of it in two steps.",
        "BODY": '''    access = "black"

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair: what was sent, and what came back."""
        sent = oracle.originals
        yield Pair(sent, oracle.reconstruct(sent, 0.2, 2).output(), "answer")
''',
    },
    "distance": {
        "BASE": "Distance",
        "IMPORTS": "Distance, Pair",
        "TYPES": _TENSORS,
        "ABOUT": "Mean absolute difference of two images.",
        "BODY": '''
    def measure(self, pair: Pair) -> torch.Tensor:
        """One number a sample (N,), whatever else is in the batch."""
        return (pair.reference - pair.observation).abs().mean((1, 2, 3))
''',
    },
    "classifier": {
        "BASE": "Classifier",
        "IMPORTS": "Array, Classifier, Mask, Scorer",
        "TYPES": _types("from collections.abc import Sequence"),
        "ABOUT": "The direction from the mean of the non-members to the mean of the members.",
        "BODY": '''
    def fit(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer:  # noqa: ARG002
        """From calibration features (N, K) and who is a member to a function that scores features (M, K)."""
        scale = features.std(0) + 1e-9
        direction = (features[member].mean(0) - features[~member].mean(0)) / scale
        return lambda others: others / scale @ direction
''',
    },
    "attack": {
        "BASE": "Attack",
        "IMPORTS": "Attack",
        "TYPES": "",
        "BODY": """@NAME_UPPER@ = Attack(
    name="@NAME@",
    observer="one_shot",
    distance="psnr",
    classifier="logistic_regression",
    title="@TITLE@",
    source="who published it, and where",
)
""",
    },
    "measure": {
        "BASE": "Measure",
        "IMPORTS": "Array, Estimate, Mask, Measure",
        "TYPES": "",
        "BODY": '''
def gap(scores: Array, member: Mask, threshold: float | None) -> Estimate | None:  # noqa: ARG001 - it needs none
    """How far the median ranks of members and non-members lie apart, in [-1, 1]."""
    import numpy as np

    ranks = np.searchsorted(np.sort(scores), scores, side="right") / len(scores)
    return Estimate(float(np.median(ranks[member]) - np.median(ranks[~member])), None, None, "no interval")


@NAME_UPPER@ = Measure("@NAME@", gap, title="@TITLE@", bounds=(-1.0, 1.0))
''',
    },
    "page": {
        "BASE": "Page",
        "IMPORTS": "Page",
        "TYPES": _types("from leakboard.store import Store"),
        "BODY": '''
def body(store: Store) -> str:
    """The HTML below the heading; `leakboard_reports.table` makes tables that look like the report's own."""
    return f"<p>{len(store.cells())} cells were tried.</p>"


@NAME_UPPER@ = Page("@NAME@", "@TITLE@", body)
''',
    },
    "executor": {
        "BASE": "Executor",
        "IMPORTS": "Executor",
        "TYPES": _types(
            "from collections.abc import Callable", "from typing import Any", "", "from leakboard.api import Source"
        ),
        "BODY": '''
def run(source: Source, work: Callable[[Any], Any], settings: Any) -> None:  # noqa: ARG001 - one task at a time
    """Take every task, do it, and settle it."""
    while (task := source.take()) is not None:
        source.settle(task, work(task))


@NAME_UPPER@ = Executor("@NAME@", run, "one task after the other")
''',
    },
}
TEST = '''"""@NAME@ keeps to Leakboard's contract."""

from leakboard.testing import @CHECK@, summarize
from leakboard_@NAME@.@NAME@ import @SUBJECT@


def test_the_contract() -> None:
    rows = @CHECK@(@SUBJECT@)
    assert not [row for row in rows if row.outcome == "failed"], summarize(rows)
'''
TEST_OF_AN_ATTACK = '''"""@NAME@ is made of plugins that there are."""

from leakboard.registry.find import shared
from leakboard_@NAME@.@NAME@ import @NAME_UPPER@


def test_its_parts_are_there() -> None:
    for kind in ("observer", "distance", "classifier"):
        assert shared(()).one(kind, getattr(@NAME_UPPER@, kind))
'''
PROJECT = """[build-system]
requires = ["hatchling>=1.25"]
build-backend = "hatchling.build"

[project]
name = "leakboard-@DASHED@"
version = "0.1.0"
description = "@TITLE@: a plugin for Leakboard"
requires-python = ">=3.11"
dependencies = ["leakboard"]

[project.entry-points.leakboard]
@NAME@ = "leakboard_@NAME@.@NAME@"

[tool.hatch.build.targets.wheel]
packages = ["src/leakboard_@NAME@"]

[tool.pytest.ini_options]
pythonpath = ["src"]
"""


def starter(kind: str, name: str) -> dict[str, str]:
    """The files of a new plugin, text by path: its code, its test and its ``pyproject.toml``."""
    parts = PARTS[kind]
    is_class = "ABOUT" in parts
    words = {
        **parts,
        "KIND": kind,
        "NAME_UPPER": name.upper(),
        "DASHED": name.replace("_", "-"),
        "TITLE": name.replace("_", " ").capitalize(),
        "CLASS": "".join(word.capitalize() for word in name.split("_")),
        "NAME": name,
        "SUBJECT": "@CLASS@()" if is_class else "@NAME_UPPER@",
        "CHECK": "check_component" if is_class else "check_extension",
    }
    test = (
        TEST_OF_AN_ATTACK
        if kind == "attack"
        else TEST.replace("import @SUBJECT@", "import @CLASS@" if is_class else "import @NAME_UPPER@")
    )
    files = {
        "pyproject.toml": PROJECT,
        f"src/leakboard_{name}/__init__.py": '"""@TITLE@: a plugin for Leakboard."""\n',
        f"src/leakboard_{name}/{name}.py": _CLASS if is_class else _VALUE,
        f"tests/test_{name}.py": test,
    }
    return {path: _filled(text, words) for path, text in files.items()}


def _filled(text: str, words: dict[str, str]) -> str:
    # parts hold words of their own
    while (filled := re.sub(r"@([A-Z_]+)@", lambda found: words[found[1]], text)) != text:
        text = filled
    if "\nif TYPE_CHECKING:" not in text:
        text = text.replace("from typing import TYPE_CHECKING, ClassVar\n", "from typing import ClassVar\n")
        text = text.replace("from typing import TYPE_CHECKING\n\n", "")
    return text
