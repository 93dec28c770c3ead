"""Are two query results the same answer? The comparison of the official Spider test-suite evaluation.

The definition (Zhong, Yu, Klein 2020, section 3; `result_eq` of taoyds/test-suite-sql-eval): two results are equal
when some order of the columns makes their rows equal, as lists where the gold query sorts and as multisets where it
does not. Names of columns never count. Values compare as Python's do: 1 equals 1.0, '1' does not equal 1.

The official code tries the orders one by one, which is factorial in columns that look alike. Here columns are chosen
one at a time and rows are kept in classes of equal beginnings, so that a wrong choice is seen at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

Row = tuple[Any, ...]
Columns = dict[Row, int]
"""Different columns (top to bottom) with how often each occurs; equal columns are interchangeable."""

COMPARISON_BUDGET = 20_000_000
"""Cells that may be looked at in one comparison; only results built to be symmetric need more than a few passes."""


class ComparisonTooLargeError(Exception):
    """The results are so symmetric that matching their columns would take more than `COMPARISON_BUDGET` cells."""


def results_equal(gold: Sequence[Row], predicted: Sequence[Row], ordered: bool) -> bool:
    """Whether both results are the same answer; with `ordered`, the order of the rows counts.

    Two empty results are equal whatever their columns. Raises ComparisonTooLargeError for results that
    cannot be matched within the budget.
    """
    if not gold and not predicted:
        return True
    if len(gold) != len(predicted) or len(gold[0]) != len(predicted[0]):
        return False
    if ordered:
        equal = Counter(zip(*gold, strict=True)) == Counter(zip(*predicted, strict=True))
    elif len(gold[0]) == 1:
        equal = Counter(gold) == Counter(predicted)
    else:
        equal = list(gold) == list(predicted) or _columns_match(gold, predicted)
    return equal and _sorted_cells_equal(gold, predicted, ordered)


def _sorted_cells_equal(gold: Sequence[Row], predicted: Sequence[Row], ordered: bool) -> bool:
    """The official quick rejection: rows with their cells sorted as text must be equal.

    It is meant as a short cut, but changes verdicts: an int equals a float of the same value only if both sort to
    the same place, so (3, 30) is not equal to (3.0, 30.0). Without floats it cannot reject equal results.
    """
    if not any(type(cell) is float for rows in (gold, predicted) for row in rows for cell in row):
        return True
    left, right = ([tuple(sorted(row, key=_text_and_type)) for row in rows] for rows in (gold, predicted))
    return left == right if ordered else set(left) == set(right)


def _text_and_type(cell: Any) -> str:
    return str(cell) + str(type(cell))


def _columns_match(gold: Sequence[Row], predicted: Sequence[Row]) -> bool:
    """Whether some order of columns makes the rows equal as multisets: a depth-first search over column pairs.

    Rows that agree in all columns chosen so far form a class, numbered alike on both sides. When there are as many
    classes as different rows, the rest of every row follows from its class and no choice is left.
    """
    classes = len(set(gold))
    if classes != len(set(predicted)):
        return False
    budget = COMPARISON_BUDGET
    unassigned = [0] * len(gold)
    stack = [(_distinct_columns(gold), _distinct_columns(predicted), unassigned, unassigned)]
    while stack:
        gold_columns, predicted_columns, gold_classes, predicted_classes = stack.pop()
        if len(set(gold_classes)) == classes:
            if _by_class(gold_columns, gold_classes) == _by_class(predicted_columns, predicted_classes):
                return True
            continue
        column = _splitting_column(gold_columns, gold_classes)
        rest = {key: count for key, count in gold_columns.items() if key is not column}
        numbers: dict[tuple[int, Any], int] = {}
        gold_split = [numbers.setdefault(key, len(numbers)) for key in zip(gold_classes, column, strict=True)]
        for candidate, count in reversed(predicted_columns.items()):
            if count != gold_columns[column]:
                continue
            budget -= len(gold)
            if budget < 0:
                raise ComparisonTooLargeError
            predicted_split = [numbers.get(key, -1) for key in zip(predicted_classes, candidate, strict=True)]
            if Counter(gold_split) == Counter(predicted_split):
                left = {key: count for key, count in predicted_columns.items() if key is not candidate}
                stack.append((rest, left, gold_split, predicted_split))
    return False


def _distinct_columns(rows: Sequence[Row]) -> Columns:
    return dict(sorted(Counter(zip(*rows, strict=True)).items(), key=lambda item: -len(set(item[0]))))


def _splitting_column(columns: Columns, classes: list[int]) -> Row:
    """The first column that tells rows of one class apart; while classes are too few there is one."""
    number = len(set(classes))
    return next(column for column in columns if len(set(zip(classes, column, strict=True))) > number)


def _by_class(columns: Columns, classes: list[int]) -> Columns:
    """The columns with one cell per class, in the order of the classes' numbers."""
    row_of = sorted(dict(zip(classes, range(len(classes)), strict=True)).items())
    return {tuple(column[row] for _, row in row_of): count for column, count in columns.items()}
