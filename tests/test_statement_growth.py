"""How large a query becomes when its subqueries are put in: PostgreSQL's planner does that before any clock runs."""

from __future__ import annotations

import pytest
import sqlglot

from text2sql.database.statement_growth import grows_too_large


def too_large(sql: str) -> bool:
    return grows_too_large(sqlglot.parse_one(sql, read="postgres"))


def nested(levels: int) -> str:
    """Each level uses the column below twice."""
    sql = "SELECT 'a'::text AS a"
    for _ in range(levels):
        sql = f"SELECT a || a AS a FROM ({sql}) AS t"
    return sql


def chained(levels: int, last: str) -> str:
    """The same as common tables, and a query of the last one."""
    parts = ["t0 AS (SELECT 'a'::text AS a)"]
    parts += [f"t{n} AS (SELECT a || a AS a FROM t{n - 1})" for n in range(1, levels + 1)]
    return f"WITH {', '.join(parts)} {last}"


@pytest.mark.parametrize("levels", [5, 30])
def test_doubling_is_followed_through_subqueries_and_common_tables(levels: int) -> None:
    assert too_large(nested(levels)) == (levels == 30)
    assert too_large(chained(levels, f"SELECT a FROM t{levels}")) == (levels == 30)


def test_a_common_table_counts_where_it_is_used() -> None:
    assert not too_large(chained(30, "SELECT 1"))
    assert not too_large(chained(14, "SELECT a FROM t14"))
    assert too_large(chained(14, f"SELECT {', '.join(['a'] * 30)} FROM t14"))


def test_a_star_uses_every_column() -> None:
    inner = chained(14, "SELECT a FROM t14")
    assert not too_large(f"SELECT * FROM ({inner}) AS t")
    assert too_large(f"SELECT {', '.join(['*'] * 30)} FROM ({inner}) AS t")
