"""An executor as it is called on the command line: its name, with parameters where it has some."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from leakboard.errors import LeakboardError
from leakboard.registry.bind import checked
from leakboard.registry.specs import GRAMMAR, Spec, parse

if TYPE_CHECKING:
    from leakboard.api import Executor
    from leakboard.registry.find import Registry

_CALL = re.compile(r"\s*(\w[\w.-]*)\s*(\(.*\))?\s*", re.DOTALL)
_PLACE = re.compile(r"\s*(\w[\w.-]*)://(\S+)\s*")


def executor_call(registry: Registry, text: str, where: str = "--executor") -> tuple[Executor, Any]:
    """The executor that ``NAME``, ``NAME(key=value)`` or ``NAME://ADDRESS`` means, and its options.

    Raises:
        LeakboardError: there is none of that name, or its parameters do not fit.
    """
    spec = _read(text, where)
    found: Executor = registry.value("executor", spec.name, where)
    if found.options is None:
        if spec.parameters:
            raise LeakboardError(
                f"{spec.name} has no parameter {spec.parameters[0][0]!r}", where=where, expected="no parameters"
            )
        return found, None
    return found, found.options(**checked(found.options, spec, where))


def _read(text: str, where: str) -> Spec:
    if place := _PLACE.fullmatch(text):
        return Spec(place[1], (("address", place[2]),))
    call = _CALL.fullmatch(text)
    if call is None:
        raise LeakboardError(f"cannot read the executor {text!r:.200}", where=where, expected=GRAMMAR)
    if call[2] is None:
        return Spec(call[1])
    # names of executors may have dashes, which the language of specs takes for a difference
    chains = parse(f"executor{call[2]}", where)
    if len(chains) != 1:
        raise LeakboardError(f"{text!r} sweeps {len(chains)} points", where=where, expected="a single one")
    ((spec,),) = chains
    return Spec(call[1], spec.parameters)
