"""The spec language: ``name``, ``name(key=literal, ...)``, ``name(key={1, 2})`` sweeps, ``a + b`` chains.

A spec is a Python call with keyword literals, read with `ast` and `ast.literal_eval`: nothing in it is evaluated.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from leakboard.errors import LeakboardError

GRAMMAR = "name, name(key=value, ...), a set {1, 2} to sweep a value, a + b to chain defenses"


@dataclass(frozen=True)
class Spec:
    """One call as it was written: a plugin's name and the parameters given to it."""

    name: str
    parameters: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        return spell(self.name, dict(self.parameters))


def spell(name: str, parameters: dict[str, Any]) -> str:
    """The spelling of a call: ``psnr``, ``gaussian_blur(sigma=1.0)``."""
    arguments = ", ".join(f"{key}={value!r}" for key, value in parameters.items())
    return f"{name}({arguments})" if arguments else name


def parse(text: str, where: str = "") -> tuple[tuple[Spec, ...], ...]:
    """Read one spec; each result is one chain (of length 1 unless ``+`` was used), one for each point of its sweeps.

    Raises:
        LeakboardError: the text is not in the spec language, or a keyword is given twice.
    """
    place = where or f"spec {text!r}"
    try:
        expression = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise LeakboardError(f"cannot read the spec {text!r}: {reason}", where=place, expected=GRAMMAR) from None
    alternatives = [list(_sweep(call, text, place)) for call in _links(expression)]
    return tuple(itertools.product(*alternatives))


def _links(expression: ast.expr) -> Iterator[ast.expr]:
    if isinstance(expression, ast.BinOp) and isinstance(expression.op, ast.Add):
        yield from _links(expression.left)
        yield from _links(expression.right)
    else:
        yield expression


def _sweep(call: ast.expr, text: str, place: str) -> Iterator[Spec]:
    """Every point of the sweeps in one call, in the order they are written."""
    if isinstance(call, ast.Name):
        yield Spec(call.id)
        return
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
        raise LeakboardError(f"{ast.unparse(call)!r} is not a plugin call", where=place, expected=GRAMMAR)
    if call.args or any(keyword.arg is None for keyword in call.keywords):
        raise LeakboardError(f"parameters of {call.func.id} must be named", where=place, expected=GRAMMAR)
    axes: list[list[tuple[str, Any]]] = []
    for keyword in call.keywords:
        values = keyword.value.elts if isinstance(keyword.value, ast.Set) else [keyword.value]
        axes.append([(str(keyword.arg), _literal(value, text, place)) for value in values])
    for point in itertools.product(*axes):
        yield Spec(call.func.id, point)


def _literal(value: ast.expr, text: str, place: str) -> Any:
    try:
        return ast.literal_eval(value)
    except (ValueError, TypeError):
        written = ast.unparse(value)
        hint = f"{written!r} in quotes" if isinstance(value, ast.Name) else ""
        raise LeakboardError(
            f"{written} in {text!r} is not a literal", where=place, expected="a number, string, tuple or set", nearest=hint
        ) from None
