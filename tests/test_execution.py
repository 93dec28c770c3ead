"""Execution accuracy: the official rules one by one, the deliberate differences by name, and the workers."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest

from text2sql.errors import UserError
from text2sql.evaluation.execution import (
    ExecutionMatch,
    ExecutionPair,
    database_instances,
    execution_match,
    execution_matches,
)
from text2sql.evaluation.workers import Worker, WorkerKilledError

SHOP = """
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, kind TEXT, price REAL, stock INTEGER, value INTEGER);
INSERT INTO item VALUES (1, 'pen', 'desk', 2.0, 10, 7), (2, 'ink', 'desk', 5.5, 0, 8), (3, 'cup', 'home', 2.0, 4, 9);
"""
BOMB = "SELECT instr(zeroblob(9000000), zeroblob(4000000) || x'01')"
"""One instruction of the engine that takes hours; the clock is not looked at meanwhile."""


@pytest.fixture
def shop(tmp_path: Path) -> tuple[Path, ...]:
    connection = sqlite3.connect(tmp_path / "shop.sqlite")
    connection.executescript(SHOP)
    connection.execute("INSERT INTO item VALUES (4, CAST(x'63ff75' AS TEXT), NULL, 1e3, 5, x'00ff')")
    connection.commit()
    connection.close()
    return (tmp_path / "shop.sqlite",)


@pytest.mark.parametrize(
    ("gold", "predicted", "match"),
    [
        ("SELECT name, price FROM item", "SELECT price AS p, name FROM item", True),
        ("SELECT name FROM item", "SELECT name FROM item ORDER BY 1 DESC", True),
        ("SELECT name FROM item ORDER BY id", "SELECT name FROM item ORDER BY id DESC", False),
        ("SELECT name FROM item WHERE id IN (SELECT id FROM item ORDER  BY 1)", "SELECT name FROM item", True),
        ("SELECT name FROM (SELECT * FROM item order by id)", "SELECT name FROM item ORDER BY id DESC", False),
        ("SELECT kind FROM item", "SELECT DISTINCT kind FROM item", True),
        ("SELECT count(DISTINCT kind) FROM item", "SELECT count(kind) FROM item", True),
        ("SELECT kind FROM item", "SELECT kind FROM item LIMIT 3", False),
        ("SELECT stock FROM item WHERE id = 1", "SELECT 10.0", True),
        ("SELECT stock FROM item WHERE id = 1", "SELECT '10'", False),
        ("SELECT id, name FROM item WHERE id = 9", "SELECT price FROM item WHERE price > 1e9", True),
        ("SELECT id FROM item", "SELECT id, id FROM item", False),
        ("SELECT name FROM item WHERE id > = 2", "SELECT name FROM item WHERE id > 1", True),
        ("SELECT YEAR ( CURDATE () )", "SELECT 2020", True),
        ("SELECT name FROM item WHERE kind IS NULL", "SELECT 'cu'", True),
        ("SELECT value FROM item WHERE id = 4", "SELECT x'00ff'", True),
        ("SELECT value FROM item WHERE id = 4", "SELECT CAST(x'00ff' AS TEXT)", False),
        ("SELECT name FROM item", "SELECT name FROM item;", True),
        ("SELECT name FROM item", "SELECT name FROM item ;; -- end", True),
        ("SELECT name FROM item", "-- start\n; SELECT name FROM item", False),
        ("SELECT name FROM item WHERE kind = 'desk'", 'SELECT name FROM item WHERE kind = "desk"', True),
        ("SELECT name FROM item", "SELECT name FROM items", False),
        ("SELECT 'a distinct b'", "SELECT 'a  b'", False),
        ('SELECT 1 AS "distinct"', 'SELECT DISTINCT 1 AS "distinct" -- distinct', True),
    ],
)
def test_official_rules(shop: tuple[Path, ...], gold: str, predicted: str, match: bool) -> None:
    verdict = execution_match(gold, predicted, shop)
    assert verdict.gold_error is None
    assert verdict.match == match
    assert (verdict.reason is None) == match


@pytest.mark.parametrize(
    ("gold", "predicted", "match"),
    [
        ("SELECT kind FROM item", "SELECT DISTINCT kind FROM item", False),
        ("SELECT DISTINCT kind FROM item", "SELECT kind FROM item GROUP BY kind", True),
        ("SELECT name FROM item", "SELECT name FROM item;", True),
        ("SELECT name FROM item", "SELECT name FROM item;;", False),
        ("SELECT name FROM item", "; SELECT name FROM item", True),
    ],
)
def test_keep_distinct(shop: tuple[Path, ...], gold: str, predicted: str, match: bool) -> None:
    assert execution_match(gold, predicted, shop, keep_distinct=True).match == match


@pytest.mark.parametrize(
    ("predicted", "reason"),
    [
        ("SELECT id FROM item WHERE id < 3", "2 rows instead of 4"),
        ("SELECT id FROM item UNION ALL SELECT 1", "more rows or bytes"),
        ("SELECT id, name FROM item", "2 columns instead of 1"),
        ("SELECT id + 1 FROM item", "other values"),
        ("SELECT id FROM item ORDER BY id DESC", "another order"),
        ("SELECT id FROM", "the prediction failed"),
    ],
)
def test_reasons(shop: tuple[Path, ...], predicted: str, reason: str) -> None:
    verdict = execution_match("SELECT id FROM item ORDER BY id", predicted, shop)
    assert not verdict.match
    assert reason in str(verdict.reason)
    assert (verdict.predicted_error is not None) == (reason == "the prediction failed")


def test_all_databases_of_a_folder_must_agree(shop: tuple[Path, ...]) -> None:
    folder = shop[0].parent
    (folder / "notes.txt").write_text("not a database")
    other = sqlite3.connect(folder / "shop_2.sqlite")
    other.executescript(SHOP + "UPDATE item SET price = 3.0 WHERE id = 3;")
    other.close()
    both = database_instances(folder)
    assert [path.name for path in both] == ["shop.sqlite", "shop_2.sqlite"]
    gold, lucky = "SELECT id FROM item WHERE price = 2.0", "SELECT id FROM item WHERE id IN (1, 3)"
    assert execution_match(gold, lucky, shop).match
    assert not execution_match(gold, lucky, both).match
    in_workers = execution_matches([ExecutionPair(gold, lucky, both), ExecutionPair(gold, gold, both)], progress=False)
    assert [verdict.match for verdict in in_workers] == [False, True]


def test_difference_only_sqlite_files_are_databases(shop: tuple[Path, ...]) -> None:
    """Officially `shop.sqlite-journal` would be opened too, fail, and end the run."""
    for name in ("shop.sqlite-journal", "shop.sqlite.bak"):
        (shop[0].parent / name).write_text("not a database")
    assert database_instances(shop[0].parent) == shop


def test_a_folder_without_databases_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no"):
        database_instances(tmp_path)
    with pytest.raises(UserError, match="not found"):
        execution_matches([ExecutionPair("SELECT 1", "SELECT 1", (tmp_path / "x.sqlite",))], progress=False)


def test_difference_only_the_first_of_several_statements_is_not_enough(shop: tuple[Path, ...]) -> None:
    """Officially right by default: the text is cut at the first semicolon."""
    verdict = execution_match("SELECT 1", "SELECT 1; DROP TABLE item", shop)
    assert verdict.predicted_error == "You can only execute one statement at a time."


@pytest.mark.parametrize(
    "predicted", ["DELETE FROM item", "PRAGMA foreign_key_list(item)", "SELECT * FROM pragma_foreign_key_list('item')"]
)
def test_difference_statements_that_are_not_queries_are_refused(shop: tuple[Path, ...], predicted: str) -> None:
    """Officially executed; these return nothing and equal an empty gold answer."""
    verdict = execution_match("SELECT id FROM item WHERE id = 9", predicted, shop)
    assert not verdict.match
    assert "refused" in str(verdict.predicted_error)


@pytest.mark.parametrize("keep_distinct", [True, False])
@pytest.mark.parametrize("predicted", ["", " ;", "-- nothing"])
def test_difference_an_empty_prediction_is_wrong(shop: tuple[Path, ...], predicted: str, keep_distinct: bool) -> None:
    """Officially a crash, or with DISTINCT kept equal to an empty gold answer."""
    assert not execution_match("SELECT id FROM item WHERE id = 9", predicted, shop, keep_distinct).match


def test_difference_the_word_value_is_left_alone(shop: tuple[Path, ...]) -> None:
    """The official script would run `SELECT 1 FROM item` as the prediction and call the gold query wrong."""
    assert execution_match("SELECT value FROM item", "SELECT value FROM item", shop).match
    assert not execution_match("SELECT value FROM item", "SELECT 1 FROM item", shop).match


def test_difference_a_failing_gold_query_is_reported(shop: tuple[Path, ...]) -> None:
    """The official script ends with an assertion."""
    verdict = execution_match("SELECT nothing_like_it FROM item", "SELECT 1", shop)
    assert verdict == ExecutionMatch(False, "the gold query failed", "no such column: nothing_like_it", None)


def test_difference_the_time_limit_ends_a_prediction(shop: tuple[Path, ...]) -> None:
    endless = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT count(*) FROM t"
    verdict = execution_match("SELECT 1", endless, shop, time_limit=0.1)
    assert verdict.predicted_error == "time limit of 0.1 s exceeded"


def test_difference_too_many_gold_rows_are_reported(shop: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("text2sql.evaluation.execution.GOLD_ROW_LIMIT", 3)
    verdict = execution_match("SELECT id FROM item", "SELECT id FROM item", shop)
    assert "more than 3 rows" in str(verdict.gold_error)


def test_a_prediction_that_no_clock_can_stop_is_killed_and_the_others_are_judged(shop: tuple[Path, ...]) -> None:
    pairs = [ExecutionPair(f"SELECT {number}", f"SELECT {number}", shop) for number in range(4)]
    pairs.insert(2, ExecutionPair("SELECT 1", BOMB, shop))
    pairs.append(ExecutionPair(BOMB, "SELECT 1", shop))
    verdicts = execution_matches(pairs, time_limit=0.5, progress=False)
    assert [verdict.match for verdict in verdicts] == [True, True, False, True, True, False]
    assert "killed" in str(verdicts[2].predicted_error)
    assert verdicts[2].gold_error is None
    assert "killed" in str(verdicts[5].gold_error)


def test_workers_give_the_same_verdicts_in_the_same_order(shop: tuple[Path, ...]) -> None:
    queries = ["SELECT id FROM item", "SELECT name FROM item", "SELECT kind FROM item", "SELECT bad", "SELECT 1"]
    pairs = [ExecutionPair(gold, predicted, shop) for gold in queries for predicted in queries]
    expected = [execution_match(*pair) for pair in pairs]
    assert execution_matches(pairs, progress=False) == expected
    assert execution_matches([], progress=False) == []


def test_worker_passes_results_exceptions_and_prints() -> None:
    with Worker(eval) as worker:
        assert worker.call("[print('not an answer'), 6 * 7]", time_limit=30) == [None, 42]
        with pytest.raises(ZeroDivisionError):
            worker.call("1 / 0", time_limit=30)
        assert worker.call("2 + 2", time_limit=30) == 4


def test_worker_that_dies_or_hangs_is_replaced() -> None:
    with Worker(eval) as worker:
        with pytest.raises(WorkerKilledError, match="died"):
            worker.call("__import__('os')._exit(3)", time_limit=30)
        with pytest.raises(WorkerKilledError, match="killed after"):
            worker.call("__import__('time').sleep(60)", time_limit=0.3)
        assert worker.call("5", time_limit=30) == 5


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux limits a process's address space")
def test_worker_memory_is_limited() -> None:
    with Worker(eval, memory_limit=200 * 2**20) as worker:
        assert worker.call("len(bytearray(10**7))", time_limit=30) == 10**7
        with pytest.raises(WorkerKilledError, match="memory"):
            worker.call("len(bytearray(10**9))", time_limit=30)
        assert worker.call("1", time_limit=30) == 1


def test_worker_survives_an_odd_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the user's must not be imported instead of a module."""
    (tmp_path / "pickle.py").write_text("raise SystemExit('wrong pickle')")
    monkeypatch.chdir(tmp_path)
    with Worker(eval) as worker:
        assert worker.call("3", time_limit=30) == 3
