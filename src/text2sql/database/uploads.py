"""CSV files into a SQLite file, and whether a SQLite file from a stranger is fit to be opened.

A CSV becomes one table, named after its file. Encoding, delimiter and header are detected, the types of the columns
are inferred from all of their values: INTEGER, REAL, DATE (ISO 8601, with or without a time), else TEXT. Empty fields
are NULL. Numbers with leading zeros, such as postal codes, stay texts.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from text2sql.database.guard import Authorizer, harden, open_read_only
from text2sql.errors import UserError
from text2sql.schema import quote_identifier

FILE_LIMIT = 200 * 2**20
"""Bytes of one uploaded file."""
COLUMN_LIMIT = 500
"""Columns of one table."""
ROW_LIMIT = 5_000_000
"""Rows of one table."""
CHECK_SECONDS = 20.0
"""How long a SQLite file is checked."""
_DELIMITERS = ",;\t|"
_SAMPLE = 64 * 2**10
_BATCH = 5000
_INTEGER = re.compile(r"[+-]?(0|[1-9]\d{0,17})")
_REAL = re.compile(r"[+-]?(?=\.?\d)(0|[1-9]\d{0,17})?(\.\d*)?([eE][+-]?\d{1,2})?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?")


@dataclass(frozen=True)
class Form:
    """How a CSV file is written; `header` says whether its first row names the columns."""

    encoding: str
    delimiter: str
    header: bool


def import_csv(
    files: Sequence[Path], target: Path, *, file_limit: int = FILE_LIMIT, column_limit: int = COLUMN_LIMIT
) -> None:
    """Make the SQLite file `target` with one table for each of `files`; it appears whole or not at all.

    Raises UserError, naming file and line, for a file that is empty, too large, no text, too wide or has rows of
    different widths, and when `target` exists.
    """
    if not files:
        raise UserError("no CSV file is given: choose at least one")
    if target.exists():
        raise UserError(f"{target} exists: choose another name")
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    names = unique_names([Path(file).stem for file in files], "table")
    try:
        with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF").close()
            connection.execute("BEGIN")
            for file, name in zip(files, names, strict=True):
                _import(connection, Path(file), name, file_limit, column_limit)
            connection.execute("COMMIT")
        os.replace(part, target)
    except (OSError, sqlite3.Error) as error:
        raise UserError(f"{target} cannot be written: {error}") from error
    finally:
        for leftover in (part, part.with_name(part.name + "-journal")):
            leftover.unlink(missing_ok=True)


def _import(connection: sqlite3.Connection, file: Path, table: str, file_limit: int, column_limit: int) -> None:
    """Read the file twice: once for the types, once for the rows."""
    form = detect(file, file_limit)
    names, types = _columns(file, form, column_limit)
    declared = ", ".join(f"{quote_identifier(n)} {kind}" for n, kind in zip(names, types, strict=True))
    connection.execute(f"CREATE TABLE {quote_identifier(table)} ({declared})")
    places = ", ".join("?" * len(names))
    converters = [_CONVERTERS[kind] for kind in types]
    rows = ([convert(cell) for convert, cell in zip(converters, row, strict=True)] for _, row in _body(file, form))
    connection.executemany(f"INSERT INTO {quote_identifier(table)} VALUES ({places})", rows)


def _columns(file: Path, form: Form, column_limit: int) -> tuple[list[str], list[str]]:
    """Names and types of the columns, every row seen. Raises UserError for what cannot be a table."""
    _, first = next(_rows(file, form))
    if len(first) > column_limit:
        raise UserError(f"{file.name}: {len(first):,} columns, at most {column_limit} are allowed: remove some")
    if not form.header and not any(first):
        raise UserError(f"{file.name}: the file holds no values: export it again")
    header = first if form.header else [f"column {number}" for number in range(1, len(first) + 1)]
    kinds = ["INTEGER"] * len(first)
    seen = [False] * len(first)
    for number, (line, row) in enumerate(_body(file, form)):
        if len(row) != len(first):
            raise UserError(f"{file.name}, line {line}: {len(row)} fields, expected {len(first)}: repair the row")
        if number >= ROW_LIMIT:
            raise UserError(f"{file.name}: more than {ROW_LIMIT:,} rows: split it, or load it into a database")
        for place, cell in enumerate(row):
            if cell:
                kinds[place], seen[place] = _widened(kinds[place], cell, seen[place]), True
    types = [kind if used else "TEXT" for kind, used in zip(kinds, seen, strict=True)]
    return unique_names(header, "column"), types


def _widened(kind: str, cell: str, seen: bool) -> str:
    """The narrowest type that holds both the values so far, of type `kind`, and this one."""
    cell = cell.strip()
    if kind == "TEXT" or (kind == "INTEGER" and _INTEGER.fullmatch(cell)):
        return kind
    if kind == "DATE" or not seen:
        return "DATE" if _is_date(cell) else ("REAL" if kind != "DATE" and _REAL.fullmatch(cell) else "TEXT")
    return "REAL" if _REAL.fullmatch(cell) else "TEXT"


def _is_date(cell: str) -> bool:
    if not _DATE.fullmatch(cell):
        return False
    try:
        return bool(datetime.fromisoformat(cell) if len(cell) > 10 else date.fromisoformat(cell))
    except ValueError:
        return False


_CONVERTERS: dict[str, Callable[[str], Any]] = {
    "INTEGER": lambda cell: int(cell) if cell else None,
    "REAL": lambda cell: float(cell) if cell else None,
    "DATE": lambda cell: cell.strip() or None,
    "TEXT": lambda cell: cell or None,
}


def detect(file: Path, file_limit: int = FILE_LIMIT) -> Form:
    """Encoding, delimiter and header of a CSV file. Raises UserError for an empty, too large or binary file."""
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            start = stream.read(_SAMPLE)
    except OSError as error:
        raise UserError(f"{file.name} cannot be read: {error.strerror}") from error
    if size > file_limit:
        raise UserError(f"{file.name}: {size / 2**20:.0f} MB, at most {file_limit / 2**20:.0f} MB are allowed")
    encoding = _encoding(file, start)
    text = start.decode(encoding, "ignore").lstrip("\ufeff")
    if not text.strip():
        raise UserError(f"{file.name} is empty: export it again")
    if any(ord(c) < 32 and c not in "\t\r\n\f" for c in text):
        raise UserError(f"{file.name} is no text: give a CSV file")
    delimiter = _delimiter(text)
    return Form(encoding, delimiter, _has_header(file, Form(encoding, delimiter, True)))


def _encoding(file: Path, start: bytes) -> str:
    """UTF-8 (the whole file is tried), UTF-16 by its mark, else Windows-1252, in which every text is something."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        with file.open(encoding="utf-8-sig") as stream:
            while stream.read(2**20):
                pass
        return "utf-8-sig"
    except UnicodeDecodeError:
        return "cp1252"


def _delimiter(text: str) -> str:
    """The delimiter that gives the most rows of one width, then the widest; of one column: the comma."""
    best, chosen = (0.0, 0), ","
    for delimiter in _DELIMITERS:
        with contextlib.suppress(csv.Error):
            widths = [len(row) for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row][:100]
            width = max(set(widths), key=widths.count, default=1)
            score = (widths.count(width) / len(widths), width) if width > 1 else (0.0, 0)
            if score > best:
                best, chosen = score, delimiter
    return chosen


def _has_header(file: Path, form: Form) -> bool:
    """Whether the first row names columns: all of it looks like names, or one of it is text over numbers or dates."""
    rows = [row for _, row in _limited(_rows(file, form), 50)]
    first, body = rows[0], rows[1:]
    if any(_kind(cell) != "TEXT" for cell in first if cell):
        return False
    if not body:
        return True
    columns = [[row[place] for row in body if place < len(row) and row[place]] for place in range(len(first))]
    if any(cells and all(_kind(cell) != "TEXT" for cell in cells) for cells in columns):
        return True
    return len(set(first)) == len(first) and not any(cell in cells for cell, cells in zip(first, columns, strict=True))


def _kind(cell: str) -> str:
    return _widened("INTEGER", cell, False)


def _limited(rows: Iterator[tuple[int, list[str]]], count: int) -> Iterator[tuple[int, list[str]]]:
    for _ in range(count):
        row = next(rows, None)
        if row is None:
            return
        yield row


def _body(file: Path, form: Form) -> Iterator[tuple[int, list[str]]]:
    rows = _rows(file, form)
    if form.header:
        next(rows)
    return rows


def _rows(file: Path, form: Form) -> Iterator[tuple[int, list[str]]]:
    """(line number, fields) of the rows that are not empty. Raises UserError for fields that have no end."""
    with file.open(encoding=form.encoding, errors="replace", newline="") as stream:
        reader = csv.reader((line.replace("\0", "") for line in stream), delimiter=form.delimiter, strict=True)
        while True:
            previous = reader.line_num
            try:
                row = next(reader, None)
            except csv.Error as error:
                raise UserError(f"{file.name}, line {previous + 1}: {error}: check the quotes of the row") from error
            if row is None:
                return
            if row:
                yield previous + 1, row


def unique_names(names: Sequence[str], kind: str) -> list[str]:
    """Names without control characters and outer blanks, at most 60 characters, none empty, none twice."""
    result: list[str] = []
    taken: set[str] = set()
    for number, name in enumerate(names, 1):
        clean = " ".join("".join(c if c.isprintable() else " " for c in name).split())[:60]
        clean = clean.strip() or f"{kind} {number}"
        if clean.lower().startswith("sqlite_"):
            clean = f"{kind} {clean}"
        unique, copy = clean, 2
        while unique.lower() in taken:
            unique, copy = f"{clean} {copy}", copy + 1
        taken.add(unique.lower())
        result.append(unique)
    return result


def check_sqlite(path: Path, limit: int = FILE_LIMIT, *, seconds: float = CHECK_SECONDS) -> None:
    """Raise UserError unless a file is a SQLite database of at most `limit` bytes, whole, and harmless to read.

    Triggers never run, since nothing is written. Views are run under the same guard as queries; one that it refuses
    only fails. Virtual tables run a module's code on data of the file's own making, so they are not accepted.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise UserError(f"{path.name} cannot be read: {error.strerror}") from error
    if start != b"SQLite format 3\0":
        raise UserError(f"{path.name} is no SQLite database: give a .sqlite file or CSV files")
    if size > limit:
        raise UserError(f"{path.name}: {size / 2**20:.0f} MB, at most {limit / 2**20:.0f} MB are allowed")
    try:
        with contextlib.closing(open_read_only(path, snapshot=True)) as connection:
            _inspect(connection, path.name, seconds)
    except (sqlite3.Error, UnicodeDecodeError, MemoryError) as error:
        raise UserError(f"{path.name} is damaged ({error}): make a new copy of it") from error


def _inspect(connection: sqlite3.Connection, name: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    connection.execute("PRAGMA trusted_schema = OFF").close()
    connection.execute("PRAGMA cell_size_check = ON").close()
    virtual = _virtual_table(connection)
    if virtual:
        raise UserError(f"{name}: the virtual table {virtual!r} is not accepted: make it a plain table")
    harden(connection, Authorizer())
    connection.set_authorizer(None)  # the check itself is a PRAGMA
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE type IN ('table', 'view')").fetchone():
        raise UserError(f"{name} holds no tables: there is nothing to ask")
    try:
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if "interrupted" in str(error):
            raise UserError(f"{name} takes longer than {seconds:g} s to check: it is too large") from error
        raise
    if verdict != ("ok",):
        raise UserError(f"{name} is damaged ({' '.join(str(verdict and verdict[0]).split())[:200]}): make a new copy")


def _virtual_table(connection: sqlite3.Connection) -> str | None:
    """A virtual table's name, found without touching it: by its missing pages or its statement."""
    for name, page, sql in connection.execute("SELECT name, rootpage, sql FROM sqlite_master WHERE type = 'table'"):
        words = re.sub(r"/\*.*?\*/|--[^\n]*", " ", str(sql), flags=re.DOTALL).lower().split()[:2]
        if not page or words == ["create", "virtual"]:
            return str(name)
    return None
