"""DuckDB files, opened so that no SQL text can change them or reach another file, the network or the machine.

The engine itself enforces it: the file is opened read-only, access to anything outside it is disabled, extensions are
neither installed nor loaded, the memory and the threads are limited, nothing is spilled to disk, and the settings are
locked. DuckDB's own parser says what kind of statement a text is; only one that reads is run.

A single function call can still take more memory than the engine's limit (measured: `range(3000000000)` inside
`length`). That is why `text2sql.database.connect` runs this class in a process of its own, see `isolated`.

Reflection by `duckdb_engine` 0.17 does not work with DuckDB 2.0 (it reads catalogs of PostgreSQL that DuckDB lacks),
so the schema is read from DuckDB's own catalog functions.
"""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError

from text2sql.database.sqlalchemy_database import SQLAlchemyDatabase, one_line
from text2sql.errors import UserError
from text2sql.schema import Column, ForeignKey, Schema, Table, coarse_type

SETTINGS = {
    "access_mode": "READ_ONLY",
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "temp_directory": "",
    "memory_limit": "1GB",
    "threads": "2",
    "lock_configuration": "true",
}
"""Settings of every connection; `lock_configuration` keeps queries from changing them."""
_READING = ("SELECT", "EXPLAIN")
_MAIN = "database_name = current_database() AND schema_name = 'main'"


class DuckDBDatabase(SQLAlchemyDatabase):
    """A DuckDB file, `duckdb:///relative.duckdb` or `duckdb:////absolute.duckdb`. Only the schema `main` is shown."""

    def __init__(self, url: str) -> None:
        """Open a file that exists. Raises UserError when it is missing, no DuckDB file, or open for writing."""
        self.path = file_of(url)
        with self.path.open("rb") as file:
            start = file.read(12)
        if start[8:12] != b"DUCK":  # after a checksum of 8 bytes
            raise UserError(f"database {self.path} is no DuckDB file; give one made by DuckDB, or sqlite:///file")
        super().__init__(f"duckdb:///{self.path}", connect_args={"read_only": True, "config": dict(SETTINGS)})

    def _prepare(self, connection: Any, _: Any) -> None:
        """Everything is set by `SETTINGS` when the file is opened."""

    def _connection_error(self, error: SQLAlchemyError) -> str:
        text = one_line(error)
        if "lock" in text.lower() or "different configuration" in text:
            return f"database {self.path} is open for writing elsewhere: close it there, then try again"
        return f"database {self.path} cannot be read: {text}"

    def _refusal(self, sql: str) -> str | None:
        with self._lock, self._connection():
            try:
                kinds = self._kinds(sql)
            except Exception as error:  # the driver raises many kinds, all mean that the text cannot be parsed
                return one_line(error)
        if len(kinds) != 1:
            return "expected one SELECT statement" if not kinds else "several statements: only one can be run"
        return None if kinds[0] in _READING else f"refused ({kinds[0]}): only reading queries are run"

    def _kinds(self, sql: str) -> list[str]:
        return [statement.type.name for statement in self._driver_connection.extract_statements(sql)]

    def _bounded(self, connection: sqlalchemy.Connection, sql: str, row_limit: int) -> tuple[tuple[str, ...], str]:
        """DuckDB makes the whole result before the first row is read: tell it how many rows will be."""
        query = sql.strip().rstrip(";")
        bounded = f"SELECT * FROM (\n{query}\n) LIMIT {row_limit + 1:d}"
        try:
            if self._kinds(bounded) != ["SELECT"]:
                return (), sql
        except Exception:  # such as a comment after the semicolon
            return (), sql
        described = connection.exec_driver_sql(f"DESCRIBE {query}")  # a subquery's columns of one name are renamed
        return tuple(row[0] for row in described), bounded

    def _explain(self, failure: Exception, time_limit: float, late: bool) -> str:
        text = super()._explain(failure, time_limit, late)
        if "pytz" in text:
            return "times with a time zone need the package pytz: pip install pytz"
        return "memory limit exceeded" if text.startswith("Out of Memory Error") else text

    def _introspect(self, connection: sqlalchemy.Connection) -> Schema:
        def rows(sql: str) -> list[tuple]:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

        columns, comments = defaultdict(list), {}
        for table, name, kind, comment in rows(_COLUMNS):
            columns[table].append(Column(name, _type(kind), "", comment or ""))
        for table, comment in rows(_TABLES):
            comments[table] = comment or ""
        primary, foreign = {}, []
        for table, kind, names, target, target_names in rows(_CONSTRAINTS):
            if kind == "PRIMARY KEY":
                primary[table] = tuple(names)
            elif target in comments and len(names) == len(target_names):
                foreign.append(ForeignKey(table, tuple(names), target, tuple(target_names)))
        tables = [Table(t, tuple(columns[t]), primary.get(t, ()), "", c) for t, c in comments.items() if columns[t]]
        return Schema(self.name, tuple(tables), tuple(foreign))

    def row_count(self, table: str) -> int | None:
        """See `Database.row_count`: the engine's estimate for a table; views are counted."""
        sql = f"SELECT estimated_size FROM duckdb_tables() WHERE {_MAIN} AND lower(table_name) = lower({_text(table)})"
        estimate = self._run(sql, 5.0, 1)
        return int(estimate.rows[0][0]) if estimate.rows else super().row_count(table)


def file_of(url: str) -> Path:
    """The file of a `duckdb:///` URL. Raises UserError when there is none."""
    path = Path(url.partition("://")[2].removeprefix("/").partition("?")[0])
    if not path.name or path.name == ":memory:" or not os.path.isfile(path):
        raise UserError(f"database {path} not found: give the path of a DuckDB file, as in duckdb:///file.duckdb")
    return path


def _type(declared: str) -> str:
    """The coarse type; nested ones name other types inside (`STRUCT(a INTEGER)`)."""
    if declared.startswith(("STRUCT", "MAP", "UNION", "BLOB")) or declared.endswith("]"):
        return "others"
    return coarse_type(declared)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


_COLUMNS = f"""
    SELECT table_name, column_name, data_type, comment FROM duckdb_columns()
    WHERE {_MAIN} AND NOT internal ORDER BY table_oid, column_index
"""
_TABLES = f"""
    SELECT name, comment FROM (
        SELECT table_name AS name, comment, table_oid AS number FROM duckdb_tables() WHERE {_MAIN} AND NOT internal
        UNION ALL
        SELECT view_name, comment, view_oid + 1e9 FROM duckdb_views() WHERE {_MAIN} AND NOT internal
    ) ORDER BY number
"""
_CONSTRAINTS = f"""
    SELECT table_name, constraint_type, constraint_column_names, referenced_table, referenced_column_names
    FROM duckdb_constraints() WHERE {_MAIN} AND constraint_type IN ('PRIMARY KEY', 'FOREIGN KEY')
    ORDER BY table_oid, constraint_index
"""
