"""Digests of what a plugin is made of, its code and its files: what has changed is measured again, the rest is not."""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.util
import inspect
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leakboard.errors import LeakboardError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LARGE = 1 << 26
"""Bytes from which a file's digest is kept on disk: weights of gigabytes are not read through at every command."""
PLUGIN_FILE = "leakboard_file_"
"""What the names of modules begin with that were made of plugin files; these may import files that lie beside them."""
HARNESS = "leakboard"
"""Its own changes are told by `leakboard.keys.FORMATS`."""


@functools.cache
def code_digest(cls: type) -> str:
    """Digest of a plugin's module, of its base classes', and of what these import from their own packages.

    Comments, docstrings and layout do not count, nor where the files lie. Nothing is imported to find out.

    Raises:
        LeakboardError: there is no source code to go by.
    """
    return _digest_of(cls.__qualname__, cls.__mro__)


@functools.cache
def function_digest(function: Callable[..., Any]) -> str:
    """`code_digest` of the module that a function lies in, and of the arguments that `functools.partial` bound.

    Raises:
        LeakboardError: there is no source code to go by.
    """
    if isinstance(function, functools.partial):
        bound = [_bound(value) for value in (*function.args, *sum(sorted(function.keywords.items()), ()))]
        return hashlib.sha256(json.dumps([function_digest(function.func), bound]).encode()).hexdigest()
    if not inspect.isroutine(function):
        kind: type = type(function)
        return code_digest(kind)
    return _digest_of(function.__qualname__, (function,))


def _bound(value: Any) -> str:
    """An argument that a function is bound to: of another function its code, for its place in memory says nothing."""
    return function_digest(value) if callable(value) else repr(value)


def _digest_of(what: str, parts: tuple[Any, ...]) -> str:
    """Digest of the modules that classes or functions lie in, as far as these are a plugin's."""
    own = {part.__module__ for part in parts if _is_plugin(part.__module__)}
    packages = {_top(name) for name in own}
    queue, modules, beside = sorted(own), dict[str, str](), dict[str, Path]()
    while queue:
        name = queue.pop()
        if name in modules:
            continue
        file = beside.get(name) or _file(name)
        if file is None or file.suffix != ".py":
            modules[name] = _without_source(what, parts, name, file)
            continue
        tree = _Bare().visit(ast.parse(file.read_bytes()))
        modules[name] = ast.unparse(tree)
        queue += [found for found in _imports(tree, name, file) if _top(found) in packages]
        if name.startswith(PLUGIN_FILE) or name in beside:
            near = {found: path for found in imported_names(tree) if (path := file_beside(file, found))}
            beside |= near
            queue += near
    return hashlib.sha256(json.dumps(sorted(modules.values())).encode()).hexdigest()


def imported_names(tree: ast.AST) -> list[str]:
    """Names of the modules that a file imports absolutely, without what lies below them."""
    names: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= dict.fromkeys(_top(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names[_top(node.module)] = None
    return list(names)


def file_beside(path: Path, name: str) -> Path | None:
    """The file of a module that lies beside a plugin file, if it does; names of the standard library never mean it."""
    if name in sys.stdlib_module_names:
        return None
    found = path.resolve().with_name(f"{name}.py")
    return found if found.is_file() else None


class _Bare(ast.NodeTransformer):
    """Drops docstrings, and other constants that stand alone as a statement."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else node


def _top(module: str) -> str:
    return module.partition(".")[0]


def _is_plugin(module: str) -> bool:
    return _top(module) != HARNESS and _top(module) not in sys.stdlib_module_names


def _without_source(what: str, parts: tuple[Any, ...], name: str, file: Path | None) -> str:
    """What tells versions apart where there is no Python file: a compiled module's bytes, what was typed in."""
    if file is not None:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    try:
        return "".join(inspect.getsource(part) for part in parts if part.__module__ == name)
    except (OSError, TypeError):
        told = f"the source code of {what} is nowhere to be found, so its results could not be told apart"
        raise LeakboardError(told, where=f"module {name}", expected="code in a Python file") from None


def _imports(tree: ast.AST, module: str, file: Path) -> Iterator[str]:
    """Absolute names of the modules that a module imports from; of submodules where those are meant."""
    package = module if file.stem == "__init__" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            try:
                source = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            except ImportError:
                continue  # beyond the top of its package, where the import itself fails too
            members = [f"{source}.{alias.name}" for alias in node.names]
            yield from (member if _file(member) else source for member in members)


def _file(module: str) -> Path | None:
    """The file of a module, looked for beside its package when the module is not loaded."""
    loaded = sys.modules.get(module)
    if loaded is not None:
        origin = getattr(loaded, "__file__", None)
        return Path(origin) if origin else None
    parent, _, name = module.rpartition(".")
    for folder in _folders(parent) if parent else ():
        for path in (folder / f"{name}.py", folder / name / "__init__.py"):
            if path.is_file():
                return path
    return None


def _folders(package: str) -> list[Path]:
    if package in sys.modules:
        return [Path(folder) for folder in getattr(sys.modules[package], "__path__", ())]
    file = _file(package)
    return [file.parent] if file and file.stem == "__init__" else []


def file_digest(path: Path) -> str:
    """sha256 of a file's content; read again only when its size or time of change differ.

    For plugins too, that compare their files with a manifest: what `Component.files` names is read through once for
    both.

    Raises:
        LeakboardError: the file cannot be read.
    """
    try:
        stat = path.stat()
        return _digest(path, stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_ctime_ns)
    except OSError as error:
        raise LeakboardError(f"cannot read a file that results depend on: {error.strerror}", where=str(path)) from None


def weights_digest(files: Iterable[Path]) -> str:
    """sha256 over the weights among some files, wherever they lie and whatever they are called: of a base, say.

    Raises:
        LeakboardError: a file cannot be read.
    """
    found = sorted(file_digest(path) for path in files if path.suffix == ".safetensors")
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


@functools.cache
def _digest(path: Path, size: int, *state: int) -> str:
    if size < LARGE:
        return _read_through(path)
    question = f"{path.resolve()} {size} {state}"
    name = hashlib.sha256(question.encode()).hexdigest()
    with contextlib.suppress(OSError, RuntimeError):
        return (_notes() / name).read_text(encoding="ascii")
    found = _read_through(path)
    with contextlib.suppress(OSError, RuntimeError):
        note = _notes() / name
        note.parent.mkdir(parents=True, exist_ok=True)
        part = note.with_suffix(f".{os.getpid()}")
        part.write_text(found, encoding="ascii")
        part.replace(note)
    return found


def _read_through(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _notes() -> Path:
    """Where digests of large files are kept from process to process."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leakboard" / "digests"
