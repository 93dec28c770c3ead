"""One question with its gold SQL: the noun that every data set is read into.

An `Example` holds no tokens and no prompt; it is what the set says and nothing more. WikiSQL's questions keep their
official query beside the SQL text, because WikiSQL is scored on that form.
"""

from __future__ import annotations

from dataclasses import dataclass

from text2sql.schema import Schema

AGGREGATES = ("", "max", "min", "count", "sum", "avg")
"""WikiSQL's aggregates; the position is the official number (Zhong et al. 2017, lib/query.py)."""

OPERATORS = ("=", ">", "<")
"""WikiSQL's condition operators; the position is the official number. The official "OP" (3) never occurs."""

Value = str | int | float
"""What a condition compares with; the Python type is part of the query."""


@dataclass(frozen=True)
class LogicalForm:
    """A WikiSQL query: one column, perhaps aggregated, under a conjunction of conditions.

    `select` and the first number of a condition are column numbers; `aggregate` indexes `AGGREGATES`, the second
    number of a condition `OPERATORS`. Conditions keep their order; whether order counts is the scorer's business.
    """

    select: int
    aggregate: int
    conditions: tuple[tuple[int, int, Value], ...] = ()


@dataclass(frozen=True)
class Example:
    """A question about `schema` and the SQL that answers it.

    `id` is unique within all sets and stable between runs. `sql` is empty for a question that no query answers.
    `database` is the path of the SQLite file, or None where the set has none; `source` names the set, `split` the
    part of it that was asked for. `logical_form` is given for WikiSQL only, `origins` where the schema was put together
    from WikiSQL's tables: their own schemas, by which the leak guard knows them.
    """

    id: str
    question: str
    sql: str
    schema: Schema
    database: str | None
    source: str
    split: str
    logical_form: LogicalForm | None = None
    origins: tuple[Schema, ...] = ()
