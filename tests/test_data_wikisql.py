"""WikiSQL: reading the official layout, and logical form <-> SQL text without loss."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text2sql.data.example import AGGREGATES, OPERATORS, LogicalForm
from text2sql.data.wikisql import (
    WikiSQLTables,
    available_splits,
    is_held_out,
    read_wikisql,
    table_schema,
    to_logical_form,
    to_sql,
)
from text2sql.database import SQLiteDatabase
from text2sql.errors import UserError

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
HEADERS = st.lists(
    st.one_of(TEXTS, st.sampled_from(["", "a", "A", "a 2", "max (kg)", "from", "year", "Größe"])),
    min_size=1,
    max_size=6,
)
VALUES = st.one_of(
    TEXTS, st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["'", "''", "3", " x "])
)


def same(one: LogicalForm | None, other: LogicalForm) -> bool:
    """Equal down to the type of each value, which == does not look at (3 == 3.0)."""
    return repr(one) == repr(other)


@settings(max_examples=400, deadline=None)
@given(HEADERS, st.data())
def test_any_form_over_any_header_comes_back(header: list[str], data: Any) -> None:
    schema = table_schema("1-1-1", header, ["text"] * len(header))
    column = st.integers(0, len(header) - 1)
    conditions = data.draw(st.lists(st.tuples(column, st.integers(0, 2), VALUES), max_size=3))
    form = LogicalForm(data.draw(column), data.draw(st.integers(0, 5)), tuple(conditions))
    assert same(to_logical_form(to_sql(form, schema), schema), form)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(codec="ascii", exclude_categories=("Cc",)), max_size=8), min_size=1, max_size=5))
def test_the_sql_selects_that_column_in_sqlite(header: list[str]) -> None:
    schema = table_schema("1-1-1", header, ["text"] * len(header))
    cells = [f"cell {number}" for number in range(len(header))]
    with SQLiteDatabase.from_rows(schema, {"table": [cells]}) as database:
        for number, cell in enumerate(cells):
            result = database.run(to_sql(LogicalForm(number, 0, ((number, 0, cell),)), schema))
            assert result.rows == [(cell,)], result.error


def test_sql_is_natural_and_quoted_only_where_needed() -> None:
    schema = table_schema(
        "1-1-1", ["score", "Home team", "year", "order", "max"], ["real", "text", "real", "text", "real"]
    )
    form = LogicalForm(0, 1, ((1, 0, "O'Neill"), (2, 1, 3)))
    assert to_sql(form, schema) == """select max(score) from "table" where "Home team" = 'O''Neill' and year > 3"""
    assert to_sql(LogicalForm(3, 0), schema) == 'select "order" from "table"'
    assert to_sql(LogicalForm(4, 1), schema) == 'select max("max") from "table"'


def test_repeated_and_empty_headers_get_names_of_their_own() -> None:
    schema = table_schema("1-1-1", ["drawn", "Drawn", "drawn 2", "", " ", "column 4"], ["text"] * 6)
    names = [column.name for column in schema.tables[0].columns]
    assert names == ["drawn", "Drawn 3", "drawn 2", "column 4 2", "column 5", "column 4"]
    assert schema.tables[0].columns[1].label == "Drawn"


@pytest.mark.parametrize(
    ("sql", "form"),
    [
        ("SELECT  Score FROM table", LogicalForm(0, 0)),
        ("select MAX ( score )from table where home team='x';", LogicalForm(0, 1, ((1, 0, "x"),))),
        (
            'select count("table".score) from `table` where [home  TEAM] == "x" AND year<3',
            LogicalForm(0, 3, ((1, 0, "x"), (2, 2, 3))),
        ),
        ("select max (kg) from table_1_1_1 where year > -2.5e1", LogicalForm(3, 0, ((2, 1, -25.0),))),
        ("select max(max (kg)) from 1-1-1", LogicalForm(3, 1)),
    ],
)
def test_looser_spellings_are_read(sql: str, form: LogicalForm) -> None:
    schema = table_schema("1-1-1", ["score", "home team", "year", "max (kg)"], ["text"] * 4)
    assert same(to_logical_form(sql, schema), form)


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "select",
        "select score",
        "select * from table",
        "select points from table",
        "select score from other",
        "select score, year from table",
        "select score from table where year >= 3",
        "select score from table where year <> 3",
        "select score from table where year = 3 or year = 4",
        "select score from table where year = 3 and",
        "select score from table where year = 3 order by year",
        "select score from table where year = 3x",
        "select score from table where year = 'x",
        "select scores from table",
        "select total(score) from table",
        "drop table t; select score from table",
    ],
)
def test_what_is_no_wikisql_query_gives_none(sql: str) -> None:
    assert to_logical_form(sql, table_schema("1-1-1", ["score", "year"], ["text", "real"])) is None


@pytest.mark.parametrize(
    "form",
    [
        LogicalForm(2, 0),
        LogicalForm(-1, 0),
        LogicalForm(0, 6),
        LogicalForm(0, 0, ((0, 3, "x"),)),
        LogicalForm(0, 0, ((0, 0, float("nan")),)),
        LogicalForm(0, 0, ((0, 0, None),)),  # type: ignore[arg-type]
        LogicalForm(0, 0, ((0, 0, True),)),
    ],
)
def test_impossible_forms_are_refused(form: LogicalForm) -> None:
    with pytest.raises(UserError, match="no such WikiSQL query"):
        to_sql(form, table_schema("1-1-1", ["score", "year"], ["text", "real"]))


def write_official(folder: Path, packed: bool, questions: list[Any] | None = None) -> None:
    """A tiny WikiSQL: table 1-6-1 is held out, 1-1-1 is not, 1-13-1 would be but has no rows."""
    tables = [
        {"id": "1-1-1", "header": ["a", "b"], "types": ["text", "real"], "rows": [["x", 1]], "name": "table_1_1_1"},
        {"id": "1-6-1", "header": ["a", "b"], "types": ["text", "real"], "rows": [["y", 2]], "name": "table_1_6_1"},
        {"id": "1-13-1", "header": ["a", "b"], "types": ["text", "real"], "rows": [], "name": "table_1_13_1"},
    ]
    if questions is None:
        form = {"sel": 0, "agg": 3, "conds": [[1, 1, 0.5]]}
        questions = [{"phase": 1, "table_id": t["id"], "question": " Why ? ", "sql": form} for t in tables]
    for name, rows in (("train.jsonl", questions), ("train.tables.jsonl", tables)):
        text = "".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows)
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (folder / name).write_text(text)


def held_out_ids() -> list[bool]:
    return [is_held_out(table_id) for table_id in ("1-1-1", "1-6-1", "1-13-1")]


@pytest.mark.parametrize("packed", [True, False])
def test_splits_by_table(tmp_path: Path, packed: bool) -> None:
    write_official(tmp_path, packed)
    assert held_out_ids() == [False, True, True]
    ids = {split: [e.schema.name for e in read_wikisql(tmp_path, split)] for split in ("train", "holdout", "train_all")}
    assert ids == {"train": ["1-1-1", "1-13-1"], "holdout": ["1-6-1"], "train_all": ["1-1-1", "1-6-1", "1-13-1"]}
    assert available_splits(tmp_path) == ["train", "holdout", "train_all"]
    example = read_wikisql(tmp_path, "train")[0]
    assert (example.question, example.sql) == ("Why ?", 'select count(a) from "table" where b > 0.5')
    assert (example.source, example.split, example.database) == ("wikisql", "train", None)
    assert example.logical_form == LogicalForm(0, 3, ((1, 1, 0.5),))
    tables = WikiSQLTables(tmp_path, "holdout")
    assert (len(tables), tables.rows("1-6-1"), tables.schema("1-6-1").tables[0].columns[1].type) == (
        3,
        [["y", 2]],
        "number",
    )


def test_a_plain_official_file_wins_over_a_packed_one(tmp_path: Path) -> None:
    write_official(tmp_path, packed=True)
    write_official(tmp_path, packed=False, questions=[])
    assert read_wikisql(tmp_path, "train") == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{broken\n", "not valid JSON"),
        ("[1]\n", "expected an object"),
        ({"table_id": "1-1-1", "question": "q"}, "field 'sql' is missing"),
        ({"table_id": "9", "question": "q", "sql": {"sel": 0, "agg": 0, "conds": []}}, "table '9' is not in"),
        ({"table_id": "1-1-1", "question": "q", "sql": {"sel": 7, "agg": 0, "conds": []}}, "no such WikiSQL query"),
        ({"table_id": "1-1-1", "question": 4, "sql": {"sel": 0, "agg": 0, "conds": []}}, "'question' is int"),
        ({"table_id": "1-1-1", "question": "q", "sql": {"sel": 0, "agg": 0, "conds": [[1, 2]]}}, "not enough values"),
    ],
)
def test_bad_lines_are_named_and_skipped_only_on_request(tmp_path: Path, line: Any, reason: str) -> None:
    good = {"table_id": "1-1-1", "question": "q", "sql": {"sel": 0, "agg": 0, "conds": []}}
    write_official(tmp_path, packed=True, questions=[good, line, good])
    with pytest.raises(UserError, match=f"train.jsonl.gz, line 2: .*{reason}"):
        read_wikisql(tmp_path, "train")
    skipped: list[str] = []
    assert [e.id for e in read_wikisql(tmp_path, "train", skipped)] == ["wikisql/train/1", "wikisql/train/3"]
    assert len(skipped) == 1


def test_ragged_tables_truncated_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"download_data.sh wikisql"):
        read_wikisql(tmp_path, "train")
    with pytest.raises(UserError, match="no split 'tain'; it has train, dev"):
        read_wikisql(tmp_path, "tain")
    write_official(tmp_path, packed=True)
    path = tmp_path / "train.tables.jsonl.gz"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 20])
    with pytest.raises(UserError, match="damaged gzip"):
        read_wikisql(tmp_path, "train")
    path.write_bytes(gzip.compress(b'{"id": "1", "header": ["a"], "types": ["text"], "rows": [["x", "y"]]}\n'))
    with pytest.raises(UserError, match="line 1: a row of table '1'"):
        read_wikisql(tmp_path, "train")


@pytest.mark.data
def test_real_splits_have_the_published_sizes(data_mirror: Path) -> None:
    folder = data_mirror / "wikisql"
    tables = WikiSQLTables(folder, "train")
    train, holdout = (read_wikisql(folder, split, tables=tables) for split in ("train", "holdout"))
    assert (len(train), len(holdout), len(tables)) == (52_226, 4_129, 17_984)
    held_out = {example.schema.name for example in holdout}
    assert len(held_out) == 1_334
    assert not held_out & {example.schema.name for example in train}


@pytest.mark.data
def test_real_queries_and_random_ones_come_back(data_mirror: Path) -> None:
    folder = data_mirror / "wikisql"
    count, failures = 0, []
    for split in ("train_all", "dev"):
        tables = WikiSQLTables(folder, split)
        examples = read_wikisql(folder, split, tables=tables)
        forms = [(example.logical_form, example.schema) for example in examples]
        forms += random_forms(tables, 15_000 if split == "train_all" else 7_000)
        for form, schema in forms:
            assert form is not None
            count += 1
            if not same(to_logical_form(to_sql(form, schema), schema), form):
                failures.append((schema.name, form))
    assert count == 64_776 + 22_000
    assert failures == []


def random_forms(tables: WikiSQLTables, count: int) -> list[tuple[LogicalForm | None, Any]]:
    """Seeded logical forms over real tables: real cells, hostile strings, numbers of both types."""
    draw = random.Random(11)
    ids = list(tables)
    pieces = [
        "'",
        '"',
        "''",
        " ",
        "\t",
        "\n",
        " and ",
        "é",
        "日本",
        "😀",
        ";",
        "--",
        "=",
        "x",
        "7",
        "\\",
        "%",
        "`",
        "]",
    ]
    forms: list[tuple[LogicalForm | None, Any]] = []
    while len(forms) < count:
        table_id = draw.choice(ids)
        schema, rows = tables.schema(table_id), tables.rows(table_id)
        width = len(schema.columns)

        def value(rows: list[list[Any]] = rows) -> Any:
            kind = draw.randrange(5)
            if kind == 0 and rows:
                return draw.choice(draw.choice(rows))
            if kind == 1:
                return draw.randrange(-(10**9), 10**9)
            if kind == 2:
                return draw.choice([3.0, -0.0, 1e22, 5e-324, draw.uniform(-1e6, 1e6), float(draw.randrange(3000))])
            return "".join(draw.choice(pieces) for _ in range(draw.randrange(6)))

        conditions = tuple(
            (draw.randrange(width), draw.randrange(len(OPERATORS)), value()) for _ in range(draw.randrange(5))
        )
        forms.append((LogicalForm(draw.randrange(width), draw.randrange(len(AGGREGATES)), conditions), schema))
    return forms
