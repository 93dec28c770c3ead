"""The leak guard finds what was planted, and counts what the official files repeat themselves."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from text2sql.data.corpora import corpus_file, corpus_names, read_corpus, read_rows
from text2sql.data.example import Example, LogicalForm
from text2sql.data.leakage import LeakGuard, assert_no_leakage, assert_no_row_leakage, normalise
from text2sql.data.sets import read_set
from text2sql.data.wikisql import table_schema
from text2sql.errors import UserError
from text2sql.schema import Schema

HEADER, ROW = ["Player", "Goals", "Club"], ["Ada", 3.0, "Rovers"]
CLINIC = Schema.from_ddl("CREATE TABLE visit (id INT, day DATE); CREATE TABLE doctor (id INT, name TEXT)", "clinic")
SHOP = Schema.from_ddl("CREATE TABLE item (id INT, name TEXT)", "shop")


def wikisql(identity: str, question: str, table_id: str, header: list[str] = HEADER) -> Example:
    schema = table_schema(table_id, header, ["text"] * len(header))
    return Example(identity, question, "select 1", schema, None, "wikisql", "train", LogicalForm(0, 0))


def spider(identity: str, question: str, schema: Schema, **changes: Any) -> Example:
    return replace(Example(identity, question, "select 1", schema, None, "spider", "train"), **changes)


@pytest.fixture
def guard() -> LeakGuard:
    evaluation = [wikisql("w/dev/1", "Who scored the most?", "2-77-1"), spider("s/dev/1", "How many visits?", CLINIC)]
    rows = {"2-77-1": ROW, "2-88-1": ["ada", 3, "ROVERS"], "2-99-1": ["Eva", 3, "Rovers"]}
    return LeakGuard(evaluation, rows)


@pytest.fixture(scope="module")
def real_guard(data_mirror: Path) -> LeakGuard:
    return LeakGuard.for_directory(data_mirror)


def found(guard: LeakGuard, example: Example) -> list[tuple[str, bool]]:
    return [(leak.kind, leak.official) for leak in guard.leaks_of(example)]


def test_questions_are_compared_by_letters_and_digits(guard: LeakGuard) -> None:
    assert normalise("Größe of A_1, (e.g. 2)?") == "größeofa1eg2"
    assert found(guard, spider("x", "who SCORED -- the most", SHOP, source="mine.csv")) == [("question", False)]
    assert found(guard, spider("x", "Who scored most?", SHOP, source="mine.csv")) == []


def test_overlaps_within_the_official_files_are_told_apart(guard: LeakGuard) -> None:
    assert found(guard, wikisql("x", "Who scored the most?", "1-5-5", ["a", "b"])) == [("question", True)]
    assert found(guard, spider("x", "how many visits", SHOP)) == [("question", True)]
    assert found(guard, spider("x", "Who scored the most?", SHOP)) == [("question", False)], "across benchmarks"
    assert found(guard, wikisql("x", "new", "1-77-1", ["a", "b"])) == [("table", True)], "the page's other copy"
    assert found(guard, wikisql("x", "new", "2-88-1")) == [("table", True)], "same header and first row"
    assert found(guard, wikisql("x", "new", "2-99-1")) == [], "same header only"


def test_an_evaluation_table_or_schema_is_refused_from_anywhere(guard: LeakGuard) -> None:
    assert found(guard, wikisql("x", "new", "2-77-1")) == [("table", False)]
    renamed = replace(CLINIC, name="other")
    assert found(guard, spider("x", "new", renamed)) == [("schema", False)]
    assert found(guard, spider("x", "new", SHOP)) == []


def test_the_tables_of_a_database_are_looked_into(guard: LeakGuard, tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("create table league (player text, goals int, club text)")
        connection.execute("insert into league values ('ADA', 3, 'rovers')")
    assert found(guard, spider("x", "new", SHOP, database=str(path), source="mine.csv")) == [("table", False)]


def test_reports_and_refusals(guard: LeakGuard) -> None:
    good, official = wikisql("good", "new", "1-1-1"), wikisql("official", "new", "2-88-1")
    planted = [wikisql("planted", "Who scored the most?", "2-77-1"), spider("copied", "How many visits?", CLINIC)]
    report = assert_no_leakage([good, official], guard, "mixture")
    assert str(report) == "mixture: 2 checked, no repeats; within the official files 1 repeated tables"
    with pytest.raises(
        UserError, match=r"mixture: 1 repeated schemas, 1 repeated tables .* among 4 items, the first: "
    ) as error:
        assert_no_leakage([good, official, *planted], guard, "mixture")
    assert "table of planted is that of 2-77-1" in str(error.value)
    assert [e.id for e in guard.without_leaks([good, official, *planted])[0]] == ["good", "official"]
    assert [e.id for e in guard.without_leaks([good, official, *planted], keep_official=False)[0]] == ["good"]


@pytest.mark.parametrize(
    "row",
    [
        {"text": "Some words.\nWho scored the most?\nmore"},
        {"text": "x", "question": "who scored the most"},
        {"text": "x", "questions": [{"question": "other"}, {"question": "Who scored the most"}]},
        {"text": "Question: How many visits?\nAnswer: 3"},
        {"text": "x", "table_id": "2-77-1"},
        {"text": "x", "table_id": "1-77-1"},
        {
            "text": "x",
            "table": {"header": ["player", "goals", "club"], "rows": [["ada", "3", "rovers"], ["b", "c", "d"]]},
        },
        {"text": "Title: League\nColumns: Player | Goals | Club\nAda | 3 | Rovers\n"},
    ],
)
def test_planted_pretraining_rows_are_found(guard: LeakGuard, row: dict[str, Any]) -> None:
    clean = {"text": "Columns: Player | Goals | Club\nEva | 3 | Rovers\nWho scored?", "table_id": "2-78-1"}
    assert guard.row_is_clean(clean)
    assert not guard.row_is_clean(row)
    with pytest.raises(UserError, match=r"corpus: .* among 2 items, the first: .* of corpus/2 is that of"):
        assert_no_row_leakage([clean, row], guard, "corpus")


def test_an_empty_directory_guards_nothing(tmp_path: Path) -> None:
    guard = LeakGuard.for_directory(tmp_path)
    assert len(guard) == 0
    assert guard.check([wikisql("x", "new", "1-1-1")]).leaks == []


@pytest.mark.data
def test_the_real_sets(data_mirror: Path, real_guard: LeakGuard) -> None:
    guard = real_guard
    assert len(guard) > 13_000
    expected = {"wikisql": (52_226, 42 + 1_211), "spider": (8_659, 7 + 610), "spider_syn": (6_974, 606)}
    for name, (count, official) in expected.items():
        report = assert_no_leakage(read_set(name, "train", data_mirror), guard, name)
        assert (report.checked, len(report.official)) == (count, official)
    assert_no_leakage(read_set("other_text2sql", "all", data_mirror), guard, "other_text2sql")
    for name, split, count in (("wikisql", "dev", 8_421), ("spider", "dev", 1_034)):
        report = guard.check(read_set(name, split, data_mirror))
        assert len({leak.training for leak in report.leaks}) == count, "every example is caught"
    holdout = read_set("wikisql", "holdout", data_mirror)
    with pytest.raises(UserError, match="4129 repeated tables"):
        assert_no_leakage(holdout, guard)


@pytest.mark.data
def test_real_corpora_without_leaks(data_mirror: Path, real_guard: LeakGuard) -> None:
    guard = real_guard
    small = [name for name in corpus_names(data_mirror) if corpus_file(name, data_mirror).stat().st_size < 1_300_000]
    assert "tabfact_statements" in small
    for name in small:
        report = guard.check_rows(read_rows(corpus_file(name, data_mirror)), name)
        assert {leak.kind for leak in report.leaks} <= {"table"}
        kept = list(read_corpus(name, data_mirror, keep=guard.row_is_clean))
        assert len(kept) == report.checked - len({leak.training for leak in report.leaks})
        assert (name == "tabfact_statements") == (len(report.leaks) > 100), (
            "its statements are about holdout tables too"
        )
