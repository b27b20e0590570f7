"""Every dependency earns its place: it is imported, or the line beside it says what needs it."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("bench", "plugins", "defenses", "reports")
OURS = {"leakboard", "leakboard_plugins", "leakboard_defenses", "leakboard_reports"}
TEXT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT = tomllib.loads(TEXT)["project"]


def distribution(requirement):
    """The name of a distribution as registries compare it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=~! ;]", requirement)[0]).lower()


def imported():
    """Third-party modules that the packages import, wherever they do so."""
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files]
    names = {
        name.partition(".")[0]
        for tree in trees
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    return names - set(sys.stdlib_module_names) - OURS


def providers(module):
    """Distributions that a module comes from; its own name where it is not installed."""
    return {distribution(name) for name in packages_distributions().get(module, [module])}


def test_every_dependency_is_imported_or_says_what_needs_it():
    used = {name for module in imported() for name in providers(module)}
    excused = {distribution(name) for name in re.findall(r'^ *"([^"]+)",  # imported nowhere: \S', TEXT, re.MULTILINE)}
    declared = {distribution(name) for name in PROJECT["dependencies"]}

    assert declared - used == excused


def test_whatever_is_imported_is_declared():
    extras = {distribution(name) for needs in PROJECT["optional-dependencies"].values() for name in needs}
    declared = {distribution(name) for name in PROJECT["dependencies"]} | extras

    assert {module for module in imported() if not providers(module) & declared} == set()
