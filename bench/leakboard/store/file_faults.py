"""What can be wrong with a payload file, and with the folder or bucket that it lies in."""

from __future__ import annotations

from leakboard.errors import LeakboardError


class Missing(LeakboardError):
    """The artifact is not there: never made, or pruned.

    Attributes:
        key: the artifact's key.
    """

    def __init__(self, key: str, where: str = "") -> None:
        self.key = key
        super().__init__(f"artifact {key} is missing", where=where, next="run the same grid again to make it")


class Damaged(LeakboardError):
    """The artifact's file was cut short or altered since it was written.

    Attributes:
        key: the artifact's key.
        why: what does not fit.
    """

    def __init__(self, key: str, where: str, why: str) -> None:
        self.key, self.why = key, why
        super().__init__(
            f"artifact {key} is damaged: {why}", where=where, next="run the same grid again to make it anew"
        )


class CannotWrite(LeakboardError):
    """There is no room for an artifact, or its folder cannot be written: the machine's fault, and no component's."""


class OutOfReach(CannotWrite):
    """A bucket cannot be used now: no rights, no network, no bucket. What lies there is neither lost nor damaged."""
