"""The key of an API. It is read from the environment whenever it is needed, and kept nowhere."""

from __future__ import annotations

import base64
import os
import re

from leakboard.api import LeakboardError

VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
HIDDEN = "***"


def check_name(name: str) -> None:
    """Refuse what is no name of a variable, without a word of what it is: it may be the key itself.

    Raises:
        LeakboardError: it is none.
    """
    if name and not VARIABLE.fullmatch(name):
        raise LeakboardError(
            "key=... is no name of an environment variable, in capitals",
            where="the parameter key of http (what was given is not shown: it may be the key itself)",
            expected="key='MY_API_KEY', and the key itself in the environment alone: export MY_API_KEY=...",
        )


def secret(name: str) -> str:
    """The key that a variable holds.

    Raises:
        LeakboardError: there is no such variable, or it holds what no header can carry.
    """
    key = os.environ.get(name, "").strip()
    if not key:
        raise LeakboardError(
            "there is no key for the API",
            where=f"the environment variable {name}",
            expected="the key, in the environment of whoever runs the grid",
            next=f"export {name}=..., or leave key=... out where the API needs none",
        )
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise LeakboardError(
            "the key of the API has characters that no header can carry",
            where=f"the environment variable {name}",
            expected="printable ASCII without blanks and line ends",
        )
    return key


def header(name: str, *, login: bool) -> str:
    """The value of the Authorization header."""
    key = secret(name)
    return f"Basic {_encoded(key)}" if login and ":" in key else f"Bearer {key}"


def scrubbed(text: str, name: str) -> str:
    """A text of the API without the key, which it may have quoted."""
    key = os.environ.get(name, "").strip() if name else ""
    if not key:
        return text
    parts = [key, _encoded(key), *(key.split(":", 1)[1:] if ":" in key else ())]
    for part in filter(None, parts):
        text = text.replace(part, HIDDEN)
    return text


def _encoded(key: str) -> str:
    return base64.b64encode(key.encode()).decode("ascii")
