"""Writing a report into a folder: every file in one step, the index last, and only our own old files removed."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leakboard.errors import LeakboardError
from leakboard.store import as_csv, as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    import pandas as pd

LEDGER = ".leakboard-report.json"
OURS = {"index.html", "assets", "charts", "data"}
MARK = '<meta name="generator" content="Leakboard'
"""What stands in the head of every page, within its first ``HEAD`` bytes."""
HEAD = 2048


class Files:
    """The files of one report. ``downloads`` are the CSV files, ``vega`` the chart library's address in the page.

    ``pages`` names the pages beside the index.
    """

    def __init__(self, out: Path, pages: Iterable[str] = ()) -> None:
        self.out = out
        self._ours = OURS | {f"{name}.html" for name in pages}
        self.downloads: list[str] = []
        self.vega = ""
        self._written: set[str] = set()
        if check_folder(out, self._ours):
            # marked as ours before any file is there
            self._write(LEDGER, b"[]")

    def asset(self, name: str, payload: bytes) -> str:
        """Write one file below ``assets``; gives its address in the page."""
        return self._write(f"assets/{name}", payload)

    def chart(self, name: str, payload: bytes) -> str:
        """Write one picture of a chart below ``charts``; gives its address in the page."""
        return self._write(f"charts/{name}", payload)

    def script(self, name: str, make: Callable[[], str]) -> None:
        """Write the chart library ``name`` (with its version), unless an earlier report left the same file here."""
        self.vega = f"assets/{name}"
        if (self.out / self.vega).is_file():
            self._written.add(self.vega)
        else:
            self._write(self.vega, make().encode())

    def frame(self, name: str, frame: pd.DataFrame) -> None:
        """Write a frame as CSV below ``data``."""
        self.downloads.append(self._write(f"data/{name}", as_csv(frame)))

    def table(self, name: str, rows: Sequence[dict[str, Any]]) -> None:
        """Write flat rows as CSV below ``data``; without any there is no file."""
        if not rows:
            return
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: as_text(value) for name, value in row.items()} for row in rows)
        self.downloads.append(self._write(f"data/{name}", text.getvalue().encode()))

    def page(self, name: str, text: str) -> None:
        """Write one page beside the index."""
        self._write(f"{name}.html", text.encode())

    def index(self, text: str) -> Path:
        """Write the index, then remove files of an earlier report that this one does not have."""
        self._write("index.html", text.encode())
        ledger = self.out / LEDGER
        old: set[str] = set()
        with suppress(OSError, ValueError):
            old = {str(name) for name in json.loads(ledger.read_text(encoding="utf-8"))}
        for name in old - self._written:
            target = self.out / name
            if target.resolve().is_relative_to(self.out.resolve()):
                with suppress(OSError):
                    target.unlink()
        self._write(LEDGER, json.dumps(sorted(self._written - {LEDGER}), indent=1).encode())
        return self.out / "index.html"

    def _write(self, name: str, payload: bytes) -> str:
        target = self.out / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, scratch = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".tmp")
            temporary = Path(scratch)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(payload)
                temporary.chmod(0o644)
                temporary.replace(target)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink()
                raise
        except OSError as error:
            raise _cannot_write(error, target) from error
        self._written.add(name)
        return name


def check_folder(out: Path, ours: Collection[str] = OURS) -> bool:
    """Make sure that nobody else's pages are overwritten. Tells whether the folder has yet to be marked as ours.

    Raises:
        LeakboardError: something else lies there, or it is no folder, or cannot be read.
    """
    try:
        present = {entry.name for entry in out.iterdir()}
    except FileNotFoundError:
        present = set()
    except NotADirectoryError:
        what = "cannot write the report: it needs a folder, and this is, or is below, a file"
        raise LeakboardError(what, where=str(out), next="another folder") from None
    except OSError as error:
        raise _cannot_write(error, out) from error
    if LEDGER in present:
        return False
    if present and not _looks_like_ours(out, present, ours):
        some = ", ".join(sorted(present)[:5])
        raise LeakboardError(
            f"the folder is not empty, and no report made what lies there: {some}",
            where=str(out),
            expected=f"a new or empty folder, or one with an earlier report (it holds {LEDGER})",
            next="another folder, or move these away",
        )
    return True


def _looks_like_ours(out: Path, present: set[str], ours: Collection[str]) -> bool:
    """Whether an earlier report lies here that was copied without its hidden file: its pages tell who made them."""
    pages = {name for name in present if name.endswith(".html")}
    made_here = all(_is_ours(out / page) for page in pages)
    return "index.html" in pages and present - pages <= set(ours) and made_here


def _is_ours(page: Path) -> bool:
    try:
        with page.open("rb") as file:
            return MARK.encode() in file.read(HEAD)
    except OSError:
        return False


def _cannot_write(error: OSError, place: Path) -> LeakboardError:
    why = error.strerror or str(error)
    return LeakboardError(f"cannot write the report: {why}", where=str(place), next="another folder")
