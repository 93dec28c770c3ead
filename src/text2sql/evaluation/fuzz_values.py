"""Values that tell queries apart: the constants that gold queries compare columns with, and near misses of them.

A database that holds `2014`, `2013` and `2015` where a query asks for `year > 2014` separates it from `year >= 2014`;
one that never holds 2014 does not. The idea of drawing from the gold query's constants is that of Zhong, Yu, Klein
2020, "Semantic evaluation for text-to-SQL with distilled test suites", section 4.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlglot
from sqlglot import exp

from text2sql.schema import Schema

_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Like, exp.Between, exp.In)
_FILLERS = ("", "x", "Zoë ")
"""What `%` of a LIKE pattern may stand for."""


def telling_values(queries: Iterable[str], schema: Schema) -> dict[str, list[Any]]:
    """Lower-case column name -> constants that some query compares such a column with, and their near misses.

    Columns are told apart by name only: a constant helps in every column of that name. What cannot be parsed gives
    nothing.
    """
    names = {column.name.lower() for _, column in schema.columns}
    found: dict[str, dict[Any, None]] = {}
    for query in dict.fromkeys(queries):
        try:
            tree = sqlglot.parse_one(query, read="sqlite")
        except (sqlglot.errors.SqlglotError, RecursionError):
            continue
        for comparison in tree.find_all(*_COMPARISONS):
            for column, value in _compared(comparison, names):
                pattern = isinstance(comparison, exp.Like)
                misses = _pattern_misses(value) if pattern else near_misses(value)
                found.setdefault(column, {}).update(dict.fromkeys(misses))
    return {column: list(values) for column, values in found.items()}


def _compared(comparison: exp.Expr, names: set[str]) -> Iterator[tuple[str, Any]]:
    """(column, constant) for every constant of a comparison, through functions: `max(age) > 30` is about age."""
    sides = [part for part in comparison.iter_expressions() if not isinstance(part, exp.Query)]
    mentioned = [column.name.lower() for side in sides for column in side.find_all(exp.Column)]
    columns = [name for name in dict.fromkeys(mentioned) if name in names]
    for side in sides:
        value = _constant(side, names)
        if value is not None:
            yield from ((column, value) for column in columns)


def _constant(side: exp.Expr, names: set[str]) -> Any:
    """The value of a literal, or None. An unknown double-quoted name is a string, as SQLite has it."""
    if isinstance(side, exp.Neg) and isinstance(side.this, exp.Literal) and not side.this.is_string:
        return -_number(side.this.name)
    if isinstance(side, exp.Literal):
        return side.name if side.is_string else _number(side.name)
    if isinstance(side, exp.Column) and side.this.args.get("quoted") and side.name.lower() not in names:
        return side.name
    return None


def _number(text: str) -> int | float:
    return int(text) if text.isdigit() else float(text)


def near_misses(value: Any) -> list[Any]:
    """The value itself first, then its neighbours: one more and less; other case, a letter more, one less."""
    if isinstance(value, str):
        if re.fullmatch(r"-?\d+", value):
            return [value, str(int(value) + 1), str(int(value) - 1)]
        return list(dict.fromkeys([value, value.swapcase(), value + "s", value[:-1]]))
    return [value, value + 1, value - 1]


def _pattern_misses(pattern: Any) -> list[str]:
    """Texts that a LIKE pattern matches, and texts that lack a letter of it."""
    filled = [str(pattern).replace("_", "q").replace("%", filler) for filler in _FILLERS]
    return list(dict.fromkeys([*filled, filled[0][1:], filled[0].swapcase()]))


def more_values(values: Sequence[Any], wanted: int) -> list[Any]:
    """The values and, if they are too few, new ones of their kind until there are `wanted` different ones."""
    pool = dict.fromkeys(values)
    numbers = [value for value in pool if isinstance(value, int | float)]
    texts = [value for value in pool if isinstance(value, str)] or ["item"]
    start = int(max(numbers)) + 1 if numbers and abs(max(numbers)) < 2**53 else 1
    numeric, number = len(numbers) * 2 >= len(pool), 0
    while len(pool) < wanted:
        fresh = start + number if numeric else f"{texts[number % len(texts)]} {number}"
        pool.setdefault(fresh)
        number += 1
    return list(pool)
