"""Questions that combine two queries: UNION, INTERSECT, EXCEPT."""

from __future__ import annotations

from text2sql.synthesis.catalogue import ColumnFacts
from text2sql.synthesis.conditions import draw_condition
from text2sql.synthesis.frames import say
from text2sql.synthesis.query import Field
from text2sql.synthesis.rows import Desk, Draft, Rows, askable, draw_rows


def set_operation(desk: Desk) -> Draft | None:
    """Values of a column that two sets of rows share, that only the first has, or that either has."""
    random, table = desk.random, desk.table()
    columns = [c for c in table.of_kind("category") if 2 < c.distinct < table.rows] if table else []
    if table is None or not columns:
        return None
    column = random.choice(columns)
    first, second = draw_condition(table, random, [column]), draw_condition(table, random, [column])
    if first is None or second is None or first.comparison == second.comparison:
        return None
    rows, others = Rows(table, (first,)), Rows(table, (second,))
    return None if rows.single or others.single else _combined(desk, column, rows, column, others)


def two_table_set_operation(desk: Desk) -> Draft | None:
    """The same over two tables that have a column of the same name and kind (cities of customers and of shops)."""
    random, pairs = desk.random, []
    tables = [t for t in desk.catalogue.tables if t.rows and askable(t)]
    for left in tables:
        for right in tables:
            for column in left.of_kind("category", "name"):
                pairs += [(left, column, right, c) for c in right.of_kind("category", "name") if _same(column, c)]
    if not pairs:
        return None
    left, column, right, other = random.choice(pairs)
    rows, others = draw_rows(desk, left, (5, 2)), draw_rows(desk, right, (5, 2))
    return _combined(desk, column, rows, other, others) if rows and others else None


def _same(one: ColumnFacts, other: ColumnFacts) -> bool:
    return one is not other and one.noun == other.noun and one.table != other.table


def _combined(desk: Desk, column: ColumnFacts, first: Rows, other: ColumnFacts, second: Rows) -> Draft:
    random = desk.random
    frame = random.choice(("intersect", "except", "union") if column.kind == "category" else ("union.names",))
    slots = {"gs": column.plural, "ones": first.noun_phrase(random, True), "twos": second.noun_phrase(random, True)}
    question, phrasing = say(frame, random, **slots)
    operation = frame.partition(".")[0]
    query = first.query([Field(column)]).combine(operation.upper(), second.query([Field(other)]))
    return Draft(question, query, f"set.{operation}", phrasing)
