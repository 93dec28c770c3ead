"""`text2sql predict`: SQL for a file of questions."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import groupby
from pathlib import Path
from typing import Any

from text2sql.cli.checkpoints import add_model_arguments, decoding_options, load_generators
from text2sql.config import EvaluationConfig
from text2sql.data.contents import column_values
from text2sql.data.files import read_jsonl
from text2sql.database import connect
from text2sql.decoding.generator import Generator, Request
from text2sql.decoding.prediction import Prediction
from text2sql.files import write_text
from text2sql.pipeline.guidance import runner
from text2sql.pipeline.selection import choose
from text2sql.prompting.linking import ValueIndex, link
from text2sql.schema import Schema

BEAMS = 4
GUIDED = EvaluationConfig(semantic_guard=True, execution_guidance=True)


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
    parser.add_argument(
        "--guided",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="of several beams take the first that makes sense for the schema and, where there is a database, runs and "
        "returns something (default: yes)",
    )
    add_model_arguments(parser)
    parser.set_defaults(num_beams=BEAMS)
    parser.epilog = (
        f"{BEAMS} beams unless --num-beams says otherwise; --num-beams 1 is greedy and has nothing to choose"
    )


def run(arguments: argparse.Namespace) -> int:
    """Read, predict, write."""
    rows = list(read_jsonl(Path(arguments.input), lambda row, number: row))
    requests = list(_requests(Path(arguments.input), arguments.db))
    generator, _ = load_generators(arguments)
    predictions = generator.predict(requests, decoding_options(arguments, generator), progress=True)
    if arguments.guided and not arguments.do_sample:
        databases = [_database_of(row, arguments.db) for row in rows]
        predictions = _chosen_first(predictions, requests, databases, generator)
    lines = [json.dumps(_line(row, found), ensure_ascii=False) for row, found in zip(rows, predictions, strict=True)]
    write_text(Path(arguments.output), "".join(f"{line}\n" for line in lines))
    print(f"{arguments.output}: {len(lines)} predictions")
    return 0


def _requests(path: Path, default_database: str | None) -> Iterator[Request]:
    schemas: dict[str, tuple[Schema, ValueIndex | None]] = {}

    def convert(row: dict[str, Any], number: int) -> Request:
        question, ddl, database = row["question"], row.get("schema"), _database_of(row, default_database)
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


def _database_of(row: dict[str, Any], default_database: str | None) -> str | None:
    """The database that a line's question is asked of, its own or the default; None where there is a schema only."""
    named = row.get("database") or default_database
    return str(named) if named else None


def _chosen_first(
    predictions: list[list[Prediction]], requests: list[Request], databases: list[str | None], generator: Generator
) -> list[list[Prediction]]:
    """The predictions of each request with the one first that `choose` takes by sense and by rows."""
    by_database = sorted(range(len(requests)), key=lambda number: databases[number] or "")
    ordered = list(predictions)
    for url, numbers in groupby(by_database, key=lambda number: databases[number]):
        with connect(url) if url else nullcontext() as database:
            run = runner(database) if database is not None else None
            for number in numbers:
                canonicalizer = generator.encoder.canonicalizer(requests[number].schema)
                best = choose(predictions[number], GUIDED, canonicalizer, run)
                ordered[number] = [best, *(other for other in predictions[number] if other is not best)]
    return ordered


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
