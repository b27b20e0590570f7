"""What all plugins owe: to be found, described, spelled and told apart from their next version."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import textwrap
from pathlib import Path
from typing import Any, cast

from leakboard.digests import code_digest
from leakboard.registry.bind import bind, build, given, inside
from leakboard.registry.contract import check_class
from leakboard.registry.fields import fields_of, is_required
from leakboard.registry.specs import parse, spell
from leakboard.testing.checks import Check, Subject
from leakboard.testing.imports import imports_no_torch

LINE = 120


def _contract(subject: Subject) -> None:
    kind = getattr(subject.cls, "kind", None)
    assert kind is not None, f"{subject.cls.__name__} does not derive from a base class of leakboard.api"
    try:
        check_class(kind, subject.cls)
    except (TypeError, ValueError) as refused:
        raise AssertionError(str(refused)) from refused


def _imports(subject: Subject) -> None:
    imports_no_torch(subject.cls.__module__)


def _docstring(subject: Subject) -> None:
    text = _own_words(subject.cls)
    assert text, f"{subject.cls.__name__} has no docstring of its own"
    first = text.splitlines()[0]
    assert len(first) <= LINE, (
        f"the first line of the docstring, which `leakboard list` shows, has {len(first)} letters"
    )


def _own_words(cls: type) -> str:
    """The docstring of a class, unless it is the signature that dataclass writes where there is none."""
    text = inspect.cleandoc(vars(cls).get("__doc__") or "")
    return "" if text.startswith(f"{cls.__name__}(") else text


def _parameters(subject: Subject) -> None:
    required = [field.name for field in fields_of(subject.cls) if is_required(field)]
    documented = set(re.findall(r"\w+", _own_words(subject.cls)))
    bare = set(required) - documented
    bare -= set(_described(subject.cls)) if bare else set()
    assert not bare, f"parameters without a default and without a word about them: {', '.join(sorted(bare))}"


def _described(cls: type) -> list[str]:
    """Names of the fields that a docstring of their own follows."""
    body = cast("ast.ClassDef", ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]).body
    return [
        statement.target.id
        for statement, after in itertools.pairwise(body)
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
    ]


def _spelling(subject: Subject) -> None:
    point = bind(cast("Any", subject.cls.kind), [subject.made])
    within = {inner.spec: inner for inner in inside(subject.made)}
    for text in (point.spec, spell(subject.made.name, given(subject.made))):
        ((spec,),) = parse(text)
        again = build(subject.cls, spec, inner=lambda _axis, inner, _where: within[inner])
        assert again == subject.made, f"{text} reads back as {again}, not as {subject.made}"


def _identity(subject: Subject) -> None:
    assert code_digest(cast("Any", subject.cls))
    for path in subject.made.files():
        assert Path(path).is_file(), f"files() names {path}, which is no file"


CHECKS = (
    Check("contract", _contract),
    Check("importing it imports no torch", _imports),
    Check("docstring", _docstring),
    Check("parameters have defaults or are documented", _parameters),
    Check("canonical spelling reads back", _spelling),
    Check("code and files are known", _identity),
)
