"""Databases that SQLAlchemy reaches, each query in a transaction that is rolled back.

What an engine can enforce by itself (read-only access, no files, limits) is set by a subclass, as `duckdb` does. For
the others this module asks for a read-only session, and warns where the engine does not know one: then the rights of
the role are what protects the data. The syntax tree of every query is checked before it is run.

SQLAlchemy is an extra (`pip install text2sql[db]`).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from text2sql.database.base import Database, ExecutionResult
from text2sql.database.dialects import transpile
from text2sql.database.statements import check_statement
from text2sql.errors import UserError
from text2sql.schema import Column, ForeignKey, Schema, Table, coarse_type

RESULT_LIMIT = 256 * 2**20
"""Bytes of text, blobs and nested values kept of one result; later rows are cut off, the result is truncated."""
COUNTING_SECONDS = 0.5
"""How long the rows of one table are counted."""
_DISTINCT_SECONDS = 10.0
"""How long the different values of a column are looked for."""
_FIRST_ROWS = 100_000
"""Rows whose values are taken when that was too short."""
_BATCH = 32
"""Rows fetched before sizes and clock are looked at."""
_INTERVAL = 0.1
"""Seconds between two attempts to stop a query: one that has not begun cannot be stopped yet."""
_SQLGLOT_NAMES = {"postgresql": "postgres", "mariadb": "mysql", "mssql": "tsql"}
_READ_ONLY_SESSION = {
    "sqlite": "PRAGMA query_only=ON",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
}


class SQLAlchemyDatabase(Database):
    """A database given by an SQLAlchemy URL such as `mysql+pymysql://user@host/name`."""

    def __init__(self, url: str, **options: Any) -> None:
        """Connect. `options` go to `sqlalchemy.create_engine`.

        Raises UserError for a URL that is none, a driver that is not installed, a server that does not answer.
        """
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._cancelled = self._closed = False
        try:
            self._parsed = sqlalchemy.make_url(url)
            self.url = self._parsed.render_as_string(hide_password=True)
            self._engine = sqlalchemy.create_engine(self._parsed, pool_size=1, max_overflow=1, **options)
        except (NoSuchModuleError, ImportError) as error:
            raise UserError(f"{self.url}: the driver is not installed ({error}); install it with pip") from error
        except ArgumentError as error:
            raise UserError("this is no database URL; give one such as duckdb:///file or mysql://host/name") from error
        backend = self._parsed.get_backend_name()
        self.dialect = _SQLGLOT_NAMES.get(backend, backend)
        self.name = Path(self._parsed.database or backend).stem
        sqlalchemy.event.listen(self._engine, "connect", self._prepare)
        self._driver_connection: Any = None
        with self._connection():
            pass

    def _prepare(self, connection: Any, _: Any) -> None:
        """Make a new connection harmless, as far as the engine can."""
        statement = _READ_ONLY_SESSION.get(self._parsed.get_backend_name())
        if statement is None:
            self.warnings = ("this engine gives no read-only session: use a role that may only read",)
            return
        cursor = connection.cursor()
        cursor.execute(statement)
        cursor.close()

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlalchemy.Connection]:
        """A connection in a transaction, rolled back at the end. Raises UserError when there is none to be had."""
        if self._closed:
            raise UserError(f"database {self.name} is closed: connect again")
        try:
            connection = self._engine.connect()
        except SQLAlchemyError as error:
            raise UserError(self._connection_error(error)) from error
        with connection:
            self._driver_connection = connection.connection.driver_connection
            yield connection

    def _connection_error(self, error: SQLAlchemyError) -> str:
        return f"database {self.url} cannot be opened: {one_line(error)}; check the address and the password"

    @cached_property
    def schema(self) -> Schema:
        """Tables, views, keys. Raises UserError when they cannot be read."""
        with self._lock, self._connection() as connection:
            try:
                return self._introspect(connection)
            except SQLAlchemyError as error:
                raise UserError(f"database {self.name}: the schema cannot be read: {one_line(error)}") from error

    def _introspect(self, connection: sqlalchemy.Connection) -> Schema:
        inspector = sqlalchemy.inspect(connection)
        names = [*inspector.get_table_names(), *inspector.get_view_names()]
        tables = tuple(table for table in (_table(inspector, name) for name in names) if table.columns)
        known = {table.name for table in tables}
        keys = [key for name in inspector.get_table_names() for key in _foreign_keys(inspector, name)]
        return Schema(self.name, tables, tuple(key for key in keys if key.referenced_table in known))

    def run(self, sql: str, time_limit: float = 5.0, row_limit: int = 1000) -> ExecutionResult:
        """See `Database.run`. Waits while another thread's query runs. Raises UserError for a lost connection."""
        start = time.perf_counter()
        refused = check_statement(sql, self.dialect) or self._refusal(sql)
        if refused:
            return ExecutionResult((), [], False, time.perf_counter() - start, refused)
        return self._run(sql, time_limit, row_limit)

    def _refusal(self, sql: str) -> str | None:
        """Why the engine's own parser says that a statement may not run; None where it may."""
        return None

    def _run(self, sql: str, time_limit: float, row_limit: int) -> ExecutionResult:
        with self._lock, self._connection() as connection, self._watched(time_limit) as deadline:
            start = time.perf_counter()
            try:
                names, bounded = self._bounded(connection, sql, row_limit)
                columns, rows, truncated = _fetch(connection, bounded, row_limit, deadline)
                columns = names or columns
                error = None
            except (SQLAlchemyError, TimeoutError, MemoryError, ValueError, RuntimeError) as failure:
                columns, rows, truncated = (), [], False
                error = self._explain(failure, time_limit, time.perf_counter() >= deadline)
            return ExecutionResult(columns, rows, truncated, time.perf_counter() - start, error)

    def _bounded(self, connection: sqlalchemy.Connection, sql: str, row_limit: int) -> tuple[tuple[str, ...], str]:
        """The statement as it is run, and the names of its columns if those of the result are others."""
        return (), sql

    @contextlib.contextmanager
    def _watched(self, time_limit: float) -> Iterator[float]:
        """While a query runs, a thread waits for its deadline (given to the caller) or for `cancel`, and stops it."""
        self._cancelled = False
        self._stop.clear()
        done = threading.Event()

        def watch() -> None:
            self._stop.wait(time_limit)
            while not done.is_set():
                self._interrupt()
                done.wait(_INTERVAL)

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield time.perf_counter() + time_limit
        finally:
            done.set()
            self._stop.set()
            thread.join()

    def _interrupt(self) -> None:
        """Stop the running statement by whatever the driver offers."""
        driver = self._driver_connection
        with contextlib.suppress(Exception):  # the query may have ended, the connection may be gone
            if hasattr(driver, "thread_id"):  # MySQL's drivers: only another connection can end a query
                with self._engine.connect() as other:
                    other.exec_driver_sql(f"KILL QUERY {int(driver.thread_id())}")
                return
            stop = getattr(driver, "interrupt", None) or getattr(driver, "cancel", None)
            if stop is not None:
                stop()

    def _explain(self, failure: Exception, time_limit: float, late: bool) -> str:
        if self._cancelled:
            return "cancelled"
        if late:
            return f"time limit of {time_limit:g} s exceeded"
        return "memory limit exceeded" if isinstance(failure, MemoryError) else one_line(failure)

    def translate(self, sql: str) -> str:
        """See `Database.translate`."""
        return sql if self.dialect == "sqlite" else transpile(sql, self.schema, self.dialect)

    def cancel(self) -> None:
        """See `Database.cancel`."""
        self._cancelled = True
        self._stop.set()

    def row_count(self, table: str) -> int | None:
        """See `Database.row_count`: exact where counting is quick, else None."""
        counted = self._run(f"SELECT count(*) FROM {self._quoted(table)}", COUNTING_SECONDS, 1)
        return None if counted.error else int(counted.rows[0][0])

    def distinct_values(self, table: str, column: str, limit: int) -> list[Any]:
        """See `Database.distinct_values`: in the order in which the engine finds them."""
        known = self.schema.table(table)
        if known is None or known.column(column) is None:
            raise UserError(f"database {self.name}: there is no column {table}.{column}")
        name, source = self._quoted(column), self._quoted(table)
        sql = f"SELECT DISTINCT {name} FROM {{}} WHERE {name} IS NOT NULL LIMIT {limit:d}"
        result = self._run(sql.format(source), _DISTINCT_SECONDS, limit)
        if result.error and "time limit" in result.error:  # a large table: the values of its first rows
            rows = f"(SELECT {name} FROM {source} LIMIT {_FIRST_ROWS}) AS first_rows"
            result = self._run(sql.format(rows), _DISTINCT_SECONDS, limit)
        if result.error:
            raise UserError(f"database {self.name}: the values of {table}.{column} cannot be read: {result.error}")
        return [row[0] for row in result.rows]

    def _quoted(self, name: str) -> str:
        return self._engine.dialect.identifier_preparer.quote_identifier(name)

    def close(self) -> None:
        """Free the connections; a second call does nothing."""
        self._closed = True
        self._engine.dispose()


def one_line(error: BaseException) -> str:
    """The engine's own words without SQLAlchemy's, the statement and the position, on one line."""
    original = getattr(error, "orig", None) if isinstance(error, DBAPIError) else None
    text = str(original or error).split("\n\nLINE ")[0].split("\n[SQL:")[0]
    return " ".join(text.split())[:500] or type(error).__name__


def _fetch(
    connection: sqlalchemy.Connection, sql: str, row_limit: int, deadline: float
) -> tuple[tuple[str, ...], list[tuple], bool]:
    """Column names, rows, and whether there were more."""
    streaming = connection.execution_options(stream_results=True, no_parameters=True)
    with streaming.exec_driver_sql(sql) as result:
        if not result.returns_rows:
            raise ValueError("the statement returns no rows: expected one SELECT")
        columns = tuple(result.keys())
        rows: list[tuple] = []
        size = 0
        while batch := result.fetchmany(min(_BATCH, row_limit + 1 - len(rows))):
            rows += map(tuple, batch)
            size += sum(size_of(value) for row in batch for value in row)
            if len(rows) > row_limit or size > RESULT_LIMIT:
                return columns, rows[:row_limit], True
            if time.perf_counter() > deadline:
                raise TimeoutError
        return columns, rows, False


def size_of(value: Any) -> int:
    """About how many bytes a value's contents take; numbers and the like count as nothing outside a list."""
    if isinstance(value, str | bytes | bytearray):
        return len(value)
    if isinstance(value, dict):
        return sum(size_of(key) + size_of(item) + 8 for key, item in value.items())
    if isinstance(value, list | tuple | set):
        return sum(size_of(item) + 8 for item in value)
    return 0


def _table(inspector: sqlalchemy.Inspector, name: str) -> Table:
    try:
        columns = inspector.get_columns(name)
        primary = inspector.get_pk_constraint(name)["constrained_columns"]
    except (SQLAlchemyError, NotImplementedError):
        return Table(name, ())  # a broken view
    comment = ""
    with contextlib.suppress(NotImplementedError, SQLAlchemyError):
        comment = inspector.get_table_comment(name)["text"] or ""
    described = (Column(c["name"], coarse_type(str(c["type"])), "", c.get("comment") or "") for c in columns)
    return Table(name, tuple(described), tuple(primary), "", comment)


def _foreign_keys(inspector: sqlalchemy.Inspector, table: str) -> Iterator[ForeignKey]:
    for key in inspector.get_foreign_keys(table):
        source, target = key["constrained_columns"], key["referred_columns"]
        if source and len(source) == len(target):
            yield ForeignKey(table, tuple(source), key["referred_table"], tuple(target))
