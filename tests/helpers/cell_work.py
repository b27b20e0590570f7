"""Cells as scoring tasks have them, with something changed."""

from dataclasses import fields, replace

from leakboard.tasks.task import Way

OF_A_WAY = {field.name for field in fields(Way)}


def changed(cell, **changes):
    """A cell of one way with other fields, of its own or of its way."""
    inside = {name: changes.pop(name) for name in OF_A_WAY & changes.keys()}
    return replace(cell, ways=(replace(cell.ways[0], **inside),), **changes)
