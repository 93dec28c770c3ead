"""Schemas of several tables put together from WikiSQL's tables, which come one by one and without a name.

A table is named after what its rows are, as its header tells it: a column that differs in every row (`player`), or a
column that only one kind of row has (`opponent`: a game). A column whose texts repeat becomes a table of its own with
the columns that it determines, linked by a foreign key, so that questions about both need a join.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from text2sql.data.example import Value
from text2sql.english import PERSONS, singular, words
from text2sql.schema import Column, ForeignKey, Schema, Table
from text2sql.synthesis.vocabulary import NAME_WORDS

FEWEST_ROWS = 4
"""Tables with fewer rows say too little about their columns."""
SIZES = (2, 3, 4, 5)
"""WikiSQL tables in one schema."""
SPLIT_SHARE = 0.9
"""Share of the tables with a column that repeats that are split in two."""
NUMBERED_SHARE = 0.6
"""Share of the tables whose rows are numbered by a key; others are identified by what names their rows, if by one."""

_ROW_NOUNS = (
    ("method", "fight"), ("surface", "final"), ("opponent", "game"), ("opponents", "final"), ("home team", "fixture"),
    ("visitor", "game"), ("directed by", "episode"), ("air date", "episode"), ("original air date", "episode"),
    ("pole position", "race"), ("winning driver", "race"), ("jockey", "race"), ("incumbent", "election"),
    ("hull number", "ship"), ("call sign", "station"),
)  # fmt: skip
"""Columns that only one kind of row has."""
_THINGS = words(
    """aircraft airline airport album area athlete award band battle bike book bridge building category champion
    championship channel chassis church circuit city class club college community company competition conference
    constellation constituency constructor country county couple couples course crew currency dance department
    destination discipline disease district division dog edition election engine entrant episode event festival film
    game genre hospital hotel incumbent institution island jockey judge label lake language league locomotive
    magazine make manager manufacturer mission model mountain movie municipality museum nation nationality network
    newspaper nickname nominee office operator organization park party pick pilot planet platform police
    product program project province publisher race railway region rider river road rocket role round route rower
    school season series service settlement shooter ship single song species sport stadium stage state station
    status street studio system team theater tournament town township train trophy university venue version
    village vehicle wrestler cyclist goalkeeper celebrity builder designer composer lyricist producer owner
    runner skip swimmer scorer president ambassador governor"""
)
"""What a table may be about, beside persons; none of them is a word of SQL."""
_REPEATED_NOUNS = {"directed by": "director", "written by": "writer", "location": "place", "position": "position"}
"""Columns that are split off beside things, or are not called what their table is."""


@dataclass(frozen=True)
class Member:
    """One WikiSQL table in a joined schema: the table of its rows and perhaps the one split off.

    `places` gives the (table, column) of each of the WikiSQL table's columns; `rows` go by table name.
    """

    origin: Schema
    tables: tuple[Table, ...]
    foreign_key: ForeignKey | None
    places: tuple[tuple[str, Column], ...]
    rows: dict[str, list[list[Value | None]]]

    @property
    def nouns(self) -> frozenset[str]:
        """The names of its tables."""
        return frozenset(table.name for table in self.tables)


@dataclass(frozen=True)
class JoinedSchema:
    """Members whose tables all have different names."""

    schema: Schema
    members: tuple[Member, ...]

    @property
    def rows(self) -> dict[str, list[list[Value | None]]]:
        """The rows of all tables."""
        return {name: rows for member in self.members for name, rows in member.rows.items()}


def joined_schemas(members: Iterable[Member], random: Random) -> Iterator[JoinedSchema]:
    """Groups of members in an order that `random` draws, until all that are left have one name."""
    waiting = list(members)
    random.shuffle(waiting)
    number = 0
    while group := _group(waiting, random.choice(SIZES)):
        tables = tuple(table for member in group for table in member.tables)
        keys = tuple(member.foreign_key for member in group if member.foreign_key)
        yield JoinedSchema(Schema(f"wikisql_joined_{number}", tables, keys), tuple(group))
        number += 1


def _group(waiting: list[Member], size: int) -> list[Member]:
    """The last members with different names, at most `size`, taken out of `waiting`; none where all are alike."""
    chosen: list[int] = []
    nouns: set[str] = set()
    for place in range(len(waiting) - 1, -1, -1):
        if not nouns & waiting[place].nouns:
            chosen.append(place)
            nouns |= waiting[place].nouns
            if len(chosen) == size:
                break
    return [waiting.pop(place) for place in chosen] if len(chosen) >= min(SIZES) else []


def read_member(origin: Schema, rows: Sequence[Sequence[Value]], random: Random) -> Member | None:
    """A WikiSQL table as a member; None where its header does not say what its rows are, or has no plain names."""
    columns = [Column(_name(text), c.type, text) for c in origin.tables[0].columns if (text := _header(c))]
    names = {column.name for column in columns}
    if len(rows) < FEWEST_ROWS or len(names) < len(origin.tables[0].columns):
        return None
    cells: list[list[Value | None]] = [[_cell(value) for value in row] for row in rows]
    identifier = _identifier(columns, cells)
    noun = _row_noun(columns, identifier)
    if noun is None or f"{_name(noun)}_id" in names:
        return None
    split = _repeated(columns, cells, noun, names) if random.random() < SPLIT_SHARE else None
    numbered = random.random() < NUMBERED_SHARE
    if split is None:
        return _whole(origin, noun, columns, cells, identifier, numbered)
    return _split(origin, noun, columns, cells, numbered, *split)


def _whole(
    origin: Schema,
    noun: str,
    columns: Sequence[Column],
    cells: list[list[Value | None]],
    identifier: int | None,
    numbered: bool,
) -> Member:
    places = tuple((_name(noun), column) for column in columns)
    key = (columns[identifier].name,) if identifier is not None else ()
    table = Table(_name(noun), tuple(columns), key, noun)
    if numbered:
        table, cells = _numbered(noun, columns, cells)
    return Member(origin, (table,), None, places, {table.name: cells})


def _split(
    origin: Schema,
    noun: str,
    columns: Sequence[Column],
    cells: list[list[Value | None]],
    numbered: bool,
    parent_noun: str,
    moved: Sequence[int],
) -> Member:
    """The columns `moved`, the first of which determines the others, in a table of their own."""
    facts = dict.fromkeys(tuple(row[column] for column in moved) for row in cells)
    numbers = {row[0]: number for number, row in enumerate(facts, start=1)}
    if columns[moved[0]].words != parent_noun and not any(columns[column].name == "name" for column in moved):
        columns = [Column("name", c.type, "name") if n == moved[0] else c for n, c in enumerate(columns)]
    parent, parent_rows = _numbered(parent_noun, [columns[column] for column in moved], [list(row) for row in facts])
    stay = [column for column in range(len(columns)) if column not in moved]
    link = Column(f"{parent.name}_id", "number", f"{parent_noun} id")
    child_columns = [*(columns[column] for column in stay), link]
    child_rows: list[list[Value | None]] = [
        [*(row[column] for column in stay), numbers[row[moved[0]]]] for row in cells
    ]
    child = Table(_name(noun), tuple(child_columns), (), noun)
    if numbered:
        child, child_rows = _numbered(noun, child_columns, child_rows)
    places = tuple(((parent if n in moved else child).name, column) for n, column in enumerate(columns))
    key = ForeignKey(child.name, (link.name,), parent.name, (link.name,))
    return Member(origin, (child, parent), key, places, {parent.name: parent_rows, child.name: child_rows})


def _numbered(
    noun: str, columns: Sequence[Column], rows: Sequence[list[Value | None]]
) -> tuple[Table, list[list[Value | None]]]:
    """A table of rows numbered by a key of its own."""
    name = f"{_name(noun)}_id"
    key = Column(name, "number", f"{noun} id")
    return Table(_name(noun), (key, *columns), (name,), noun), [[n, *row] for n, row in enumerate(rows, start=1)]


def _name(noun: str) -> str:
    return noun.replace(" ", "_")


def _header(column: Column) -> str | None:
    """The header in plain words, or None for one that makes no name."""
    text = re.sub(r"\bno\.|#", " number ", column.words.lower()).replace("'", "")
    plain = " ".join(re.sub(r"[^a-z0-9]+", " ", text).split())
    return plain if re.fullmatch(r"[a-z][a-z0-9 ]{1,38}", plain) else None


def _cell(value: Value) -> Value | None:
    """NULL for a text that says nothing."""
    if isinstance(value, str):
        return value.strip() if any(character.isalnum() for character in value) else None
    return value


def _identifier(columns: Sequence[Column], cells: Sequence[Sequence[Value | None]]) -> int | None:
    """The first column that names something and differs in every row."""
    for number, column in enumerate(columns):
        values = {row[number] for row in cells}
        if _thing(column.words) and None not in values and len(values) == len(cells):
            return number
    return None


def _row_noun(columns: Sequence[Column], identifier: int | None) -> str | None:
    """What one row is."""
    header = {column.words for column in columns}
    for telling, noun in _ROW_NOUNS:
        if telling in header:
            return noun
    return _thing(columns[identifier].words) if identifier is not None else None


def _thing(header: str) -> str | None:
    """`song` for the header `song title`; None for what is no thing or person that a table could be about."""
    parts = header.split()
    if len(parts) > 1 and parts[-1] in NAME_WORDS:
        parts.pop()
    noun = singular(" ".join(parts))
    return noun if len(parts) < 3 and noun.split()[-1] in _THINGS | PERSONS else None


def _repeated(
    columns: Sequence[Column], cells: Sequence[Sequence[Value | None]], noun: str, names: set[str]
) -> tuple[str, list[int]] | None:
    """A table to split off: its noun, and the column that repeats followed by those that it determines."""
    for number, column in enumerate(columns):
        parent = _REPEATED_NOUNS.get(column.words) or _thing(column.words)
        values = [row[number] for row in cells]
        different = len(set(values))
        if column.type != "text" or parent is None or parent == noun or f"{_name(parent)}_id" in names:
            continue
        if None not in values and 2 <= different <= 0.7 * len(values) and len(values) - different > 2:
            stay = len(columns) - 2
            determined = [n for n in range(len(columns)) if n != number and _determines(cells, number, n, different)]
            return parent, [number, *determined[:stay]]
    return None


def _determines(cells: Sequence[Sequence[Value | None]], column: int, other: int, different: int) -> bool:
    """Whether equal cells of `column` have equal cells of `other`, which varies enough for that to be no chance."""
    pairs = {(row[column], row[other]) for row in cells}
    return len(pairs) == different and len({value for _, value in pairs}) > max(1, different // 2)
