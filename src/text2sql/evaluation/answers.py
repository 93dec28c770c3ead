"""The answers of two queries side by side: a short text of each, and whether the gold answer is part of the other.

*Subset match*: the prediction may return more columns than were asked for ("name and age" for "name"), which a user
forgives and the official execution score does not. Rows must be the same ones, in the same order where the gold query
sorts. The queries are run as they are written. Called in worker processes (`parallel`), never here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from text2sql.database import ExecutionResult, SQLiteDatabase
from text2sql.evaluation.execution import GOLD_ROW_LIMIT

Row = tuple[Any, ...]
SHOWN_ROWS = 3
SHOWN_CHARACTERS = 200
SEARCH_BUDGET = 20_000_000
"""Cells that the search for the gold columns may look at; a result that needs more counts as no match."""


@dataclass(frozen=True)
class Answers:
    """`gold` and `predicted` are the first rows, or the error, as text."""

    gold: str
    predicted: str
    subset: bool


def compare_answers(paths: Sequence[str], gold_sql: str, predicted_sql: str, time_limit: float) -> Answers:
    """Run both queries on the databases in turn, up to the first where the gold answer is no part of the other.

    `subset` holds if it does on every database; else the answers are those on that one. Raises UserError when a
    database cannot be opened.
    """
    first = None
    for path in paths:
        found = _compare_on(path, gold_sql, predicted_sql, time_limit)
        if not found.subset:
            return found
        first = first or found
    return first or Answers("", "", False)


def gold_answer(path: str, gold_sql: str, time_limit: float) -> str:
    """The gold query's answer as text, for a prediction that has none. Raises UserError as above."""
    return _preview(_gold_answer(path, gold_sql, time_limit))


def _compare_on(path: str, gold_sql: str, predicted_sql: str, time_limit: float) -> Answers:
    gold = _gold_answer(path, gold_sql, time_limit)
    predicted = _database(path).run(predicted_sql, time_limit, row_limit=max(len(gold.rows), SHOWN_ROWS))
    complete = not (gold.error or gold.truncated or predicted.error or predicted.truncated)
    ordered = "order by" in gold_sql.lower()
    subset = complete and contains_answer(gold.rows, predicted.rows, ordered)
    return Answers(_preview(gold), _preview(predicted), subset)


@lru_cache(maxsize=64)
def _database(path: str) -> SQLiteDatabase:
    return SQLiteDatabase(path, text_errors="ignore")


@lru_cache(maxsize=4)
def _gold_answer(path: str, gold: str, time_limit: float) -> ExecutionResult:
    return _database(path).run(gold, time_limit, GOLD_ROW_LIMIT)


def _preview(result: ExecutionResult) -> str:
    if result.error:
        return f"error: {result.error}"
    count = f"{len(result.rows)}{' or more' if result.truncated else ''} {'row' if len(result.rows) == 1 else 'rows'}"
    shown = ", ".join(repr(row if len(row) > 1 else row[0]) for row in result.rows[:SHOWN_ROWS])
    shown = shown if len(shown) <= SHOWN_CHARACTERS else shown[:SHOWN_CHARACTERS] + "…"
    more = ", …" if len(result.rows) > SHOWN_ROWS else ""
    return f"{count}: {shown}{more}" if shown else count


def contains_answer(gold: Sequence[Row], predicted: Sequence[Row], ordered: bool) -> bool:
    """Whether some of the predicted columns, in some order, give the gold rows: as a list if `ordered`, else as a
    multiset. A column serves once. Two empty results match whatever their columns."""
    if not gold and not predicted:
        return True
    if len(gold) != len(predicted) or len(gold[0]) > len(predicted[0]):
        return False
    wanted, found = Counter(zip(*gold, strict=True)), Counter(zip(*predicted, strict=True))
    if ordered:
        return wanted <= found
    return _columns_found(sorted(wanted.elements(), key=lambda column: -len(set(column))), found)


def _columns_found(wanted: list[Row], found: Counter[Row]) -> bool:
    """Depth-first: rows that agree in the columns chosen so far are a class, and both sides must keep equally many
    rows in every class."""
    budget = SEARCH_BUDGET
    start = [0] * len(wanted[0])
    stack = [(0, start, start, found)]
    while stack:
        number, gold_classes, predicted_classes, left = stack.pop()
        if number == len(wanted):
            return True
        numbers: dict[tuple[int, Any], int] = {}
        gold_split = [numbers.setdefault(key, len(numbers)) for key in zip(gold_classes, wanted[number], strict=True)]
        sizes = Counter(gold_split)
        for candidate in left:
            budget -= len(start)
            if budget < 0:
                return False
            split = [numbers.get(key, -1) for key in zip(predicted_classes, candidate, strict=True)]
            if Counter(split) == sizes:
                stack.append((number + 1, gold_split, split, left - Counter([candidate])))
    return False
