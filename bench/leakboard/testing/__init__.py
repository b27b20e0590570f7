"""Contract checks that plugin authors run, one structured row each.

In a test of your own::

    from leakboard.testing import check_component, summarize

    def test_contract():
        rows = check_component(MyDistance())
        assert not [row for row in rows if row.outcome == "failed"], summarize(rows)

Extensions (measures, executors, recipes, pages) are values: ``check_extension(MY_EXECUTOR)``.

A class may decline a check that does not fit it, with a reason that every report shows::

    declined_checks = {"labels flip the ranking": "trains nothing"}
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from leakboard.api import Component, Unsupported
from leakboard.faults import contained
from leakboard.registry.fields import fields_of, is_required
from leakboard.testing import (
    classifiers,
    components,
    datasets,
    defenses,
    distances,
    executors,
    extensions,
    measures,
    observers,
    pages,
    recipes,
    victims,
)
from leakboard.testing.checks import Check, Declined, Subject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard.api import Kind, Samples

__all__ = ["CheckRow", "check_component", "check_extension", "summarize"]

OF_KIND: dict[Kind, tuple[Check, ...]] = {
    "dataset": datasets.CHECKS,
    "victim": victims.CHECKS,
    "defense": defenses.CHECKS,
    "observer": observers.CHECKS,
    "distance": distances.CHECKS,
    "classifier": classifiers.CHECKS,
    "executor": executors.CHECKS,
    "measure": measures.CHECKS,
    "page": pages.CHECKS,
    "recipe": recipes.CHECKS,
}


@dataclass(frozen=True)
class CheckRow:
    """What came of one check.

    Attributes:
        check: its name; what ``declined_checks`` names it by.
        outcome: ``ok``, ``failed`` or ``declined``.
        detail: why it failed or was declined.
        traceback: where the plugin raised what made it fail; empty where it raised nothing.
    """

    check: str
    outcome: Literal["ok", "failed", "declined"]
    detail: str = ""
    traceback: str = ""


def check_component(component: Component | type[Component], samples: Samples | None = None) -> list[CheckRow]:
    """Check a plugin against the contract of its kind.

    Args:
        component: an instance, or a class, which is checked with its defaults.
        samples: what to ask a victim about; its checks are declined without.

    Returns:
        One row a check, whatever its outcome.
    """
    cls = component if isinstance(component, type) else type(component)
    instance = _instance(component)
    subject = Subject(cls, instance, samples)
    declined = dict(getattr(cls, "declined_checks", {}))
    checks = components.CHECKS + OF_KIND.get(getattr(cls, "kind", cast("Any", None)), ())
    rows = [_run(check, subject, declined.pop(check.name, "")) for check in checks]
    unknown = [CheckRow(name, "failed", "declined_checks names a check that does not exist") for name in declined]
    return rows + unknown


def check_extension(value: object, samples: Samples | None = None) -> list[CheckRow]:
    """Check a value that a plugin brings beside the axes: an executor, say.

    Args:
        value: what its hook returned.
        samples: what a recipe is tried on, in place of a few smooth images.

    Returns:
        One row a check, whatever its outcome.

    Raises:
        TypeError: it is of no kind that plugins bring.
    """
    checks = extensions.CHECKS + OF_KIND.get(extensions.kind_of(value), ())
    subject = Subject(cast("Any", type(value)), cast("Any", value), samples)
    return [_run(check, subject) for check in checks]


def summarize(rows: Sequence[CheckRow], *, tracebacks: bool = False) -> str:
    """Every row, and how many there are of each outcome. A reason that several rows share is said once.

    With ``tracebacks`` the traceback of each exception that a plugin raised stands below the first row it failed.
    """
    counts = Counter(row.outcome for row in rows)
    lines, said = list[str](), dict[str, str]()
    for row in rows:
        again = said.get(row.detail)
        detail = f"as {again}" if again else row.detail
        lines.append(f"{row.outcome:>8}  {row.check}" + (f": {detail}" if detail else ""))
        if row.detail and not again:
            said[row.detail] = row.check
            lines += row.traceback.splitlines() if tracebacks else []
    total = ", ".join(f"{counts[outcome]} {outcome}" for outcome in ("ok", "failed", "declined"))
    return "\n".join([*lines, f"{len(rows)} checks: {total}"])


def _instance(component: Component | type[Component]) -> Component | None:
    if not isinstance(component, type):
        return component
    if not dataclasses.is_dataclass(component) or any(is_required(field) for field in fields_of(component)):
        return None
    return component()


def _run(check: Check, subject: Subject, declined: str = "") -> CheckRow:
    if declined:
        return CheckRow(check.name, "declined", declined)
    try:
        with contained(Declined, Unsupported, AssertionError) as caught:
            check.run(subject)
    except (Declined, Unsupported) as reason:
        return CheckRow(check.name, "declined", str(reason))
    except AssertionError as wrong:
        return CheckRow(check.name, "failed", str(wrong))
    if not caught.fault:
        return CheckRow(check.name, "ok")
    place = f" ({caught.place})" if caught.place else ""
    return CheckRow(check.name, "failed", f"{caught.fault.error}{place}", caught.fault.traceback)
