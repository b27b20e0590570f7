"""What a user can have got wrong, told so that the next step is clear."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class LeakboardError(Exception):
    """A mistake in what Leakboard was given: shown without a traceback, exit code 2.

    Args:
        what: one sentence that says what is wrong.
        where: the place (file and key, spec, URL).
        expected: what would have been right.
        nearest: the valid choice closest to what was given.
        next: the command or step to try next.
    """

    def __init__(self, what: str, *, where: str = "", expected: str = "", nearest: str = "", next: str = "") -> None:
        self.what, self.where, self.expected, self.nearest, self.next = what, where, expected, nearest, next
        lines = [what]
        for label, text in (("where", where), ("expected", expected), ("did you mean", nearest), ("try", next)):
            if text:
                lines.append(f"  {label}: {text}")
        super().__init__("\n".join(lines))


class Unsupported(Exception):
    """Two components do not fit each other; the cell is recorded as ``skipped`` with this reason."""


class Refused(Exception):
    """A defense lets no more questions pass; what was learnt before is the result, and the reason stands beside it."""


class AccessDenied(Exception):
    """An observer asked for more than its declared access level allows; the cell is recorded as ``failed``."""


def nearest(wrong: str, valid: Iterable[str]) -> str:
    """The valid name closest to a wrong one, or an empty string when none is close."""
    matches = difflib.get_close_matches(wrong, list(valid), n=1, cutoff=0.5)
    return matches[0] if matches else ""
