"""Tables out of a store, for spreadsheets, statistics programs and other languages."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from leakboard.errors import LeakboardError, nearest
from leakboard.texts import home

if TYPE_CHECKING:
    import pandas as pd

    from leakboard.store.store import Store

What = Literal["results", "scores", "features", "failures"]
Format = Literal["csv", "parquet", "json", "latex"]
ENDINGS: dict[str, Format] = {
    ".csv": "csv", ".parquet": "parquet", ".pq": "parquet", ".json": "json", ".tex": "latex",
}  # fmt: skip
"""The format that the ending of a file's name asks for."""
STANDARD_OUTPUT = "-"
NULL_CHECK = "null check"
"""The role of a null check as files for others spell it: many readers take ``null`` for something missing."""
TAKEN_FOR_MISSING = frozenset(
    ("#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL",
     "NaN", "None", "n/a", "nan", "null")
)  # fmt: skip
"""Texts that pandas reads from a CSV file as if nothing stood there, in quotation marks too."""


class Exported(NamedTuple):
    """What was written, and one message for each artifact whose rows are missing from it."""

    path: Path
    rows: int
    unreadable: tuple[str, ...]


def export(store: Store, what: What, format: Format | None, out: Path | str) -> Exported:
    """Write one table, in one step: the file is the old one or the whole new one.

    Args:
        store: where from.
        what: one number a row (``results``), one sample a row (``scores``), one sample and column a row
            (``features``), or what went wrong (``failures``).
        format: ``csv`` (UTF-8, with a header; see `as_csv`), ``parquet`` (keeps the types), ``json`` (a list of
            objects) or ``latex`` (a table of results for a paper). None takes it from the
            ending of the file's name.
        out: the file, or ``-`` for standard output.

    The role of null checks is spelled ``null check`` in every format.

    Raises:
        LeakboardError: an unknown table, format or ending, an ending of another format, nothing of the table can be
            read, or the file cannot be written.
    """
    out = home(out)
    chosen = format or _by_ending(str(out))
    for given, valid, kind in ((what, get_args(What), "table"), (chosen, get_args(Format), "format")):
        if given not in valid:
            raise LeakboardError(f"no {kind} {given!r}", expected=", ".join(valid), nearest=nearest(given, valid))
    ending = ENDINGS.get(Path(out).suffix.lower())
    if ending and ending != chosen:
        raise LeakboardError(
            f"a file that ends in {Path(out).suffix} is {ending}, and {chosen} was asked for",
            where=str(out),
            expected="an ending that fits the format, or no format",
        )
    if chosen == "latex" and what != "results":
        raise LeakboardError(f"no LaTeX of {what}", where="--format", expected="latex for results")
    frame: pd.DataFrame = getattr(store, what)()
    unreadable = tuple(frame.attrs.pop("unreadable", ()))
    if unreadable and frame.empty:
        raise LeakboardError(
            f"none of the {len(unreadable)} artifacts that hold the {what} can be read: {unreadable[0]}",
            where=str(store.artifacts),
            expected="the folder of payload files that belongs to the store",
            next="copy it beside the store, or say where it lies with --artifacts FOLDER"
            + ("; leakboard run GRID --features makes features again" if what == "features" else ""),
        )
    if "role" in frame:
        frame["role"] = frame["role"].replace("null", NULL_CHECK)
    put(_payload(frame, chosen), out)
    rows = frame[frame["role"] == "attack"]["cell"].nunique() if chosen == "latex" else len(frame)
    return Exported(Path(out), rows, unreadable)


def put(payload: bytes, out: Path | str) -> None:
    """Write a whole file in one step, or to standard output for ``-``.

    Raises:
        LeakboardError: the file cannot be written.
    """
    try:
        if str(out) == STANDARD_OUTPUT:
            sys.stdout.buffer.write(payload)
            sys.stdout.flush()
        else:
            _replace(payload, Path(out))
    except BrokenPipeError:
        raise
    except OSError as error:
        raise LeakboardError(f"cannot write the table: {error.strerror or error}", where=str(out)) from error


def as_csv(frame: pd.DataFrame) -> bytes:
    """A frame as UTF-8 CSV with a header. What is missing is empty.

    A text that readers would take for something missing, such as a sample called NA, stands in apostrophes.
    """
    import pandas as pd

    safe = frame.copy(deep=False)
    for name, column in frame.items():
        if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
            continue
        told = {value: told for value in column.dropna().unique() if (told := as_text(value)) != value}
        if told:
            safe[name] = column.astype(object).replace(told)
    text: str = safe.to_csv(index=False, lineterminator="\n")
    return text.encode("utf-8", "surrogateescape")


def as_text(value: object) -> object:
    """The value as a CSV file may hold it, see `as_csv`."""
    return f"'{value}'" if isinstance(value, str) and value in TAKEN_FOR_MISSING else value


def _by_ending(out: str) -> Format:
    if out == STANDARD_OUTPUT:
        return "csv"
    suffix = Path(out).suffix.lower()
    if suffix not in ENDINGS:
        raise LeakboardError(
            f"the file's name does not tell its format: it ends in {suffix!r}" if suffix else "the file has no ending",
            where=out,
            expected=f"a name that ends in {', '.join(ENDINGS)}, or --format",
            nearest=nearest(suffix, ENDINGS),
        )
    return ENDINGS[suffix]


def _payload(frame: pd.DataFrame, format: Format) -> bytes:
    if format == "csv":
        return as_csv(frame)
    if format == "latex":
        from leakboard.store.latex import table

        return table(frame).encode()
    buffer = io.BytesIO()
    if format == "parquet":
        frame.to_parquet(buffer, index=False)
    else:
        frame.to_json(buffer, orient="records", date_format="iso", double_precision=15, force_ascii=False)
    return buffer.getvalue()


def _replace(payload: bytes, out: Path) -> None:
    handle, name = tempfile.mkstemp(dir=out.absolute().parent, prefix=f".{out.name[:64]}-", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(payload)
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(out)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
