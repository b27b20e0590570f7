"""Who may import whom, and how long a file may get: the rules that keep the house in order."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "leakboard": ROOT / "bench" / "leakboard",
    "leakboard_plugins": ROOT / "plugins" / "leakboard_plugins",
    "leakboard_defenses": ROOT / "defenses" / "leakboard_defenses",
    "leakboard_reports": ROOT / "reports" / "leakboard_reports",
}
PUBLIC = {
    "leakboard",
    "leakboard.api",
    "leakboard.errors",
    "leakboard.hookspecs",
    "leakboard.digests",
    "leakboard.noise",
    "leakboard.quiet",
}
MAY_IMPORT = {
    "leakboard_plugins": PUBLIC,
    "leakboard_defenses": PUBLIC,
    "leakboard_reports": PUBLIC
    | {"leakboard.store", "leakboard.store.tables", "leakboard.artifacts", "leakboard.measures", "leakboard.intervals"},
}
SCRIPTS = {"build_fashion_mnist.py"}
HEAVY = {
    "torch",
    "torchvision",
    "diffusers",
    "transformers",
    "sklearn",
    "skimage",
    "scipy",
    "pandas",
    "altair",
    "lpips",
}
LONGEST = 400

FILES = [(name, path) for name, folder in PACKAGES.items() for path in sorted(folder.rglob("*.py"))]
SOURCES = [pytest.param(name, path, id=f"{name}/{path.relative_to(PACKAGES[name])}") for name, path in FILES]


def imports(tree):
    """Absolute names of the modules that a tree imports from."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            submodules = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if is_module(name) else node.module for name in submodules)


def is_module(name):
    package, _, rest = name.partition(".")
    if package not in PACKAGES or not rest:
        return False
    path = PACKAGES[package].joinpath(*rest.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def test_all_packages_are_looked_at():
    assert {name for name, _ in FILES} == set(PACKAGES)
    assert len(FILES) > 60


@pytest.mark.parametrize(("package", "path"), SOURCES)
def test_packages_import_only_what_they_may(package, path):
    """The harness finds its plugins by entry points; plugins use its public names."""
    others = {name for name in imports(tree_of(path)) if name.partition(".")[0] in set(PACKAGES) - {package}}

    assert others <= MAY_IMPORT.get(package, set())


def test_the_contract_imports_nothing_of_ours_but_the_errors_and_the_samples():
    ours = {name for name in imports(tree_of(PACKAGES["leakboard"] / "api.py")) if name.startswith("leakboard")}

    assert ours == {"leakboard.errors", "leakboard.samples"}
    for name in ("errors.py", "samples.py"):
        assert not [found for found in imports(tree_of(PACKAGES["leakboard"] / name)) if found.startswith("leakboard")]


def test_nobody_imports_the_command_line():
    importers = {
        path.relative_to(ROOT).as_posix()
        for name, path in FILES
        if any(found.startswith("leakboard.cli") for found in imports(tree_of(path)))
    }

    assert {name for name in importers if "/cli/" not in name} == {"bench/leakboard/__main__.py"}


@pytest.mark.parametrize(
    "layer", ["specs", "components", "registry", "grid", "cells", "sampling", "oracle", "measures"]
)
def test_the_core_knows_nothing_of_store_runner_and_executors(layer):
    above = ("store", "runner", "executors", "worker", "ledger", "planning", "summary", "cli")
    found = set(imports(tree_of(PACKAGES["leakboard"] / f"{layer}.py")))

    assert not {name for name in found if name.startswith(tuple(f"leakboard.{module}" for module in above))}


@pytest.mark.parametrize(("package", "path"), SOURCES)
def test_heavy_packages_are_imported_where_they_are_used(package, path):
    """At the top of a file they would slow every command down; only a type checker may see them there."""
    top = {
        name.partition(".")[0] for node in tree_of(path).body if not isinstance(node, ast.If) for name in at_top(node)
    }

    assert path.name in SCRIPTS or not top & HEAVY


def at_top(node):
    return imports(ast.Module([node], [])) if isinstance(node, (ast.Import, ast.ImportFrom)) else ()


@pytest.mark.parametrize(("package", "path"), SOURCES)
def test_no_file_is_long(package, path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("package", PACKAGES)
def test_types_are_published(package):
    assert (PACKAGES[package] / "py.typed").is_file()
