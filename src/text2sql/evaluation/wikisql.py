"""WikiSQL's two official scores, and our own execution score beside them.

*Logical form*: the predicted query has the gold query's column, aggregate and conditions. *Execution*: both give the
same answer on the table (Zhong, Xiong, Socher 2017, section 4.1; the rules are those of salesforce/WikiSQL since
commit 6bb7645 of August 2018, found by running it).

The official execution has habits that every published number contains, so `WikiSQLExecutor.run` has them too:

- a value is bound under its column's name, so of two conditions on one column both compare with the last value;
- text values are lower-cased, as the official database's cells are;
- on a number column a text value becomes the number it spells, or else the first number found in it;
- the answers must be equal lists: rows in the same order, and an empty answer equals any other empty one.

`WikiSQLExecutor.answer` has none of them: each condition keeps its own value, numbers compare as numbers in text
columns too, answers compare as multisets, and one without content is right only for the right logical form.
"""

from __future__ import annotations

import operator
import re
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from types import TracebackType
from typing import Any, Self

from text2sql.data.example import AGGREGATES, OPERATORS, LogicalForm
from text2sql.schema import Schema

_NUMBER_WITHIN = re.compile(r"[+-]?\d*[.]\d+|\d+")
_NUMBER = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:,\d{3})+)?(?:\.\d+)?", re.ASCII)
_COMPARE = {"=": operator.eq, ">": operator.gt, "<": operator.lt}


class Failure(str):
    """Why a query has no answer. Equal to nothing but itself: a failing prediction matches no failing gold query."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    __hash__ = object.__hash__


def logical_form_match(gold: LogicalForm, predicted: LogicalForm, ordered: bool = False) -> bool:
    """Whether both are the same query.

    Conditions compare as a set, or as a list with `ordered`; values as lower-cased text, so that 5 equals "5" but
    not 5.0.
    """
    if (gold.select, gold.aggregate) != (predicted.select, predicted.aggregate):
        return False
    left, right = (
        [(column, condition, str(value).lower()) for column, condition, value in form.conditions]
        for form in (gold, predicted)
    )
    return left == right if ordered else set(left) == set(right)


def form_of(query: Mapping[str, Any]) -> LogicalForm | None:
    """The query of a WikiSQL file, `{sel, agg, conds}`, or None where it has not that form."""
    try:
        conditions = tuple((_whole(column), _whole(condition), value) for column, condition, value in query["conds"])
        values = [value for _, _, value in conditions]
        if not all(isinstance(value, str | int | float) for value in values):
            return None
        return LogicalForm(_whole(query["sel"]), _whole(query["agg"]), conditions)
    except (KeyError, TypeError, ValueError):
        return None


def _whole(number: Any) -> int:
    """A number of a query as an index. Raises ValueError for text and fractions, which stand for no column."""
    if isinstance(number, int | float) and number == number // 1:  # false for NaN and the infinities
        return int(number)
    raise ValueError(f"{number!r} is no whole number")


def predicted_form(line: Mapping[str, Any]) -> LogicalForm | None:
    """The query of one line of an official prediction file, or None where it reports an error."""
    query = line.get("query")
    return None if line.get("error") or not isinstance(query, Mapping) else form_of(query)


class WikiSQLExecutor:
    """Executes logical forms on one table. Close it, or use it as a context manager."""

    def __init__(self, schema: Schema, rows: Sequence[Sequence[Any]]) -> None:
        """`rows` are the table's cells in the order of its columns; text is lower-cased here."""
        self._columns = schema.tables[0].columns
        self._rows = [[cell.lower() if isinstance(cell, str) else cell for cell in row] for row in rows]
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        kinds = ["REAL" if column.type == "number" else "TEXT" for column in self._columns]
        columns = ", ".join(f"col{number} {kind}" for number, kind in enumerate(kinds))
        self._connection.execute(f"CREATE TABLE cells ({columns})")
        self._connection.executemany(f"INSERT INTO cells VALUES ({', '.join('?' * len(kinds))})", self._rows)

    def run(self, form: LogicalForm) -> list[Any] | Failure:
        """The official answer: one value per row, in the table's order."""
        try:
            names = [f"col{column}" for column, _, _ in form.conditions]
            wheres = [
                f"{name} {OPERATORS[_index(condition)]} :{name}"
                for name, (_, condition, _) in zip(names, form.conditions, strict=True)
            ]
            values = {
                name: self._official_value(column, value)
                for name, (column, _, value) in zip(names, form.conditions, strict=True)
            }  # a column's later value replaces the earlier one: official
            selected = f"{AGGREGATES[_index(form.aggregate)]}(col{_index(form.select)})"
            where = " WHERE " + " AND ".join(wheres) if wheres else ""
            return [row[0] for row in self._connection.execute(f"SELECT {selected} FROM cells{where}", values)]
        except (sqlite3.Error, ArithmeticError, IndexError, ValueError) as error:
            return Failure(f"{type(error).__name__}: {error}")

    def match(self, gold: LogicalForm, predicted: LogicalForm) -> bool:
        """The official verdict of execution."""
        return self.run(gold) == self.run(predicted)

    def answer(self, form: LogicalForm) -> list[Any] | Failure:
        """The answer without the official habits; text comes lower-cased, numbers as floats."""
        try:
            kept = self._rows
            for column, condition, value in form.conditions:
                holds, wanted = _COMPARE[OPERATORS[_index(condition)]], _plain(value)
                kept = [row for row in kept if _holds(holds, _plain(row[_index(column)]), wanted)]
            cells = [_plain(row[_index(form.select)]) for row in kept]
            if not form.aggregate:
                return cells
            return [_aggregate(AGGREGATES[_index(form.aggregate)], [cell for cell in cells if cell is not None])]
        except IndexError as error:
            return Failure(f"{type(error).__name__}: {error}")

    def answer_match(self, gold: LogicalForm, predicted: LogicalForm) -> bool:
        """Whether both give the same values, each as often; an answer without content proves nothing."""
        wanted, found = self.answer(gold), self.answer(predicted)
        if isinstance(wanted, Failure) or isinstance(found, Failure):
            return False
        if all(value in (None, 0) for value in wanted):
            return logical_form_match(gold, predicted)
        return Counter(wanted) == Counter(found)

    def close(self) -> None:
        """Free the table; a second call does nothing."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _official_value(self, column: int, value: Any) -> Any:
        value = value.lower() if isinstance(value, str) else value
        if self._columns[_index(column)].type != "number" or not isinstance(value, str):
            return value
        try:
            return float(Decimal(value.replace(",", "")))
        except InvalidOperation:
            return float(_NUMBER_WITHIN.findall(value)[0])


def _index(number: int) -> int:
    """A number from a query as a list index: Python would count a negative one from the end."""
    if number < 0:
        raise IndexError(f"{number} is negative")
    return number


def _plain(value: Any) -> Any:
    """A cell or value as what it means: a number where all of it spells one, else text without case and spacing."""
    if isinstance(value, int | float) or value is None:
        return value if value is None else float(value)
    text = " ".join(str(value).lower().split())
    if text.strip("+-") and _NUMBER.fullmatch(text):
        return float(text.replace(",", ""))
    return text


def _holds(compare: Any, cell: Any, value: Any) -> bool:
    """Numbers are compared with numbers and text with text; a number is neither above nor below a text."""
    return type(cell) is type(value) and compare(cell, value)


def _aggregate(name: str, cells: list[Any]) -> Any:
    """Over numbers where there are any (a rank column may hold a dash), else, for max and min, over text."""
    numbers = [cell for cell in cells if isinstance(cell, float)]
    if name == "count":
        return float(len(cells))
    if name in ("max", "min"):
        chosen = numbers or cells
        return (max if name == "max" else min)(chosen) if chosen else None
    if not numbers:
        return None
    return sum(numbers) / (len(numbers) if name == "avg" else 1)
