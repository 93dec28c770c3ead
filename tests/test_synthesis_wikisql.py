"""Questions made from WikiSQL's training tables: true of their rows, and never about held-out tables."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest

from text2sql.config import Config, SetConfig
from text2sql.data.wikisql import WikiSQLTables, is_held_out, to_logical_form
from text2sql.pipeline.sources import load_examples
from text2sql.schema import Schema, quote_identifier
from text2sql.synthesis.wikisql_questions import wikisql_questions

HEADER = ["opponent", "date", "score", "attendance", "week"]
ROWS = [
    ["florida", "october 27, 1985", "w 21-14", 46077, 1],
    ["new york giants", "november 3, 1985", "l 10-30", 51325, 2],
    ["tampa bay", "november 10, 1985", "w 62-28", 65365.5, 3],
    ["florida", "november 17, 1985", "l 17-16", 77310, 4],
]


@pytest.fixture
def tables(tmp_path: Path) -> WikiSQLTables:
    """Forty tables with the same rows, and one without."""
    path = tmp_path / "wikisql" / "train.tables.jsonl"
    path.parent.mkdir()
    kinds = ["text", "text", "text", "real", "real"]
    shape = {"header": HEADER, "types": kinds, "name": "t"}
    lines = [{**shape, "id": f"1-{n}-1", "rows": ROWS} for n in range(40)] + [{**shape, "id": "1-99-1", "rows": []}]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return WikiSQLTables(path.parent, "train")


def test_a_row_of_the_table_meets_the_conditions(tables: WikiSQLTables) -> None:
    examples = wikisql_questions(tables, tables, per_table=10, seed=1)
    assert len({example.id for example in examples}) == len(examples) > 300
    assert not [example for example in examples if example.schema.name == "1-99-1"]
    with filled(tables.schema("1-0-1")) as connection:
        for example in examples:
            assert example.logical_form is not None
            assert connection.execute(example.sql.replace("select", "select 1,", 1)).fetchall(), example
            assert to_logical_form(example.sql, example.schema) == example.logical_form
            for _, _, value in example.logical_form.conditions:
                spelt = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
                assert spelt in example.question.lower()


def test_only_unmistakable_texts_are_said_without_their_column(tables: WikiSQLTables) -> None:
    examples = wikisql_questions(tables, tables, per_table=20, seed=1)
    implicit = 0
    for example in examples:
        assert example.logical_form is not None
        for number, operator, value in example.logical_form.conditions:
            named = HEADER[number] in example.question.lower()
            in_time = HEADER[number] in ("date", "week")
            assert named or in_time or (isinstance(value, str) and operator == 0), example
            implicit += not named
    assert implicit > 50


def test_the_same_for_a_seed_whatever_the_order(tables: WikiSQLTables) -> None:
    made = wikisql_questions(tables, tables, per_table=2, seed=1)
    assert wikisql_questions(tables, reversed(list(tables)), per_table=2, seed=1) == made
    assert wikisql_questions(tables, tables, per_table=2, seed=2) != made


def test_held_out_tables_are_not_asked(tables: WikiSQLTables, tmp_path: Path) -> None:
    del tables
    questions = tmp_path / "wikisql" / "train.jsonl"
    form = {"sel": 2, "agg": 0, "conds": []}
    asked = [{"table_id": f"1-{n}-1", "question": "which score?", "sql": form} for n in range(40)]
    questions.write_text("\n".join(map(json.dumps, asked)), encoding="utf-8")
    config = Config()
    config.data.directory = str(tmp_path)
    found = {e.schema.name for e in load_examples(SetConfig("synthetic/wikisql", "train"), config)}
    assert found == {f"1-{n}-1" for n in range(40) if not is_held_out(f"1-{n}-1")} != set()
    assert len(found) < 40


def filled(schema: Schema) -> contextlib.closing[sqlite3.Connection]:
    """A database in memory with the table of `ROWS`."""
    connection = sqlite3.connect(":memory:")
    columns = ", ".join(quote_identifier(column.name) for column in schema.tables[0].columns)
    connection.execute(f'create table "table" ({columns})')
    connection.executemany(f'insert into "table" values ({", ".join("?" * len(HEADER))})', ROWS)
    return contextlib.closing(connection)
