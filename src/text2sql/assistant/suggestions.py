"""Did you mean: names and values of the database close to what the question or the SQL says.

Closeness is `difflib`'s ratio (twice the matching characters over all of them) of folded, stemmed words: a form of
normalised edit distance. Names and values are only suggested; nothing is replaced without the user.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import sqlglot
from sqlglot import exp

from text2sql.assistant.links import used_items
from text2sql.database import Database, ExecutionResult
from text2sql.prompting.linking import Links
from text2sql.prompting.words import normalise, split_words, stem
from text2sql.schema import Schema

CUTOFF = 0.78
"""Least ratio of a suggestion: one wrong or missing letter in a word of five, two in one of nine."""
_SHORTEST = 4
"""Letters that a word needs to be looked at; shorter ones resemble too much."""
_VALUES = 5000
"""Different values of a column that are compared at most."""
_COMPARISONS = 4
"""Values of one query that are looked at."""
_WORDS = 6
"""Words of one question that are looked at."""
_SECONDS = 1.0
"""How long the values of a column are read for a suggestion."""
_ORDINARY_LIST = """
    about above after again altogether among amount answer average before below between biggest both could count
    different does down each earliest every fewest find first from give greater greatest have highest information
    larger largest last latest least less list longest lowest many maximum mean minimum more most much name never
    newest number numbers once only order other over overall please same several shortest should show smallest some
    sort sorted table tell than that their them then there these they think this those times total under values want
    were what when where which while whose will with without would year years
"""
_ORDINARY = frozenset(_ORDINARY_LIST.split())


@dataclass(frozen=True)
class Suggestion:
    """What `word` may stand for, best first; `place` says what kind of thing it would be: "table", `artists.name`."""

    word: str
    names: tuple[str, ...]
    place: str = ""

    def __str__(self) -> str:
        where = f" in {self.place}" if self.place else ""
        return f"nothing{where} is called {self.word!r}: did you mean {_or(self.names)}?"


def closest(word: str, names: Iterable[str], limit: int = 3) -> tuple[str, ...]:
    """The names most like a word, best first; none for a word of under four letters or equal to a name."""
    folded: dict[str, str] = {}
    for name in names:
        folded.setdefault(_fold(name), name)
    key = _fold(word)
    if len(key) < _SHORTEST or key in folded:
        return ()
    # Lengths that cannot reach the cut-off are dropped first: the comparison is quadratic.
    near = [one for one in folded if abs(len(one) - len(key)) <= (1 - CUTOFF) / CUTOFF * len(key) + 1]
    return tuple(folded[one] for one in difflib.get_close_matches(key, near, limit, CUTOFF))


def unlinked_words(question: str, schema: Schema, links: Links) -> list[str]:
    """The question's words that may be names but stand for nothing in the database."""
    known = {stem(part) for table in schema.tables for part in normalise(table.words).split()}
    known |= {stem(part) for _, column in schema.columns for part in normalise(column.words).split()}
    celled = {n for cell in links.cells for n in range(cell.first_word, cell.last_word + 1)}
    words = []
    for number, word in enumerate(split_words(question)):
        folded = normalise(word.text)
        ordinary = len(folded) < _SHORTEST or not folded.isalpha() or folded in _ORDINARY
        if not ordinary and number not in celled and stem(folded) not in known:
            words.append(word.text)
    return words


def name_suggestions(question: str, schema: Schema, links: Links, values: Sequence[str] = ()) -> list[Suggestion]:
    """For each unlinked word the tables, columns or `values` that it may be a misspelling of."""
    names = [table.name for table in schema.tables] + [column.name for _, column in schema.columns]
    parts = [part for name in names for part in _parts(name)]
    found = []
    for word in unlinked_words(question, schema, links)[:_WORDS]:
        near = closest(word, [*names, *parts]) or closest(word, values)
        if near and not any(_inflected(word, name) for name in near):
            found.append(Suggestion(word, near))
    return found


def value_suggestions(sql: str, result: ExecutionResult, database: Database) -> list[Suggestion]:
    """For SQL that found nothing: values it compares a column with that the column does not have, but nearly does."""
    if result.error is not None or not found_nothing(result):
        return []
    query = sqlglot.parse_one(sql, read=database.dialect)
    found = []
    for column, text in islice(_compared(query), _COMPARISONS):
        select = column.parent_select or query
        numbers = used_items(select.sql(database.dialect), database.schema, database.dialect)[1]
        place = _place(column, numbers, database.schema)
        near = closest(text, _column_texts(database, *place)) if place else ()
        if place and near:
            found.append(Suggestion(text, near, f"{place[0]}.{place[1]}"))
    return found


def found_nothing(result: ExecutionResult) -> bool:
    """Whether a result has no rows, or is one row of NULLs and zeros, as aggregates over nothing are."""
    return not result.rows or (len(result.rows) == 1 and all(value in (None, 0) for value in result.rows[0]))


def _compared(query: exp.Expr) -> Iterable[tuple[exp.Column, str]]:
    """(column, text) of every equality between a column and a string, IN included."""
    for comparison in query.find_all(exp.EQ, exp.In):
        others = comparison.expressions if isinstance(comparison, exp.In) else [comparison.expression]
        if isinstance(comparison.this, exp.Column):
            for other in others:
                if isinstance(other, exp.Literal) and other.is_string:
                    yield comparison.this, other.this


def _place(column: exp.Column, numbers: Sequence[int], schema: Schema) -> tuple[str, str] | None:
    """Table and column name of a column node, among the columns that its SELECT uses."""
    for number in numbers:
        table, known = schema.columns[number]
        if known.name.lower() == column.name.lower():
            return table.name, known.name
    return None


def _column_texts(database: Database, table: str, column: str) -> list[str]:
    """Some different values of a column as text; none when reading them takes long."""
    name = exp.column(exp.to_identifier(column, quoted=True))
    query = exp.select(name).distinct().from_(exp.Table(this=exp.to_identifier(table, quoted=True))).limit(_VALUES)
    values: list[tuple[Any, ...]] = database.run(query.sql(database.dialect), _SECONDS, _VALUES).rows
    return [str(row[0]) for row in values if row[0] is not None]


def _fold(text: str) -> str:
    return " ".join(map(stem, normalise(text).split()))


def _inflected(word: str, name: str) -> bool:
    """Whether a word is a name with another ending, as "released" is of `release`: no misspelling."""
    one, other = normalise(word), normalise(name)
    return one.startswith(other) or other.startswith(one)


def _parts(name: str) -> list[str]:
    """The words of a name that has several, long enough to be meant alone."""
    parts = normalise(name.replace("_", " ")).split()
    return [part for part in parts if len(part) > _SHORTEST] if len(parts) > 1 else []


def _or(names: Sequence[str]) -> str:
    quoted = [repr(name) for name in names]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " or " + quoted[-1]
