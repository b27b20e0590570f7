"""Reads what one plugin module offers, by its own hooks, and refuses what would fail later."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import importlib.util
import inspect
import keyword
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from leakboard import api, hookspecs
from leakboard.digests import PLUGIN_FILE, file_beside, function_digest, imported_names
from leakboard.errors import nearest
from leakboard.recipe import Recipe
from leakboard.registry.fields import types_of
from leakboard.registry.traits import check_traits

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint
    from pathlib import Path
    from types import ModuleType

    import pluggy

BASES: dict[api.Axis, type[api.Component]] = {
    "dataset": api.Dataset,
    "victim": api.Victim,
    "defense": api.Defense,
    "observer": api.Observer,
    "distance": api.Distance,
    "classifier": api.Classifier,
}
VALUES: dict[api.Extension, type] = {
    "attack": api.Attack,
    "measure": api.Measure,
    "executor": api.Executor,
    "recipe": Recipe,
    "page": api.Page,
}
"""What the plugins of each extension are: plain values with a name."""


ASKED = ("leakboard_report", "leakboard_report_folder")
"""Hooks that offer nothing: they are asked when a report is made."""


@dataclass(frozen=True)
class Offer:
    """What a plugin module offers: classes by axis, and values by extension."""

    classes: tuple[tuple[api.Axis, type[api.Component]], ...]
    values: tuple[tuple[api.Extension, Any], ...]


def read_offer(manager: pluggy.PluginManager, module: ModuleType) -> Offer:
    """Call each hook of a registered module by itself, so that its faults stay its own.

    Raises:
        ValueError, TypeError: an unknown hook, no hook at all, or an answer that is not what the hook promises.
    """
    known = [name for name in vars(hookspecs) if name.startswith("leakboard_")]
    callers = manager.get_hookcallers(module) or []
    if not callers:
        raise ValueError("it implements no hook: mark functions such as leakboard_distances with @leakboard.hookimpl")
    answers: dict[str, list[Any]] = {}
    for caller in callers:
        if caller.name not in known:
            hint = nearest(caller.name, known)
            raise ValueError(f"there is no hook {caller.name}" + (f", did you mean {hint}?" if hint else ""))
        if caller.name in ASKED:
            continue
        implementation = next(each for each in caller.get_hookimpls() if each.plugin is module)
        answer = implementation.function()
        if not isinstance(answer, (list, tuple)):
            raise TypeError(f"{caller.name} returned {answer!r}, expected a list")
        answers[caller.name] = list(answer)
    classes = [(axis, cls) for axis in BASES for cls in answers.get(f"leakboard_{axis}s", [])]
    for axis, cls in classes:
        check_class(axis, cls)
    values = [(kind, value) for kind in VALUES for value in answers.get(f"leakboard_{kind}s", [])]
    for kind, value in values:
        check_value(kind, value)
    return Offer(tuple(classes), tuple(values))


def check_value(kind: api.Extension, value: object) -> None:
    """Refuse a value that an extension cannot use.

    Raises:
        ValueError, TypeError: it is of another type, or has no usable name.
    """
    if not isinstance(value, VALUES[kind]):
        kept_to = VALUES[kind]
        # told by the name that plugins import, not by the file that it stands in
        home = "leakboard.api" if kept_to.__name__ in api.__all__ else kept_to.__module__
        raise TypeError(f"leakboard_{kind}s returned {value!r:.200}, expected {home}.{kept_to.__name__}")
    name = getattr(value, "name", None)
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(f"a {kind} is called {name!r:.80}, expected letters, digits, dots and dashes")
    if isinstance(value, api.Measure):
        if not callable(value.function):
            raise TypeError(f"the function of the measure {name} is {value.function!r:.80}")
        function_digest(value.function)  # without source code nobody could tell when to measure again
    if isinstance(value, api.Executor) and value.options is not None:
        _check_options(name, value.options)
    if kind == "page" and name.lower() == "index":
        raise ValueError(f"a page is called {name!r}, and that is the report's own first page")


def _check_options(name: str, options: type[Any]) -> None:
    """Refuse parameters of an executor that could not be read from a command line."""
    made_by = vars(options).get("__dataclass_params__")
    if made_by is None or not made_by.frozen:
        raise ValueError(f"the options of the executor {name} are no frozen dataclass: {options!r:.80}")
    types_of(cast("Any", options))


def check_class(kind: api.Axis, cls: object) -> None:
    """Refuse a class that does not keep to the contract of its kind.

    Raises:
        ValueError, TypeError: it is of another kind, has no usable name, is no frozen dataclass, names types that
            only a type checker sees, lacks a default, or declares what makes no sense.
    """
    if not isinstance(cls, type) or not issubclass(cls, BASES[kind]):
        other = getattr(cls, "kind", None)
        what = f"is a {other}" if other in BASES else f"does not derive from leakboard.api.{BASES[kind].__name__}"
        raise TypeError(f"{getattr(cls, '__name__', repr(cls))} was returned as a {kind} but {what}")
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"{cls.__name__}.name is {name!r}, expected an identifier")
    parameters = vars(cls).get("__dataclass_params__")
    if parameters is None or not parameters.frozen:
        raise ValueError(
            f"{cls.__name__} is not a frozen dataclass; write @dataclass(frozen=True, kw_only=True) above it"
        )
    if inspect.isabstract(cls):
        raise TypeError(f"{cls.__name__} is abstract")
    bare = next(
        (field.name for field in dataclasses.fields(cast("Any", cls)) if isinstance(field.default, property)), ""
    )
    if bare:  # the property would be taken for the default
        raise ValueError(f"{cls.__name__}.{bare} needs a default: its base class has a property of that name")
    try:
        types_of(cast("Any", cls))
    except NameError as error:
        raise ValueError(
            f"{cls.__name__} has a field of type {error.name!r}, which is not imported at run time"
        ) from error
    check_traits(kind, cls)


def origin(entry: EntryPoint) -> str:
    """The distribution that an entry point belongs to, as people are told."""
    return f"{entry.dist.name} {entry.dist.version} ({entry.value})" if entry.dist else entry.value


def load_file(path: Path) -> ModuleType:
    """Run a Python file as a module of its own, told apart from others of the same name by its place.

    Files beside it can be imported by their names, after everything that is installed.

    Raises:
        ImportError: it is no Python file, or it imports a file beside it whose name is taken.
    """
    neighbours(path)
    place = hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:12]
    name = f"{PLUGIN_FILE}{path.stem}_{place}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def neighbours(path: Path) -> None:
    """Let a plugin file import files that lie beside it.

    Raises:
        ImportError: something else of that name is found first, and would be imported in its place.
    """
    folder = str(path.resolve().parent)
    try:
        names = imported_names(ast.parse(path.read_bytes()))
    except (OSError, SyntaxError, ValueError):
        return  # running it tells more
    beside = [name for name in names if file_beside(path, name)]
    if beside and folder not in sys.path:
        sys.path.append(folder)
    for name in beside:
        found = importlib.util.find_spec(name)
        mine = file_beside(path, name)
        if found is None or found.origin is None or mine is None or not mine.samefile(found.origin):
            raise ImportError(
                f"{path} imports {name}, which lies beside it, but {(found and found.origin) or 'another module'} has "
                "that name too: give the file another name, or make a package with an entry point"
            )
