"""`text2sql predict`: SQL for a file of questions."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from text2sql.cli.checkpoints import add_model_arguments, decoding_options, load_generators
from text2sql.data.contents import column_values
from text2sql.data.files import read_jsonl
from text2sql.database import connect
from text2sql.decoding.generator import Request
from text2sql.decoding.prediction import Prediction
from text2sql.files import write_text
from text2sql.prompting.linking import ValueIndex, link
from text2sql.schema import Schema


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `text2sql predict`."""
    parser.add_argument(
        "--input",
        required=True,
        metavar="FILE",
        help="JSONL; each line has `question` and `schema` (CREATE TABLE text) or `database` (SQLite file)",
    )
    parser.add_argument("--output", required=True, metavar="FILE", help="JSONL with `sql` added to each line")
    parser.add_argument("--db", metavar="FILE", help="database for lines that name none")
    add_model_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read, predict, write."""
    rows = list(read_jsonl(Path(arguments.input), lambda row, number: row))
    requests = list(_requests(Path(arguments.input), arguments.db))
    generator, _ = load_generators(arguments)
    predictions = generator.predict(requests, decoding_options(arguments, generator), progress=True)
    lines = [json.dumps(_line(row, found), ensure_ascii=False) for row, found in zip(rows, predictions, strict=True)]
    write_text(Path(arguments.output), "".join(f"{line}\n" for line in lines))
    print(f"{arguments.output}: {len(lines)} predictions")
    return 0


def _requests(path: Path, default_database: str | None) -> Iterator[Request]:
    schemas: dict[str, tuple[Schema, ValueIndex | None]] = {}

    def convert(row: dict[str, Any], number: int) -> Request:
        question, ddl, database = row["question"], row.get("schema"), row.get("database") or default_database
        if not isinstance(question, str) or not question.strip():
            raise ValueError("the question is empty")
        if not ddl and not database:
            raise ValueError("give `schema` or `database`, or --db")
        key = str(database or ddl)
        if key not in schemas:
            schemas[key] = _from_database(str(database)) if database else (Schema.from_ddl(str(ddl)), None)
        schema, index = schemas[key]
        return Request(question, schema, link(question, schema, index))

    yield from read_jsonl(path, convert)


def _from_database(url: str) -> tuple[Schema, ValueIndex]:
    with connect(url) as database:
        return database.schema, ValueIndex(column_values(database, database.schema))


def _line(row: dict[str, Any], predictions: list[Prediction]) -> dict[str, Any]:
    best = predictions[0]
    line = {**row, "sql": best.sql, "log_probability": round(best.log_probability, 4)}
    if best.error is not None:
        line["error"] = best.error
    if len(predictions) > 1:
        line["alternatives"] = [p.sql for p in predictions[1:] if p.error is None]
    return line
