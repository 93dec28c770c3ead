"""A small tree of the queries that are generated, and its spelling as SQL.

The spelling is Spider's: upper-case keywords, `T1`, `T2`, ... for joined tables, string values in single quotes. The
masked spelling, in which every name and value is one letter, is the query's template: what the split by templates
holds out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from text2sql.schema import quote_identifier
from text2sql.synthesis.catalogue import ColumnFacts, TableFacts
from text2sql.synthesis.vocabulary import RESERVED

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Field:
    """A column of the query's source number `source`, perhaps aggregated; no column is `*`."""

    column: ColumnFacts | None
    source: int = 0
    aggregate: str = ""
    distinct: bool = False


COUNT = Field(None, aggregate="count")
STAR = Field(None)


@dataclass(frozen=True)
class Comparison:
    """`left operator right`; right is a literal, two (BETWEEN), a tuple (IN), a query, or None (IS NULL)."""

    left: Field
    operator: str
    right: Any = None


@dataclass(frozen=True)
class Join:
    """Source number `right` joins: its column equals the column of an earlier source."""

    left: Field
    right: Field


@dataclass(frozen=True)
class Query:
    """One SELECT, or with `combined` two of them under a set operation."""

    fields: tuple[Field, ...]
    sources: tuple[TableFacts, ...]
    joins: tuple[Join, ...] = ()
    where: tuple[Comparison, ...] = ()
    connective: str = "AND"
    distinct: bool = False
    group: Field | None = None
    having: Comparison | None = None
    order: Field | None = None
    descending: bool = False
    limit: int | None = None
    combined: tuple[str, Query] | None = None

    def combine(self, operation: str, other: Query) -> Query:
        """This query UNION, INTERSECT or EXCEPT another one."""
        return replace(self, combined=(operation, other))


def to_sql(query: Query) -> str:
    """The query's SQL text."""
    return _Speller(masked=False).query(query)


def to_template(query: Query) -> str:
    """The SQL text with `t` for tables, `c` for columns, `s` for strings and `n` for numbers."""
    return _Speller(masked=True).query(query)


def quote_string(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("'", "''") + "'"


class _Speller:
    def __init__(self, masked: bool) -> None:
        self.masked = masked

    def query(self, query: Query) -> str:
        head = "SELECT DISTINCT " if query.distinct else "SELECT "
        parts = [head + ", ".join(self.field(field, query) for field in query.fields), self.sources(query)]
        if query.where:
            conditions = (self.comparison(condition, query) for condition in query.where)
            parts.append("WHERE " + f" {query.connective} ".join(conditions))
        if query.group:
            parts.append("GROUP BY " + self.field(query.group, query))
        if query.having:
            parts.append("HAVING " + self.comparison(query.having, query))
        if query.order:
            parts.append("ORDER BY " + self.field(query.order, query) + (" DESC" if query.descending else ""))
        if query.limit is not None:
            parts.append(f"LIMIT {self.literal(query.limit) if query.limit > 1 else 1}")
        if query.combined:
            parts += [query.combined[0], self.query(query.combined[1])]
        return " ".join(parts)

    def sources(self, query: Query) -> str:
        text = "FROM " + self.name(query.sources[0].name, "t") + (" AS T1" if query.joins else "")
        for join in query.joins:
            number = join.right.source
            left, right = self.field(join.left, query), self.field(join.right, query)
            text += f" JOIN {self.name(query.sources[number].name, 't')} AS T{number + 1} ON {left} = {right}"
        return text

    def field(self, field: Field, query: Query) -> str:
        text = "*"
        if field.column is not None:
            text = self.name(field.column.name, "c")
            text = f"T{field.source + 1}.{text}" if query.joins else text
        if field.aggregate:
            text = f"{field.aggregate}({'DISTINCT ' if field.distinct else ''}{text})"
        return text

    def comparison(self, comparison: Comparison, query: Query) -> str:
        left, operator, right = self.field(comparison.left, query), comparison.operator, comparison.right
        if right is None:
            return f"{left} {operator}"
        if operator == "BETWEEN":
            return f"{left} BETWEEN {self.literal(right[0])} AND {self.literal(right[1])}"
        if isinstance(right, Query):
            return f"{left} {operator} ({self.query(right)})"
        if isinstance(right, tuple):
            return f"{left} {operator} ({', '.join(self.literal(value) for value in right)})"
        return f"{left} {operator} {self.literal(right)}"

    def name(self, name: str, mask: str) -> str:
        if self.masked:
            return mask
        plain = _PLAIN_NAME.fullmatch(name) and name.upper() not in RESERVED
        return name if plain else quote_identifier(name)

    def literal(self, value: Any) -> str:
        if isinstance(value, str):
            return "s" if self.masked else quote_string(value)
        return "n" if self.masked else number_text(value)


def number_text(value: float) -> str:
    """The shortest spelling: `20`, `12.5`."""
    return str(int(value)) if value == int(value) else repr(value)
