"""SQLite, opened so that no SQL text can change a file, run for ever or fill the memory.

The layers are all inside the engine: file opened read-only, authorizer and limits (`guard`), and a progress handler
that ends a query at its deadline. Temporary tables stay in memory, so no file appears either.

What these layers cannot stop is a single engine instruction or the planning of a statement that takes long: for
predictions of unknown origin `text2sql.evaluation` adds worker processes that are killed.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from text2sql.database.base import Database, ExecutionResult
from text2sql.database.guard import Authorizer, file_state, harden, needs_recovery, open_read_only
from text2sql.database.introspection import introspect
from text2sql.database.sampling import distinct_of_first_rows, distinct_statement, row_number_name
from text2sql.database.statements import check_statement
from text2sql.errors import UserError
from text2sql.schema import Schema, Table, quote_identifier

_INSTRUCTIONS = 500
"""Engine instructions between two looks at the clock: a few microseconds, unless each moves megabytes."""
RESULT_LIMIT = 256 * 2**20
"""Bytes of text and blobs kept of one result; later rows are cut off and the result is marked truncated."""
COUNTING_SECONDS = 0.3
"""How long the rows of one table are counted."""
_DISTINCT_SECONDS = 20.0
"""How long the different values of a column are looked for."""
_BATCH = 1
"""Rows fetched before sizes and clock are looked at: each may hold many megabytes."""


class SQLiteDatabase(Database):
    """A SQLite file, read-only, or an in-memory database made by `from_rows`."""

    dialect = "sqlite"

    def __init__(self, path: str | Path, text_errors: str = "replace", check_syntax: bool = False) -> None:
        """Open a file. `text_errors` is how invalid UTF-8 is decoded (see `bytes.decode`).

        `check_syntax` adds a second layer: each statement's syntax tree is checked before it is run (milliseconds).
        Raises UserError when the file is missing, is no SQLite database or needs recovery.
        """
        self.path = Path(path)
        self.url = f"sqlite:///{path}"
        if not os.path.isfile(self.path):  # unlike Path.is_file False too for a name that is too long
            raise UserError(f"database {self.path} not found: give the path of a SQLite file")
        if needs_recovery(self.path):
            raise UserError(f"database {self.path} was left by a crash (it has a -wal file): open it once for writing")
        self._prepare(self.path.stem, text_errors)
        self._check_syntax = check_syntax
        self._open()

    @classmethod
    def from_rows(cls, schema: Schema, rows: Mapping[str, Iterable[Sequence[Any]]]) -> SQLiteDatabase:
        """An in-memory database with `rows` (table name -> rows in column order), read-only once it is filled.

        Raises UserError for rows of an unknown table or of the wrong width.
        """
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        connection.executescript(schema.to_ddl())
        for name, values in rows.items():
            _insert(connection, schema, name, values)
        database = cls.__new__(cls)
        database.path = Path(":memory:")
        database.url = "sqlite:///:memory:"
        database.schema = schema
        database._prepare(schema.name, "replace")
        database._adopt(connection)
        return database

    def _prepare(self, name: str, text_errors: str) -> None:
        self.name = name
        self._text_errors = text_errors
        self._lock = threading.Lock()
        self._authorizer = Authorizer()
        self._snapshot: tuple[int, ...] | None = None
        self._cancellations = 0
        self._check_syntax = False

    def _open(self) -> None:
        self._snapshot = file_state(self.path)
        connection = open_read_only(self.path, snapshot=self._snapshot is not None)
        try:
            self._adopt(connection)
        except sqlite3.Error as error:
            connection.close()
            raise UserError(f"database {self.path} cannot be read: {error}") from error

    def _adopt(self, connection: sqlite3.Connection) -> None:
        connection.text_factory = lambda data: data.decode("utf-8", self._text_errors)
        harden(connection, self._authorizer)
        self._connection = connection

    @cached_property
    def schema(self) -> Schema:
        """Tables, views, keys. Raises UserError when the file cannot be read."""
        with self._lock:
            self._connection.set_authorizer(None)  # introspection needs PRAGMA, which queries may not use
            try:
                return introspect(self._connection, self.name)
            except sqlite3.Error as error:
                raise UserError(f"database {self.path}: the schema cannot be read: {error}") from error
            finally:
                self._connection.set_authorizer(self._authorizer)

    def run(self, sql: str, time_limit: float = 5.0, row_limit: int = 1000) -> ExecutionResult:
        """See `Database.run`. Several statements, an empty text and unbound parameters are errors too."""
        known = self._cancellations  # a later one is meant for this query, also while it waits for its turn
        refused = check_statement(sql, self.dialect) if self._check_syntax else None
        if refused:
            return ExecutionResult((), [], False, 0.0, refused)
        with self._lock:
            self._reopen_if_changed()
            self._authorizer.refused = None
            start = time.perf_counter()
            deadline = start + time_limit
            self._connection.set_progress_handler(
                lambda: time.perf_counter() > deadline or self._cancellations != known, _INSTRUCTIONS
            )
            try:
                if self._cancellations != known:
                    raise TimeoutError
                columns, rows, truncated = self._fetch(sql, row_limit, deadline)
                error = None
            except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError, MemoryError, TimeoutError) as failure:
                columns, rows, truncated = (), [], False
                late = time.perf_counter() > deadline
                error = "cancelled" if self._cancellations != known else self._explain(failure, time_limit, late)
            finally:
                self._connection.set_progress_handler(None, 0)
            return ExecutionResult(columns, rows, truncated, time.perf_counter() - start, error)

    def distinct_values(self, table: str, column: str, limit: int) -> list[Any]:
        """See `Database.distinct_values`: in the order in which SQLite finds them; of large tables from a sample."""
        known = self.schema.table(table)
        if known is None or known.column(column) is None:
            raise UserError(f"database {self.name}: there is no column {table}.{column}")
        statement = distinct_statement(known, column, limit, self._row_numbers(known))
        result = self.run(statement, _DISTINCT_SECONDS, limit)
        if result.error and "time limit" in result.error:  # such as a view of many rows
            result = self.run(distinct_of_first_rows(known, column, limit), _DISTINCT_SECONDS, limit)
        if result.error:
            raise UserError(f"database {self.name}: the values of {table}.{column} cannot be read: {result.error}")
        return [row[0] for row in result.rows]

    def _row_numbers(self, table: Table) -> tuple[int, int] | None:
        """The first and last row number, or None where rows have none (views, tables WITHOUT ROWID)."""
        row = row_number_name(table)
        ends = self.run(f"SELECT min({row}), max({row}) FROM {quote_identifier(table.name)}", COUNTING_SECONDS, 1)
        return ends.rows[0] if ends.rows and all(isinstance(end, int) for end in ends.rows[0]) else None

    def serialize(self) -> bytes:
        """What a file with this database holds."""
        with self._lock:
            self._connection.set_authorizer(None)  # SQLite asks itself for the size, which queries may not
            try:
                return self._connection.serialize()
            finally:
                self._connection.set_authorizer(self._authorizer)

    def cancel(self) -> None:
        """See `Database.cancel`; queries that wait for their turn are stopped too."""
        self._cancellations += 1
        with contextlib.suppress(sqlite3.ProgrammingError):  # closed meanwhile
            self._connection.interrupt()

    def row_count(self, table: str) -> int | None:
        """See `Database.row_count`: exact for up to a million rows or so, None where counting takes longer."""
        counted = self.run(f"SELECT count(*) FROM {quote_identifier(table)}", COUNTING_SECONDS, 1)
        return None if counted.error else counted.rows[0][0]

    def close(self) -> None:
        """Free the connection; a second call does nothing."""
        self._connection.close()

    def _reopen_if_changed(self) -> None:
        """An immutable snapshot is only right as long as nobody has written to the file since."""
        if self._snapshot is None:
            return
        if not self.path.is_file():
            raise UserError(f"database {self.path} is gone: it was moved or deleted while it was open")
        if file_state(self.path) != self._snapshot:
            self._connection.close()
            self._open()

    def _fetch(self, sql: str, row_limit: int, deadline: float) -> tuple[tuple[str, ...], list[tuple], bool]:
        cursor = self._connection.execute(sql)
        try:
            if cursor.description is None:
                raise ValueError("the statement returns no rows: expected one SELECT")
            columns = tuple(item[0] for item in cursor.description)
            rows: list[tuple] = []
            size = 0
            while batch := cursor.fetchmany(min(_BATCH, row_limit + 1 - len(rows))):
                rows += batch
                size += sum(len(value) for row in batch for value in row if isinstance(value, str | bytes))
                if len(rows) > row_limit or size > RESULT_LIMIT:
                    return columns, rows[:row_limit], True
                if time.perf_counter() > deadline:
                    raise TimeoutError
            return columns, rows, False
        finally:
            cursor.close()

    def _explain(self, failure: Exception, time_limit: float, late: bool) -> str:
        """One line for the user: refusals and limits named as such, else the engine's own words."""
        if self._authorizer.refused:
            return f"refused ({self._authorizer.refused}): only reading queries are run"
        if isinstance(failure, TimeoutError) or (late and "interrupted" in str(failure)):
            return f"time limit of {time_limit:g} s exceeded"
        if isinstance(failure, MemoryError):
            return "memory limit exceeded"
        return " ".join(str(failure).split()) or type(failure).__name__


def _insert(connection: sqlite3.Connection, schema: Schema, name: str, rows: Iterable[Sequence[Any]]) -> None:
    table = schema.table(name)
    if table is None:
        raise UserError(f"schema {schema.name}: rows are given for an unknown table {name!r}")
    places = ", ".join("?" * len(table.columns))
    try:
        connection.executemany(f"INSERT INTO {quote_identifier(table.name)} VALUES ({places})", rows)
    except sqlite3.Error as error:
        raise UserError(f"schema {schema.name}: the rows of {name!r} do not fit: {error}") from error
