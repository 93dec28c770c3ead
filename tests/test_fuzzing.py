"""Variants of a database: what stays, what changes, what they tell apart and what they must not."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from spider_files import SHOP, TABLES, make_database, make_set
from sql_mutations import mutate
from text2sql.cli import main
from text2sql.data.example import Example
from text2sql.data.spider import is_rebuilt, read_spider_split
from text2sql.database import SQLiteDatabase
from text2sql.errors import UserError
from text2sql.evaluation.fuzz_values import more_values, near_misses, telling_values
from text2sql.evaluation.fuzzing import fuzzed_databases
from text2sql.evaluation.report import Report
from text2sql.evaluation.scoring import ScoringOptions, score
from text2sql.evaluation.ties import has_ties
from text2sql.schema import Schema

SCHEMA = Schema.from_spider(TABLES)
GOLD = "SELECT name FROM item WHERE year > 2014"


def variants(folder: Path, golds: list[str], count: int = 8, seed: int = 0, script: str = SHOP) -> tuple[Path, ...]:
    return fuzzed_databases(make_database(folder / "shop.sqlite", script), SCHEMA, golds, count, seed, folder / "out")


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def test_schema_and_keys_stay_and_contents_change(tmp_path: Path) -> None:
    script = SHOP + "CREATE INDEX by_year ON item (year); CREATE VIEW cheap AS SELECT * FROM item WHERE price < 3;"
    made = variants(tmp_path, [GOLD], script=script)
    original = tmp_path / "shop.sqlite"
    schema_sql = "SELECT type, name, sql FROM sqlite_master ORDER BY name"
    contents = {str(rows(path, "SELECT * FROM item ORDER BY id")) for path in made}
    assert len(contents) == len(made)
    for path in made:
        assert rows(path, schema_sql) == rows(original, schema_sql)
        assert not rows(path, "SELECT * FROM item WHERE kind_id NOT IN (SELECT id FROM kind)")
        assert rows(path, "SELECT * FROM item JOIN kind ON kind.id = item.kind_id")
        assert rows(path, "SELECT count(*) - count(DISTINCT name) FROM item") == [(0,)]  # as in the original
        assert not rows(path, "SELECT * FROM item WHERE price IS NULL")


def test_the_same_seed_gives_the_same_contents(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    first, second, third = (
        [rows(path, "SELECT * FROM item") for path in variants(tmp_path / name, [GOLD], 3, seed)]
        for name, seed in (("a", 7), ("b", 7), ("c", 8))
    )
    assert first == second
    assert first != third


def test_constants_and_near_misses_appear(tmp_path: Path) -> None:
    made = variants(tmp_path, ["SELECT id FROM item WHERE price > 42", "SELECT id FROM kind WHERE label LIKE '%oo%'"])
    prices = {row[0] for path in made for row in rows(path, "SELECT price FROM item")}
    labels = {row[0] for path in made for row in rows(path, "SELECT label FROM kind")}
    assert {41, 42, 43} & prices
    assert any("oo" in label for label in labels)


@pytest.mark.parametrize(
    ("sql", "column", "values"),
    [
        ("SELECT 1 FROM item WHERE year >= 2014", "year", {2013, 2014, 2015}),
        ("SELECT 1 FROM item AS T1 WHERE T1.name = 'Pen'", "name", {"Pen", "pEN", "Pens", "Pe"}),
        ('SELECT 1 FROM item WHERE name != "pen"', "name", {"pen", "PEN", "pens", "pe"}),
        ("SELECT 1 FROM item WHERE year BETWEEN 3 AND 9", "year", {2, 3, 4, 8, 9, 10}),
        ("SELECT 1 FROM item WHERE year IN (3, 9)", "year", {2, 3, 4, 8, 9, 10}),
        ("SELECT 1 FROM item WHERE price < -1.5", "price", {-2.5, -1.5, -0.5}),
        ("SELECT 1 FROM item GROUP BY kind_id HAVING avg(price) > 5", "price", {4, 5, 6}),
        ("SELECT 1 FROM item WHERE name LIKE '%ab_'", "name", {"abq", "xabq", "Zoë abq", "bq", "ABQ"}),
        ("SELECT 1 FROM item WHERE name = '7'", "name", {"6", "7", "8"}),
    ],
)
def test_telling_values(sql: str, column: str, values: set[Any]) -> None:
    assert {column: values} == {name: set(found) for name, found in telling_values([sql], SCHEMA).items()}


def test_what_has_no_constants_tells_nothing() -> None:
    texts = ["SELECT 1 FROM item WHERE id = kind_id", "not SQL (", "SELECT 1 FROM item WHERE year = (SELECT 5)"]
    assert telling_values(texts, SCHEMA) == {}


def test_more_values_are_of_the_same_kind() -> None:
    assert more_values([3, 9], 4) == [3, 9, 10, 11]
    assert more_values(["a"], 3) == ["a", "a 0", "a 1"]
    assert len(more_values([], 5)) == len(set(more_values([], 5))) == 5
    assert near_misses(2.5) == [2.5, 3.5, 1.5]


def test_empty_tables_and_odd_schemas_get_contents(tmp_path: Path) -> None:
    script = """
        CREATE TABLE kind (id INTEGER PRIMARY KEY, label TEXT UNIQUE NOT NULL);
        CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, kind_id INTEGER REFERENCES kind, price REAL CHECK
            (price > 0), year INTEGER, loud TEXT GENERATED ALWAYS AS (upper(name)));
        CREATE TABLE "a b" (id INTEGER, other INTEGER REFERENCES "a b" (id), PRIMARY KEY (id, other)) WITHOUT ROWID;
        CREATE TRIGGER t AFTER INSERT ON item BEGIN DELETE FROM item; END;
    """
    for path in variants(tmp_path, ["SELECT 1 FROM item WHERE price > 3"], 4, script=script):
        assert rows(path, "SELECT 1 FROM kind")
        assert rows(path, "SELECT loud = upper(name) FROM item WHERE price > 0")


def test_accidental_matches_are_caught_and_right_ones_kept(tmp_path: Path) -> None:
    database = make_database(tmp_path / "shop.sqlite")
    equal = "SELECT T1.name FROM item AS T1 JOIN kind AS T2 ON T1.kind_id = T2.id WHERE T2.label = 'home'"
    pairs = [
        (GOLD, GOLD),
        (GOLD, "select item.name from item where 2014 < year"),
        (equal, "SELECT name FROM item WHERE kind_id IN (SELECT id FROM kind WHERE label = 'home')"),
        ("SELECT name FROM item WHERE year >= 2015", "SELECT name FROM item WHERE price != 2.5 OR id = 3"),
        ("SELECT name FROM item ORDER BY price DESC LIMIT 1", "SELECT name FROM item WHERE price = 90.5"),
        ("SELECT count(*) FROM item WHERE kind_id = 2", "SELECT 3"),
        ("SELECT name FROM item WHERE price > 3", "SELECT name FROM item WHERE price >= 3"),
    ]
    examples = [Example(str(n), "?", gold, SCHEMA, str(database), "own", "test") for n, (gold, _) in enumerate(pairs)]
    report = score(examples, [predicted for _, predicted in pairs], ScoringOptions(fuzz=10, processes=1))
    verdicts = [(entry["execution_match"], entry["execution_match_fuzzed"]) for entry in report.examples]
    assert verdicts == [(True, True)] * 3 + [(True, False)] * 4
    assert "on a variant" in report.examples[5]["reason"]
    assert report.metrics["execution_accuracy"] == 1
    assert report.metrics["execution_accuracy_fuzzed"] == 3 / 7


def test_the_command_counts_what_variants_catch(tmp_path: Path) -> None:
    options = make_set(tmp_path, [(GOLD, GOLD), (GOLD, "SELECT name FROM item WHERE id > 1")])
    assert main(["score", *options, "--fuzz", "5", "--output", str(tmp_path / "r.json")]) == 0
    report = Report.load(tmp_path / "r.json")
    assert report.metrics["execution_accuracy"] == 1
    assert report.metrics["execution_accuracy_fuzzed"] == 0.5
    assert report.settings["fuzz"] == 5


@pytest.mark.parametrize(
    ("sql", "ties"),
    [
        ("SELECT name FROM item ORDER BY price LIMIT 1", True),  # pen and cup
        ("SELECT name FROM item ORDER BY price DESC LIMIT 3", False),
        ("SELECT name FROM item ORDER BY price DESC", True),
        ("SELECT name FROM item ORDER BY price, id", False),
        ("SELECT kind_id, count(*) FROM item GROUP BY kind_id ORDER BY count(*) DESC LIMIT 1", True),
        ("SELECT kind_id, count(*) AS n FROM item WHERE id < 6 GROUP BY 1 ORDER BY n DESC LIMIT 1", False),
        ("SELECT kind_id, count(*) AS n FROM item GROUP BY 1 ORDER BY n", True),
        ("SELECT year, name FROM item ORDER BY 1", True),
        ("SELECT DISTINCT kind_id FROM item ORDER BY kind_id", False),
        ("SELECT name FROM item", False),
        ("SELECT name FROM item UNION SELECT label FROM kind ORDER BY 1", False),
        ("SELECT name FROM item ORDER BY colour", False),
        ("no SQL (", False),
    ],
)
def test_ties(tmp_path: Path, sql: str, ties: bool) -> None:
    with SQLiteDatabase(make_database(tmp_path / "shop.sqlite")) as database:
        assert has_ties(sql, database) == ties


def test_variants_on_which_the_gold_query_ties_judge_nothing(tmp_path: Path) -> None:
    database = make_database(tmp_path / "shop.sqlite", SHOP + "DELETE FROM item WHERE id = 6;")
    gold = "SELECT label FROM item JOIN kind ON kind.id = kind_id GROUP BY kind.id ORDER BY count(*) DESC LIMIT 1"
    examples = [Example("0", "?", gold, SCHEMA, str(database), "own", "test")] * 2
    texts = [gold.replace("LIMIT", ", label LIMIT"), "SELECT 'home'"]
    report = score(examples, texts, ScoringOptions(fuzz=20, processes=1))
    assert [entry["execution_match_fuzzed"] for entry in report.examples] == [True, False]


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").write_text("no database at all" * 100)
    with pytest.raises(UserError, match=r"x\.sqlite: no variants"):
        fuzzed_databases(tmp_path / "x.sqlite", SCHEMA, [], 1, 0, tmp_path)


@pytest.mark.data
def test_equal_queries_stay_equal_on_spider_dev(data_mirror: Path) -> None:
    rng = random.Random(5)
    examples, texts = [], []
    for example in read_spider_split(data_mirror / "spider", "dev")[::9]:
        if is_rebuilt(example):
            continue
        examples.append(example)
        texts.append(example.sql)
        for _ in range(6):
            kind, text = mutate(example.sql, example.schema, rng)
            if kind in ("resolve_aliases", "spacing"):
                examples.append(example)
                texts.append(text)
    report = score(examples, texts, ScoringOptions(fuzz=4))
    wrong = [entry for entry in report.examples if entry["execution_match"] and not entry["execution_match_fuzzed"]]
    assert report.metrics["execution_accuracy"] > 0.9
    assert wrong == []
