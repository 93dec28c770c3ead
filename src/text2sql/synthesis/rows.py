"""The rows that a question is about: a table under conditions, as a noun phrase and as the middle of a query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from text2sql.english import joined
from text2sql.synthesis.catalogue import Catalogue, ColumnFacts, Reference, TableFacts
from text2sql.synthesis.conditions import Condition, RoleCondition, agreement, draw_condition
from text2sql.synthesis.query import Field, Join, Query


@dataclass(frozen=True)
class Draft:
    """A question and its query before they are executed. `phrasing` names the pattern that the question came from."""

    question: str
    query: Query
    shape: str
    phrasing: int


@dataclass
class Desk:
    """What every shape works with: the database's facts and the one source of chance."""

    catalogue: Catalogue
    random: Random

    def table(self) -> TableFacts | None:
        """Any table that has rows and columns worth asking for."""
        tables = [t for t in self.catalogue.tables if t.rows and askable(t)]
        return self.random.choice(tables) if tables else None

    def reference(self) -> Reference | None:
        """Any foreign key between two different tables that have rows and columns worth asking for."""
        references = [
            r for r in self.catalogue.references if r.child is not r.parent and r.child.rows and r.parent.rows
        ]
        references = [r for r in references if askable(r.parent)]
        return self.random.choice(references) if references else None

    def references_of(self, child: TableFacts) -> list[Reference]:
        """The foreign keys of a table to other tables."""
        return [r for r in self.catalogue.references if r.child is child and r.parent is not child and r.parent.rows]


def askable(table: TableFacts) -> list[ColumnFacts]:
    """The columns that a question may ask for."""
    return table.of_kind("name", "category", "text", "number", "year", "date")


@dataclass
class Rows:
    """Rows of `table` under `conditions`; `sources[0]` is the table, the others are what it refers to."""

    table: TableFacts
    conditions: tuple[Condition, ...] = ()
    connective: str = "AND"
    sources: tuple[TableFacts, ...] = ()
    joins: tuple[Join, ...] = ()
    noun: tuple[str, str] | None = None
    """Singular and plural to speak of the rows by, where the table's own do not fit."""

    def noun_phrase(self, random: Random, many: bool) -> str:
        """`albums from 2010 with a price over 20`, in plural if `many`."""
        noun = (self.noun or (self.table.singular, self.table.plural))[many]
        rest = list(self.conditions)
        if rest and rest[0].premodifier and (len(rest) == 1 or self.connective == "AND") and random.random() < 0.4:
            noun = f"{rest.pop(0).premodifier} {noun}"
        if len(rest) < 2:
            return " ".join([noun, *(condition.modifier(random, many) for condition in rest)])
        return f"{noun} {self._modifiers(rest, random, many)}"

    def _modifiers(self, conditions: Sequence[Condition], random: Random, many: bool) -> str:
        """Several modifiers of one form, so that they can be joined by a connective."""
        glue = f" {self.connective.lower()} "
        first = conditions[0].modifier(random, many)
        for _ in range(4):
            others = [condition.modifier(random, many) for condition in conditions[1:]]
            if all(other.split()[0] == first.split()[0] for other in others):
                return glue.join([first, *others])
        return f"{agreement(many, self.table.person)['who']} {self.predicate(random, many)}"

    def fixed(self) -> list[ColumnFacts]:
        """The columns that hold one known value, which nobody asks for."""
        comparisons = [condition.comparison for condition in self.conditions if self.connective == "AND"]
        columns = [comparison.left.column for comparison in comparisons if comparison.operator in ("=", "IS NULL")]
        return [column for column in columns if column is not None]

    @property
    def single(self) -> bool:
        """Whether this is one row by its name, of which nobody asks for the first or the average."""
        return any(column.table == self.table.name and column.kind in ("name", "text") for column in self.fixed())

    def predicate(self, random: Random, many: bool) -> str:
        """`cost more than 20 and are in Berlin`."""
        return f" {self.connective.lower()} ".join(c.predicate(random, many) for c in self.conditions)

    def query(self, fields: Sequence[Field], **parts: Any) -> Query:
        """A query over these rows."""
        where = tuple(condition.comparison for condition in self.conditions)
        sources = self.sources or (self.table,)
        return Query(tuple(fields), sources, self.joins, where, self.connective, **parts)

    def slots(self, random: Random) -> dict[str, str]:
        """The slots that every frame may use."""
        return {
            "things": self.noun_phrase(random, True),
            "thing": self.noun_phrase(random, False),
            "does": self.predicate(random, True) if self.conditions else "",
            "plural": self.table.plural,
            "singular": self.table.singular,
            "who": "who" if self.table.person else "that",
            "its": "their" if self.table.person else "its",
        }


def draw_rows(desk: Desk, table: TableFacts, weights: Sequence[float] = (5, 4, 1.5)) -> Rows | None:
    """Rows of a table under none, one or two conditions, drawn with `weights`."""
    random = desk.random
    number = random.choices(range(len(weights)), weights)[0]
    conditions: list[Condition] = []
    for _ in range(number):
        condition = draw_condition(table, random, [c.comparison.left.column for c in conditions])
        if condition is None:
            return None
        conditions.append(condition)
    connective = "OR" if number > 1 and random.random() < 0.35 else "AND"
    return Rows(table, tuple(conditions), connective)


def draw_referring_rows(desk: Desk) -> Rows | None:
    """Rows under a condition on what they refer to, directly or (now and then) through a third table."""
    random, path = desk.random, []
    reference = desk.reference()
    if reference and not askable(reference.child):
        return None
    while reference is not None:
        path.append(reference)
        further = [r for r in desk.references_of(reference.parent) if r.parent not in {p.child for p in path}]
        reference = random.choice(further) if further and len(path) < 2 and random.random() < 0.35 else None
    condition = draw_condition(path[-1].parent, random) if path else None
    if condition is None:
        return None
    for reference in reversed(path):
        condition = RoleCondition(reference, condition)
    own = draw_condition(path[0].child, random) if random.random() < 0.2 else None
    conditions = (own, condition) if own else (condition,)
    sources = (path[0].child, *(step.parent for step in path))
    return Rows(path[0].child, conditions, "AND", sources, joins_along(path))


def joins_along(path: Sequence[Reference]) -> tuple[Join, ...]:
    """The joins of a child with its parent, the parent's parent, ..."""
    return tuple(Join(Field(r.column, n), Field(r.target, n + 1)) for n, r in enumerate(path))


def draw_columns(
    desk: Desk, table: TableFacts, weights: Sequence[float] = (6, 3, 1), avoid: Sequence[ColumnFacts] = ()
) -> list[ColumnFacts]:
    """One to three columns to ask for, the row's name more often than others; empty where there are too few."""
    columns = askable(table) + (table.of_kind("key")[:1] if desk.random.random() < 0.08 else [])
    columns = [column for column in columns if column not in avoid]
    number = desk.random.choices(range(1, len(weights) + 1), weights)[0]
    if table.display in columns and desk.random.random() < 0.45:
        others = [column for column in columns if column is not table.display]
        return [table.display, *desk.random.sample(others, min(number - 1, len(others)))]
    return desk.random.sample(columns, number) if len(columns) >= number else []


def column_slots(columns: Sequence[ColumnFacts], random: Random, owner: str = "") -> dict[str, str]:
    """`{c}` for one row, `{cs}` for several, `{is_c}` the verb; `owner` goes in front of each noun ("artist name")."""
    names = [owned(owner, said(column, random)) for column in columns]
    many = [owned(owner, column.plural) for column in columns]
    joint = random.choice((" and ", " and ", " and the "))
    plural_verb = len(columns) > 1 or columns[0].plural == columns[0].noun
    return {
        "c": joint.join(names) if len(names) == 2 else joined(names),
        "cs": joined(many),
        "is_c": "are" if plural_verb else "is",
    }


def owned(owner: str, noun: str) -> str:
    """`artist name`, but `maker` for a maker's maker."""
    if not owner or noun.startswith(owner) or owner.endswith(noun):
        return noun if len(noun) >= len(owner) else owner
    return f"{owner} {noun}"


def said(column: ColumnFacts, random: Random) -> str:
    """A column's noun, now and then with its unit."""
    return f"{column.noun} in {column.unit}" if column.unit and random.random() < 0.3 else column.noun
