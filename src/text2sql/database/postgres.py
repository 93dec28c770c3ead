"""PostgreSQL, queried so that no SQL text can change it, run for ever or fill the memory.

Two layers. The server's: each query runs alone in a read-only transaction that is always rolled back, inside a
cursor (which is a query by its grammar), sent by the extended protocol (which takes one statement), under time and
memory limits. Ours: `check_statement` with its lists of functions and types, since functions can reach outside of
a transaction. How to make a role that may only read, the third layer, is in docs/databases.md.
"""

from __future__ import annotations

import contextlib
import threading
import time
from functools import cached_property
from typing import Any

import psycopg
from psycopg import errors

from text2sql.database.base import Database, ExecutionResult
from text2sql.database.dialects import transpile
from text2sql.database.postgres_cursor import FIRST_DEFINED, RECORDS, ROW_BYTES, TOO_LARGE, cursor_name, guarded, probe
from text2sql.database.postgres_guard import plain_text
from text2sql.database.postgres_introspection import Relation, introspect
from text2sql.database.postgres_session import Limits, Watchdog, clean, open_connection, read_url
from text2sql.database.statements import check_statement
from text2sql.errors import UserError
from text2sql.schema import Schema, quote_identifier

RESULT_LIMIT = 256 * 2**20
"""Bytes of text and blobs kept of one result; later rows are cut off and the result is marked truncated."""
EXACT_ROWS = 100_000
"""Tables that the server thinks smaller are counted."""
COUNTING_SECONDS = 0.3
"""How long the rows of one table are counted."""
SAMPLE_ROWS = 200_000
"""Rows that are looked at for the different values of a column."""
_BATCH = 32
"""Rows fetched before sizes and clock are looked at."""
_SLACK = 0.3
"""Seconds between the server's own time limit and ours."""


class PostgresDatabase(Database):
    """One PostgreSQL database, read-only. Reconnects by itself when the connection was lost."""

    dialect = "postgres"

    def __init__(self, url: str) -> None:
        """Connect to `postgresql://user:password@host:port/database` (anything that libpq reads).

        Raises UserError when the URL, server, role, password or database is wrong.
        """
        self._parameters, self.url = read_url(url)
        self._lock = threading.Lock()
        self._running = threading.Lock()
        self._cancelled = False
        self._closed = False
        self._busy = False
        self._connect()
        self.name = self._connection.info.dbname
        rows = self._trusted(_ROLE)
        self.warnings = tuple(_warnings(*rows[0]))
        self._row_functions = frozenset(row[0] for row in self._trusted(_ROW_FUNCTIONS))

    def __repr__(self) -> str:
        return f"PostgresDatabase({self.url!r})"

    def _connect(self) -> None:
        self._connection = open_connection(self._parameters, self.url)
        try:
            self._connection.execute("SET default_transaction_read_only = on")
            self._limits = Limits.of(self._connection)
        except psycopg.Error as error:
            raise UserError(f"cannot use {self.url}: {clean(str(error), self._parameters)}") from None

    @cached_property
    def _introspected(self) -> tuple[Schema, dict[str, Relation]]:
        return introspect(self._trusted, self.name)

    @property
    def schema(self) -> Schema:
        """Tables, views, keys (see `postgres_introspection`). Raises UserError when they cannot be read."""
        return self._introspected[0]

    def translate(self, sql: str) -> str:
        """See `Database.translate`; tables of other schemas get their schema's name."""
        return transpile(sql, self.schema, self.dialect)

    def run(self, sql: str, time_limit: float = 5.0, row_limit: int = 1000) -> ExecutionResult:
        """See `Database.run`. A lost connection is an error of this query; the next one connects again."""
        start = time.perf_counter()
        refused = check_statement(sql, self.dialect, self._row_functions)
        if refused:
            return ExecutionResult((), [], False, time.perf_counter() - start, refused)
        return self._run(plain_text(sql), time_limit, row_limit)

    def _run(self, sql: str, time_limit: float, row_limit: int) -> ExecutionResult:
        """Run a text that was checked, or is ours."""
        with self._lock:
            start = time.perf_counter()
            self._cancelled = False
            watchdog = None
            try:
                self._begin(time_limit)
                self._busy = True
                with Watchdog(self._connection, time_limit + _SLACK) as watchdog:
                    columns, rows, truncated = self._fetch(sql, row_limit, start + time_limit + _SLACK)
                error = None
            except (psycopg.Error, UserError, ValueError, MemoryError, TimeoutError) as failure:
                columns, rows, truncated = (), [], False
                error = self._explain(failure, time_limit, watchdog is not None and watchdog.fired)
            finally:
                self._end()
            return ExecutionResult(columns, rows, truncated, time.perf_counter() - start, error)

    def _begin(self, time_limit: float) -> None:
        """Open the transaction, on a new connection where the old one was lost. Raises UserError, psycopg.Error."""
        if self._closed:
            raise UserError(f"the connection to {self.url} was closed")
        if not self._connection.closed:
            try:
                self._execute_bounded(self._limits.begin(time_limit))
                return
            except psycopg.OperationalError:
                if not self._connection.closed:
                    raise
        self._connect()
        self._execute_bounded(self._limits.begin(time_limit))

    def _execute_bounded(self, statements: str) -> None:
        """Run statements of ours, whatever the network does."""
        with Watchdog(self._connection, 5.0):
            self._connection.execute(statements)

    def _fetch(self, sql: str, row_limit: int, deadline: float) -> tuple[tuple[str, ...], list[tuple], bool]:
        """Rows through a cursor over the query, at most `row_limit`, none larger than `ROW_BYTES`."""
        name = cursor_name()
        with self._connection.cursor() as cursor:
            columns, types = self._columns(cursor, sql)
            cursor.execute(guarded(name, sql, row_limit, types).encode(), binary=True)
            rows: list[tuple] = []
            kept = 0
            while True:
                batch = cursor.execute(f"FETCH {_BATCH} FROM {name}").fetchall()
                rows += batch
                kept += sum(len(value) for values in batch for value in values if isinstance(value, str | bytes))
                if len(rows) > row_limit or kept > RESULT_LIMIT:
                    return columns, rows[:row_limit], True
                if len(batch) < _BATCH:
                    return columns, rows, False
                if time.perf_counter() > deadline:
                    raise TimeoutError

    @staticmethod
    def _columns(cursor: psycopg.Cursor, sql: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Names and types (oids) of a query's columns. Raises UserError where a column holds rows of a table."""
        name = cursor_name()
        cursor.execute(probe(name, sql).encode(), binary=True)  # binary: by the extended protocol
        found = cursor.execute(f"FETCH 0 FROM {name}").description or []
        types = tuple(column.type_code for column in found)
        defined = ", ".join(str(oid) for oid in types if oid >= FIRST_DEFINED)
        if RECORDS & set(types) or (defined and cursor.execute(_HOLDS_ROWS.format(oids=defined)).fetchall()):
            raise UserError("whole rows cannot be values of a result: select their columns")
        return tuple(column.name for column in found), types

    def _end(self) -> None:
        """Roll back. A connection on which that fails is closed, and replaced by the next query."""
        with self._running:  # waits for a cancellation that is on its way
            self._busy = False
        if self._connection.closed or self._closed:
            return
        try:
            self._execute_bounded("ROLLBACK")
        except psycopg.Error:
            self._connection.close()

    def _explain(self, failure: Exception, time_limit: float, late: bool) -> str:
        """One line for the user: refusals and limits named as such, else the server's own words."""
        if self._cancelled:
            return "cancelled"
        timeout = isinstance(failure, errors.QueryCanceled) and "timeout" in str(failure)
        if late or timeout or isinstance(failure, TimeoutError):
            return f"time limit of {time_limit:g} s exceeded"
        if isinstance(failure, UserError):
            return str(failure)
        if isinstance(failure, MemoryError | errors.OutOfMemory | errors.ProgramLimitExceeded):
            return "memory limit exceeded"
        if isinstance(failure, psycopg.OperationalError) and self._connection.closed:
            return f"the connection to {self.url} was lost while the query ran: try again"
        message = failure.diag.message_primary if isinstance(failure, psycopg.Error) else None
        message = clean(message or str(failure), self._parameters) or type(failure).__name__
        if "invalid memory alloc" in message:
            return "memory limit exceeded"
        if TOO_LARGE in message:
            return f"a row is larger than {ROW_BYTES:,} bytes"
        if isinstance(failure, errors.ReadOnlySqlTransaction):
            return f"refused ({message}): only reading queries are run"
        hint = failure.diag.message_hint if isinstance(failure, psycopg.Error) else None
        return f"{message} ({clean(hint, self._parameters)})" if hint and "column" in message else message

    def _trusted(self, sql: str, time_limit: float = 30.0, row_limit: int = 1_000_000) -> list[tuple[Any, ...]]:
        """Rows of a query of ours. Raises UserError when it fails."""
        result = self._run(sql, time_limit, row_limit)
        if result.error:
            raise UserError(f"database {self.url} cannot be read: {result.error}")
        return result.rows

    def _relation(self, table: str) -> tuple[Relation, str]:
        """Where a table is, and its name as SQL. Raises UserError for an unknown one."""
        relation = self._introspected[1].get(table.lower())
        if relation is None:
            raise UserError(f"database {self.name}: there is no table {table}")
        return relation, f"{quote_identifier(relation.schema)}.{quote_identifier(relation.name)}"

    def row_count(self, table: str) -> int | None:
        """See `Database.row_count`: the server's estimate for large tables, exact for small ones and views."""
        relation, source = self._relation(table)
        estimate = self._estimate(relation)
        if estimate is not None and estimate > EXACT_ROWS:
            return estimate
        counted = self._run(f"SELECT count(*) FROM {source}", COUNTING_SECONDS, 1)
        return estimate if counted.error else counted.rows[0][0]

    def _estimate(self, relation: Relation) -> int | None:
        """pg_class.reltuples, summed over partitions; None where it was never determined."""
        estimate = self._trusted(_ESTIMATE.format(oid=relation.oid))[0][0]
        return None if estimate is None else int(estimate)

    def distinct_values(self, table: str, column: str, limit: int) -> list[Any]:
        """See `Database.distinct_values`: of a sample of about `SAMPLE_ROWS` rows where there are many more."""
        relation, source = self._relation(table)
        known = self.schema.tables[self.schema.table_number(table)].column(column)
        if known is None:
            raise UserError(f"database {self.name}: there is no column {table}.{column}")
        name = quote_identifier(known.name)
        value = f"{name}::text" if known.type == "others" else name  # some types have no equality
        if relation.kind in "rpm" and (estimate := self._estimate(relation) or 0) > 5 * SAMPLE_ROWS:
            source += f" TABLESAMPLE SYSTEM ({100 * SAMPLE_ROWS / estimate:.4f}) REPEATABLE (0)"
        rows = f"SELECT {value} AS v FROM {source} WHERE {name} IS NOT NULL LIMIT {5 * SAMPLE_ROWS}"
        found = self._trusted(f"SELECT DISTINCT v FROM ({rows}) s LIMIT {limit:d}", 60.0, limit)
        return [row[0] for row in found]

    def cancel(self) -> None:
        """See `Database.cancel`. A query that has not begun when this is called is not stopped."""
        with self._running:
            if self._busy:
                self._cancelled = True
                with contextlib.suppress(psycopg.Error, OSError):
                    self._connection.cancel_safe(timeout=2.0)

    def close(self) -> None:
        """Free the connection; a second call does nothing."""
        self._closed = True
        self._connection.close()


def _warnings(role: str, superuser: bool, powers: str | None, writable: str | None, owned: str | None) -> list[str]:
    """Why the role should be replaced by one that may only read."""
    hint = "connect as a read-only role (docs/databases.md says how to make one)"
    if superuser:
        return [f"role {role} is a superuser, whom the server refuses nothing: {hint}"]
    found = []
    if powers:
        found.append(f"role {role} has the rights of {powers}: {hint}")
    if owned:
        found.append(f"role {role} owns {owned} and could drop it: {hint}")
    elif writable:
        found.append(f"role {role} may write to {writable}: {hint}")
    return found


_ROLE = """
    SELECT session_user::text, (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = session_user),
           (SELECT string_agg(rolname, ', ' ORDER BY rolname) FROM pg_catalog.pg_roles
            WHERE rolname IN ('pg_write_all_data', 'pg_execute_server_program', 'pg_read_server_files',
                              'pg_write_server_files', 'pg_signal_backend', 'pg_checkpoint')
            AND pg_has_role(session_user, oid, 'MEMBER')),
           (SELECT min(oid::regclass::text) FROM pg_catalog.pg_class
            WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
            AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
            AND has_table_privilege(session_user, oid, 'INSERT, UPDATE, DELETE, TRUNCATE')),
           (SELECT min(oid::regclass::text) FROM pg_catalog.pg_class
            WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND pg_has_role(session_user, relowner, 'MEMBER')
            AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace))
"""

_ROW_FUNCTIONS = """
    SELECT DISTINCT p.proname::text FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_type t ON t.oid = p.proargtypes[0]
    WHERE p.pronargs - p.pronargdefaults <= 1 AND p.pronargs >= 1 AND t.typtype IN ('c', 'p')
    AND p.pronamespace <> 'pg_catalog'::regnamespace
"""

_HOLDS_ROWS = """
    SELECT 1 FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem
    WHERE t.oid IN ({oids}) AND 'c' IN (t.typtype, e.typtype)
"""

_ESTIMATE = """
    SELECT CASE WHEN count(*) FILTER (WHERE c.reltuples < 0) = 0 THEN sum(c.reltuples) END
    FROM pg_catalog.pg_class c
    WHERE c.relkind IN ('r', 'm', 'f') AND (c.oid = {oid}
          OR c.oid IN (SELECT relid FROM pg_partition_tree({oid}::regclass) WHERE isleaf))
"""
