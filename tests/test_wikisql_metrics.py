"""WikiSQL's logical form and execution: official verdicts, official habits, and our own score without them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from text2sql.data.example import LogicalForm
from text2sql.data.wikisql import WikiSQLTables, table_schema
from text2sql.evaluation.wikisql import Failure, WikiSQLExecutor, form_of, logical_form_match, predicted_form

FIXTURES = Path(__file__).parent / "fixtures"
EQUAL, ABOVE, BELOW = range(3)
NONE, MAX, MIN, COUNT, SUM, AVG = range(6)
HEADER, TYPES = ("Player", "Points", "Rank", "Club"), ("text", "real", "text", "text")
ROWS = [
    ["Ana", 7, "10", "Rovers"],
    ["Béla", 12, "9", "rovers"],
    ["Cem", 3, "-", "City  Reserves"],
    ["Dot", 12, "2", "City"],
]


@pytest.fixture
def executor() -> Iterator[WikiSQLExecutor]:
    with WikiSQLExecutor(table_schema("1-1-1", HEADER, TYPES), ROWS) as executor:
        yield executor


def query(select: int, aggregate: int, *conditions: tuple[int, int, Any]) -> LogicalForm:
    return LogicalForm(select, aggregate, conditions)


def read(name: str) -> Iterator[Any]:
    with gzip.open(FIXTURES / name, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


@pytest.mark.parametrize(
    ("gold", "predicted", "as_set", "as_list"),
    [
        (query(0, MAX), query(0, MAX), True, True),
        (query(0, MAX), query(0, MIN), False, False),
        (query(0, MAX), query(1, MAX), False, False),
        (query(0, 0, (1, 0, "A"), (2, 0, "b")), query(0, 0, (2, 0, "B"), (1, 0, "a")), True, False),
        (query(0, 0, (1, 0, "a"), (1, 0, "a")), query(0, 0, (1, 0, "a")), True, False),
        (query(0, 0, (1, 0, 5)), query(0, 0, (1, 0, "5")), True, True),
        (query(0, 0, (1, 0, 5)), query(0, 0, (1, 0, 5.0)), False, False),
        (query(0, 0, (1, 0, "a")), query(0, 0, (1, 1, "a")), False, False),
    ],
)
def test_logical_form(gold: LogicalForm, predicted: LogicalForm, as_set: bool, as_list: bool) -> None:
    assert logical_form_match(gold, predicted) == as_set
    assert logical_form_match(gold, predicted, ordered=True) == as_list


@pytest.mark.parametrize(
    ("form", "answer"),
    [
        (query(0, NONE, (1, EQUAL, 12)), ["béla", "dot"]),
        (query(0, COUNT, (3, EQUAL, "ROVERS")), [2]),
        (query(1, SUM), [34.0]),
        (query(1, AVG, (1, ABOVE, 5)), [31 / 3]),
        (query(1, MAX, (0, EQUAL, "nobody")), [None]),
        (query(0, NONE, (0, EQUAL, "nobody")), []),
        (query(0, NONE, (2, EQUAL, 9)), ["béla"]),
    ],
)
def test_official_answers(executor: WikiSQLExecutor, form: LogicalForm, answer: list[Any]) -> None:
    assert executor.run(form) == answer


def test_official_habit_two_conditions_on_one_column_share_the_last_value(executor: WikiSQLExecutor) -> None:
    between = query(0, NONE, (1, ABOVE, 5), (1, BELOW, 10))
    assert executor.run(between) == []  # points > 10 and points < 10
    assert executor.answer(between) == ["ana"]


@pytest.mark.parametrize(
    ("value", "official"),
    [("12", 2), ("1,2", 2), (" 12 ", 2), ("12 points", 2), ("about 12", 2), ("-12 points", 2), ("1_2", 2), ("x", None)],
)
def test_official_habit_text_on_a_number_column_is_parsed(
    executor: WikiSQLExecutor, value: str, official: int | None
) -> None:
    found = executor.run(query(0, COUNT, (1, EQUAL, value)))
    assert found == [official] if official is not None else isinstance(found, Failure)


def test_official_habit_rows_must_come_in_the_same_order() -> None:
    schema = table_schema("t", ("a", "b"), ("text", "text"))
    with WikiSQLExecutor(schema, [["x", "y"], ["y", "x"]]) as executor:
        assert not executor.match(query(0, NONE), query(1, NONE))
        assert executor.answer_match(query(0, NONE), query(1, NONE))


def test_official_habit_empty_answers_are_equal(executor: WikiSQLExecutor) -> None:
    gold, other = query(0, NONE, (0, EQUAL, "nobody")), query(1, NONE, (3, EQUAL, "nowhere"))
    assert executor.match(gold, other)
    assert not executor.answer_match(gold, other)
    assert executor.answer_match(gold, gold)


def test_our_answers_read_numbers_in_text_columns(executor: WikiSQLExecutor) -> None:
    assert executor.run(query(2, MAX)) == ["9"]
    assert executor.answer(query(2, MAX)) == [10.0]
    assert executor.run(query(0, NONE, (2, ABOVE, "3"))) == ["béla"]
    assert executor.answer(query(0, NONE, (2, ABOVE, "3"))) == ["ana", "béla"]
    assert executor.answer(query(2, SUM)) == [21.0]
    assert executor.answer(query(0, COUNT, (3, EQUAL, "city reserves"))) == [1.0]
    assert executor.answer(query(0, COUNT, (1, EQUAL, "12 points"))) == [0.0]


@pytest.mark.parametrize(
    "form",
    [query(9, NONE), query(-1, NONE), query(0, 6), query(0, -1), query(0, NONE, (0, 3, "x")), query(0, 0, (7, 0, 1))],
)
def test_failures_equal_nothing(executor: WikiSQLExecutor, form: LogicalForm) -> None:
    for found in (executor.run(form), executor.answer(form)):
        assert isinstance(found, Failure)
        assert found not in ([], str(found))
    assert not executor.match(form, form)
    assert not executor.answer_match(form, form)


@pytest.mark.parametrize("value", [10**30, float("inf"), float("nan"), "1e999", "\x00"])
def test_odd_values_do_no_harm(executor: WikiSQLExecutor, value: Any) -> None:
    assert not executor.match(query(0, NONE), query(0, NONE, (1, EQUAL, value)))
    assert not executor.answer_match(query(0, NONE), query(0, NONE, (1, EQUAL, value)))


def test_difference_a_null_value_is_no_query() -> None:
    """Officially executed (`= NULL` finds nothing), and so equal to an empty gold answer."""
    assert form_of({"sel": 0, "agg": 0, "conds": [[0, 0, None]]}) is None


@pytest.mark.parametrize("index", ["0", 0.5, float("inf"), float("nan"), None, [0]])
def test_difference_an_index_is_a_whole_number(index: Any) -> None:
    """Officially a column "0" is executed as column 0, though its logical form is wrong."""
    assert form_of({"sel": index, "agg": 0, "conds": []}) is None
    assert form_of({"sel": 0, "agg": index, "conds": []}) is None
    assert form_of({"sel": 0, "agg": 0, "conds": [[index, 0, "x"]]}) is None
    assert form_of({"sel": 0, "agg": 0, "conds": [[0, index, "x"]]}) is None


@pytest.mark.parametrize(
    "line",
    [
        {"error": "no idea"},
        {"error": "no idea", "query": {"sel": 0, "agg": 0, "conds": []}},
        {},
        {"query": None},
        {"query": {"sel": 0}},
        {"query": {"sel": "x", "agg": 0, "conds": []}},
        {"query": {"sel": 0, "agg": 0, "conds": [[1, 2]]}},
        {"query": {"sel": 0, "agg": 0, "conds": [[1, 0, ["list"]]]}},
    ],
)
def test_lines_without_a_query(line: dict[str, Any]) -> None:
    assert predicted_form(line) is None


@pytest.mark.data
def test_fixed_points_of_the_official_example_predictions(data_mirror: Path) -> None:
    with gzip.open(data_mirror / "wikisql" / "dev.jsonl.gz", "rt", encoding="utf-8") as file:
        golds = [form_of(json.loads(line)["sql"]) for line in file]
    predictions = [predicted_form(line) for line in read("wikisql_example_predictions.jsonl.gz")]
    assert len(golds) == len(predictions) == 8421
    assert sum(prediction is None for prediction in predictions) == 606

    def accuracy(ordered: bool) -> float:
        pairs = zip(golds, predictions, strict=True)
        return sum(bool(p and g and logical_form_match(g, p, ordered)) for g, p in pairs) / len(golds)

    assert accuracy(ordered=False) == 0.45208407552547203
    assert accuracy(ordered=True) == 0.44115900724379525


@pytest.mark.data
def test_verdicts_equal_the_official_ones(data_mirror: Path) -> None:
    tables = WikiSQLTables(data_mirror / "wikisql", "train")
    executors: dict[str, WikiSQLExecutor] = {}
    wrong, count = [], 0
    for case in read("wikisql_verdicts.jsonl.gz"):
        name = case["table"]
        executor = executors.get(name) or WikiSQLExecutor(tables.schema(name), tables.rows(name))
        executors[name] = executor
        gold, predicted = (
            form_of(dict(zip(("sel", "agg", "conds"), case[side], strict=True))) for side in ("gold", "predicted")
        )
        assert gold is not None
        assert predicted is not None
        execution = "G" if isinstance(executor.run(gold), Failure) else str(int(executor.match(gold, predicted)))
        forms = "".join(str(int(logical_form_match(gold, predicted, ordered))) for ordered in (False, True))
        count += 1
        if (execution, forms) != (case["execution"], case["logical_form"]):
            wrong.append(case)
    assert count > 8000
    assert wrong == []
    for executor in executors.values():
        executor.close()
