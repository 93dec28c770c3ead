"""Which chart a result suggests, if any: chosen from the columns' types and how many different values they have."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any, Literal

from text2sql.database import ExecutionResult
from text2sql.schema import words_of

MOST_BARS = 30
"""Labels that a bar chart can show."""
MOST_POINTS = 1000
"""Points of a line or a scatter plot."""
_MOST_COLUMNS = 4
_FEWEST_POINTS = {"bar": 2, "line": 3, "scatter": 5}
_IDENTIFIER = re.compile(r"(.* )?(ids?|code|key|uuid|no|nr|phone|zip|postcode|telephone|isbn|rowid)")
_ISO_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?\S{0,6})?)?")
_Kind = Literal["number", "time", "label", "identifier", "other"]


@dataclass(frozen=True)
class Chart:
    """A chart of a result: `x` and `y` are positions of columns, counted from 0.

    A line's points are to be drawn in the order of x, whatever the order of the rows; missing y values are gaps.
    """

    kind: Literal["bar", "line", "scatter"]
    x: int
    y: tuple[int, ...]


def suggest_chart(result: ExecutionResult) -> Chart | None:
    """The chart that shows the rows well, None where a table or a sentence says it better.

    Dates, years or ordered numbers with one number each are a line, labels with numbers bars, two numbers a scatter
    plot. Identifiers are never drawn; nor is a result that is not whole, for it would look like the whole.
    """
    rows = result.rows
    if result.error or result.truncated or not 2 <= len(rows) <= MOST_POINTS:
        return None
    if not 2 <= len(result.columns) <= _MOST_COLUMNS:
        return None
    kinds = [_kind(name, [row[i] for row in rows]) for i, name in enumerate(result.columns)]
    for candidate in (_line(kinds, rows), _ordered(kinds, rows), _bar(kinds, rows), _scatter(kinds, rows)):
        if candidate is not None and len(rows) >= _FEWEST_POINTS[candidate.kind]:
            return candidate
    return None


def _kind(name: str, values: Sequence[Any]) -> _Kind:
    """What a column holds, from its name and its values; mixed columns are `other`."""
    known = [value for value in values if value is not None]
    words = words_of(name)
    if not known:
        return "other"
    if all(isinstance(v, int) and not isinstance(v, bool) and 1000 <= v <= 2999 for v in known) and "year" in words:
        return "time"
    if all(_is_number(v) for v in known):
        return "identifier" if _IDENTIFIER.fullmatch(words) else "number"
    if all(_is_time(v) for v in known):
        return "time"
    return "label" if all(isinstance(v, str | bool) for v in known) else "other"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool) and math.isfinite(value)


def _is_time(value: Any) -> bool:
    year = isinstance(value, str) and re.fullmatch(r"[12]\d{3}", value)
    return (
        isinstance(value, datetime.date) or bool(year) or (isinstance(value, str) and bool(_ISO_DATE.fullmatch(value)))
    )


def _line(kinds: Sequence[_Kind], rows: Sequence[Sequence[Any]]) -> Chart | None:
    """Numbers over dates or years, one row for each."""
    if kinds.count("time") != 1 or {"label", "identifier", "other"} & set(kinds):
        return None
    x = kinds.index("time")
    return _chart("line", x, kinds, rows) if _each_once(rows, x) else None


def _ordered(kinds: Sequence[_Kind], rows: Sequence[Sequence[Any]]) -> Chart | None:
    """Two numbers, the first of which only rises or only falls in whole steps."""
    if list(kinds) != ["number", "number"]:
        return None
    first = [row[0] for row in rows]
    if not all(isinstance(value, int) for value in first):
        return None
    steps = {later > earlier for earlier, later in pairwise(first) if later != earlier}
    return _chart("line", 0, kinds, rows) if len(steps) == 1 and _each_once(rows, 0) else None


def _bar(kinds: Sequence[_Kind], rows: Sequence[Sequence[Any]]) -> Chart | None:
    """Numbers for labels; a few dates are labels too."""
    labels = [i for i, kind in enumerate(kinds) if kind in ("label", "time")]
    if len(labels) != 1 or len(rows) > MOST_BARS or {"identifier", "other"} & set(kinds):
        return None
    different = len({row[labels[0]] for row in rows}) == len(rows)
    return _chart("bar", labels[0], kinds, rows) if different else None


def _scatter(kinds: Sequence[_Kind], rows: Sequence[Sequence[Any]]) -> Chart | None:
    """Two numbers for each row; a name beside them does not matter."""
    numbers = [i for i, kind in enumerate(kinds) if kind == "number"]
    if len(numbers) != 2 or "time" in kinds or kinds.count("label") > 1:
        return None
    points = {(row[numbers[0]], row[numbers[1]]) for row in rows if None not in (row[numbers[0]], row[numbers[1]])}
    return Chart("scatter", numbers[0], (numbers[1],)) if len(points) >= _FEWEST_POINTS["scatter"] else None


def _each_once(rows: Sequence[Sequence[Any]], column: int) -> bool:
    values = [row[column] for row in rows]
    return None not in values and len(set(values)) == len(values)


def _chart(kind: Literal["bar", "line"], x: int, kinds: Sequence[_Kind], rows: Sequence[Sequence[Any]]) -> Chart | None:
    """A chart of the numbers that fit on one axis with the first of them."""
    numbers = [i for i, k in enumerate(kinds) if k == "number" and i != x]
    known = {i: [abs(float(row[i])) for row in rows if row[i] is not None] for i in numbers}
    drawn = [i for i in numbers if len(known[i]) >= 2]
    if not drawn:
        return None
    size = max(known[drawn[0]])
    alike = [i for i in drawn if size / 20 <= max(known[i]) <= size * 20]
    return Chart(kind, x, tuple(alike or drawn[:1]))
