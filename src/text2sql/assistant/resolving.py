"""Which column a few words mean, among the tables of a query.

Names are compared word by word; "released" finds `release_date`, "priced" finds `price` (a shared beginning of at
least four letters), and words such as "cheapest" or "born" find columns that are usually called otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile

from text2sql.prompting.words import normalise, stem
from text2sql.schema import Column, Schema, Table

_PREFIX = 4
_FILLER_LIST = """
    a an and are as at be been by did do does for from had has have having in is it its of on one ones only or that the
    their there them these they this those to was were which who whose with first order value values each every
"""
_FILLER = frozenset(_FILLER_LIST.split())
_KINDS = frozenset(("number", "name", "date", "year", "value", "amount"))
_MONEY = ("price", "cost", "fee", "amount", "salary", "budget", "ticket price")
_LENGTH = ("duration", "length", "distance", "minutes", "seconds", "pages", "height", "days")
_SIZE = ("capacity", "size", "area", "seats", "population", "attendance", "beds", "pages")
_HINTS = {
    **dict.fromkeys(("cheap", "cheaper", "cheapest", "expensive", "cost", "costing", "dollar", "euro"), _MONEY),
    **dict.fromkeys(("long", "longer", "longest", "short", "shorter", "shortest"), _LENGTH),
    **dict.fromkeys(("big", "bigger", "biggest", "large", "larger", "largest", "small", "smaller", "smallest"), _SIZE),
    **dict.fromkeys(("born", "younger", "youngest"), ("birth",)),
    **dict.fromkeys(("tall", "taller", "tallest"), ("height",)),
    **dict.fromkeys(("bought", "purchased"), ("purchase", "sold")),
    **dict.fromkeys(("founded", "established"), ("founding", "opening", "opened")),
}


def content_words(text: str) -> list[str]:
    """The stemmed words of a text that may name a column."""
    return [stem(word) for word in normalise(text).split() if word not in _FILLER]


def is_year(column: Column) -> bool:
    """Whether a column holds years as numbers."""
    return column.type in ("number", "time") and "year" in column.words.split()


def is_time(column: Column) -> bool:
    """Whether a column says when: a date, a time or a year."""
    return column.type == "time" or is_year(column)


def is_key(table: Table, column: Column, schema: Schema) -> bool:
    """Whether a column is a key: nobody asks for its average."""
    foreign = any(key.table == table.name and column.name in key.columns for key in schema.foreign_keys)
    return foreign or column.name in table.primary_key or column.words.split()[-1] in ("id", "code", "no")


def is_quantity(table: Table, column: Column, schema: Schema) -> bool:
    """Whether a column holds numbers that can be added up."""
    return column.type == "number" and not is_key(table, column, schema) and not is_year(column)


class Resolver:
    """Finds columns of a schema among some tables, the preferred ones first."""

    def __init__(self, schema: Schema, tables: Sequence[int], preferred: Sequence[int]) -> None:
        """`tables` are searched in their order; `preferred` columns win where several fit."""
        self.schema = schema
        self.numbers = [n for t in tables for n, (table, _) in enumerate(schema.columns) if table is schema.tables[t]]
        self._preferred = preferred

    def named(self, words: str) -> int | None:
        """The column that words name: all of them must fit its name or its table's. None for no or doubtful words."""
        wanted = content_words(words)
        found = self._best(wanted)
        if found is None and len(wanted) > 1 and wanted[-1] in _KINDS:  # "phone number" for a column `phone`
            found = self._best(wanted[:-1])
        return found

    def _best(self, wanted: Sequence[str]) -> int | None:
        scores = {n: self._score(n, wanted) for n in self.numbers}
        best = max(scores.values(), default=0.0) if wanted else 0.0
        return self._one(n for n, score in scores.items() if score == best) if best > 0 else None

    def the_only(self, kind: Callable[[Table, Column], bool]) -> int | None:
        """The one column of a kind: a preferred one, else one of the first table that has any, if it has only one."""
        fitting = [n for n in self.numbers if kind(*self.schema.columns[n])]
        preferred = [n for n in self._preferred if n in fitting]
        if preferred:
            return preferred[0]
        first = [n for n in fitting if self.schema.columns[n][0] is self.schema.columns[fitting[0]][0]]
        return first[0] if len(first) == 1 else None

    def _score(self, number: int, wanted: Sequence[str]) -> float:
        """How much of a column's name the words cover, 0 when some word has no place in it."""
        table, column = self.schema.columns[number]
        own = [stem(word) for word in normalise(column.words).split()]
        others = [stem(word) for word in normalise(table.words).split()]
        covered = [max((_likeness(word, part) for part in own), default=0.0) for word in wanted]
        if not any(covered) or any(c == 0 and word not in others for c, word in zip(covered, wanted, strict=True)):
            return 0.0
        return sum(covered) / max(len(own), len(wanted)) + 0.01 * any(word in others for word in wanted)

    def _one(self, numbers: Iterable[int]) -> int | None:
        """Of equally good columns a preferred one, else the first table's, else None."""
        found = list(numbers)
        preferred = [n for n in self._preferred if n in found]
        if preferred or len(found) == 1:
            return (preferred or found)[0]
        first = [n for n in found if self.schema.columns[n][0] is self.schema.columns[found[0]][0]]
        return first[0] if len(first) == 1 else None


def _likeness(word: str, part: str) -> float:
    if word == part:
        return 1.0
    if any(part == stem(hint) for hint in _HINTS.get(word, ())):
        return 0.6
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(word, part, strict=False)))
    return 0.8 if shared >= _PREFIX and shared >= min(len(word), len(part)) - 1 else 0.0
