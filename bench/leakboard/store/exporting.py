"""Tables out of a store, for spreadsheets, statistics programs and other languages."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from leakboard.errors import LeakboardError, nearest

if TYPE_CHECKING:
    import pandas as pd

    from leakboard.store.store import Store

What = Literal["results", "scores", "features", "failures"]
Format = Literal["csv", "parquet", "json"]


class Exported(NamedTuple):
    """What was written, and one message for each artifact whose rows are missing from it."""

    path: Path
    rows: int
    unreadable: tuple[str, ...]


def export(store: Store, what: What, format: Format, out: Path) -> Exported:
    """Write one table, in one step: the file is the old one or the whole new one.

    Args:
        store: where from.
        what: one number a row (``results``), one sample a row (``scores``), one sample and column a row
            (``features``), or what went wrong (``failures``).
        format: ``csv`` (UTF-8, with a header), ``parquet`` (keeps the types) or ``json`` (a list of objects).
        out: the file.

    Raises:
        LeakboardError: an unknown table or format, or the file cannot be written.
    """
    for given, valid, kind in ((what, get_args(What), "table"), (format, get_args(Format), "format")):
        if given not in valid:
            raise LeakboardError(f"no {kind} {given!r}", expected=", ".join(valid), nearest=nearest(given, valid))
    frame: pd.DataFrame = getattr(store, what)()
    unreadable = tuple(frame.attrs.pop("unreadable", ()))
    try:
        _replace(frame, format, out)
    except OSError as error:
        raise LeakboardError(f"cannot write the table: {error.strerror or error}", where=str(out)) from error
    return Exported(out, len(frame), unreadable)


def _replace(frame: pd.DataFrame, format: str, out: Path) -> None:
    handle, name = tempfile.mkstemp(dir=out.absolute().parent, prefix=f".{out.name}-", suffix=".tmp")
    os.close(handle)
    try:
        _write(frame, format, name)
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(out)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def _write(frame: pd.DataFrame, format: str, name: str) -> None:
    if format == "csv":
        frame.to_csv(name, index=False, encoding="utf-8")
    elif format == "parquet":
        frame.to_parquet(name, index=False)
    else:
        frame.to_json(name, orient="records", date_format="iso", double_precision=15, force_ascii=False)
