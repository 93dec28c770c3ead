"""The structure of a query as Spider's exact set match sees it, and the names of a schema that it needs.

Plain immutable values that compare equal when Spider takes them for equal. `text2sql.evaluation.spider_sql` makes
them from text; exact match and hardness read them. Structure: Yu et al. 2018, "Spider", section 4 and appendix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from text2sql.schema import Schema


class ColumnUnit(NamedTuple):
    """`max(DISTINCT t.c)`. `column` is "table.column" in lower case, or "*"; `distinct` is None once ignored."""

    aggregate: str
    column: str
    distinct: bool | None


class ValueUnit(NamedTuple):
    """One column, or two joined by an arithmetic operator."""

    operator: str
    left: ColumnUnit
    right: ColumnUnit | None


class SelectItem(NamedTuple):
    """One output column; `aggregate` is the one around the whole unit."""

    aggregate: str
    unit: ValueUnit


class Condition(NamedTuple):
    """`unit [NOT] operator value [AND second_value]`; the second value belongs to BETWEEN only."""

    negated: bool
    operator: str
    unit: ValueUnit
    value: Value
    second_value: Value


class OrderBy(NamedTuple):
    """ORDER BY: Spider keeps one direction for all units, the last one written."""

    direction: str
    units: tuple[ValueUnit, ...]


@dataclass(frozen=True)
class Query:
    """One SELECT with its clauses, and the query that a set operation puts after it.

    `tables` are lower-case names or, for a subquery in FROM, queries. The condition lists alternate conditions and
    "and"/"or", except where the text left out a connective. LIMIT's number isn't kept: Spider reads every one as 1.
    """

    tables: tuple[str | Query, ...] = ()
    join_conditions: Conditions = ()
    distinct: bool | None = False
    select: tuple[SelectItem, ...] = ()
    where: Conditions = ()
    group_by: tuple[ColumnUnit, ...] = ()
    having: Conditions = ()
    order_by: OrderBy | None = None
    limit: bool = False
    set_operation: str | None = None
    set_query: Query | None = None


Value = float | str | ColumnUnit | Query | None
Conditions = tuple[Condition | str, ...]


@dataclass(frozen=True)
class SchemaNames:
    """What the parser and the metric need of a schema, in lower case.

    `columns`: column names per table. `identifiers`: every name that a table position may hold ("table",
    "table.column", "*"). `representative`: for each column in a foreign key, the one that stands for all joined to it.
    """

    columns: Mapping[str, frozenset[str]]
    identifiers: frozenset[str]
    representative: Mapping[str, str]


@lru_cache(maxsize=512)
def schema_names(schema: Schema) -> SchemaNames:
    """The names of a schema, made once per schema."""
    columns = {table.name.lower(): frozenset(c.name.lower() for c in table.columns) for table in schema.tables}
    qualified = [f"{table.name}.{column.name}".lower() for table, column in schema.columns]
    return SchemaNames(columns, frozenset(["*", *columns, *qualified]), _representatives(schema, qualified))


def _representatives(schema: Schema, qualified: Sequence[str]) -> dict[str, str]:
    """Columns joined by foreign keys -> the first of them in the schema's order.

    As in the reference, a key joins the *first* group that holds either end and groups are never merged, so a column
    can be in two groups; the later group wins.
    """
    number = {name: position for position, name in enumerate(qualified)}
    groups: list[set[int]] = []
    for key in schema.foreign_keys:
        for column, referenced in zip(key.columns, key.referenced_columns, strict=False):
            ends = {
                number.get(f"{key.table}.{column}".lower()),
                number.get(f"{key.referenced_table}.{referenced}".lower()),
            }
            pair = {end for end in ends if end is not None}
            group = next((group for group in groups if group & pair), None)
            if group is None:
                groups.append(group := set())
            group |= pair
    return {qualified[member]: qualified[min(group)] for group in groups for member in group}
