"""What several test files share."""

import textwrap

import pytest

from leakboard.registry import Registry, shared


@pytest.fixture
def registry():
    """The plugins that come with Leakboard."""
    return shared(())


@pytest.fixture
def write(tmp_path):
    """Write a text file below the test's folder, dedented, and return its path."""

    def write_file(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def load(write):
    """A registry with one more plugin file of the given text."""
    return lambda text, name="extra.py": Registry.load([write(name, text)])
