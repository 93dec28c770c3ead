"""Which results get which chart."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest

from text2sql.assistant.charts import Chart, suggest_chart
from text2sql.database import ExecutionResult

LABELS = [("Rock", 12), ("Jazz", 10), ("Pop", 9)]
YEARS = [(2001 + i, 3 * i) for i in range(8)]
POINTS = [(i * 37 % 11 + 0.5, i * 53 % 17 + 0.25) for i in range(40)]


def suggest(columns: str, rows: list[tuple[Any, ...]], truncated: bool = False) -> Chart | None:
    return suggest_chart(ExecutionResult(tuple(columns.split(",")), rows, truncated, 0.0, None))


@pytest.mark.parametrize(
    ("columns", "rows", "chart"),
    [
        ("genre,count(*)", LABELS, Chart("bar", 0, (1,))),
        ("count(*),genre", [(n, g) for g, n in LABELS], Chart("bar", 1, (0,))),
        ("genre,price", [("Rock", Decimal("1.5")), (None, Decimal("2"))], Chart("bar", 0, (1,))),
        ("genre,low,high", [("a", 1, 2), ("b", 3, 4)], Chart("bar", 0, (1, 2))),
        ("genre,albums,income", [("a", 1, 20_000), ("b", 3, 40_000)], Chart("bar", 0, (1,))),
        ("is_live,count(*)", [(True, 3), (False, 9)], Chart("bar", 0, (1,))),
        ("release_year,count(*)", YEARS, Chart("line", 0, (1,))),
        ("release_year,count(*)", YEARS[::-1], Chart("line", 0, (1,))),
        ("release_year,count(*)", YEARS[:2], Chart("bar", 0, (1,))),
        ("day,n", [(datetime.date(2024, 1, d), d * d) for d in range(1, 9)], Chart("line", 0, (1,))),
        ("day,n", [(f"2024-01-{d:02}", d) for d in range(1, 9)], Chart("line", 0, (1,))),
        ("month,n,m", [(f"2024-{d:02}", d, None if d == 2 else d) for d in range(1, 9)], Chart("line", 0, (1, 2))),
        ("minute,count(*)", [(i, i * 7 % 5) for i in range(10)], Chart("line", 0, (1,))),
        ("weight,height", POINTS, Chart("scatter", 0, (1,))),
        ("name,weight,height", [(f"n{i}", *p) for i, p in enumerate(POINTS)], Chart("scatter", 1, (2,))),
    ],
)
def test_charts(columns: str, rows: list[tuple[Any, ...]], chart: Chart) -> None:
    assert suggest(columns, rows) == chart


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        ("count(*)", [(12,)]),
        ("genre,count(*)", LABELS[:1]),
        ("genre,count(*)", []),
        ("title", [("a",), ("b",)]),
        ("title,genre", [("a", "x"), ("b", "y")]),
        ("album_id,price", [(i, i * 7 % 5) for i in range(20)]),
        ("name,phone", [("a", 5551), ("b", 5552)]),
        ("genre,count(*)", [(f"g{i}", i) for i in range(31)]),
        ("genre,price", [("Rock", 1), ("Rock", 2), ("Jazz", 3)]),
        ("release_year,count(*)", [(2001, 1), (2001, 2), (2002, 3)]),
        ("genre,count(*)", [("a", None), ("b", None)]),
        ("genre,count(*)", [("a", None), ("b", 3)]),
        ("genre,price", [("a", "cheap"), ("b", 3)]),
        ("genre,price", [("a", float("nan")), ("b", 3.0)]),
        ("weight,height", [(1.5, 2.5)] * 20),
        ("weight,height", POINTS[:4]),
        ("a,b,c,d,e", [("x", 1, 2, 3, 4), ("y", 1, 2, 3, 4)]),
        ("picture,size", [(b"x", 1), (b"y", 2)]),
        ("weight,height", POINTS * 30),
    ],
)
def test_no_chart(columns: str, rows: list[tuple[Any, ...]]) -> None:
    assert suggest(columns, rows) is None


def test_a_part_of_the_rows_is_not_drawn() -> None:
    assert suggest("genre,count(*)", LABELS, truncated=True) is None


def test_a_failed_query_has_no_chart() -> None:
    assert suggest_chart(ExecutionResult((), [], False, 0.0, "no such table")) is None
