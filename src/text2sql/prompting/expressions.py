"""Parts of canonical expressions: pointers in place of names, and the walks over a query that ignore nested ones.

Reading and writing SQL text is sqlglot's; the spelling that Spider's own parser accepts is set here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import sqlglot
from sqlglot import exp
from sqlglot.generators.sqlite import SQLiteGenerator

from text2sql.prompting.joins import ColumnPairs
from text2sql.schema import is_plain_name
from text2sql.sql_tree import own_nodes

POINTER = re.compile(r"([ct])(\d+)(?:_(\d+))?")
"""`c7`, `t2`, `c7_2`: kind, number, use."""


class CanonicalError(ValueError):
    """SQL that cannot be read, or that names something outside the schema."""


class _Generator(SQLiteGenerator):
    """SQLite's dialect in the spelling that Spider's own parser accepts."""

    def neq_sql(self, expression: exp.NEQ) -> str:
        return self.binary(expression, "!=")

    def not_sql(self, expression: exp.Not) -> str:
        inner = expression.this
        if isinstance(inner, exp.In | exp.Like | exp.Between) and not inner.args.get("negate"):
            subject, rest = self.sql(inner.this), self.sql(inner)
            return f"{subject} NOT{rest[len(subject) :]}"
        if isinstance(inner, exp.Is):
            return f"{self.sql(inner.this)} IS NOT {self.sql(inner.expression)}"
        return super().not_sql(expression)

    def join_sql(self, expression: exp.Join, join_op: str | None = None) -> str:
        side = f"{expression.side} " if expression.side else ""
        on = on_condition(expression)
        condition = f" ON {self.sql(on)}" if on is not None else ""
        cross = "CROSS " if expression.kind == "CROSS" and is_table_pointer(expression.this) else ""
        return f" {side}{cross}JOIN {self.sql(expression.this)}{condition}"


def to_sql(expression: exp.Expr) -> str:
    """SQL text of an expression."""
    return _Generator(dialect="sqlite", comments=False).generate(expression)


def parse(sql: str) -> exp.Query:
    """One SELECT (or set operation). Raises CanonicalError for anything else."""
    try:
        statements = [s for s in sqlglot.parse(sql, read="sqlite") if s is not None]
    except (sqlglot.errors.SqlglotError, RecursionError) as error:
        raise CanonicalError(f"not readable as SQL: {str(error).splitlines()[0]}") from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise CanonicalError("expected a single SELECT statement")
    return statements[0]


def mentioned_columns(select: exp.Select) -> Iterator[tuple[int, int]]:
    """(column number, use) of each pointer in a canonical SELECT, without its nested queries and ON conditions."""
    for column in own_nodes(select, exp.Column):
        pointer = POINTER.fullmatch(column.table if isinstance(column.this, exp.Star) else column.name)
        if pointer and pointer[1] == "c" and column.find_ancestor(exp.Join, exp.Select) is select:
            yield int(pointer[2]), int(pointer[3] or 1)


def on_condition(join: exp.Join) -> exp.Expr | None:
    """The ON of a join; sqlglot reads a missing one as TRUE."""
    on = join.args.get("on")
    return None if isinstance(on, exp.Boolean) else on


def pointer_column(kind: str, number: int, use: int) -> exp.Column:
    return exp.column(f"{kind}{number}" + (f"_{use}" if use > 1 else ""))


def is_table_pointer(node: exp.Expr) -> bool:
    return isinstance(node, exp.Table) and not node.alias and POINTER.fullmatch(node.name) is not None


def table_key(node: exp.Expr) -> tuple[int, int]:
    pointer = POINTER.fullmatch(node.name)
    if not isinstance(node, exp.Table) or pointer is None or pointer[1] != "t":
        raise CanonicalError(f"{node.name!r} in FROM is no table")
    return int(pointer[2]), int(pointer[3] or 1)


def identifier(name: str) -> exp.Identifier:
    return exp.to_identifier(name, quoted=not is_plain_name(name))


def on_pairs(on: exp.Expr) -> ColumnPairs | None:
    """Column pairs of an ON made of equalities between plain pointers, or None."""
    pairs = []
    for part in on.flatten() if isinstance(on, exp.And) else [on]:
        part = part.unnest()
        if not isinstance(part, exp.EQ):
            return None
        left, right = (
            POINTER.fullmatch(s.name) if isinstance(s, exp.Column) else None for s in (part.left, part.right)
        )
        if not left or not right or left[3] or right[3]:
            return None
        pairs.append((int(left[2]), int(right[2])))
    return tuple(pairs)


def on_clause(pairs: ColumnPairs) -> exp.Expr:
    return exp.and_(*(exp.EQ(this=pointer_column("c", a, 1), expression=pointer_column("c", b, 1)) for a, b in pairs))
