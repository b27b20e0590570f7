"""What an observer that changes the pairs of another one takes from it."""

from __future__ import annotations

from dataclasses import dataclass

from leakboard.api import Access, Need, Observer, Space


@dataclass(frozen=True, kw_only=True)
class Around(Observer):
    """An observer that lets another one observe, and changes what it yields.

    Attributes:
        of: the observer, as a spec.
    """

    of: Observer

    @property
    def access(self) -> Access:
        """That of the observer."""
        return self.of.access

    @property
    def space(self) -> Space:
        """That of the observer."""
        return self.of.space

    @property
    def needs(self) -> frozenset[Need]:
        """Those of the observer."""
        return self.of.needs
