"""The schema of a database: the noun that every floor shares.

A `Schema` is immutable and knows nothing of connections, prompts or tokens. Names are kept as the database spells
them; look-ups ignore case, as SQL does. `label` is the name in natural words ("singer id" for `Singer_ID`), which
Spider supplies and which is otherwise derived from the name.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import sqlglot
from sqlglot import exp

from text2sql.errors import UserError

COLUMN_TYPES = ("text", "number", "time", "boolean", "others")
"""The coarse types of Spider's tables.json; every database's own types map onto them."""


def words_of(name: str) -> str:
    """Natural words of an identifier: `ArtistID` and `artist_id` both give `artist id`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return " ".join(re.sub(r"[_\s]+", " ", spaced).lower().split()) or name


def coarse_type(declared: str) -> str:
    """Map a declared SQL type (`VARCHAR(20)`, `numeric(10,2)`) onto one of `COLUMN_TYPES`."""
    upper = declared.upper().strip()
    if upper.startswith("ENUM"):  # which holds the letters of NUM, and its values any others
        return "text"
    if "BOOL" in upper:
        return "boolean"
    if any(mark in upper for mark in ("DATE", "TIME", "YEAR", "INTERVAL")):
        return "time"
    if any(mark in upper for mark in ("INT", "REAL", "FLOA", "DOUB", "NUM", "DEC", "SERIAL", "MONEY", "BIT")):
        return "number"
    if any(mark in upper for mark in ("CHAR", "TEXT", "CLOB", "STRING", "UUID")) or not upper:
        return "text"
    return "others"


@dataclass(frozen=True)
class Column:
    """A column; `type` is one of `COLUMN_TYPES`."""

    name: str
    type: str = "text"
    label: str = ""
    comment: str = ""

    @property
    def words(self) -> str:
        """The column's name in natural words."""
        return self.label or words_of(self.name)


@dataclass(frozen=True)
class Table:
    """A table (or view) with its columns in declaration order."""

    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    label: str = ""
    comment: str = ""

    @property
    def words(self) -> str:
        """The table's name in natural words."""
        return self.label or words_of(self.name)

    def column(self, name: str) -> Column | None:
        """The column of that name, ignoring case, or None."""
        return self._by_name.get(name.lower())

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {column.name.lower(): column for column in self.columns}


@dataclass(frozen=True)
class ForeignKey:
    """`table(columns)` references `referenced_table(referenced_columns)`, column by column."""

    table: str
    columns: tuple[str, ...]
    referenced_table: str
    referenced_columns: tuple[str, ...]


@dataclass(frozen=True)
class Schema:
    """Tables and foreign keys of one database.

    Columns are numbered 0, 1, ... through all tables in order, tables likewise: these numbers are what the
    prompt's id tokens stand for.
    """

    name: str
    tables: tuple[Table, ...]
    foreign_keys: tuple[ForeignKey, ...] = field(default=())

    def table(self, name: str) -> Table | None:
        """The table of that name, ignoring case, or None."""
        index = self._table_numbers.get(name.lower())
        return None if index is None else self.tables[index]

    @cached_property
    def columns(self) -> tuple[tuple[Table, Column], ...]:
        """Every column with its table; the position is the column's number."""
        return tuple((table, column) for table in self.tables for column in table.columns)

    def table_number(self, table: str) -> int:
        """The table's number. Raises KeyError when there is no such table."""
        return self._table_numbers[table.lower()]

    def column_number(self, table: str, column: str) -> int:
        """The column's number. Raises KeyError when there is no such column."""
        return self._column_numbers[table.lower(), column.lower()]

    @cached_property
    def _table_numbers(self) -> dict[str, int]:
        return {table.name.lower(): number for number, table in enumerate(self.tables)}

    @cached_property
    def _column_numbers(self) -> dict[tuple[str, str], int]:
        return {(t.name.lower(), c.name.lower()): number for number, (t, c) in enumerate(self.columns)}

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the schema's JSON form: equal for equal schemas, whatever they were read from."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """A JSON form that `from_json` reads back unchanged."""
        return {
            "name": self.name,
            "tables": [
                {
                    "name": table.name,
                    "label": table.label,
                    "comment": table.comment,
                    "primary_key": list(table.primary_key),
                    "columns": [[c.name, c.type, c.label, c.comment] for c in table.columns],
                }
                for table in self.tables
            ],
            "foreign_keys": [
                [key.table, list(key.columns), key.referenced_table, list(key.referenced_columns)]
                for key in self.foreign_keys
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Schema:
        """Read what `to_json` wrote. Raises UserError when a part is missing or misshapen."""
        try:
            tables = tuple(
                Table(
                    table["name"],
                    tuple(Column(*column) for column in table["columns"]),
                    tuple(table.get("primary_key", ())),
                    table.get("label", ""),
                    table.get("comment", ""),
                )
                for table in data["tables"]
            )
            keys = tuple(ForeignKey(t, tuple(c), rt, tuple(rc)) for t, c, rt, rc in data.get("foreign_keys", ()))
            return cls(data["name"], tables, keys)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"not a schema in JSON form ({error!r}): expected name, tables, foreign_keys") from error

    @classmethod
    def from_spider(cls, entry: Mapping[str, Any]) -> Schema:
        """One entry of a Spider-style `tables.json`.

        Raises UserError when a key is missing, an index is wrong, or a table has no columns or a name that is no text.
        """
        try:
            return _from_spider(entry)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            name = entry.get("db_id", "?") if isinstance(entry, Mapping) else "?"
            raise UserError(f"the entry {name!r} is not in Spider's form ({error!r})") from error

    @classmethod
    def from_ddl(cls, ddl: str, name: str = "database") -> Schema:
        """CREATE TABLE statements; other statements are ignored.

        Raises UserError when the text holds no CREATE TABLE that can be read.
        """
        try:
            statements = sqlglot.parse(ddl, read="sqlite")
        except sqlglot.errors.SqlglotError as error:
            raise UserError(f"schema {name!r}: the DDL cannot be parsed: {str(error).splitlines()[0]}") from error
        creates = [s for s in statements if isinstance(s, exp.Create) and isinstance(s.this, exp.Schema)]
        if not creates:
            raise UserError(f"schema {name!r}: no CREATE TABLE statement found in the DDL")
        tables = {table.name.lower(): table for table in map(_ddl_table, creates)}
        keys = []
        for key in (key for create in creates for key in _ddl_foreign_keys(create)):
            target = tables.get(key.referenced_table.lower())
            if not key.referenced_columns and target:  # REFERENCES t means t's primary key
                key = replace(key, referenced_columns=target.primary_key)
            if target and len(key.columns) == len(key.referenced_columns):
                keys.append(key)
        return cls(name, tuple(tables.values()), tuple(keys))

    def without_internal_tables(self) -> Schema:
        """The schema without the tables that SQLite keeps for itself, which no CREATE TABLE may name."""
        internal = {table.name for table in self.tables if table.name.lower().startswith("sqlite_")}
        if not internal:
            return self
        return Schema(
            self.name,
            tuple(table for table in self.tables if table.name not in internal),
            tuple(key for key in self.foreign_keys if internal.isdisjoint((key.table, key.referenced_table))),
        )

    def to_ddl(self) -> str:
        """CREATE TABLE statements in SQLite's dialect, with keys; names are quoted."""
        return "\n".join(_table_ddl(table, self.foreign_keys) for table in self.tables)


_KEYWORD_LIST = """
    abort action add after all alter always analyze and as asc attach autoincrement avg before begin between by
    cascade case cast check collate column commit conflict constraint count create cross current current_date
    current_time current_timestamp database date default deferrable deferred delete desc detach distinct do drop each
    else end escape except exclude exclusive exists explain fail filter first following for foreign from full
    generated glob group groups having if ignore immediate in index indexed initially inner insert instead intersect
    interval into is isnull join key last left like limit match materialized max min natural no not nothing notnull
    null nulls of offset on or order others outer over partition plan pragma preceding primary query raise range
    recursive references regexp reindex release rename replace restrict returning right rollback row rows savepoint
    select set sum table temp temporary then ties time timestamp to transaction trigger unbounded union unique update
    using vacuum values view virtual when where window with without
"""

_KEYWORDS = frozenset(_KEYWORD_LIST.split())
"""SQLite's keywords (sqlite.org/lang_keywords.html), the aggregates, and words that other dialects reserve."""


def is_plain_name(name: str) -> bool:
    """Whether a name needs no quotes in SQL."""
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is not None and name.lower() not in _KEYWORDS


def quote_identifier(name: str) -> str:
    """A name as a double-quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _from_spider(entry: Mapping[str, Any]) -> Schema:
    names = entry["column_names_original"]
    labels = entry["column_names"]
    types = entry["column_types"]
    primary = {key for keys in entry["primary_keys"] for key in (keys if isinstance(keys, list) else [keys])}
    tables = []
    for number, table_name in enumerate(entry["table_names_original"]):
        positions = [i for i, (table, _) in enumerate(names) if table == number]
        columns = tuple(Column(names[i][1], types[i], labels[i][1]) for i in positions)
        if not (columns and all(isinstance(name, str) for name in (table_name, *(column.name for column in columns)))):
            raise ValueError(f"table {table_name!r} lacks columns or names")
        key = tuple(names[i][1] for i in positions if i in primary)
        tables.append(Table(table_name, columns, key, entry["table_names"][number]))
    keys = tuple(
        ForeignKey(
            tables[names[source][0]].name, (names[source][1],), tables[names[target][0]].name, (names[target][1],)
        )
        for source, target in entry["foreign_keys"]
    )
    return Schema(entry["db_id"], tuple(tables), keys)


def _ddl_table(create: exp.Create) -> Table:
    columns, primary = [], []
    for item in create.this.expressions:
        if isinstance(item, exp.ColumnDef):
            declared = item.args.get("kind")
            columns.append(Column(item.name, coarse_type(declared.sql("sqlite") if declared else "")))
            if item.find(exp.PrimaryKeyColumnConstraint):
                primary.append(item.name)
        elif isinstance(item, exp.Identifier):  # a column without a type, which SQLite allows
            columns.append(Column(item.name))
    for constraint in create.this.find_all(exp.PrimaryKey):
        primary += [part.name for part in constraint.expressions]
    return Table(create.this.this.name, tuple(columns), tuple(primary))


def _ddl_foreign_keys(create: exp.Create) -> Iterator[ForeignKey]:
    table = create.this.this.name
    for key in create.this.find_all(exp.ForeignKey):
        target = key.args["reference"].this
        yield ForeignKey(table, tuple(c.name for c in key.expressions), *_reference(target))
    for column in create.this.find_all(exp.ColumnDef):
        for reference in column.find_all(exp.Reference):
            yield ForeignKey(table, (column.name,), *_reference(reference.this))


def _reference(target: exp.Expr) -> tuple[str, tuple[str, ...]]:
    if isinstance(target, exp.Schema):
        return target.this.name, tuple(c.name for c in target.expressions)
    return target.name, ()


def _table_ddl(table: Table, keys: tuple[ForeignKey, ...]) -> str:
    sql_types = {"number": "NUMERIC", "time": "DATETIME", "boolean": "BOOLEAN", "others": "BLOB"}
    lines = [f"{quote_identifier(c.name)} {sql_types.get(c.type, 'TEXT')}" for c in table.columns]
    if table.primary_key:
        lines.append(f"PRIMARY KEY ({', '.join(map(quote_identifier, table.primary_key))})")
    for key in keys:
        if key.table == table.name:
            source = ", ".join(map(quote_identifier, key.columns))
            target = ", ".join(map(quote_identifier, key.referenced_columns))
            target = f" ({target})" if target else ""
            lines.append(f"FOREIGN KEY ({source}) REFERENCES {quote_identifier(key.referenced_table)}{target}")
    return f"CREATE TABLE {quote_identifier(table.name)} (\n  " + ",\n  ".join(lines) + "\n);"
