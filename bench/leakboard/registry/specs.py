"""The spec language: ``name``, ``name(key=literal, ...)``, ``name(key={1, 2})`` sweeps, ``a + b`` chains.

A spec is a Python call with keyword literals, read with `ast` and `ast.literal_eval`: nothing in it is evaluated.
"""

from __future__ import annotations

import ast
import itertools
import math
import re
import warnings
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leakboard.errors import LeakboardError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

GRAMMAR = "name, name(key=value, ...), a set {1, 2} to sweep a value, a + b to chain defenses"
MOST = 250_000
"""Points that a spec, or a grid, may stand for."""
DIGITS = "a number has more digits than Python reads"
NAME = re.compile(r"(?! )[\w .+-]{1,60}(?<! )")
"""What a grid may call a victim or a dataset: no path, and nothing that means something in a spec."""
LITERALS = "a number, a quoted string, True, False, None, a list or tuple of these, or a set to sweep"


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
    place = where or f"spec {text!r:.200}"
    source = text.strip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a backslash in a path is no concern of the user's
            expression = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        reason = DIGITS if "set_int_max_str_digits" in reason else reason
        raise LeakboardError(f"cannot read the spec {text!r:.200}: {reason}", where=place, expected=GRAMMAR) from None
    links = list(_links(expression))
    bounded([_points(link) for link in links], f"the spec {source!r:.80}", place)
    alternatives = [list(_sweep(link, source, place)) for link in links]
    return tuple(itertools.product(*alternatives))


def named(spec: Spec, where: str) -> tuple[Spec, str]:
    """A call without the ``name`` that it gives to what it makes, and that name; an empty string without one.

    Raises:
        LeakboardError: that is no name.
    """
    given = dict(spec.parameters).get("name")
    if given is None:
        return spec, ""
    if not (isinstance(given, str) and NAME.fullmatch(given)):
        raise LeakboardError(
            f"{spec.name} cannot be called {given!r:.100}",
            where=where,
            expected="name='...' with 1 to 60 letters, digits, blanks and . _ - +",
        )
    return Spec(spec.name, tuple(each for each in spec.parameters if each[0] != "name")), given


def _points(link: ast.expr) -> int:
    """How many calls the sweeps of one call stand for, known before any is made."""
    keywords = link.keywords if isinstance(link, ast.Call) else ()
    return math.prod(len(each.value.elts) for each in keywords if isinstance(each.value, ast.Set))


def bounded(counts: Iterable[int], what: str, where: str) -> None:
    """Refuse a product that is too large, before it is multiplied out.

    Raises:
        LeakboardError: it has more than `MOST` points.
    """
    total = math.prod(counts)
    if total > MOST:
        many = f"{total:,}" if total < MOST**3 else "more than can be counted"
        raise LeakboardError(
            f"{what} stands for {many} points",
            where=where,
            expected=f"at most {MOST:,}",
            next="fewer values in its sweeps, or several grids into one store",
        )


def _links(expression: ast.expr) -> Iterator[ast.expr]:
    """The links of a chain from left to right; without recursion, for a chain may be any length."""
    ahead = [expression]
    while ahead:
        link = ahead.pop()
        if isinstance(link, ast.BinOp) and isinstance(link.op, ast.Add):
            ahead += [link.right, link.left]
        else:
            yield link


def _sweep(link: ast.expr, source: str, place: str) -> Iterator[Spec]:
    """Every point of the sweeps in one call, in the order they are written."""
    if isinstance(link, ast.Name):
        yield Spec(link.id)
        return
    if not (isinstance(link, ast.Call) and isinstance(link.func, ast.Name)):
        written = ast.get_source_segment(source, link)
        raise LeakboardError(f"{written} is not the call of a plugin", where=place, expected=GRAMMAR)
    name, keys = link.func.id, [keyword.arg for keyword in link.keywords]
    if link.args or None in keys:
        raise LeakboardError(f"the parameters of {name} must be named", where=place, expected=f"{name}(key=value, ...)")
    twice = [key for key, count in Counter(keys).items() if count > 1]
    if twice:
        sweep = f"{name}({twice[0]}={{..., ...}}) to sweep it"
        raise LeakboardError(f"{name} is given {twice[0]!r} twice", where=place, expected=sweep)
    axes: list[list[tuple[str, Any]]] = []
    for keyword in link.keywords:
        values = keyword.value.elts if isinstance(keyword.value, ast.Set) else [keyword.value]
        axes.append([(str(keyword.arg), _literal(value, source, place)) for value in values])
    for point in itertools.product(*axes):
        yield Spec(name, point)


def _literal(value: ast.expr, source: str, place: str) -> Any:
    try:
        return ast.literal_eval(value)
    except (ValueError, TypeError, RecursionError, MemoryError):
        written = ast.get_source_segment(source, value)
        meant = {"true": "True", "false": "False", "none": "None", "null": "None"}
        hint = meant.get(value.id.lower(), repr(value.id)) if isinstance(value, ast.Name) else ""
        raise LeakboardError(f"{written} is not a literal", where=place, expected=LITERALS, nearest=hint) from None
