"""Scoring: subset match, text verdicts, calibration, summaries, work in processes."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from spider_files import SHOP, TABLES, make_database
from text2sql.data.example import Example
from text2sql.errors import UserError
from text2sql.evaluation.answers import compare_answers, contains_answer
from text2sql.evaluation.calibration import calibration
from text2sql.evaluation.parallel import call_in_workers
from text2sql.evaluation.report import Report
from text2sql.evaluation.scoring import ScoringOptions, score
from text2sql.evaluation.summary import summarise
from text2sql.evaluation.texts import judge_text, normalised_sql, one_line
from text2sql.evaluation.workers import WorkerKilledError
from text2sql.schema import Schema

SCHEMA = Schema.from_spider(TABLES)


def example(sql: str, database: Path | None = None, number: int = 0) -> Example:
    return Example(f"own/{number}", "which?", sql, SCHEMA, str(database) if database else None, "own", "test")


@pytest.mark.parametrize(
    ("gold", "predicted", "ordered", "found"),
    [
        ([("a",), ("b",)], [("a", 1), ("b", 2)], False, True),
        ([("a",), ("b",)], [(2, "b"), (1, "a")], False, True),
        ([("a",), ("b",)], [(2, "b"), (1, "a")], True, False),
        ([("a", 1), ("b", 2)], [("b", 0, 1), ("a", 0, 2)], False, False),
        ([("a", "a")], [("a", 1)], False, False),
        ([("a", "a")], [("a", 1, "a")], True, True),
        ([("a", 1)], [("a",)], False, False),
        ([("a",)], [("a", 1), ("a", 1)], False, False),
        ([("a",), ("a",), ("b",)], [("a", 1), ("b", 1), ("b", 1)], False, False),
        ([(1, 2), (2, 1)], [(2, 9, 1), (1, 9, 2)], False, True),
        ([(1, 1), (2, 2)], [(1, 2, 9), (2, 1, 9)], False, False),
        ([], [], False, True),
        ([], [(1,)], False, False),
    ],
)
def test_extra_columns_are_forgiven_and_nothing_else(
    gold: list[tuple], predicted: list[tuple], ordered: bool, found: bool
) -> None:
    assert contains_answer(gold, predicted, ordered) == found


def test_a_search_among_alike_columns_ends() -> None:
    width = 400
    rows = [tuple((row + column) % 7 for column in range(width)) for row in range(60)]
    gold = [(row[0], row[3], row[5], "x") for row in rows]
    began = time.monotonic()
    assert not contains_answer(gold, rows, False)
    assert time.monotonic() - began < 60


def test_answers_are_shown_in_short(tmp_path: Path) -> None:
    path = str(make_database(tmp_path / "shop.sqlite"))
    found = compare_answers([path], "SELECT name FROM item", "SELECT price, name FROM item", 5.0)
    assert found.subset
    assert found.gold == "6 rows: 'pen', 'ink', 'cup', …"
    assert found.predicted.startswith("6 rows: (2.5, 'pen')")
    failing = compare_answers([path], "SELECT name FROM item", "SELECT colour FROM item", 5.0)
    assert failing.predicted == "error: no such column: colour"
    assert not failing.subset


def test_a_part_of_the_answer_must_be_so_on_every_database(tmp_path: Path) -> None:
    first = make_database(tmp_path / "shop.sqlite")
    other = make_database(tmp_path / "shop_2.sqlite", SHOP + "INSERT INTO item VALUES (7, 'jar', 1, 1.0, 2014.25);")
    queries = ("SELECT name FROM item WHERE year > 2014", "SELECT id, name FROM item WHERE year > 2014.5")
    assert compare_answers([str(first)], *queries, 5.0).subset
    found = compare_answers([str(first), str(other)], *queries, 5.0)
    assert not found.subset
    assert found.gold.startswith("6 rows")
    assert found.predicted.startswith("5 rows")


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("SELECT  Name FROM item;", "select name\nfrom Item", True),
        ("select 'It''s' -- why", 'select "It\'s"', True),
        ("select a<>b", "SELECT a != b", True),
        ("select count(*)", "select count ( * )", True),
        ("select 'Paris'", "select 'paris'", False),
        ("select a from t", "select a, b from t", False),
        ("select ab", "select a b", False),
    ],
)
def test_normalised_text(left: str, right: str, same: bool) -> None:
    assert (normalised_sql(left) == normalised_sql(right)) == same


def test_one_line_keeps_what_comments_look_like_in_strings() -> None:
    assert one_line("SELECT '--x' /* y\n*/ , \"/*\" -- z\n FROM t\n") == "SELECT '--x' , \"/*\" FROM t"


def test_a_text_is_judged_without_a_database() -> None:
    gold = "SELECT name FROM item"
    assert judge_text(gold, "select NAME from item", SCHEMA).same_text
    invented = judge_text(gold, "SELECT colour FROM item", SCHEMA)
    assert (invented.valid, invented.unresolved, invented.exact.match) == (False, ["colour"], False)
    quoted = judge_text(gold, 'SELECT "colour" FROM item', SCHEMA)
    assert (quoted.valid, quoted.unresolved) == (True, ["colour"])  # SQLite takes it for a string


def test_calibration() -> None:
    error, table = calibration([0.85, 0.95, 0.1, 0.1], [True, False, False, False])
    assert error == pytest.approx((0.15 + 0.95 + 0.2) / 4)
    assert table["0-0.1"] == {"count": 2, "confidence": 0.1, "accuracy": 0.0}
    assert list(table) == ["0-0.1", "0.8-0.9", "0.9-1"]
    with pytest.raises(ValueError, match="probabilities"):
        calibration([], [])


def test_a_perfectly_calibrated_model_has_no_error() -> None:
    assert calibration([0.75] * 4, [True, True, True, False])[0] == 0


def test_rebuilt_databases_have_metrics_of_their_own() -> None:
    entries = [{"id": str(n), "exact_match": True, "execution_match": n > 0} for n in range(3)]
    entries[0]["rebuilt_database"] = True
    report = summarise("own", "test", entries)
    assert report.metrics == {"exact_match": 1, "execution_accuracy": 1, "execution_accuracy_rebuilt": 0}
    assert report.counts == {"exact_match": 3, "execution_accuracy": 2, "execution_accuracy_rebuilt": 1}


def test_a_table_with_missing_cells_can_be_written() -> None:
    groups = {"a": {"count": 1, "exact_match": 1.0}, "b": {"count": 1, "execution_accuracy": 0.5}}
    text = Report("own", "test", 2, {}, {}, breakdowns={"database": groups}).markdown()
    assert "| b | 1 |  | 0.5000 |" in text


REPORT = {"dataset": "own", "split": "test", "count": 1, "metrics": {}, "counts": {}}
ENTRY = {"id": "own/0", "gold": "SELECT 1", "prediction": "SELECT 2"}


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"dataset": 1}', '{"dataset": "x", "nonsense": 2}', "{", "null"]
    + [
        json.dumps({**REPORT, **odd})
        for odd in (
            {"examples": [ENTRY, 5]},
            {"examples": [{"id": "own/0"}]},
            {"examples": {"own/0": ENTRY}},
            {"settings": None},
            {"metrics": []},
            {"breakdowns": {"hardness": 5}},
            {"breakdowns": {"hardness": {"easy": 5}}},
        )
    ],
)
def test_a_file_that_is_no_report_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(UserError, match=r"r\.json: not an evaluation report"):
        Report.load(tmp_path / "r.json")


def test_scoring_without_databases_gives_text_verdicts_only() -> None:
    report = score([example("SELECT name FROM item")], ["SELECT name FROM item"], ScoringOptions(processes=1))
    assert report.metrics["exact_match"] == 1
    assert "execution_accuracy" not in report.metrics


@pytest.mark.parametrize(
    ("examples", "predictions", "options", "words"),
    [
        ([example("SELECT 1")], [], ScoringOptions(), "0 predictions for 1 examples"),
        ([], [], ScoringOptions(), "empty"),
        ([example("SELECT 1")], ["SELECT 1"], ScoringOptions(fuzz=2), "no databases"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    examples: list[Example], predictions: list[str], options: ScoringOptions, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        score(examples, predictions, options)


def test_hostile_predictions_are_wrong_and_change_nothing(tmp_path: Path) -> None:
    database = make_database(tmp_path / "shop.sqlite")
    before = database.read_bytes()
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    texts = ["DROP TABLE item", endless, "(" * 5000, "SELECT name FROM item; DELETE FROM item", ""]
    golds = [example("SELECT name FROM item", database, n) for n in range(len(texts))]
    report = score(golds, texts, ScoringOptions(time_limit=0.3, processes=1))
    assert report.metrics["execution_accuracy"] == report.metrics["subset_match"] == 0
    assert all(entry["reason"] for entry in report.examples)
    assert database.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["shop.sqlite"]


def test_a_call_that_does_not_end_is_killed_and_the_others_go_on() -> None:
    results = call_in_workers(time.sleep, [(0,), (60,), (0,)], time_limit=1.0, processes=1)
    assert [type(result) for result in results] == [type(None), WorkerKilledError, type(None)]


def test_calls_keep_their_order_and_errors_are_raised() -> None:
    calls = [(f"select {number}",) for number in range(20)]
    assert call_in_workers(normalised_sql, calls, 10.0) == [text for (text,) in calls]
    with pytest.raises(TypeError):
        call_in_workers(normalised_sql, [(None,)], 10.0, processes=1)
    assert call_in_workers(normalised_sql, [], 10.0) == []
