"""Modules of authors' code, from checkouts that environment variables name. Nothing of theirs is kept here."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch


def root_of(name):
    """The checkout that a variable names, or a skip."""
    root = os.environ.get(f"LEAKBOARD_PARITY_{name}")
    if not root:
        pytest.skip(f"LEAKBOARD_PARITY_{name} names no checkout")
    return Path(root)


def module(name, file, monkeypatch, **stubs):
    """A module of a checkout, or a skip; ``stubs`` stand in for what it imports and the functions tried do not use.

    What it imports from its own folder is forgotten afterwards, for others have modules of the same names.
    """
    path = root_of(name) / file
    assert path.is_file(), f"LEAKBOARD_PARITY_{name}: there is no {path}"
    for stub, content in stubs.items():
        made = ModuleType(stub.replace("__", "."))
        made.__dict__.update(content)
        monkeypatch.setitem(sys.modules, made.__name__, made)
    monkeypatch.syspath_prepend(path.parent)
    before = set(sys.modules)
    spec = importlib.util.spec_from_file_location(f"parity_{name.lower()}_{path.stem}", path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    for found in set(sys.modules) - before:
        if str(path.parent) in str(getattr(sys.modules[found], "__file__", "")):
            del sys.modules[found]
    return loaded


def agree(ours, theirs, within):
    """Fail unless all numbers agree within a relative difference, and print the largest that there is."""
    largest = ((ours - theirs) / theirs).abs().max()
    sys.stdout.write(f"largest relative difference {largest:.1e}, allowed {within:.0e}\n")
    torch.testing.assert_close(ours, theirs, rtol=within, atol=0)
