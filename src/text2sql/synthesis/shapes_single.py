"""Questions that return, count or aggregate rows, one row of the answer at a time: no groups, no nesting.

The rows may be of one table, or of a table under a condition on what it refers to.
"""

from __future__ import annotations

from text2sql.synthesis.frames import say
from text2sql.synthesis.query import COUNT, STAR, Field
from text2sql.synthesis.ranking import (
    aggregate_fields,
    aggregate_slots,
    best,
    draw_aggregates,
    draw_order,
    extreme_words,
    number_words,
    rankable,
)
from text2sql.synthesis.rows import Desk, Draft, Rows, column_slots, draw_columns, draw_referring_rows, draw_rows


def columns_of_rows(desk: Desk) -> Draft | None:
    """Some columns of the rows of one table."""
    table = desk.table()
    return _columns(desk, draw_rows(desk, table), "list") if table else None


def columns_of_referring_rows(desk: Desk) -> Draft | None:
    """Some columns of rows under a condition on another table."""
    return _columns(desk, draw_referring_rows(desk), "list.join")


def _columns(desk: Desk, rows: Rows | None, shape: str) -> Draft | None:
    random = desk.random
    columns = draw_columns(desk, rows.table, avoid=rows.fixed()) if rows else []
    if rows is None or not columns:
        return None
    order = draw_order(rows.table, columns, random) if random.random() < 0.22 else None
    frame = "list"
    if rows.conditions and random.random() < 0.3:
        frame = "list.which"
    if rows.conditions and not order and columns == [rows.table.display] and random.random() < 0.4:
        frame = "list.display"
    slots = rows.slots(random) | column_slots(columns, random) | {"order": order.words if order else ""}
    question, phrasing = say(frame, random, **slots)
    ordering = {"order": Field(order.column), "descending": order.descending} if order else {}
    return Draft(question, rows.query([Field(c) for c in columns], **ordering), f"{shape}:{frame}", phrasing)


def whole_rows(desk: Desk) -> Draft | None:
    """All columns of rows."""
    table = desk.table()
    rows = draw_rows(desk, table) if table else None
    if rows is None:
        return None
    order = draw_order(rows.table, [], desk.random) if desk.random.random() < 0.2 else None
    question, phrasing = say("star", desk.random, **rows.slots(desk.random), order=order.words if order else "")
    ordering = {"order": Field(order.column), "descending": order.descending} if order else {}
    return Draft(question, rows.query([STAR], **ordering), "star", phrasing)


def count_of_rows(desk: Desk) -> Draft | None:
    """How many rows of one table."""
    table = desk.table()
    return _count(desk, draw_rows(desk, table, (1, 6, 3)), "count") if table else None


def count_of_referring_rows(desk: Desk) -> Draft | None:
    """How many rows under a condition on another table."""
    return _count(desk, draw_referring_rows(desk), "count.join")


def _count(desk: Desk, rows: Rows | None, shape: str) -> Draft | None:
    if rows is None:
        return None
    frame = "count.which" if rows.conditions and desk.random.random() < 0.5 else "count"
    question, phrasing = say(frame, desk.random, **rows.slots(desk.random))
    return Draft(question, rows.query([COUNT]), f"{shape}:{frame}", phrasing)


def aggregate_of_rows(desk: Desk) -> Draft | None:
    """Average, total, least or greatest value over rows of one table."""
    table = desk.table()
    return _aggregate(desk, draw_rows(desk, table, (2, 4, 1)), "aggregate") if table else None


def aggregate_of_referring_rows(desk: Desk) -> Draft | None:
    """The same under a condition on another table."""
    return _aggregate(desk, draw_referring_rows(desk), "aggregate.join")


def _aggregate(desk: Desk, rows: Rows | None, shape: str) -> Draft | None:
    drawn = draw_aggregates(rows.table, desk.random) if rows else None
    if rows is None or drawn is None or rows.single or drawn[0] in rows.fixed():
        return None
    column, names = drawn
    slots = rows.slots(desk.random) | aggregate_slots(column, names, desk.random)
    question, phrasing = say("aggregate", desk.random, **slots)
    return Draft(question, rows.query(aggregate_fields(column, names)), shape, phrasing)


def different_values(desk: Desk) -> Draft | None:
    """The different values of a column, or how many there are."""
    random, table = desk.random, desk.table()
    columns = [c for c in table.of_kind("category", "year") if c.distinct > 1] if table else []
    rows = draw_rows(desk, table, (4, 3, 0.5)) if table else None
    if rows is None or not columns:
        return None
    column = random.choice(columns)
    count = random.random() < 0.5
    frame = "count_distinct" if count else "distinct"
    question, phrasing = say(frame, random, **rows.slots(random), **column_slots([column], random))
    if count:
        return Draft(question, rows.query([Field(column, 0, "count", True)]), frame, phrasing)
    return Draft(question, rows.query([Field(column)], distinct=True), frame, phrasing)


def superlative(desk: Desk) -> Draft | None:
    """Columns of the one row at an end of an order."""
    random, table = desk.random, desk.table()
    rows = draw_rows(desk, table, (5, 3, 0.5)) if table else None
    ranked = rankable(table) if table else []
    if rows is None or not ranked or rows.single:
        return None
    column = random.choice(ranked)
    if column in rows.fixed():
        return None
    descending = bool(column.nulls) or random.random() < 0.6  # NULL comes first in SQLite's ascending order
    columns = draw_columns(desk, rows.table, avoid=[column, *rows.fixed()])
    if not columns:
        return None
    shown = columns == [rows.table.display] and random.random() < 0.6
    frame = "superlative.display" if shown else "superlative"
    slots = rows.slots(random) | column_slots(columns, random)
    slots |= {"best": best(rows, column, descending, random), "extreme": extreme_words(column, descending, random)}
    question, phrasing = say(frame, random, **slots)
    query = rows.query([Field(c) for c in columns], order=Field(column), descending=descending, limit=1)
    return Draft(question, query, f"superlative:{frame}", phrasing)


def top_rows(desk: Desk) -> Draft | None:
    """Columns of the first few rows of an order."""
    random, table = desk.random, desk.table()
    rows = draw_rows(desk, table, (5, 3, 0.5)) if table else None
    ranked = rankable(table) if table else []
    if rows is None or not ranked or rows.single:
        return None
    column, count = random.choice(ranked), random.choice((2, 3, 3, 4, 5, 5, 6, 7, 8, 10))
    if rows.table.rows <= count or column in rows.fixed():
        return None
    columns = draw_columns(desk, rows.table, avoid=[column, *rows.fixed()])
    descending = bool(column.nulls) or random.random() < 0.6
    if not columns:
        return None
    slots = rows.slots(random) | column_slots(columns, random)
    slots |= {"k": number_words(count, random), "order_c": column.noun}
    slots["bests"] = best(rows, column, descending, random, count)
    question, phrasing = say("top" if descending else "top.ascending", random, **slots)
    query = rows.query([Field(c) for c in columns], order=Field(column), descending=descending, limit=count)
    return Draft(question, query, "top", phrasing)
