"""Questions about groups of rows of one table: a number per group, groups over a threshold, the most common group."""

from __future__ import annotations

from text2sql.synthesis.catalogue import ColumnFacts, TableFacts
from text2sql.synthesis.frames import say
from text2sql.synthesis.patterns import expand
from text2sql.synthesis.query import COUNT, Comparison, Field, number_text
from text2sql.synthesis.ranking import aggregate_fields, aggregate_slots, draw_aggregates, number_words
from text2sql.synthesis.rows import Desk, Draft, Rows, draw_rows

_AT_LEAST = {
    ">": "(more than|over)",
    ">=": "at least",
    "<": "(fewer than|less than)",
    "<=": "at most",
    "=": "exactly",
}
_OVER = {">": "(over|above|higher than|greater than|of more than)", "<": "(under|below|lower than|of less than)"}
_COMMONEST = {True: "(most common|most frequent)", False: "(least common|rarest)"}


def groupable(table: TableFacts) -> list[ColumnFacts]:
    """Columns whose values repeat."""
    columns = table.of_kind("category", "year", "boolean", "number", "name")
    columns = [c for c in columns if c.kind != "boolean" and 1 < c.distinct <= table.rows * 0.7]
    return [c for c in columns if c.kind in ("category", "year")] * 4 + [c for c in columns if c.kind == "year"]


def _draw_group(desk: Desk, weights: tuple[float, ...] = (6, 3)) -> tuple[Rows, ColumnFacts] | None:
    table = desk.table()
    columns = groupable(table) if table else []
    if table is None or not columns:
        return None
    column = desk.random.choice(columns)
    rows = draw_rows(desk, table, weights)
    if rows is None or rows.single or any(c.comparison.left.column is column for c in rows.conditions):
        return None
    return rows, column


def group_slots(column: ColumnFacts) -> dict[str, str]:
    """`{g}` and `{gs}`: what the rows are grouped by."""
    return {"g": column.noun, "gs": column.plural}


def count_per_group(desk: Desk) -> Draft | None:
    """How many rows there are for each value of a column, now and then in order."""
    drawn = _draw_group(desk)
    if drawn is None:
        return None
    (rows, column), random = drawn, desk.random
    slots = rows.slots(random) | group_slots(column)
    query = rows.query([Field(column), COUNT], group=Field(column))
    if random.random() < 0.75:
        question, phrasing = say("group_count", random, **slots)
        return Draft(question, query, "group_count", phrasing)
    descending = random.random() < 0.65
    slots |= count_order_slots(desk, descending)
    if random.random() < 0.5:
        question, phrasing = say("group_count.ordered", random, **slots)
        fields = [Field(column), COUNT]
    else:
        question, phrasing = say("group_order", random, **slots)
        fields = [Field(column)]
    query = rows.query(fields, group=Field(column), order=COUNT, descending=descending)
    return Draft(question, query, "group_count.ordered", phrasing)


def count_order_slots(desk: Desk, descending: bool) -> dict[str, str]:
    """`{direction}` and `{sorted}` for an order by the number of rows."""
    if descending:
        words, order = "(decreasing|descending)", "(most|largest|highest number) first"
    else:
        words, order = "(increasing|ascending)", "(fewest|smallest|lowest number) first"
    direction = expand(words, desk.random)
    by = expand(f"((sorted|ordered) by (that number|the count) in {direction} order|{order})", desk.random)
    return {"direction": direction, "sorted": by}


def aggregate_per_group(desk: Desk) -> Draft | None:
    """An average, total or extreme for each value of a column."""
    drawn = _draw_group(desk, (6, 2))
    if drawn is None:
        return None
    (rows, column), random = drawn, desk.random
    aggregates = draw_aggregates(rows.table, random, most=2)
    if aggregates is None or aggregates[0] is column:
        return None
    slots = rows.slots(random) | group_slots(column) | aggregate_slots(*aggregates, random)
    question, phrasing = say("group_aggregate", random, **slots)
    question = question.replace("what is the", "what are the", 1) if slots["is_a"] == "are" else question
    query = rows.query([Field(column), *aggregate_fields(*aggregates)], group=Field(column))
    return Draft(question, query, "group_aggregate", phrasing)


def groups_by_count(desk: Desk) -> Draft | None:
    """The groups with more or fewer rows than a number."""
    drawn = _draw_group(desk)
    if drawn is None or drawn[1].nulls:
        return None
    (rows, column), random = drawn, desk.random
    operator, count, words = draw_count(desk, max(2, rows.table.rows // max(1, column.distinct)))
    slots = rows.slots(random) | group_slots(column) | {"cmp": words}
    if count == 1:
        slots["things"] = rows.noun_phrase(random, False)
    question, phrasing = say("having_count", random, **slots)
    having = Comparison(COUNT, operator, count)
    return Draft(question, rows.query([Field(column)], group=Field(column), having=having), "having_count", phrasing)


def draw_count(desk: Desk, typical: int) -> tuple[str, int, str]:
    """An operator, a number around `typical`, and the words for both."""
    operator = desk.random.choices((">", ">=", "<", "<=", "="), (5, 5, 2, 1, 1))[0]
    count = desk.random.randint(1 if operator in (">", "=") else 2, typical + 2)
    return operator, count, f"{expand(_AT_LEAST[operator], desk.random)} {number_words(count, desk.random)}"


def groups_by_aggregate(desk: Desk) -> Draft | None:
    """The groups whose average (total, ...) is over or under a number."""
    drawn = _draw_group(desk, (8, 1))
    if drawn is None or drawn[1].nulls:
        return None
    (rows, column), random = drawn, desk.random
    numbers = [c for c in rows.table.of_kind("number") if c.summable and c.distinct > 3]
    if not numbers:
        return None
    number, name, operator = random.choice(numbers), random.choice(("avg", "avg", "avg", "sum", "max", "min")), "><"
    operator = random.choice(operator)
    value = sum(random.choice(number.values) for _ in range(3)) / 3
    if name == "sum":
        value *= rows.table.rows / column.distinct
    whole = name != "avg" and all(isinstance(v, int) for v in number.values)
    value = float(f"{value:.2g}") if value >= 10 else round(value, 0 if whole else 1)
    slots = rows.slots(random) | group_slots(column) | aggregate_slots(number, [name], random)
    slots["cmp"] = f"{expand(_OVER[operator], random)} {number_text(value)}"
    question, phrasing = say("having_aggregate", random, **slots)
    question = question.replace(" is of ", " is ")
    having = Comparison(Field(number, 0, name), operator, value)
    query = rows.query([Field(column)], group=Field(column), having=having)
    return Draft(question, query, "having_aggregate", phrasing)


def most_common(desk: Desk) -> Draft | None:
    """The value (or the few values) with the most rows or the fewest."""
    drawn = _draw_group(desk)
    if drawn is None or drawn[1].nulls or drawn[1].distinct < 4:
        return None
    (rows, column), random = drawn, desk.random
    descending = random.random() < 0.8
    count = random.choice((1, 1, 1, 2, 3, 3))
    slots = rows.slots(random) | group_slots(column) | {"most": "most" if descending else "fewest"}
    slots |= {"commonest": expand(_COMMONEST[descending], random), "k": number_words(count, random)}
    question, phrasing = say("most_common" if count == 1 else "most_common.top", random, **slots)
    query = rows.query([Field(column)], group=Field(column), order=COUNT, descending=descending, limit=count)
    return Draft(question, query, "most_common", phrasing)
