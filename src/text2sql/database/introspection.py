"""Read the `Schema` of an open SQLite connection: tables, views, columns, primary and foreign keys.

Declared types become the coarse types of `text2sql.schema`. A reference without columns means the referenced
table's primary key. What cannot be resolved (a broken view, a key to a missing table) is left out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import groupby

from text2sql.schema import Column, ForeignKey, Schema, Table, coarse_type, quote_identifier


def introspect(connection: sqlite3.Connection, name: str) -> Schema:
    """The schema of the main database. Raises sqlite3.Error when the file cannot be read."""
    names = [row[0] for row in connection.execute(_TABLE_NAMES)]
    shadows = {row[1] for row in connection.execute("PRAGMA main.table_list") if row[2] == "shadow"}
    tables = tuple(filter(None, (_table(connection, table) for table in names if table not in shadows)))
    schema = Schema(name, tables)
    keys = (key for table in tables for key in _foreign_keys(connection, table.name, schema))
    return Schema(name, tables, tuple(keys))


_TABLE_NAMES = """
    SELECT name FROM main.sqlite_master
    WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid
"""


def _table(connection: sqlite3.Connection, name: str) -> Table | None:
    try:
        rows = connection.execute(f"PRAGMA main.table_xinfo({quote_identifier(name)})").fetchall()
    except sqlite3.OperationalError:
        return None  # a view of something that is gone, a virtual table whose module is missing
    shown = [row for row in rows if row[6] != 1]  # 1: a virtual table's hidden argument columns
    columns = tuple(Column(row[1], coarse_type(row[2] or "")) for row in shown)
    primary = sorted((row[5], row[1]) for row in shown if row[5])
    return Table(name, columns, tuple(column for _, column in primary)) if columns else None


def _foreign_keys(connection: sqlite3.Connection, table: str, schema: Schema) -> Iterator[ForeignKey]:
    rows = connection.execute(f"PRAGMA main.foreign_key_list({quote_identifier(table)})").fetchall()
    rows.sort(key=lambda row: (-row[0], row[1]))  # SQLite numbers the keys backwards
    for _, parts in groupby(rows, key=lambda row: row[0]):
        key = _resolved(table, list(parts), schema)
        if key:
            yield key


def _resolved(table: str, parts: list[tuple], schema: Schema) -> ForeignKey | None:
    """The key with every name spelt as its table spells it, or None where a name does not exist."""
    source, target = schema.table(table), schema.table(parts[0][2])
    if source is None or target is None:
        return None
    to_names = [part[4] for part in parts if part[4] is not None] or list(target.primary_key)
    from_columns = [source.column(part[3]) for part in parts]
    to_columns = [target.column(name) for name in to_names]
    if len(from_columns) != len(to_columns) or None in from_columns or None in to_columns:
        return None
    spelt = [tuple(column.name for column in columns if column) for columns in (from_columns, to_columns)]
    return ForeignKey(table, spelt[0], target.name, spelt[1])
