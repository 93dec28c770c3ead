"""Spider (Yu et al. 2018), Spider-Syn, and any set in Spider's files: questions, tables.json, SQLite databases.

Only the question, the query and the database's name are read from the questions; Spider's token lists and parses can
be made from the query. The public train queries are kept as they are, three of which do not run: `executable_only`
drops such examples, and training uses it, because what cannot be executed should not be learnt.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from text2sql.data.example import Example
from text2sql.data.files import describe, find_file, note_bad, read_json, read_jsonl, require_file
from text2sql.database import connect
from text2sql.errors import UserError
from text2sql.schema import Schema

SPLITS = {
    "train": ("train_spider", "train_others"),
    "train_spider": ("train_spider",),
    "train_others": ("train_others",),
    "dev": ("dev",),
}
"""Split name -> the official files that it is made of."""

HINT = "run ./scripts/download_data.sh spider"


def read_spider_split(directory: Path | str, split: str, skipped: list[str] | None = None) -> list[Example]:
    """One of `SPLITS` of Spider under its official folder.

    Raises UserError for an unknown split, missing files, or a damaged entry (noted in `skipped` where that is a list).
    """
    if split not in SPLITS:
        raise UserError(f"spider has no split {split!r}; it has {', '.join(SPLITS)}")
    directory = Path(directory)
    schemas = _askable_tables(require_file(directory, "tables.json", HINT))
    return [
        example
        for name in SPLITS[split]
        for example in _read_questions(
            require_file(directory, f"{name}.json", HINT), schemas, directory, f"spider/{name}", split, skipped
        )
    ]


def read_spider(
    questions_file: Path | str,
    tables_file: Path | str,
    databases_dir: Path | str,
    split: str,
    source: str,
    skipped: list[str] | None = None,
) -> list[Example]:
    """A set in Spider's form that lies anywhere, such as a user's own or a new split.

    `databases_dir` holds `<db_id>/<db_id>.sqlite`, or a folder `database` that does. Raises UserError as
    `read_spider_split` does.
    """
    schemas = _askable_tables(Path(tables_file))
    return _read_questions(Path(questions_file), schemas, Path(databases_dir), f"{source}/{split}", split, skipped)


def read_spider_syn(
    directory: Path | str, spider_directory: Path | str, split: str, skipped: list[str] | None = None
) -> list[Example]:
    """Spider-Syn's train questions (Gan et al. 2021): train_spider with schema words replaced by synonyms.

    Schemas and databases are Spider's. Raises UserError as `read_spider_split` does.
    """
    if split != "train":
        raise UserError(f"spider_syn has no split {split!r}; it has train")
    schemas = _askable_tables(require_file(Path(spider_directory), "tables.json", HINT))
    path = require_file(Path(directory), "train.jsonl", "run ./scripts/download_data.sh spider_syn_train")

    def convert(row: dict[str, Any], number: int) -> Example:
        return _example(row, "sql", schemas, Path(spider_directory), f"spider_syn/train/{number}", split)

    return list(read_jsonl(path, convert, skipped))


def read_tables(path: Path) -> dict[str, Schema]:
    """The schemas of a tables.json by database name, as the official scripts read them.

    Raises UserError when it is not in Spider's form.
    """
    entries = read_json(path)
    if not isinstance(entries, list):
        raise UserError(f"{path}: expected a list of databases in Spider's form")
    try:
        return {schema.name: schema for schema in map(Schema.from_spider, entries)}
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def database_file(directory: Path, name: str) -> Path | None:
    """The SQLite file of a database: an official one before a rebuilt one, None where there is neither."""
    folders = (directory / "database", directory, directory / "database_rebuilt")
    return next((file for folder in folders if (file := folder / name / f"{name}.sqlite").is_file()), None)


def is_rebuilt(example: Example) -> bool:
    """Whether the example's database is a rebuilt one: scores on it are reported apart."""
    return example.database is not None and Path(example.database).parent.parent.name == "database_rebuilt"


def available_splits(directory: Path | str) -> list[str]:
    """Those of `SPLITS` whose files are all in the folder."""
    return [split for split, files in SPLITS.items() if all(find_file(Path(directory), f"{f}.json") for f in files)]


def executable_only(
    examples: Iterable[Example], time_limit: float = 30.0, progress: bool = False
) -> tuple[list[Example], list[str]]:
    """The examples whose gold query runs on their database, and one message for each that does not.

    Examples without a database are kept: there is nothing to run them on. A query that needs more than `time_limit`
    seconds counts as failing.
    """
    examples = list(examples)
    queries: dict[str, dict[str, str | None]] = {}
    for example in examples:
        if example.database is not None and example.sql:
            queries.setdefault(example.database, {})[example.sql] = None
    for path, errors in tqdm(queries.items(), desc="executing gold SQL", unit="database", disable=not progress):
        with connect(path) as database:
            for sql in errors:
                errors[sql] = database.run(sql, time_limit=time_limit, row_limit=1).error
    kept, failed = [], []
    for example in examples:
        error = queries.get(example.database or "", {}).get(example.sql)
        if error is None:
            kept.append(example)
        else:
            failed.append(f"{example.id}: {error}")
    return kept, failed


def _askable_tables(path: Path) -> dict[str, Schema]:
    """`read_tables` without SQLite's own tables, for examples.

    Spider lists sqlite_sequence for three databases. No gold query reads it, and a prompt or grammar that has it only
    invites to; but the official scripts resolve its name, so scoring a file of predictions keeps it.
    """
    return {name: schema.without_internal_tables() for name, schema in read_tables(path).items()}


def _read_questions(
    path: Path, schemas: dict[str, Schema], directory: Path, prefix: str, split: str, skipped: list[str] | None
) -> list[Example]:
    rows = read_json(path)
    if not isinstance(rows, list):
        raise UserError(f"{path}: expected a list of questions in Spider's form")
    examples = []
    for position, row in enumerate(rows):
        try:
            examples.append(_example(row, "query", schemas, directory, f"{prefix}/{position}", split))
        except (KeyError, TypeError, ValueError) as error:
            note_bad(f"{path}, entry {position} (from 0): {describe(error)}", skipped, error)
    return examples


def _example(
    row: dict[str, Any], sql_field: str, schemas: dict[str, Schema], directory: Path, identity: str, split: str
) -> Example:
    question, sql, name = row["question"], row[sql_field], row["db_id"]
    if not all(isinstance(text, str) and text.strip() for text in (question, sql)):
        raise ValueError(f"question and {sql_field} must be text that is not empty")
    if name not in schemas:
        raise ValueError(f"database {name!r} is not in tables.json")
    file = database_file(directory, name)
    source = identity.split("/", 1)[0]
    return Example(identity, question.strip(), sql.strip(), schemas[name], str(file) if file else None, source, split)
