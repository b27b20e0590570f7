"""What contract checks said of a component."""

from leakboard.testing import check_component


def outcome(rows, check):
    (row,) = [row for row in rows if row.check == check]
    return row.outcome, row.detail


def failed(component, samples=None):
    return {row.check for row in check_component(component, samples) if row.outcome == "failed"}


HERE = {"importing it imports no torch"}
