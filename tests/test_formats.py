"""CSV, JSON and Markdown of results, and tables for the terminal: every kind of value, hostile ones too."""

from __future__ import annotations

import csv
import datetime
import io
import json
import uuid
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from text2sql.assistant.formats import FORMATS, json_value, to_csv, to_json, to_markdown, unique_names
from text2sql.cli.output import WIDEST_CELL, clean, display_width, format_result, format_table
from text2sql.database import ExecutionResult
from text2sql.errors import UserError


def result(columns: tuple[str, ...], *rows: tuple[Any, ...], truncated: bool = False) -> ExecutionResult:
    return ExecutionResult(columns, list(rows), truncated, 0.0, None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (2**70, 2**70),
        (0.1, 0.1),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (Decimal("12.50"), 12.5),
        (Decimal("7.00"), 7),
        (Decimal("sNaN"), "NaN"),
        (Decimal("Infinity"), "Infinity"),
        (Decimal("1e500"), "1E+500"),
        (b"\x00\xff", "0x00ff"),
        (b"a" * 65, "0x" + "61" * 64 + "… (65 bytes)"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (datetime.datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05"),
        (datetime.time(3, 4), "03:04:00"),
        (datetime.timedelta(days=1), "1 day, 0:00:00"),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        ([1, (b"x", None)], [1, ["0x78", None]]),
        ({"a": Decimal("0.5")}, {"a": 0.5}),
    ],
)
def test_every_value_has_a_json_form(value: Any, expected: Any) -> None:
    found = json_value(value)
    assert (found, type(found)) == (expected, type(expected))
    json.dumps(found, allow_nan=False)


def test_csv_is_rfc_4180() -> None:
    rows = result(("a", 'b "x"'), (1, "x,y"), (None, ""), ("two\nlines", " space"), (True, Decimal("1.50")))
    lines = ['a,"b ""x"""', '1,"x,y"', ',""', '"two\nlines"," space"', "true,1.50"]
    assert to_csv(rows) == "".join(line + "\r\n" for line in lines)


texts = st.one_of(st.none(), st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00")))


@given(st.lists(st.tuples(texts, texts), max_size=5))
def test_csv_reads_back(rows: list[tuple[str | None, str | None]]) -> None:
    read = list(csv.reader(io.StringIO(to_csv(result(("a", "b"), *rows)), newline=""), strict=True))
    assert read == [["a", "b"], *([x or "", y or ""] for x, y in rows)]


def test_csv_of_one_column_keeps_its_number_of_lines() -> None:
    assert to_csv(result(("a",), (None,), ("",))) == 'a\r\n""\r\n""\r\n'


def test_formulas_are_left_unless_the_file_is_for_a_spreadsheet() -> None:
    rows = result(("a", "b"), ("=1+1", -5), ("@x", "+1"), ("-2", "a=b"))
    assert to_csv(rows).splitlines()[1:] == ["=1+1,-5", "@x,+1", "-2,a=b"]
    assert to_csv(rows, for_spreadsheets=True).splitlines()[1:] == ["'=1+1,-5", "'@x,'+1", "'-2,a=b"]


def test_json_has_an_object_for_each_row_even_with_equal_names() -> None:
    rows = result(("name", "name", "n"), ("é", None, 1), ("b", b"\x01", 2.5))
    assert json.loads(to_json(rows)) == [
        {"name": "é", "name_2": None, "n": 1},
        {"name": "b", "name_2": "0x01", "n": 2.5},
    ]
    assert json.loads(to_json(result(("a",)))) == []
    assert unique_names(["a", "a", "a_2", "a"]) == ["a", "a_2", "a_2_2", "a_3"]


def test_markdown_escapes_what_would_be_marks() -> None:
    rows = result(("n", "a|b"), (1, "x|y\\"), (None, "<b>*_z_*\n`[q](u)`"), (2, "first_name R&B &lt;"))
    assert to_markdown(rows).splitlines() == [
        "| n | a\\|b |",
        "| ---: | --- |",
        "| 1 | x\\|y\\\\ |",
        "| NULL | \\<b>\\*\\_z\\_\\*<br>\\`\\[q\\](u)\\` |",
        "| 2 | first_name R&B \\&lt; |",
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_a_failed_query_is_not_exported(form: str) -> None:
    with pytest.raises(UserError, match="no such table"):
        FORMATS[form](ExecutionResult((), [], False, 0.0, "no such table: x"))


def test_tables_align_numbers_right_and_show_null() -> None:
    table = format_result(result(("name", "n", "d"), ("a", 1, Decimal("2.5")), (None, 20.25, None), ("b", None, 1)))
    assert table.splitlines() == [
        "name      n     d",
        "----  -----  ----",
        "a         1   2.5",
        "NULL  20.25  NULL",
        "b      NULL     1",
    ]


def test_wide_tables_are_fitted_to_the_terminal() -> None:
    rows = result(("a", "text", "number"), ("short", "long text " * 30, 123456789012), ("x", "y", 5))
    lines = format_result(rows, width=60).splitlines()
    assert max(map(display_width, lines)) <= 60
    assert "123456789012" in lines[2]
    assert "…" in lines[2]
    assert max(map(len, format_result(rows).splitlines())) < WIDEST_CELL + 40


def test_a_table_with_too_many_columns_is_shown_row_by_row() -> None:
    names = tuple(f"column_{n}" for n in range(30))
    lines = format_result(result(names, tuple(range(30)), tuple("x" * 90 for _ in names)), width=50).splitlines()
    assert lines[:2] == ["row 1", "  column_0   0"]
    assert len(lines) == 62
    assert max(map(len, lines)) <= 50


def test_cells_cannot_steer_the_terminal() -> None:
    hostile = "a\x1b[2J\x1b]0;title\x07\r\nb\x9b\u202ec"
    table = format_result(result(("x\x1b[1m",), (hostile,)))
    assert all(character.isprintable() or character == "\n" for character in table)
    assert clean(hostile) == "a\\x1b[2J\\x1b]0;title\\x07 b\\x9b\\u202ec"


def test_east_asian_and_combining_characters_keep_columns_aligned() -> None:
    lines = format_table(("name", "n"), [("東京", 1), ("e\u0301a", 2), ("abcd", 3)]).splitlines()
    assert {display_width(line) for line in lines} == {7}


@given(
    st.lists(st.tuples(st.text(max_size=60), st.integers(-(10**6), 10**6), st.text(max_size=60)), min_size=1),
    st.integers(30, 90),
)
def test_no_line_is_wider_than_the_terminal(rows: list[tuple[str, int, str]], width: int) -> None:
    table = format_result(result(("first", "n", "third"), *rows), most=100, width=width)
    assert max(map(display_width, table.splitlines())) <= width


def test_what_is_not_shown_is_said() -> None:
    many = [(n,) for n in range(30)]
    assert format_result(result(("n",), *many, truncated=True)).endswith("(10+ more rows)")
    assert "cut at its limit" in format_result(result(("n",), (1,), truncated=True))
    assert format_result(result(("n",))) == "(no rows)"
