"""Questions over schemas joined from WikiSQL's training tables: the set's own, moved, and generated ones.

WikiSQL's questions are real language over very many headers but ask one table without a name; Spider's ask several
tables of few databases. These ask several tables of many.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from random import Random

from tqdm import tqdm

from text2sql.data.example import AGGREGATES, OPERATORS, Example, LogicalForm, Value
from text2sql.data.wikisql import WikiSQLTables
from text2sql.database import SQLiteDatabase
from text2sql.schema import is_plain_name, quote_identifier
from text2sql.synthesis.generator import Pair, generate_pairs
from text2sql.synthesis.joined_schemas import JoinedSchema, Member, joined_schemas, read_member

SOURCE = "wikisql_joined"
"""`Example.source` of these questions."""

_DIFFERENT = re.compile(r"\b(different|distinct|unique)\b", re.IGNORECASE)
_COUNTING = re.compile(r"\b(how many|numbers?|count|total|amount)\b", re.IGNORECASE)
"""Of WikiSQL's questions whose query counts, those without such a word mostly ask for something else."""


def joined_examples(
    asked: Iterable[Example], tables: WikiSQLTables, folder: Path, schemas: int, pairs: int, seed: int, progress: bool
) -> list[Example]:
    """Moved questions of `asked`, and `pairs` generated ones per schema, over at most `schemas` joined schemas.

    The databases are written to `folder`, where they are not there yet. The same for a seed, whatever the order of
    `asked`. Questions are left out that another table of the schema could be meant by, or that its rows do not answer.
    """
    questions: dict[str, list[Example]] = {}
    for example in sorted(asked, key=lambda example: example.id):
        questions.setdefault(example.schema.name, []).append(example)
    read = (read_member(tables.schema(t), tables.rows(t), Random(f"{seed} {t}")) for t in sorted(questions))
    groups = joined_schemas(filter(None, read), Random(seed))
    made: list[Example] = []
    for joined in tqdm(islice(groups, schemas), desc="joined schemas", total=schemas, disable=not progress):
        with SQLiteDatabase.from_rows(joined.schema, joined.rows) as database:
            path = str(_written(database, folder))
            generated = generate_pairs(database, pairs, Random(f"{seed} {joined.schema.name}").randrange(2**32))
            moved = [pair for pair in _moved(joined, questions) if _answered(database, pair.sql)]
        made += _examples(joined, [*moved, *generated], path)
    return made


def _examples(joined: JoinedSchema, pairs: Iterable[Pair], path: str) -> Iterator[Example]:
    origins = tuple(member.origin for member in joined.members)
    for number, pair in enumerate(pairs):
        identity = f"{joined.schema.name}/{number}"
        yield Example(identity, pair.question, pair.sql, joined.schema, path, SOURCE, "train", origins=origins)


def _written(database: SQLiteDatabase, folder: Path) -> Path:
    """The database as a file, named by its contents; several processes may write it at once."""
    content = database.serialize()
    path = folder / f"{database.name}-{hashlib.sha256(content).hexdigest()[:12]}.sqlite"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=folder)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(part, path)
    return path


def _answered(database: SQLiteDatabase, sql: str) -> bool:
    rows = database.run(sql, row_limit=1).rows
    return any(value not in (None, 0) for row in rows for value in row)


def _moved(joined: JoinedSchema, questions: dict[str, list[Example]]) -> Iterator[Pair]:
    """The questions of the joined tables with their queries over the joined schema."""
    for member in joined.members:
        others = [
            {column.words for table in other.tables for column in table.columns}
            for other in joined.members
            if other is not member
        ]
        for example in questions[member.origin.name]:
            form = example.logical_form
            if form is None:
                continue
            used = {member.places[n][1].words for n in (form.select, *(column for column, _, _ in form.conditions))}
            moved = None if any(used <= other for other in others) else move(example.question, form, member)
            if moved is not None:
                yield Pair(*moved, "wikisql")


def move(question: str, form: LogicalForm, member: Member) -> tuple[str, str] | None:
    """A WikiSQL question and its query in Spider's spelling, over the tables of `member`.

    The question's values take the spelling of the cells, which SQL compares exactly. None for values that no cell
    equals, for a count that the question does not ask for, and for what the split changes: an aggregate over the table
    of different values.
    """
    aggregate, main = AGGREGATES[form.aggregate], member.tables[0].name
    counted = aggregate == "count" and not _DIFFERENT.search(question)  # Spider counts rows
    columns = [column for column, _, _ in form.conditions] + ([] if counted else [form.select])
    tables = {member.places[column][0] for column in columns} or {main}
    if (aggregate and main not in tables) or (aggregate == "count" and not _COUNTING.search(question)):
        return None
    conditions = []
    for number, operator, value in form.conditions:
        cell = _cell(member, number, OPERATORS[operator], value)
        if cell is None:
            return None
        question = re.sub(re.escape(cell), cell.replace("\\", r"\\"), question, flags=re.IGNORECASE)
        literal = cell if member.places[number][1].type == "number" else "'" + cell.replace("'", "''") + "'"
        conditions.append(f"{_column(member, number, tables)} {OPERATORS[operator]} {literal}")
    column = "*" if counted else _column(member, form.select, tables)
    selected = f"{aggregate}({'DISTINCT ' * (aggregate == 'count' and not counted)}{column})" if aggregate else column
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return question, f"SELECT {selected} FROM {_sources(member, tables)}{where}"


def _sources(member: Member, tables: set[str]) -> str:
    key = member.foreign_key
    if key is None or len(tables) == 1:
        return _spelt(next(iter(tables)))
    link = f"T1.{_spelt(key.columns[0])} = T2.{_spelt(key.referenced_columns[0])}"
    return f"{_spelt(key.table)} AS T1 JOIN {_spelt(key.referenced_table)} AS T2 ON {link}"


def _column(member: Member, number: int, tables: set[str]) -> str:
    table, column = member.places[number]
    alias = "" if len(tables) == 1 else "T1." if table == member.tables[0].name else "T2."
    return alias + _spelt(column.name)


def _cell(member: Member, number: int, operator: str, value: Value) -> str | None:
    """A value as the column has it; None where it is compared in a way that fits no cell."""
    table, column = member.places[number]
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
    if column.type == "number":
        return text if re.fullmatch(r"\d+(\.\d+)?", text) else None
    columns = next(t for t in member.tables if t.name == table).columns
    cells = (row[columns.index(column)] for row in member.rows[table])
    spelt = (cell for cell in cells if isinstance(cell, str) and cell.casefold() == text.casefold())
    return next(spelt, None) if operator == "=" else None


def _spelt(name: str) -> str:
    return name if is_plain_name(name) else quote_identifier(name)
