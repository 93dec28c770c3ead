"""More questions about WikiSQL's training tables: generated from their rows, in the manner of the set's own.

A row is drawn, then conditions that it meets, then what is asked of it. Half of the values that can be only one
column's are said without the column ("the score against Florida"), because that is what the set's annotators do and
what a model must learn for tables whose rows it cannot see: which kind of value belongs under which header.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from random import Random
from typing import TypeVar

from text2sql.data.example import AGGREGATES, OPERATORS, Example, LogicalForm, Value
from text2sql.data.wikisql import WikiSQLTables, to_sql
from text2sql.schema import Schema

T = TypeVar("T")

LONGEST_VALUE = 40
"""Longer cells are not quoted in questions."""

_CONDITIONS = ((1, 0.66), (2, 0.25), (3, 0.07), (4, 0.02))
"""How many conditions a question has, and how often: roughly the set's own shares, as are the next ones."""
_AGGREGATES = {"": 0.72, "count": 0.10, "max": 0.055, "min": 0.055, "sum": 0.035, "avg": 0.035}
_COMPARED = 0.45
"""Share of the conditions on numbers that compare."""
_UNSAID = 0.5
"""Share of the unmistakable values that are said without their column."""

_ASKED = {
    "": (
        ("what is the {c}", 4), ("what was the {c}", 2), ("name the {c}", 2),
        ("tell me the {c}", 2), ("what's the {c}", 1), ("which {c}", 2), ("what {c}", 2), ("i want the {c}", 1),
        ("give the {c}", 1), ("find the {c}", 1),
    ),
    "count": (
        ("how many {c}", 4), ("what is the number of {c}", 1), ("name the total number of {c}", 2),
        ("what is the total number of {c}", 2), ("how many different {c} are there", 1), ("count the {c}", 1),
    ),
    "max": (
        ("what is the highest {c}", 4), ("what is the maximum {c}", 1), ("name the most {c}", 2),
        ("what is the largest {c}", 2), ("what is the most {c}", 1), ("what was the latest {c}", 1),
    ),
    "min": (
        ("what is the lowest {c}", 4), ("what is the minimum {c}", 1), ("name the least {c}", 2),
        ("what is the smallest {c}", 2), ("what is the least {c}", 1), ("what was the earliest {c}", 1),
    ),
    "sum": (
        ("what is the total {c}", 2), ("what is the sum of {c}", 3), ("what is the total of {c}", 1),
        ("how many total {c}", 1), ("what is the sum of the {c}", 1),
    ),
    "avg": (("what is the average {c}", 4), ("what is the mean {c}", 1), ("name the average {c}", 1)),
}  # fmt: skip
_SAID = {
    "=": (
        ("when the {c} is {v}", 3), ("with a {c} of {v}", 4), ("that has a {c} of {v}", 2), ("where {c} is {v}", 2),
        ("with {v} as {c}", 1), ("for {c} {v}", 1), ("when {c} was {v}", 1), ("for the {c} {v}", 1),
        ("with {c} {v}", 1), ("if the {c} is {v}", 1), ("whose {c} is {v}", 1),
    ),
    ">": (
        ("with a {c} larger than {v}", 2), ("with more than {v} {c}", 2), ("when the {c} is greater than {v}", 2),
        ("that has a {c} over {v}", 1), ("with a {c} higher than {v}", 1), ("with {c} above {v}", 1),
        ("with a {c} bigger than {v}", 1), ("when {c} is more than {v}", 1),
    ),
    "<": (
        ("with a {c} smaller than {v}", 2), ("with less than {v} {c}", 2), ("when the {c} is less than {v}", 2),
        ("that has a {c} under {v}", 1), ("with a {c} lower than {v}", 1), ("with {c} below {v}", 1),
        ("with fewer than {v} {c}", 1), ("when {c} is less than {v}", 1),
    ),
}  # fmt: skip
_SAID_IN_TIME = {
    "=": (("in {v}", 3), ("on {v}", 1), ("for {v}", 1), ("of {v}", 1)),
    ">": (("after {v}", 2), ("later than {v}", 1), ("with a {c} after {v}", 2), ("since after {v}", 1)),
    "<": (("before {v}", 2), ("earlier than {v}", 1), ("with a {c} before {v}", 2), ("prior to {v}", 1)),
}
_UNSAID_FORMS = (("for {v}", 4), ("of {v}", 2), ("when it is {v}", 1), ("with {v}", 2), ("from {v}", 1), ("by {v}", 1))
_TIMES = ("year", "date", "season", "month", "week", "aired", "day")


def wikisql_questions(tables: WikiSQLTables, table_ids: Iterable[str], per_table: int, seed: int) -> list[Example]:
    """`per_table` questions about each table that has rows enough, the same for a seed, as examples of `wikisql`.

    Their queries return something, because a row of the table meets their conditions.
    """
    made = []
    for table_id in sorted(set(table_ids)):
        random, schema, rows = Random(f"{seed} {table_id}"), tables.schema(table_id), tables.rows(table_id)
        if not rows or len(schema.columns) < 2:
            continue
        uses = [Counter(_text(row[number]) for row in rows) for number in range(len(schema.columns))]
        for number in range(per_table):
            asked = _question(schema, rows[random.randrange(len(rows))], uses, random)
            if asked is not None:
                form, question = asked
                identity = f"synthetic/wikisql/{table_id}/{number}"
                sql = to_sql(form, schema)
                made.append(Example(identity, question, sql, schema, None, "wikisql", "train", form))
    return made


def _question(
    schema: Schema, row: Sequence[Value], uses: Sequence[Counter[str]], random: Random
) -> tuple[LogicalForm, str] | None:
    """A query that `row` answers and its question; None where the row has too little in it."""
    columns = schema.tables[0].columns
    usable = [i for i, value in enumerate(row) if _quotable(value)]
    wanted = _draw(_CONDITIONS, random)
    if len(usable) < wanted or len(columns) <= wanted:
        return None
    chosen = random.sample(usable, wanted)
    select = random.choice([i for i in range(len(columns)) if i not in chosen])
    aggregate = _draw(tuple(_AGGREGATES.items()), random)
    if aggregate not in ("", "count") and columns[select].type != "number":
        aggregate = ""
    conditions, phrases = [], []
    for number in chosen:
        operator, value = _compared(row[number], columns[number].type, random)
        conditions.append((number, OPERATORS.index(operator), value))
        text = _text(value)
        alone = sum(text in values for values in uses) == 1 and any(c.isalpha() for c in text) and len(text) > 2
        phrases.append(_say(columns[number].words.lower(), operator, text, alone, random))
    asked = _draw(_ASKED[aggregate], random).format(c=columns[select].words.lower())
    form = LogicalForm(select, AGGREGATES.index(aggregate), tuple(conditions))
    return form, _sentence(asked, phrases, random)


def _compared(value: Value, kind: str, random: Random) -> tuple[str, Value]:
    """An operator and a value that the cell `value` meets."""
    if kind != "number" or isinstance(value, str) or random.random() >= _COMPARED:
        return "=", value
    shift = random.choice((1, 1, 2, 5, 10)) if value == int(value) else random.choice((0.1, 0.5, 1.0))
    operator = random.choice("><")
    return operator, round(value - shift if operator == ">" else value + shift, 4)


def _say(column: str, operator: str, value: str, alone: bool, random: Random) -> str:
    """A condition in words; `alone` says that no other column has the value."""
    if any(word in column for word in _TIMES) and random.random() < 0.6:
        form = _draw(_SAID_IN_TIME[operator], random)
    elif operator == "=" and alone and random.random() < _UNSAID:
        form = _draw(_UNSAID_FORMS, random)
    else:
        form = _draw(_SAID[operator], random)
    return form.format(c=column, v=value)


def _sentence(asked: str, phrases: Sequence[str], random: Random) -> str:
    """The whole question, conditions after or before what is asked, as people type."""
    conditions = random.choice((" and ", ", and ", ", ")).join(phrases) if len(phrases) > 1 else phrases[0]
    text = f"{conditions}, {asked}" if random.random() < 0.15 else f"{asked} {conditions}"
    if random.random() < 0.7:
        text = text[0].upper() + text[1:]
    return text + random.choice(("?", "?", "?", "", " ?", "."))


def _text(value: Value) -> str:
    """A cell as a question spells it: whole numbers without a decimal point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).lower()


def _quotable(value: Value) -> bool:
    text = _text(value).strip()
    return any(character.isalnum() for character in text) and len(text) <= LONGEST_VALUE


def _draw(choices: Sequence[tuple[T, float]], random: Random) -> T:
    options, weights = zip(*choices, strict=True)
    return random.choices(options, weights)[0]
