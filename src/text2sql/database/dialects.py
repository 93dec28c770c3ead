"""The model's SQL in another engine's dialect: SQLite's as Spider writes it into PostgreSQL's, DuckDB's or MySQL's.

sqlglot reads and writes the text; between the two, passes over its syntax tree write out what SQLite does by itself:
names and strings (`dialect_names`), functions (`dialect_functions`), grouping (`dialect_grouping`), conversions
between types (`dialect_types`). The aim is a query that runs and gives SQLite's rows. What may differ is listed in
docs/results/postgres.md: ties, the row that a bare column comes from, and texts, whose order is the database's own.
"""

from __future__ import annotations

import sqlglot
from sqlglot import exp

from text2sql.database.dialect_functions import rewrite_functions
from text2sql.database.dialect_grouping import column_key, strict_grouping
from text2sql.database.dialect_names import resolve_names, sources_of
from text2sql.database.dialect_types import add_casts
from text2sql.errors import UserError
from text2sql.schema import Schema
from text2sql.sql_tree import own_nodes

DIALECTS = ("postgres", "duckdb", "mysql")
"""Dialects that can be written, as sqlglot spells them."""


def transpile(sql: str, schema: Schema, dialect: str) -> str:
    """A reading query in SQLite's dialect, as one that gives the same rows in another.

    `schema` is that of the database the result will run on. Raises UserError for an unknown dialect, for SQL that
    cannot be parsed or is not a single SELECT, and for what has no equal in the dialect.
    """
    if dialect not in DIALECTS:
        raise UserError(f"no SQL can be written for {dialect!r}: choose one of {', '.join(DIALECTS)}")
    query = _parse(sql)
    try:
        resolve_names(query, schema)
        rewrite_functions(query, dialect)
        _conditions_after_tables(query)
        strict_grouping(query, dialect)
        add_casts(query, dialect)
        return query.sql(dialect, comments=False)
    except (sqlglot.errors.SqlglotError, RecursionError) as error:
        raise UserError(f"this SQL cannot be written for {dialect}: {_first_line(error)}") from error


def _parse(sql: str) -> exp.Query:
    try:
        statements = [statement for statement in sqlglot.parse(sql, read="sqlite") if statement is not None]
    except (sqlglot.errors.SqlglotError, RecursionError) as error:
        raise UserError(f"the SQL cannot be parsed: {_first_line(error)}") from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise UserError("the SQL is not a single SELECT: give one reading query")
    return statements[0]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _conditions_after_tables(query: exp.Query) -> None:
    """An ON that names a table further right goes to WHERE: SQLite sees all tables of FROM everywhere."""
    for select in query.find_all(exp.Select):
        joins = select.args.get("joins") or []
        order = {source.tag: place for place, source in enumerate(sources_of(select))}
        if any(join.side for join in joins):
            continue
        for place, join in enumerate(joins, 1):
            on = join.args.get("on")
            keys = [column_key(column) for column in own_nodes(on, exp.Column)] if on else []
            if any(key and order.get(key[0], 0) > place for key in keys):
                join.set("on", exp.true())
                select.where(on, copy=False)
