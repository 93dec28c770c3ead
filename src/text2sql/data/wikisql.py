"""WikiSQL (Zhong et al. 2017) in its official layout, and its logical forms as SQL text and back.

The official query is numbers: columns, an aggregate, conditions. A model should learn SQL, so `to_sql` writes the
query with the table's real header names and `to_logical_form` reads it, or a looser spelling of it, back: column by
column and value by value the same, with the value's type. Queries are scored elsewhere; nothing is executed here.

Splits are the official files, save that a twelfth of the train tables is a **holdout** that is never trained on:
the public development tables lack rows, so execution is measured there.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from text2sql.data.example import AGGREGATES, OPERATORS, Example, LogicalForm, Value
from text2sql.data.files import find_file, read_jsonl, require_file
from text2sql.errors import UserError
from text2sql.schema import Column, Schema, Table, is_plain_name, quote_identifier

TABLE_NAME = "table"
"""The one table of every WikiSQL schema: official table ids mean nothing to a reader. The id is the schema's name."""

SPLITS = ("train", "dev", "test", "holdout", "train_all")
"""`train` and `holdout` divide the official train file by table; `train_all` is the whole of it, for scoring only."""

HOLDOUT_SHARE = 12
"""One train table in so many is held out."""

HINT = "run ./scripts/download_data.sh wikisql"

_COLUMN_TYPES = {"real": "number", "text": "text"}


class WikiSQLTables:
    """The tables of one official file: schema and rows by table id.

    `split` may be any of `SPLITS`; the parts of train share its tables file. Raises UserError when the file is
    missing or a line of it is damaged (or notes the line in `skipped`).
    """

    def __init__(self, directory: Path | str, split: str, skipped: list[str] | None = None):
        self.path = require_file(Path(directory), f"{_file_of(split)}.tables.jsonl", HINT)
        self._tables = dict(read_jsonl(self.path, _read_table, skipped))

    @classmethod
    def from_file(cls, path: Path) -> WikiSQLTables:
        """The tables of a file in the official form that lies anywhere. Raises UserError as the constructor does."""
        tables = cls.__new__(cls)
        tables.path, tables._tables = path, dict(read_jsonl(path, _read_table))
        return tables

    def __len__(self) -> int:
        return len(self._tables)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __contains__(self, table_id: object) -> bool:
        return table_id in self._tables

    def schema(self, table_id: str) -> Schema:
        """The table as a schema of one table named `TABLE_NAME`; its name is the id. KeyError for an unknown id."""
        return self._tables[table_id][0]

    def rows(self, table_id: str) -> list[list[Value]]:
        """The cells, row by row in the schema's column order; empty where the set has none."""
        return self._tables[table_id][1]

    def in_holdout(self, table_id: str) -> bool:
        """Whether a train table is held out: it has rows and its id's hash says so."""
        return is_held_out(table_id) and bool(self.rows(table_id))


def is_held_out(table_id: str) -> bool:
    """Whether the id falls into the held-out twelfth, rows or none."""
    return int(hashlib.sha1(table_id.encode()).hexdigest(), 16) % HOLDOUT_SHARE == 0


def read_wikisql(
    directory: Path | str, split: str, skipped: list[str] | None = None, tables: WikiSQLTables | None = None
) -> list[Example]:
    """The questions of one of `SPLITS` under a folder in the official layout (plain or gzipped files).

    `tables` saves reading the tables twice where the caller has them. Raises UserError for an unknown split, missing
    data, or a damaged line (noted in `skipped` instead where that is a list).
    """
    path = require_file(Path(directory), f"{_file_of(split)}.jsonl", HINT)
    tables = tables or WikiSQLTables(directory, split, skipped)
    examples = read_wikisql_questions(path, tables, split, skipped)
    if split in ("train", "holdout"):
        return [e for e in examples if tables.in_holdout(e.schema.name) == (split == "holdout")]
    return examples


def read_wikisql_questions(
    path: Path, tables: WikiSQLTables, split: str, skipped: list[str] | None = None
) -> list[Example]:
    """All questions of a file in the official form, wherever it lies. Raises UserError for a damaged line."""
    name = path.name.split(".")[0]

    def convert(row: dict[str, Any], number: int) -> Example:
        table_id = row["table_id"]
        if table_id not in tables:
            raise ValueError(f"table {table_id!r} is not in {tables.path}")
        schema, form = tables.schema(table_id), _read_form(row["sql"])
        sql = to_sql(form, schema)
        # Surrounding blanks of a question say nothing; the official files have them at random.
        question = _text(row, "question").strip()
        return Example(f"wikisql/{name}/{number}", question, sql, schema, None, "wikisql", split, form)

    return list(read_jsonl(path, convert, skipped))


def available_splits(directory: Path | str) -> list[str]:
    """Those of `SPLITS` whose questions and tables are both in the folder."""
    return [
        split
        for split in SPLITS
        if all(find_file(Path(directory), f"{_file_of(split)}{end}") for end in (".jsonl", ".tables.jsonl"))
    ]


def table_schema(table_id: str, header: Sequence[str], types: Sequence[str]) -> Schema:
    """The schema of a WikiSQL table: one table, its columns named by the header.

    SQL needs names that differ, ignoring case: a repeated header gets the first free number (`drawn 2`), an empty one
    becomes `column 3`. The label is the header itself.
    """
    taken = {text.lower() for text in header}
    names: list[str] = []
    for position, text in enumerate(header):
        name = text if text.strip() else f"column {position + 1}"
        repeated = name.lower() in {earlier.lower() for earlier in names}
        if repeated or (not text.strip() and name.lower() in taken):
            number = next(n for n in range(2, len(header) + 3) if f"{name} {n}".lower() not in taken)
            name = f"{name} {number}"
        taken.add(name.lower())
        names.append(name)
    columns = tuple(
        Column(name, _COLUMN_TYPES[kind], text.strip()) for name, text, kind in zip(names, header, types, strict=True)
    )
    return Schema(table_id, (Table(TABLE_NAME, columns),))


def to_sql(form: LogicalForm, schema: Schema) -> str:
    """SQL text of a logical form: `select max(score) from "table" where "home team" = 'x' and year > 3`.

    Names are quoted where SQL needs it. `to_logical_form` gives `form` back. Raises UserError when a number in the
    form stands for nothing or a value is neither text nor a finite number.
    """
    try:
        column = _column(schema, form.select)
        aggregate = AGGREGATES[_natural(form.aggregate)]
        conditions = [
            f"{_column(schema, number)} {OPERATORS[_natural(operator)]} {_literal(value)}"
            for number, operator, value in form.conditions
        ]
    except (IndexError, ValueError, TypeError) as error:
        raise UserError(f"table {schema.name!r} has no such WikiSQL query: {form} ({error})") from error
    selected = f"{aggregate}({column})" if aggregate else column
    where = f" where {' and '.join(conditions)}" if conditions else ""
    return f"select {selected} from {quote_identifier(TABLE_NAME)}{where}"


def to_logical_form(sql: str, schema: Schema) -> LogicalForm | None:
    """The logical form of SQL text over a WikiSQL schema, or None when it is no WikiSQL query.

    Looser spellings are read too, since models write them: any case and spacing, names quoted in any dialect's way
    or bare (even those of several words), text values in double quotes, columns with the table's name before them.
    """
    try:
        return _Parser(sql, schema).query()
    except _NotWikiSQLError:
        return None


class _NotWikiSQLError(Exception):
    """The text is no query of WikiSQL's kind."""


class _Parser:
    """Reads one query from left to right; `position` is the next character to read."""

    _QUOTED = re.compile(r'"((?:[^"]|"")*)"|`((?:[^`]|``)*)`|\[([^\]]*)\]')
    _STRING = re.compile(r"'((?:[^']|'')*)'|\"((?:[^\"]|\"\")*)\"")
    _NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?(?![\w.])", re.IGNORECASE | re.ASCII)
    _AGGREGATE = re.compile(r"(max|min|count|sum|avg)\s*\(", re.IGNORECASE)
    _OPERATOR = re.compile(r"==?|>(?!=)|<(?![=>])")
    _QUALIFIER = re.compile(r'(?:table|"table"|`table`|\[table\])\s*\.', re.IGNORECASE)
    _END_OF_NAME = r"(?=\s|[()=<>!;,]|$)"

    def __init__(self, sql: str, schema: Schema):
        self.sql, self.schema, self.position = sql, schema, 0
        self.columns = schema.tables[0].columns

    def query(self) -> LogicalForm:
        self.expect(r"select\b")
        aggregate, select = self.selected()
        self.expect(r"from\b")
        self.table()
        conditions = []
        if self.accept(r"where\b"):
            conditions.append(self.condition())
            while self.accept(r"and\b"):
                conditions.append(self.condition())
        self.accept(";")
        self.expect(r"\Z")
        return LogicalForm(select, aggregate, tuple(conditions))

    def selected(self) -> tuple[int, int]:
        start = self.position
        if match := self.accept(self._AGGREGATE):
            try:
                column = self.column()
                self.expect(r"\)")
                return AGGREGATES.index(match[1].lower()), column
            except _NotWikiSQLError:  # a bare header may itself look like a call: `max (kg)`
                self.position = start
        return 0, self.column()

    def table(self) -> None:
        match = self.accept(self._QUOTED) or self.expect(r"([\w-]+)")
        name = next(group for group in match.groups() if group is not None).lower()
        official = f"table_{self.schema.name}".replace("-", "_").lower()
        if name not in (TABLE_NAME, self.schema.name.lower(), official):
            raise _NotWikiSQLError

    def condition(self) -> tuple[int, int, Value]:
        column = self.column()
        operator = OPERATORS.index(self.expect(self._OPERATOR)[0][0])
        return column, operator, self.value()

    def column(self) -> int:
        self.accept(self._QUALIFIER)
        start = self.position
        if match := self.accept(self._QUOTED):
            name = match[1].replace('""', '"') if match[1] is not None else (match[2] or match[3] or "")
            if (number := self.named(name)) is not None:
                return number
            self.position = start
        return self.bare_column()

    def named(self, name: str) -> int | None:
        """The column of that name, ignoring case and, where that finds none, the amount of blanks."""
        try:
            return self.schema.column_number(TABLE_NAME, name)
        except KeyError:
            return next((i for i, c in enumerate(self.columns) if _folded(c.name) == _folded(name)), None)

    def bare_column(self) -> int:
        """The longest column name that stands here without quotes."""
        initial = self.sql[self.position :].lstrip()[:1].lower()
        fitting = [i for i, column in enumerate(self.columns) if column.name.lstrip()[:1].lower() == initial]
        for number in sorted(fitting, key=lambda i: -len(self.columns[i].name)):
            words = r"\s+".join(map(re.escape, self.columns[number].name.split()))
            if words and self.accept(re.compile(words + self._END_OF_NAME, re.IGNORECASE)):
                return number
        raise _NotWikiSQLError

    def value(self) -> Value:
        if match := self.accept(self._STRING):
            return match[1].replace("''", "'") if match[1] is not None else match[2].replace('""', '"')
        number = self.expect(self._NUMBER)[0]
        return int(number) if re.fullmatch(r"[+-]?\d+", number) else float(number)

    def accept(self, pattern: str | re.Pattern[str]) -> re.Match[str] | None:
        """Match after blanks and move on, or stay."""
        if isinstance(pattern, str):
            pattern = re.compile(pattern, re.IGNORECASE)
        start = self.position
        while start < len(self.sql) and self.sql[start].isspace():
            start += 1
        match = pattern.match(self.sql, start)
        if match:
            self.position = match.end()
        return match

    def expect(self, pattern: str | re.Pattern[str]) -> re.Match[str]:
        match = self.accept(pattern)
        if match is None:
            raise _NotWikiSQLError
        return match


def _folded(name: str) -> str:
    return " ".join(name.lower().split())


def _column(schema: Schema, number: int) -> str:
    name = schema.tables[0].columns[_natural(number)].name
    return name if is_plain_name(name) else quote_identifier(name)


def _literal(value: Value) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"value {value!r} is neither text nor a finite number")
    return repr(value)


def _natural(number: int) -> int:
    """Python would count a negative index from the end."""
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise ValueError(f"{number!r} is no number from 0 on")
    return number


def _read_form(sql: dict[str, Any]) -> LogicalForm:
    conditions = tuple((column, operator, value) for column, operator, value in sql["conds"])
    return LogicalForm(sql["sel"], sql["agg"], conditions)


def _read_table(row: dict[str, Any], number: int) -> tuple[str, tuple[Schema, list[list[Value]]]]:
    header, rows = row["header"], row["rows"]
    if any(len(cells) != len(header) for cells in rows):
        raise ValueError(f"a row of table {row['id']!r} has not as many cells as the header ({len(header)})")
    return _text(row, "id"), (table_schema(row["id"], header, row["types"]), rows)


def _text(row: dict[str, Any], field: str) -> str:
    if not isinstance(row[field], str):
        raise ValueError(f"field {field!r} is {type(row[field]).__name__}, not text")
    return row[field]


def _file_of(split: str) -> str:
    """The official file that holds a split."""
    if split not in SPLITS:
        raise UserError(f"wikisql has no split {split!r}; it has {', '.join(SPLITS)}")
    return "train" if split in ("holdout", "train_all") else split
