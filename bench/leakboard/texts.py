"""Texts of others on their way to a store or a terminal: cut where they are endless, escaped where they deceive.

And texts of one's own on their way to others: `discreet` leaves out where things lie, and what opens doors.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal acts on and does not show: control characters, marks that turn the direction of writing round."""
HIDDEN = "***"
_ADDRESS = re.compile(r"""(?P<scheme>\b[a-zA-Z][\w+.-]*://)[^\s'"/?#]*@""")
"""An address with the name or password of a user."""
_SERVER = re.compile(r"""(?P<scheme>\bpostgres[\w+]*://)[^\s'"/?#]*(?P<database>[^\s'"?#]*)[^\s'"]*""")
"""A database on a server: of its address others may know the database's name."""
_SECRET = re.compile(
    r"""(?P<name>\b(?:\w*(?:token|passw(?:or)?d|secret|api_?key)|pwd)["']?\s*[=:]\s*["']?)[^\s'"&,;)\]}]+""",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"\b(?:hf_|sk-|ghp_|gho_|github_pat_|glpat-)[A-Za-z0-9_-]{8,}")
_START = r"(?:/(?![/*])|~[\w.-]*/|[A-Za-z]:[\\/](?![\\/]))"
_IS_ABSOLUTE = re.compile(rf"{_START}|~[\w.-]*$")
_HOME = re.compile(r"~[\w.-]*(?:[\\/]|$)")
_QUOTED = re.compile(rf"""(?P<quote>["'`])(?P<path>{_START}[^"'`\n]*)(?P=quote)""")
_BARE = re.compile(
    rf"""(?<![\w.:/~)\]}}<\\-])(?P<path>{_START}[^\s"'`,;:()\[\]{{}}<>|]*)|(?<=[:=])(?P<after>{_START}[^\s"'`,;:()\[\]{{}}<>|]*)"""
)
_INSTALLED = re.compile(r".*[\\/](?:site|dist)-packages[\\/]")


def escaped(text: str) -> str:
    """The text with what cannot be seen spelled out as in Python, the right-to-left mark U+200F by its number."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def cut(text: str, most: int) -> str:
    """The beginning and the end of a text of more than ``most`` characters, and how many were left out."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} ... ({len(text) - 2 * half:,} characters left out) ... {text[-half:]}"


def home(value: Any) -> Any:
    """A path, text or not, that begins with ``~`` with the home that it means; all else, also in lists, as it is."""
    if isinstance(value, (tuple, list)):
        return type(value)(map(home, value))
    if isinstance(value, (str, Path)) and _HOME.match(str(value)):
        return type(value)(os.path.expanduser(value))  # noqa: PTH111 - there may be no home, and then it stays
    return value


def is_absolute(text: str) -> bool:
    """Whether a text is, by its looks, a path that begins at a root or a home."""
    return bool(_IS_ABSOLUTE.match(text)) and "\n" not in text


def discreet(text: str) -> str:
    """A text that others may read: of absolute paths the last part, no password, no token.

    Of files of installed packages their place below the folder of packages is kept, for that is the same everywhere.
    """
    text = _SERVER.sub(rf"\g<scheme>{HIDDEN}\g<database>", text)
    text = _ADDRESS.sub(rf"\g<scheme>{HIDDEN}@", text)
    text = _TOKEN.sub(HIDDEN, _SECRET.sub(rf"\g<name>{HIDDEN}", text))
    if not re.search(_START, text):
        return text
    for home in _homes():
        # whole, for a home's name may have a blank in it
        text = re.sub(rf"{re.escape(home)}(?=[\\/])", "~", text)
    text = _QUOTED.sub(lambda found: f"{found['quote']}{_last(found['path'])}{found['quote']}", text)
    return _BARE.sub(lambda found: _last(found["path"] or found["after"]), text)


def all_discreet(value: Any) -> Any:
    """What JSON can hold with `discreet` texts, its keys too."""
    if isinstance(value, str):
        return discreet(value)
    if isinstance(value, dict):
        return {discreet(str(name)): all_discreet(each) for name, each in value.items()}
    return [all_discreet(each) for each in value] if isinstance(value, (list, tuple)) else value


def _last(path: str) -> str:
    """The last part of a path; of a path with one part alone, which says nothing, all of it."""
    inside = _INSTALLED.sub("", path)
    parts = [part for part in re.split(r"[\\/]", inside) if part]
    if inside != path:
        return "/".join(parts)
    return parts[-1] if len(parts) > 1 else path


def _homes() -> list[str]:
    home = os.path.expanduser("~")  # noqa: PTH111 - there may be none
    return [place for place in dict.fromkeys((home, os.path.realpath(home))) if len(Path(place).parts) > 2]
