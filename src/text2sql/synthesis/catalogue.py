"""What a question writer must know of a database: nouns, kinds of columns, values, and how tables refer to each other.

Everything is derived from the `Schema` and from the contents read through `Database`; nothing is specific to any
database. A column's kind says how one speaks of it (a year is "in", a price is "over"), not how it is stored.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from text2sql.database import Database
from text2sql.english import ACTIVE, PARTICIPLES, PASSIVE, PERSONS, UNITS, plural, singular
from text2sql.schema import Column, ForeignKey, Table, quote_identifier
from text2sql.synthesis.vocabulary import (
    IDENTIFIER_WORDS,
    KEY_WORDS,
    MEASURES,
    NAME_WORDS,
)

Kind = Literal["key", "name", "category", "text", "number", "year", "date", "boolean", "unused"]

VALUES_READ = 300
"""Different values read per column."""
LONGEST_VALUE = 40
"""Longer texts are not quoted in questions."""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2})?)?")


@dataclass(eq=False)
class ColumnFacts:
    """A column as a question speaks of it. `values` are literals that may stand in a question, sorted."""

    table: str
    name: str
    noun: str
    kind: Kind
    values: tuple[Any, ...] = ()
    nulls: int = 0
    distinct: int = 0
    unit: str = ""
    participle: str = ""
    """`released` for a release date: "albums released after ..."."""
    summable: bool = False
    """Whether totals and averages mean something."""

    @property
    def plural(self) -> str:
        """The noun for several rows."""
        if self.noun.startswith("date ") and not self.noun.startswith("date of "):
            return "dates" + self.noun.removeprefix("date")
        return plural(self.noun)


@dataclass(eq=False)
class TableFacts:
    """A table as a question speaks of it."""

    name: str
    singular: str
    plural: str
    rows: int
    columns: tuple[ColumnFacts, ...] = ()
    display: ColumnFacts | None = None
    """The column that names a row for people."""
    key: ColumnFacts | None = None
    """The primary key, where it is a single column."""
    person: bool = False

    def of_kind(self, *kinds: Kind) -> list[ColumnFacts]:
        """The columns of some kinds, in declaration order."""
        return [column for column in self.columns if column.kind in kinds]

    def column(self, name: str) -> ColumnFacts:
        """The column of that name. Raises KeyError when there is none."""
        for column in self.columns:
            if column.name.lower() == name.lower():
                return column
        raise KeyError(name)


@dataclass(eq=False)
class Reference:
    """`child.column` refers to `parent.target`; the parent is the child's `role` ("home club")."""

    child: TableFacts
    column: ColumnFacts
    parent: TableFacts
    target: ColumnFacts
    role: str
    alone: bool = True
    """Whether no other foreign key joins the same two tables."""


@dataclass(eq=False)
class Catalogue:
    """All tables and references of one database; empty tables are listed too."""

    tables: tuple[TableFacts, ...]
    references: tuple[Reference, ...] = field(default=())


def read_catalogue(database: Database) -> Catalogue:
    """Read the facts of a database: a few queries per table, values of up to `VALUES_READ` rows."""
    schema = database.schema
    keys = {(key.table.lower(), name.lower()) for key in schema.foreign_keys for name in key.columns}
    tables = {table.name.lower(): _table_facts(database, table, keys) for table in schema.tables}
    references = []
    for key in schema.foreign_keys:
        if len(key.columns) == 1:
            references.append(_reference(tables[key.table.lower()], tables[key.referenced_table.lower()], key))
    for reference in references:
        pair = {reference.child.name, reference.parent.name}
        reference.alone = sum({r.child.name, r.parent.name} == pair for r in references) == 1
    unique = {(r.child.name, r.parent.name, r.role): r for r in reversed(references)}
    return Catalogue(tuple(tables.values()), tuple(r for r in references if r in unique.values()))


def _table_facts(database: Database, table: Table, foreign: set[tuple[str, str]]) -> TableFacts:
    name = quote_identifier(table.name)
    counts = ", ".join(f"count({quote_identifier(c.name)})" for c in table.columns)
    distinct = ", ".join(f"count(DISTINCT {quote_identifier(c.name)})" for c in table.columns)
    result = database.run(f"SELECT count(*), {counts}, {distinct} FROM {name}", time_limit=30.0)
    if result.error or not result.rows:  # a broken view, a table too large to scan: nothing is asked about it
        return TableFacts(table.name, singular(table.words), plural(table.words), 0)
    rows, *numbers = result.rows[0]
    columns = []
    for place, column in enumerate(table.columns):
        is_key = (table.name.lower(), column.name.lower()) in foreign or [column.name] == list(table.primary_key)
        values = database.distinct_values(table.name, column.name, VALUES_READ) if rows else []
        facts = _column_facts(table, column, values, is_key, numbers[len(table.columns) + place], rows)
        facts.nulls = rows - numbers[place]
        columns.append(facts)
    return _with_nouns(table, rows, columns)


def _column_facts(
    table: Table, column: Column, values: Sequence[Any], is_key: bool, distinct: int, rows: int
) -> ColumnFacts:
    usable = [value for value in values if _is_usable(value)]
    kind = _kind(column, usable, is_key, distinct, rows)
    noun, unit = _noun(column.words)
    if kind in ("category", "text") and column.words in (table.words, singular(table.words)):
        kind = "name"
    facts = ColumnFacts(table.name, column.name, noun, kind, distinct=distinct, unit=unit)
    if kind != "unused":
        facts.values = tuple(sorted(usable, key=lambda value: (isinstance(value, str), value)))
    if kind in ("date", "year"):
        facts.participle = _participle(column.words)
        stem = re.sub(r" (on|at)$", "", column.words)
        if stem != column.words:
            facts.noun = f"date {facts.participle}" if facts.participle else f"{stem} date"
    facts.summable = kind == "number" and not IDENTIFIER_WORDS & set(noun.split())
    return facts


def _is_usable(value: Any) -> bool:
    if isinstance(value, bytes | bool):
        return False
    if isinstance(value, str):
        printable = value.isprintable() and value == " ".join(value.split())
        return printable and 0 < len(value) <= LONGEST_VALUE and any(c.isalnum() for c in value)
    return math.isfinite(value) and abs(value) < 1e15 and len(repr(value)) <= 16


def _kind(column: Column, values: Sequence[Any], is_key: bool, distinct: int, rows: int) -> Kind:
    words = column.words.split()
    if not values:
        return "key" if is_key else "unused"
    numeric = all(isinstance(value, int | float) for value in values)
    if is_key and (numeric or words[-1] not in NAME_WORDS):
        return "key"
    if distinct <= 2 and _are_booleans(values) and (column.type == "boolean" or _is_statement(words)):
        return "boolean"
    if words[-1] in KEY_WORDS:
        return "key"
    if KEY_WORDS & set(words) and words[0] in KEY_WORDS:
        return "unused"
    if all(_is_year(value) for value in values) and {"year", "founded", "built", "opened"} & set(words):
        return "year"
    if numeric:
        return "number"
    if any(isinstance(value, int | float) for value in values):
        return "unused"  # text and numbers in one column: comparisons would surprise
    if all(_DATE.fullmatch(value) for value in values):
        return "date"
    if sum(_looks_numeric(value) for value in values) > len(values) / 2:
        return "unused"  # numbers stored as text do not compare as numbers
    if words[-1] in NAME_WORDS:
        return "name"
    return "category" if distinct <= max(12, rows // 4) and distinct < rows else "text"


def _are_booleans(values: Sequence[Any]) -> bool:
    folded = {str(value).casefold() for value in values}
    return any(folded <= pair for pair in ({"0", "1"}, {"t", "f"}, {"y", "n"}, {"yes", "no"}, {"true", "false"}))


def is_true(value: Any) -> bool:
    """Whether a value of a yes/no column means yes."""
    return str(value).casefold() in ("1", "t", "y", "yes", "true")


def _is_statement(words: Sequence[str]) -> bool:
    return words[0] in ("is", "has") or words[0].endswith("s")


def _is_year(value: Any) -> bool:
    return bool(re.fullmatch(r"1[0-9]{3}|20[0-9]{2}", str(value)))


def _looks_numeric(value: str) -> bool:
    return bool(re.fullmatch(r"[-+$€£]?[\d.,/]+%?", value))


def _noun(words: str) -> tuple[str, str]:
    """`duration seconds` -> `duration`, `seconds`; `num pages` -> `number of pages`."""
    parts = words.replace('"', "").split() or ["value"]
    if len(parts) > 1 and parts[-1] in UNITS and parts[-2] in MEASURES:
        return " ".join(parts[:-1]), parts[-1]
    if len(parts) > 1 and parts[0] in ("num", "no", "nb"):
        return "number of " + " ".join(parts[2:] if parts[1] == "of" else parts[1:]), ""
    if len(parts) > 1 and parts[-1] in ("no", "num", "nr"):
        return " ".join([*parts[:-1], "number"]), ""
    return " ".join(parts), ""


def _participle(words: str) -> str:
    """`release date` -> `released`, `sold on` -> `sold`; empty where none is known."""
    stem = re.sub(r" (on|at|date|year|day|in)$", "", words)
    stem = re.sub(r"^(date|year) (of )?", "", stem) if stem == words else stem
    if stem in PASSIVE or stem in ACTIVE:
        return stem
    return PARTICIPLES.get(stem, "")


def _with_nouns(table: Table, rows: int, columns: list[ColumnFacts]) -> TableFacts:
    """Shorten `artist name` to `name` within artists, where no other column is then called the same."""
    noun = singular(table.words.removeprefix("tbl ").removesuffix(" table"))
    for column in columns:
        short = column.noun.removeprefix(noun + " ")
        if short != column.noun and short not in ("id", "no", "number") and not _has_noun(columns, short):
            column.noun = short
    for column in columns:
        if column.unit and sum(c.noun == column.noun for c in columns) > 1:
            column.noun, column.unit = f"{column.noun} in {column.unit}", ""
        if column.participle and column.participle[:5] == noun.split()[-1][:5] and not _has_noun(columns, "date"):
            column.noun, column.participle = "date", ""  # a repair is not "repaired on", it is "on" a date
    nouns = [column.noun for column in columns]
    for column in columns:
        if nouns.count(column.noun) > 1:
            column.kind = "unused"  # two columns that are called the same cannot be told apart in a question
    facts = TableFacts(table.name, noun, plural(noun), rows, tuple(columns))
    facts.display = _display(facts)
    facts.key = facts.column(table.primary_key[0]) if len(table.primary_key) == 1 else None
    facts.person = noun.split()[-1] in PERSONS
    return facts


def _has_noun(columns: Sequence[ColumnFacts], noun: str) -> bool:
    return any(column.noun == noun for column in columns)


def _display(table: TableFacts) -> ColumnFacts | None:
    """The name or title; a first and a last name apart are none."""
    names = table.of_kind("name")
    exact = [column for column in names if column.noun in ("name", "title", "full name")]
    return next(iter(exact or (names if len(names) == 1 else [])), None)


def _reference(child: TableFacts, parent: TableFacts, key: ForeignKey) -> Reference:
    column, target = child.column(key.columns[0]), parent.column(key.referenced_columns[0])
    words = column.noun.split()
    while len(words) > 1 and words[-1] in KEY_WORDS | {"number"}:
        words.pop()
    if len(words) > 1 and words[-1] in NAME_WORDS:
        words.pop()
    role = " ".join(words)
    if role in (child.singular, child.plural, parent.plural, *KEY_WORDS) or role in NAME_WORDS or len(role) < 3:
        role = parent.singular
    return Reference(child, column, parent, target, role)
