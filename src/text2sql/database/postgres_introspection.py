"""Read the `Schema` of a PostgreSQL database from its catalogs: what the role may read, and nothing else.

Tables, partitioned tables (their partitions are left out), views, materialised views and foreign tables of all
schemas but the system's. A table that the search path finds is called by its bare name, any other one
`schema.table`: one name with a dot in it, which `dialects.transpile` takes apart again. So a table with a dot in its
own name is left out. Names that differ only in case cannot be told apart by a `Schema`: the second gets its schema's
name too, or is left out where that does not help.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from text2sql.schema import Column, ForeignKey, Schema, Table

Ask = Callable[[str], list[tuple[Any, ...]]]
"""Runs one trusted query and gives its rows."""


@dataclass(frozen=True)
class Relation:
    """Where a table of the `Schema` is: its schema, its own name, its oid, and `r`, `p`, `v`, `m` or `f` (pg_class)."""

    schema: str
    name: str
    oid: int
    kind: str


def introspect(ask: Ask, name: str) -> tuple[Schema, dict[str, Relation]]:
    """The schema, and for each table's name in it (in lower case) where that table is."""
    columns: dict[int, list[tuple[Any, ...]]] = {}
    for row in ask(_COLUMNS):
        columns.setdefault(row[0], []).append(row[1:])
    keys = ask(_KEYS)
    primary = {row[1]: tuple(json.loads(row[2])) for row in keys if row[0] == "p"}
    tables: list[Table] = []
    relations: dict[str, Relation] = {}
    for oid, schema, own_name, kind, visible, comment in ask(_RELATIONS):
        shown = _free_name(schema, own_name, visible, relations)
        if shown is None or oid not in columns:
            continue
        relations[shown.lower()] = Relation(schema, own_name, oid, kind)
        tables.append(_table(shown, comment, columns[oid], primary.get(oid, ())))
    names = {relation.oid: table.name for relation, table in zip(relations.values(), tables, strict=True)}
    return Schema(name, tuple(tables), tuple(_foreign_keys(keys, names))), relations


def _free_name(schema: str, name: str, visible: bool, taken: Iterable[str]) -> str | None:
    """What a table is called in the `Schema`, or None where nothing is free."""
    if "." in schema + name:
        return None
    names = [name, f"{schema}.{name}"] if visible else [f"{schema}.{name}"]
    return next((candidate for candidate in names if candidate.lower() not in taken), None)


def _table(name: str, comment: str, rows: list[tuple[Any, ...]], primary: tuple[str, ...]) -> Table:
    columns: dict[str, Column] = {}
    for column, category, type_name, description in rows:
        kind = "text" if type_name == "uuid" else _TYPES.get(category, "others")
        columns.setdefault(column.lower(), Column(column, kind, comment=_one_line(description)))
    return Table(name, tuple(columns.values()), primary, comment=_one_line(comment))


def _foreign_keys(keys: list[tuple[Any, ...]], names: dict[int, str]) -> Iterable[ForeignKey]:
    for kind, oid, columns, target, target_columns in keys:
        if kind == "f" and oid in names and target in names:
            yield ForeignKey(names[oid], tuple(json.loads(columns)), names[target], tuple(json.loads(target_columns)))


def _one_line(comment: str | None) -> str:
    return " ".join((comment or "").split())


_TYPES = {"B": "boolean", "D": "time", "T": "time", "N": "number", "S": "text", "E": "text"}
"""pg_type.typcategory -> coarse type."""

_VISIBLE = """
    c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND c.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    AND has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass
                    AND d.objid = c.oid AND d.deptype = 'e')
"""

_RELATIONS = f"""
    SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, pg_table_is_visible(c.oid),
           obj_description(c.oid, 'pg_class')
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE {_VISIBLE}
    ORDER BY pg_table_is_visible(c.oid) DESC, array_position(current_schemas(false), n.nspname), n.nspname, c.oid
"""

_COLUMNS = f"""
    SELECT c.oid, a.attname::text, coalesce(base.typcategory, t.typcategory)::text,
           coalesce(base.typname, t.typname)::text, col_description(c.oid, a.attnum)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid LEFT JOIN pg_catalog.pg_type base ON base.oid = t.typbasetype
    WHERE {_VISIBLE} AND has_column_privilege(c.oid, a.attnum, 'SELECT')
    ORDER BY c.oid, a.attnum
"""

_NAMES = """
    (SELECT json_agg(a.attname ORDER BY u.place)::text FROM unnest({numbers}) WITH ORDINALITY u(number, place)
     JOIN pg_catalog.pg_attribute a ON a.attrelid = {table} AND a.attnum = u.number)
"""

_KEYS = f"""
    SELECT k.contype::text, k.conrelid, {_NAMES.format(numbers="k.conkey", table="k.conrelid")},
           k.confrelid, {_NAMES.format(numbers="k.confkey", table="k.confrelid")}
    FROM pg_catalog.pg_constraint k WHERE k.contype IN ('p', 'f') ORDER BY k.conrelid, k.oid
"""
