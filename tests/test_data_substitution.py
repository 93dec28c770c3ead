"""Examples with other values: question and SQL change alike, from the example's own database, and nothing else does."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from spider_files import make_database
from text2sql.config import Config, SetConfig
from text2sql.data.contents import Contents
from text2sql.data.example import Example, LogicalForm
from text2sql.data.substitution import substitute_values
from text2sql.data.wikisql import table_schema, to_logical_form, to_sql
from text2sql.errors import UserError
from text2sql.pipeline.sources import load_examples, training_examples
from text2sql.prompting.canonical import Canonicalizer
from text2sql.schema import Schema

HEADER, TYPES = ["opponent", "score", "attendance", "week"], ["text", "text", "real", "real"]
ROWS: list[list[Any]] = [
    ["florida", "4-3", 46077, 1],
    ["new york giants", "10-30", 51325, 4],
    ["tampa bay", "62-28", 65365.5, 3],
    ["it's a bay", "17-16", 77310, 7],
]
TABLE = table_schema("1-1-1", HEADER, TYPES)


def asked(question: str, *conditions: tuple[int, int, str | int | float]) -> Example:
    form = LogicalForm(1, 0, conditions)
    return Example(f"w/{question}", question, to_sql(form, TABLE), TABLE, None, "wikisql", "train", form)


def write(folder: Path, split: str, tables: list[str], questions: list[tuple[str, str, list[Any]]]) -> None:
    """A WikiSQL split: ids of tables with `ROWS`, and (table id, question, conditions)."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [{"id": table, "header": HEADER, "types": TYPES, "rows": ROWS} for table in tables]
    (folder / f"{split}.tables.jsonl").write_text("\n".join(map(json.dumps, lines)))
    rows = [{"table_id": t, "question": q, "sql": {"sel": 1, "agg": 0, "conds": conds}} for t, q, conds in questions]
    (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))


@pytest.fixture
def contents(tmp_path: Path) -> Contents:
    write(tmp_path / "wikisql", "train", ["1-1-1"], [])
    return Contents(tmp_path)


def changed(example: Example, contents: Contents, seed: int = 1) -> Example | None:
    made = substitute_values([example], contents, 1.0, seed)
    return made[0] if made else None


def test_question_sql_and_logical_form_change_alike(contents: Contents) -> None:
    example = asked("Which score against FLORIDA in week 1, please?", (0, 0, "Florida"), (3, 1, 1))
    seen = set()
    for seed in range(12):
        made = changed(example, contents, seed)
        assert made is not None
        assert made.logical_form is not None
        (_, _, opponent), (_, operator, week) = made.logical_form.conditions
        assert operator == 1
        assert opponent in {row[0] for row in ROWS[1:]}
        assert week in (3, 4, 7)
        assert isinstance(week, int)
        assert made.question == f"Which score against {opponent} in week {week}, please?"
        assert to_logical_form(made.sql, TABLE) == made.logical_form
        assert (made.schema, made.source, made.split) == (TABLE, "wikisql", "train")
        assert made.id != example.id
        seen.add((opponent, week))
    assert len(seen) > 4


@pytest.mark.parametrize(
    "example",
    [
        asked("Which score against that team?", (0, 0, "florida")),
        asked("Florida's score against florida?", (0, 0, "florida")),
        asked("Which score against floridas?", (0, 0, "florida")),
        asked("Which game ended 4-3?", (3, 0, 4)),
        asked("Which score with 1.4 or 14?", (3, 0, 4)),
        asked("Which score against new york giants?", (0, 0, "new york giants"), (1, 0, "york")),
        asked("Which score against tampa bay with 65365.5 there?", (2, 0, 65365.5)),
    ],
    ids=lambda example: example.question,
)
def test_doubtful_values_stay(example: Example, contents: Contents) -> None:
    assert changed(example, contents) is None


def test_numbers_keep_their_form(contents: Contents) -> None:
    made = changed(asked("Which score before 46,077 people?", (2, 0, 46077.0)), contents)
    assert made is not None
    assert made.logical_form is not None
    value = made.logical_form.conditions[0][2]
    assert isinstance(value, float)
    assert value in (51325, 77310)
    assert made.question == f"Which score before {int(value):,} people?"


def test_no_value_is_said_twice(contents: Contents) -> None:
    example = asked("Which score against florida, not Tampa Bay nor it's a bay?", (0, 0, "florida"))
    made = [changed(example, contents, seed) for seed in range(8)]
    assert {m.question for m in made if m} == {example.question.replace("florida", "new york giants")}


def test_a_code_with_leading_zeros_is_no_number(tmp_path: Path) -> None:
    script = "CREATE TABLE parcel (code TEXT); INSERT INTO parcel VALUES (3499), ('0114'), ('0007'), (3452)"
    schema = Schema.from_ddl("CREATE TABLE parcel (code TEXT)", "post")
    path = str(make_database(tmp_path / "post.sqlite", script))
    sql = "SELECT code FROM parcel WHERE code = 3499"
    example = Example("s/1", "Is there a parcel 3499?", sql, schema, path, "spider", "train")
    made = [changed(example, Contents(tmp_path), seed) for seed in range(8)]
    assert {m.sql for m in made if m} == {sql.replace("3499", "3452")}


def test_a_seeded_share_whatever_the_order(contents: Contents) -> None:
    examples = [asked(f"{n}: which score against florida?", (0, 0, "florida")) for n in range(200)]
    made = substitute_values(examples, contents, 0.3, seed=1)
    assert 40 < len(made) < 80
    assert {e.id for e in substitute_values(examples[::-1], contents, 0.3, seed=1)} == {e.id for e in made}
    assert sorted(substitute_values(examples[::-1], contents, 0.3, 1), key=lambda e: e.id) == sorted(
        made, key=lambda e: e.id
    )
    assert {e.id for e in substitute_values(examples, contents, 0.3, seed=2)} != {e.id for e in made}
    with pytest.raises(UserError, match=r"data.substitute_values is 1.5: give a share"):
        substitute_values(examples, contents, 1.5, seed=1)


def shop(path: Path, question: str, sql: str) -> Example:
    with sqlite3.connect(make_database(path)) as connection:
        ddl = ";".join(row[0] for row in connection.execute("select sql from sqlite_master"))
    return Example(f"s/{question}", question, sql, Schema.from_ddl(ddl, "shop"), str(path), "spider", "train")


@pytest.mark.parametrize(
    ("question", "sql", "pattern"),
    [
        ("Price of the pen?", 'SELECT price FROM item WHERE name = "pen"', 'SELECT price FROM item WHERE name = "{}"'),
        (
            "Top 3 Desk things?",
            "SELECT T2.name FROM kind AS T1 JOIN item AS T2 ON T1.id = T2.kind_id WHERE T1.label  =  'desk' LIMIT 3",
            "SELECT T2.name FROM kind AS T1 JOIN item AS T2 ON T1.id = T2.kind_id WHERE T1.label  =  '{}' LIMIT 3",
        ),
        ("Things after 2016?", "SELECT name FROM item WHERE 2016 < year", "SELECT name FROM item WHERE {} < year"),
        (
            "Is the cup from 2016 or later, or the cup of 1?",
            "SELECT name FROM item WHERE year >= 2016",
            "SELECT name FROM item WHERE year >= {}",
        ),
    ],
)
def test_only_the_literal_of_an_sql_text_changes(question: str, sql: str, pattern: str, tmp_path: Path) -> None:
    example = shop(tmp_path / "shop.sqlite", question, sql)
    made = changed(example, Contents(tmp_path))
    assert made is not None
    value = next(text for text in ("ink", "cup", "mug", "rug", "pad", "home", *map(str, range(2014, 2019)))
                 if made.sql == pattern.format(text))  # fmt: skip
    assert value in made.question
    assert made.question != question
    assert made.question.replace(value, "?") == question.replace(
        next(w for w in ("pen", "Desk", "2016") if w in question), "?"
    )
    Canonicalizer(made.schema).encode(made.sql)
    with sqlite3.connect(str(made.database)) as connection:
        connection.execute(made.sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name FROM item LIMIT 3",
        "SELECT kind_id FROM item GROUP BY kind_id HAVING count(*) > 3",
        "SELECT name FROM item WHERE kind_id = 3 OR id = 3",
        "SELECT name FROM item WHERE name LIKE '%3%'",
        "SELECT no_such_column FROM item WHERE kind_id = 3",
    ],
)
def test_values_of_no_single_column_stay(sql: str, tmp_path: Path) -> None:
    assert changed(shop(tmp_path / "shop.sqlite", "What about 3?", sql), Contents(tmp_path)) is None


def test_training_sets_grow_and_evaluation_sets_do_not(tmp_path: Path) -> None:
    """Table 1-1-1 is trained on; one of the changed questions is asked in dev, about another table."""
    folder = tmp_path / "wikisql"
    questions = [("1-1-1", f"{n}: which score against florida?", [[0, 0, "florida"]]) for n in range(30)]
    write(folder, "train", ["1-1-1"], questions)
    asked_in_dev = [("2-9-1", f"{n}: which score against tampa bay?", [[0, 0, "tampa bay"]]) for n in range(30)]
    write(folder, "dev", ["2-9-1"], asked_in_dev)
    tables = (folder / "dev.tables.jsonl").read_text()
    (folder / "dev.tables.jsonl").write_text(tables.replace("florida", "miami"))  # no twin of the training table
    config = Config()
    config.data.directory = str(tmp_path)
    config.data.sets = [SetConfig("wikisql", "train"), SetConfig("synthetic/wikisql", "train")]
    plain, generated = training_examples(config, progress=False)
    assert len(plain) == 30
    config.data.substitute_values = 1.0
    grown, still_generated = training_examples(config, progress=False)
    assert grown[:30] == plain
    assert still_generated == generated
    assert 30 < len(grown) < 60
    assert not [e for e in grown if "tampa bay" in e.question], "they are questions of dev"
    assert [e.question for e in load_examples(SetConfig("wikisql", "dev"), config)] == [q for _, q, _ in asked_in_dev]
