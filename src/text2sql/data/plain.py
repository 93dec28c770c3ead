"""Plain question/SQL/schema rows: JSONL, JSON lists and CSV files, Hugging Face data sets, the other_text2sql sets.

A row needs a question, its SQL (null or empty: no query answers it) and the schema as CREATE TABLE text. The field
names of sql-create-context (`question`, `answer`, `context`) and of gretel's sets (`sql_prompt`, `sql`,
`sql_context`) are understood too. Optional fields: `id`, `db_id`, `split`, `database` (path of a SQLite file,
relative to the data file). A row with `set` (`wikisql`, `spider`, `spider_syn`) is about the database `db_id` of that
set's `split`, and takes its schema and contents from there (`text2sql data practise` writes such rows). Nothing is
executed.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from text2sql.data.example import Example
from text2sql.data.files import describe, find_file, note_bad, opened, read_json, read_jsonl
from text2sql.data.wikisql import to_logical_form
from text2sql.errors import UserError
from text2sql.schema import Schema

FIELDS = {
    "question": ("question", "sql_prompt"),
    "sql": ("sql", "answer", "query"),
    "schema": ("schema", "context", "sql_context"),
}
"""What we call a field -> the names it may have; the first one present counts."""

SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".json.gz", ".csv", ".csv.gz")

ALL = "all"
"""The split that takes every row, whatever the rows say of splits."""

FindDatabase = Callable[[str, str, str], Example]
"""(set, split, name of a database of it) -> an example about that database. Raises ValueError where there is none."""

OTHER_HINT = "run ./scripts/download_data.sh other_text2sql"


def read_plain(
    path: Path | str, split: str = ALL, skipped: list[str] | None = None, find_database: FindDatabase | None = None
) -> list[Example]:
    """The rows of a file in one of `SUFFIXES`.

    Rows that name a split are filtered by it, unless it is `all`; rows that name none belong to every split. Rows
    about a database of another set find it by `find_database`. Raises UserError for a missing or unknown file, a
    damaged or incomplete row (noted in `skipped` where that is a list), or a split that no row has.
    """
    path = Path(path)
    builder = _ExampleBuilder(path.name, path.parent, find_database=find_database)
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        found = list(read_jsonl(path, builder.build, skipped))
    elif path.name.endswith((".json", ".json.gz")):
        found = _convert(builder, path, "entry", enumerate(_json_rows(path)), skipped)
    elif path.name.endswith((".csv", ".csv.gz")):
        found = _convert(builder, path, "line", _csv_rows(path), skipped)
    else:
        raise UserError(f"{path}: not a data file this program reads; it reads {', '.join(SUFFIXES)}")
    return _of_split(found, split, str(path))


def read_hub(name: str, split: str, skipped: list[str] | None = None) -> list[Example]:
    """A data set of the Hugging Face hub (`b-mc2/sql-create-context`), or a folder that `datasets` can load.

    Raises UserError when it cannot be loaded or its fields are not those of `FIELDS`.
    """
    import datasets  # here, because it takes seconds and few need it

    try:
        rows = datasets.load_dataset(name, split="train" if split == ALL else split)
    except Exception as error:  # the library raises dozens of kinds, network ones among them
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"data set {name!r} could not be loaded by `datasets` ({reason})") from error
    builder = _ExampleBuilder(name, None)
    found = _convert(builder, Path(name), "row", enumerate(rows), skipped)
    return [replace(example, split=split) for example, _ in found]


def other_names(directory: Path | str) -> list[str]:
    """The sets of the folder other_text2sql that are there."""
    return sorted(path.name.removesuffix(".gz").removesuffix(".jsonl") for path in Path(directory).glob("*.jsonl*"))


def read_other(directory: Path | str, name: str | None, split: str, skipped: list[str] | None = None) -> list[Example]:
    """One set of the folder other_text2sql, or all of them for None.

    Splits are those that the rows name ("train", "dev", folds "0"..."9", ...), and `all`. A question that no query
    answers comes without a schema there; it gets that of its database, which a neighbouring file describes.
    """
    directory = Path(directory)
    names = other_names(directory) if name is None else [name]
    if not names:
        raise UserError(f"{directory} holds no sets: {OTHER_HINT}")
    found: list[tuple[Example, str | None]] = []
    for stem in names:
        path = find_file(directory, f"{stem}.jsonl")
        if path is None:
            known = ", ".join(other_names(directory)) or f"none; {OTHER_HINT}"
            raise UserError(f"other_text2sql has no set {stem!r}; there are: {known}")
        neighbour = find_file(directory, f"{stem.removesuffix('_unanswerable')}.jsonl")
        schemas = _schemas_by_database(neighbour) if neighbour and stem.endswith("_unanswerable") else {}
        builder = _ExampleBuilder(f"other_text2sql/{stem}", directory, schemas)
        found += read_jsonl(path, builder.build, skipped)
    return _of_split(found, split, f"other_text2sql/{name}" if name else "other_text2sql")


class _ExampleBuilder:
    """Makes examples of rows; keeps what they share."""

    def __init__(
        self,
        source: str,
        directory: Path | None,
        schemas: Mapping[str, str] | None = None,
        find_database: FindDatabase | None = None,
    ):
        self.source, self.directory, self.schemas = source, directory, schemas or {}
        self.find_database = find_database

    def build(self, row: Mapping[str, Any], number: int) -> tuple[Example, str | None]:
        """The example, whose `split` is still open, and the split that the row names."""
        if None in row:  # where csv puts surplus cells
            raise ValueError("more cells than columns; put fields that hold commas in quotes")
        question, sql = _field(row, "question"), _field(row, "sql")
        if not isinstance(question, str) or not question.strip():
            raise ValueError("the question must be text that is not empty")
        if not isinstance(sql, str | None):
            raise ValueError(f"the SQL must be text or null, not {type(sql).__name__}")
        sql = (sql or "").strip()
        identity = f"{self.source}/{row.get('id') or number}"
        own_split = None if row.get("split") in (None, "") else str(row["split"])
        if row.get("set") and self.find_database:
            neighbour = self.find_database(str(row["set"]), own_split or "train", str(row["db_id"]))
            return _beside(neighbour, identity, question.strip(), sql), own_split
        name = str(row.get("db_id") or "database")
        schema = self._schema(row, name, answerable=bool(sql))
        database = self._database(row, name)
        return Example(identity, question.strip(), sql, schema, database, self.source, ""), own_split

    def _schema(self, row: Mapping[str, Any], name: str, answerable: bool) -> Schema:
        if not answerable and not any(row.get(field) for field in FIELDS["schema"]):
            return _schema_of(self.schemas[name], name) if name in self.schemas else Schema(name, ())
        ddl = _field(row, "schema")
        if not isinstance(ddl, str):
            raise ValueError(f"the schema must be CREATE TABLE text, not {type(ddl).__name__}")
        return _schema_of(ddl, name)

    def _database(self, row: Mapping[str, Any], name: str) -> str | None:
        if self.directory is None:
            return None
        if row.get("database"):
            path = self.directory / str(row["database"])
            if not path.is_file():
                raise ValueError(f"database {path} not found")
            return str(path)
        path = self.directory / f"{name}.sqlite"
        return str(path) if path.is_file() else None


def _beside(neighbour: Example, identity: str, question: str, sql: str) -> Example:
    """Another question about the database of `neighbour`, as an example of its set."""
    form = neighbour.logical_form and to_logical_form(sql, neighbour.schema)
    if neighbour.logical_form and not form:
        raise ValueError(f"the SQL is no WikiSQL query: {sql}")
    return replace(neighbour, id=identity, question=question, sql=sql, logical_form=form)


@lru_cache(maxsize=4096)
def _schema_of(ddl: str, name: str) -> Schema:
    return Schema.from_ddl(ddl, name)


def _field(row: Mapping[str, Any], meaning: str) -> Any:
    for name in FIELDS[meaning]:
        if name in row:
            return row[name]
    raise ValueError(f"no field for the {meaning}: expected {' or '.join(FIELDS[meaning])}, got {', '.join(row)}")


def _convert(
    builder: _ExampleBuilder, path: Path, unit: str, rows: Iterable[tuple[int, Any]], skipped: list[str] | None
) -> list[tuple[Example, str | None]]:
    found = []
    for number, row in rows:
        try:
            if not isinstance(row, Mapping):
                raise ValueError(f"expected an object with fields, got {type(row).__name__}")
            found.append(builder.build(row, number))
        except (KeyError, TypeError, ValueError, UserError) as error:
            note_bad(f"{path}, {unit} {number}: {describe(error)}", skipped, error)
    return found


def _json_rows(path: Path) -> list[Any]:
    rows = read_json(path)
    if not isinstance(rows, list):
        raise UserError(f"{path}: expected a list of rows; one object a line belongs in a .jsonl file")
    return rows


def _csv_rows(path: Path) -> Iterable[tuple[int, dict[str, Any]]]:
    with opened(path) as stream:
        lines = csv.DictReader(io.TextIOWrapper(stream, encoding="utf-8-sig", newline=""))
        try:
            for row in lines:
                # A short row has None for what it lacks, which must not read as "no SQL".
                yield lines.line_num, {name: cell for name, cell in row.items() if cell is not None}
        except (csv.Error, UnicodeDecodeError) as error:
            raise UserError(f"{path}, after line {lines.line_num}: not valid CSV in UTF-8 ({error})") from error


def _of_split(found: list[tuple[Example, str | None]], split: str, where: str) -> list[Example]:
    """The examples of a split, with the split's name put in."""
    known = sorted({own for _, own in found if own is not None}, key=_natural_order)
    chosen = [example for example, own in found if split == ALL or own in (None, split)]
    if found and not chosen:
        raise UserError(f"{where} has no split {split!r}; it has {', '.join(known)} and {ALL!r}")
    return [replace(example, split=split) for example in chosen]


def _natural_order(text: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", text)]


def _schemas_by_database(path: Path) -> dict[str, str]:
    rows = read_jsonl(path, lambda row, number: (row["db_id"], row["schema"]))
    return dict(rows)
