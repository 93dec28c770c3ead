"""SQL around a query: a cursor that stops after some rows and raises an error before a row that is too large.

The driver takes a row of up to a gigabyte into memory before anyone can look at it, so the server must look first:
by lengths that it knows without reading the values, where there are such.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from psycopg import postgres

ROW_BYTES = 10_000_000
"""Largest row in bytes; a larger one is an error."""
TOO_LARGE = "row too large: "
"""Begins the server's message for such a row."""

_SHORT_NAMES = """
    bool int2 int4 int8 oid float4 float8 numeric money date time timetz timestamp timestamptz interval uuid inet cidr
"""
_SHORT = frozenset(postgres.types[name].oid for name in _SHORT_NAMES.split())
_STRINGS = frozenset(postgres.types[name].oid for name in ("text", "varchar", "bpchar", "name", "bytea", "json"))
FIRST_DEFINED = 16_384
"""Types from this oid on were made by users."""
RECORDS = frozenset((2249, 2287))
"""record and record[]."""


def cursor_name() -> str:
    """A name that no query can know."""
    return f"c_{secrets.token_hex(8)}"


def probe(name: str, sql: str) -> str:
    """DECLARE a cursor of no rows, whose FETCH tells a query's columns."""
    return f"DECLARE {name} NO SCROLL CURSOR FOR SELECT * FROM (\n{sql}\n) {cursor_name()} LIMIT 0"


def guarded(name: str, sql: str, row_limit: int, types: Sequence[int]) -> str:
    """DECLARE a cursor over at most `row_limit` + 1 rows of a query whose columns have these types (oids)."""
    columns = [f"k{number}" for number in range(len(types))]
    sizes = [f"coalesce({size}, 0)" for size in map(_size, columns, types) if size]
    limited = f"SELECT * FROM (\n{sql}\n) {cursor_name()} LIMIT {row_limit + 1:d}"
    if not sizes:
        return f"DECLARE {name} NO SCROLL CURSOR FOR {limited}"
    total = f"({' + '.join(sizes)})"
    return (
        f"DECLARE {name} NO SCROLL CURSOR FOR SELECT * FROM ({limited}) {cursor_name()}({', '.join(columns)}) "
        f"WHERE {total} <= {ROW_BYTES} OR CAST('{TOO_LARGE}' || {total} AS boolean)"
    )


def _size(column: str, oid: int) -> str | None:
    """Bytes of a value as an SQL expression; None for types whose values are short."""
    if oid in _SHORT:
        return None
    if oid in _STRINGS:
        return f"octet_length({column}::text)::bigint" if oid == 114 else f"octet_length({column})::bigint"
    stored = f"pg_column_size({column})::bigint"
    if oid >= FIRST_DEFINED:
        return stored
    return f"CASE WHEN {stored} > {ROW_BYTES} THEN {stored} ELSE octet_length({column}::text)::bigint END"
