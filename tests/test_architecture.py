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
    "leakboard.recipe",
    "leakboard.training",
}
MAY_IMPORT = {
    "leakboard_plugins": PUBLIC | {"leakboard.store.answers"},
    "leakboard_defenses": PUBLIC | {"leakboard.oracle.fitting"},
    "leakboard_reports": PUBLIC
    | {
        "leakboard.store",
        "leakboard.store.tables",
        "leakboard.store.artifacts",
        "leakboard.store.answers",
        "leakboard.statistics.epsilon",
        "leakboard.statistics.ceiling",
        "leakboard.statistics.correlation",
        "leakboard.statistics.exposure",
        "leakboard.statistics.mean_ranks",
        "leakboard.statistics.mixture",
        "leakboard.statistics.sets",
        "leakboard.statistics.ties",
        "leakboard.statistics.auc",
        "leakboard.statistics.intervals",
        "leakboard.statistics.measures",
        "leakboard.statistics.multiple",
        "leakboard.statistics.nulls",
        "leakboard.statistics.permutation",
        "leakboard.statistics.roc",
    },
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
    "httpx",
    "tenacity",
}
LONGEST = 400
HARNESS = PACKAGES["leakboard"]
GROUND = "the ground floor"
FLOORS = (
    {"cli"},
    {"runs"},
    {"testing"},
    {"tasks"},
    {"grid", "training"},
    {"registry"},
    {"oracle"},
    {"store", "statistics"},
    {GROUND},
)
"""The rooms of the harness from the roof down: whoever stands higher may import from below, and nobody the other way."""
DOORSTEPS = {"__init__.py", "__main__.py", "hooks.py"}
"""Files of the ground floor that only open the house: they lead to any room."""
TYPES_ONLY = {(GROUND, "store"), ("store", GROUND)}
"""`hookspecs` names the store in a signature, for type checkers alone."""
ROOM_FILES = sorted(path for path in HARNESS.rglob("*.py") if path.parent != HARNESS or path.name not in DOORSTEPS)

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


CONTRACT = {
    "api": {"asking", "components", "errors", "extensions", "kinds", "samples"},
    "components": {"asking", "errors", "kinds", "samples"},
    "extensions": {"asking"},
    "asking": {"errors"},
    "errors": set(),
    "kinds": set(),
    "samples": set(),
}
"""The files of the contract, and what each imports of ours."""


@pytest.mark.parametrize("name", CONTRACT)
def test_the_contract_imports_nothing_of_ours_but_itself(name):
    ours = {found for found in imports(tree_of(HARNESS / f"{name}.py")) if found.startswith("leakboard")}

    assert ours == {f"leakboard.{each}" for each in CONTRACT[name]}


def test_plugins_import_the_contract_from_one_place():
    """Where its names stand is the harness's own affair: `leakboard.api` has them all, and nothing else."""
    from leakboard import api

    assert {name for name in vars(api) if not name.startswith("_")} - {"annotations"} == {*api.__all__}


def test_nobody_imports_the_command_line():
    importers = {
        path.relative_to(ROOT).as_posix()
        for name, path in FILES
        if any(found.startswith("leakboard.cli") for found in imports(tree_of(path)))
    }

    assert {name for name in importers if "/cli/" not in name} == {"bench/leakboard/__main__.py"}


@pytest.mark.parametrize("path", ROOM_FILES, ids=lambda path: path.relative_to(HARNESS).as_posix())
def test_data_flows_one_way_through_the_rooms(path):
    """A file imports from its own room, from rooms below, and from the ground floor."""
    room = room_of(path.relative_to(HARNESS).with_suffix("").parts)
    above = {
        name
        for name in imports(without_type_checks(tree_of(path)))
        if name.startswith("leakboard.") and floor(room_of(tuple(name.split(".")[1:]))) < floor(room)
    }

    assert not above


def test_no_two_rooms_import_each_other():
    pairs = {
        (room_of(path.relative_to(HARNESS).with_suffix("").parts), room_of(tuple(name.split(".")[1:])))
        for path in ROOM_FILES
        for name in imports(tree_of(path))
        if name.startswith("leakboard.")
    }

    assert not {(one, other) for one, other in pairs if one != other and (other, one) in pairs} - TYPES_ONLY


def test_every_room_has_its_floor():
    rooms = {path.name for path in HARNESS.iterdir() if (path / "__init__.py").is_file()}

    assert rooms == {room for storey in FLOORS for room in storey} - {GROUND}


def room_of(parts):
    """The room a module lies in: its folder, or the ground floor for a file that lies in none."""
    return parts[0] if parts and (HARNESS / parts[0]).is_dir() else GROUND


def floor(room):
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def without_type_checks(tree):
    """The tree without what only a type checker reads."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    return tree


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
