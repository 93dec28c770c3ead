"""Spider's databases in another engine: types by contents, loading into PostgreSQL and DuckDB, running queries.

Types are decided by the contents, as a careful person would do it: whole numbers, floats, dates and timestamps only
where every value is one. A number column whose only texts are '' has NULL there; one that holds other texts is text.
Primary keys are kept where the rows obey them, foreign keys are not. Used by benchmarks/postgres.py and its test.
"""

from __future__ import annotations

import contextlib
import datetime
import re
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from text2sql.database import SQLiteDatabase
from text2sql.errors import UserError
from text2sql.schema import Column, Schema, Table, coarse_type, quote_identifier

TIME_LIMIT = 60.0
ROW_LIMIT = 10_000_000

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Plan:
    """How a database is loaded: its schema there, the SQL types of each table's columns, whether values change."""

    schema: Schema
    types: dict[str, list[str]]
    changes: bool


def plan_for(database: SQLiteDatabase) -> Plan:
    """The plan for a database, from its declarations and all its values."""
    tables, types, changes = [], {}, False
    declared = declared_types(database)
    for table in database.schema.tables:
        found = [column_type(database, table.name, c.name, declared[table.name, c.name]) for c in table.columns]
        types[table.name] = [kind for kind, _ in found]
        changes = changes or any(changed for _, changed in found)
        columns = tuple(Column(c.name, coarse_type(kind)) for c, (kind, _) in zip(table.columns, found, strict=True))
        tables.append(Table(table.name, columns, table.primary_key if key_holds(database, table) else ()))
    return Plan(Schema(database.name, tuple(tables)), types, changes)


def declared_types(database: SQLiteDatabase) -> dict[tuple[str, str], str]:
    """(table, column) -> the type that the SQLite file declares, in upper case."""
    connection = sqlite3.connect(f"file:{database.path}?immutable=1", uri=True)
    with contextlib.closing(connection):
        return {
            (table.name, row[1]): row[2].upper()
            for table in database.schema.tables
            for row in connection.execute(f"PRAGMA table_info({quote_identifier(table.name)})")
        }


def column_type(database: SQLiteDatabase, table: str, column: str, declared: str) -> tuple[str, bool]:
    """The narrowest SQL type that holds the values, and whether some of them change in it."""
    source, name = quote_identifier(table), quote_identifier(column)
    storage = {row[0] for row in query(database, f"SELECT DISTINCT typeof({name}) FROM {source}")} - {"null"}
    if storage > {"text"} and not query(database, f"SELECT 1 FROM {source} WHERE {name} > '' LIMIT 1"):
        return number_type(storage - {"text"}), True
    if not storage:
        return type_of_nothing(declared), False
    if storage == {"integer"} and "BOOL" in declared:
        others = query(database, f"SELECT 1 FROM {source} WHERE {name} NOT IN (0, 1) LIMIT 1")
        return "bigint" if others else "boolean", False
    if storage <= {"integer", "real"}:
        return number_type(storage), False
    if storage == {"text"} and ("DATE" in declared or "TIME" in declared):
        values = [row[0] for row in query(database, f"SELECT DISTINCT {name} FROM {source} WHERE {name} IS NOT NULL")]
        return time_type(values), False
    return "bytea" if storage == {"blob"} else "text", len(storage) > 1


def number_type(storage: set[str]) -> str:
    """The SQL type for SQLite's storage classes of numbers."""
    return "bigint" if storage == {"integer"} else "double precision"


def type_of_nothing(declared: str) -> str:
    """The type of a column without values, from its declaration."""
    if "TIME" in declared or "DATE" in declared:
        return "timestamp" if "TIME" in declared else "date"
    if "BOOL" in declared:
        return "boolean"
    if coarse_type(declared) == "number":
        return "bigint" if "INT" in declared else "double precision"
    return "text"


def time_type(values: list[str]) -> str:
    """Date or timestamp where every value is one in full, else text."""
    for name, pattern in (("date", r"\d{4}-\d\d-\d\d"), ("timestamp", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")):
        if all(re.fullmatch(pattern, value) and is_moment(value) for value in values):
            return name
    return "text"


def is_moment(value: str) -> bool:
    """Whether the date exists."""
    try:
        return datetime.datetime.fromisoformat(value) is not None
    except ValueError:
        return False


def key_holds(database: SQLiteDatabase, table: Table) -> bool:
    """Whether there is a declared primary key and it is unique and without NULLs."""
    if not table.primary_key:
        return False
    names = ", ".join(map(quote_identifier, table.primary_key))
    known = " AND ".join(f"{quote_identifier(name)} IS NOT NULL" for name in table.primary_key)
    source = quote_identifier(table.name)
    [[rows]] = query(database, f"SELECT count(*) FROM {source}")
    [[keys]] = query(database, f"SELECT count(*) FROM (SELECT DISTINCT {names} FROM {source} WHERE {known})")
    return bool(rows == keys)


def query(database: SQLiteDatabase, sql: str) -> Rows:
    """All rows of a query that must run."""
    result = database.run(sql, 10 * TIME_LIMIT, ROW_LIMIT)
    if result.error or result.truncated:
        raise UserError(f"{database.path}: {result.error or 'too many rows'}: {sql}")
    return result.rows


def rows_to_load(database: SQLiteDatabase, table: str, types: list[str]) -> Iterator[list[Any]]:
    """A table's rows with every value as its column's type takes it."""
    for row in query(database, f"SELECT * FROM {quote_identifier(table)}"):
        yield [loadable(value, kind) for value, kind in zip(row, types, strict=True)]


def loadable(value: Any, kind: str) -> Any:
    """Texts without the zero bytes that other engines refuse; NULL for '' in a number column."""
    if value is None or (value == "" and kind in ("bigint", "double precision")):
        return None
    if kind == "boolean":
        return bool(value)
    if kind != "text":
        return value
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).replace("\0", "")


def create_table(table: Table, types: list[str], namespace: str = "") -> str:
    """CREATE TABLE with the types and the primary key."""
    parts = [f"{quote_identifier(c.name)} {kind}" for c, kind in zip(table.columns, types, strict=True)]
    if table.primary_key:
        parts.append(f"PRIMARY KEY ({', '.join(map(quote_identifier, table.primary_key))})")
    return f"CREATE TABLE {namespace}{quote_identifier(table.name)} ({', '.join(parts)})"


class Postgres:
    """Loads databases into namespaces of one PostgreSQL database and runs queries there."""

    dialect = "postgres"

    def __init__(self, url: str) -> None:
        import psycopg

        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.execute("SET client_min_messages = error")
        self.version = self.connection.execute("SHOW server_version").fetchone()[0]  # type: ignore[index]

    def load(self, database: SQLiteDatabase, plan: Plan) -> None:
        """Load unless the namespace is there already, and look for unqualified names in it."""
        namespace = quote_identifier(plan.schema.name)
        self.connection.execute("SET statement_timeout = 0")
        known = self.connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [plan.schema.name]).fetchone()
        if not known:
            with self.connection.transaction():
                self.connection.execute(f"CREATE SCHEMA {namespace}")
                for table in plan.schema.tables:
                    self.connection.execute(create_table(table, plan.types[table.name], namespace + "."))
                    copy = f"COPY {namespace}.{quote_identifier(table.name)} FROM STDIN"
                    with self.connection.cursor().copy(copy) as stream:
                        for row in rows_to_load(database, table.name, plan.types[table.name]):
                            stream.write_row(row)
            self.connection.execute("ANALYZE")
        self.connection.execute(f"SET search_path = {namespace}")
        self.connection.execute(f"SET statement_timeout = {int(TIME_LIMIT * 1000)}")

    def run(self, sql: str) -> Rows:
        """All rows. Raises psycopg.Error."""
        return self.connection.execute(sql).fetchall()


class DuckDB:
    """Loads each database into a fresh DuckDB in memory and runs queries there."""

    dialect = "duckdb"

    def __init__(self) -> None:
        import duckdb

        self.version = duckdb.__version__
        self.connect = duckdb.connect
        self.connection = duckdb.connect()

    def load(self, database: SQLiteDatabase, plan: Plan) -> None:
        """Load column by column, as lists: row by row is too slow for half a million."""
        self.connection.close()
        self.connection = self.connect(config={"threads": 1})
        for table in plan.schema.tables:
            types = [kind.replace("bytea", "blob") for kind in plan.types[table.name]]
            self.connection.execute(create_table(table, types))
            columns = list(zip(*rows_to_load(database, table.name, plan.types[table.name]), strict=True))
            if columns:
                lists = ", ".join(f"unnest(?::{kind}[])" for kind in types)
                insert = f"INSERT INTO {quote_identifier(table.name)} SELECT {lists}"
                self.connection.execute(insert, [list(column) for column in columns])

    def run(self, sql: str) -> Rows:
        """All rows. Raises duckdb.Error."""
        return self.connection.execute(sql).fetchall()


def started_postgres() -> str:
    """The URL of a PostgreSQL server of our own, the tests', which ends with this process.

    Raises UserError where PostgreSQL is not installed.
    """
    sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
    import pytest

    from postgres_server import shared_server

    try:
        return shared_server().url()
    except pytest.skip.Exception as reason:
        raise UserError(f"{reason}; or give a server by --url") from None
