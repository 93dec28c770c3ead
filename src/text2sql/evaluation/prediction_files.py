"""Files of predictions in the official forms, read and written, so that any tool's file can be scored by any other.

Spider: a gold file of lines `SQL<tab>database`, a prediction file of one SQL per line (perhaps with a tab and the
database). WikiSQL: JSONL of `{"query": {"sel", "agg", "conds"}}` or `{"error": "..."}`. Both can also be read from
our own JSONL (`prediction` or `sql`, perhaps `log_probability`), as `text2sql evaluate` and `predict` write it.

The official readers break on what they do not expect: a blank line splits a Spider file in two, a tab cuts a query.
Our writer never writes such lines, and the readers here refuse them with the number of the line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from text2sql.data.example import Example, LogicalForm
from text2sql.data.files import opened, read_jsonl
from text2sql.data.spider import database_file, read_tables
from text2sql.data.wikisql import to_logical_form, to_sql
from text2sql.errors import UserError
from text2sql.evaluation.report import Report
from text2sql.evaluation.texts import one_line
from text2sql.evaluation.wikisql import predicted_form
from text2sql.files import write_text

PLACEHOLDER = "SQL placeholder"
"""Stands for an empty prediction: a blank line would split the file. It is no SQL, so every scorer counts it wrong."""


@dataclass(frozen=True)
class Predictions:
    """One SQL text per example; WikiSQL forms and the model's log-probabilities where the file has them."""

    texts: list[str]
    forms: list[LogicalForm | None] | None = None
    log_probabilities: list[float | None] = field(default_factory=list)


def read_spider_gold(gold: Path, tables: Path, databases: Path | None) -> list[Example]:
    """The examples of a gold file; they have no questions.

    `databases` holds `<db_id>/<db_id>.sqlite`. An example whose database is not there has none, which is an error
    only when that goes for all. Raises UserError naming file and line.
    """
    schemas = read_tables(tables)
    examples = []
    for number, line in _lines(gold):
        fields = line.split("\t")
        if len(fields) != 2 or not all(part.strip() for part in fields):
            raise UserError(f"{gold}, line {number}: expected SQL, one tab, and the name of the database")
        sql, name = (part.strip() for part in fields)
        if name not in schemas:
            raise UserError(f"{gold}, line {number}: database {name!r} is not in {tables}")
        file = database_file(databases, name) if databases else None
        identity = f"{gold.stem}/{number - 1}"
        examples.append(Example(identity, "", sql, schemas[name], str(file) if file else None, "spider", gold.stem))
    if databases and all(example.database is None for example in examples):
        raise UserError(f"{databases} holds none of the databases of {gold}: expected DIR/<name>/<name>.sqlite")
    return examples


def read_spider_predictions(path: Path, examples: Sequence[Example]) -> Predictions:
    """One prediction per example, in order. Raises UserError naming file and line, also for a wrong number of them."""
    if ".jsonl" in path.suffixes:
        return _read_own(path, examples)
    texts = []
    for number, line in _lines(path):
        text, _, rest = line.partition("\t")
        name = rest.split("\t")[0].strip()
        if number <= len(examples) and name and name != examples[number - 1].schema.name:
            expected = examples[number - 1].schema.name
            raise UserError(f"{path}, line {number}: database {name!r}, but the gold line has {expected!r}")
        texts.append(text)
    _require_equal_length(path, len(texts), examples)
    return Predictions(texts, log_probabilities=[None] * len(texts))


def read_wikisql_predictions(path: Path, examples: Sequence[Example]) -> Predictions:
    """One prediction per example, in order, from the official form or ours. Raises UserError as above."""
    return _read_own(path, examples)


def _read_own(path: Path, examples: Sequence[Example]) -> Predictions:
    rows = list(read_jsonl(path, lambda row, number: _checked(row)))
    _require_equal_length(path, len(rows), examples)
    texts, forms = [], []
    for row, example in zip(rows, examples, strict=True):
        text = row.get("prediction", row.get("sql"))
        if example.logical_form is None and text is None:
            raise UserError(f"{path}: no `prediction` or `sql` for {example.id}")
        form = None
        if example.logical_form is not None:
            form = predicted_form(row) if "query" in row or text is None else to_logical_form(text, example.schema)
        texts.append(text if text is not None else _sql_of(form, example))
        forms.append(form)
    known = forms if any(example.logical_form is not None for example in examples) else None
    return Predictions(texts, known, [row.get("log_probability") for row in rows])


def _checked(row: dict[str, Any]) -> dict[str, Any]:
    if not row.keys() & {"query", "error", "prediction", "sql"}:
        raise ValueError("expected `query` or `error`, or `prediction` or `sql`")
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:  # JSON can spell half a character, which no report could hold
        raise ValueError(f"{error.object[error.start]!a} alone is no character") from error
    for key in ("prediction", "sql"):
        if not isinstance(row.get(key, ""), str):
            raise ValueError(f"`{key}` is not text")
    probability = row.get("log_probability")
    if probability is not None and not (isinstance(probability, int | float) and probability <= 1e-6):
        raise ValueError(f"`log_probability` is {probability!r}, expected a number of at most 0")
    return row


def _sql_of(form: LogicalForm | None, example: Example) -> str:
    try:
        return to_sql(form, example.schema) if form else ""
    except UserError:  # a column that the table has not: wrong, and not worth a text
        return ""


def _lines(path: Path) -> list[tuple[int, str]]:
    """Lines with their numbers from 1. Raises UserError for a blank one before the last, and for a file of nothing."""
    with opened(path) as stream:
        content = stream.read()
    try:
        lines = re.split(r"\r\n|\r|\n", content.decode("utf-8-sig").rstrip())
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            raise UserError(f"{path}, line {number}: blank; write {PLACEHOLDER!r} where there is no prediction")
    return list(enumerate((line.strip() for line in lines), start=1))


def _require_equal_length(path: Path, count: int, examples: Sequence[Example]) -> None:
    if count != len(examples):
        raise UserError(f"{path} has {count} predictions for {len(examples)} gold queries: give one for each, in order")


def write_official(report: Report, path: Path) -> list[Path]:
    """Write the predictions of a report in the set's official form, and for SQL the gold file beside them.

    Returns the files written: `path`, and `<stem>.gold<suffix>`. What a line of the official form cannot hold is
    changed as `texts.one_line` says.
    """
    if report.examples and "logical_form" in report.examples[0]:
        lines = [
            json.dumps({"query": entry["query"]} if entry.get("query") else {"error": "no query"})
            for entry in report.examples
        ]
        write_text(path, "".join(f"{line}\n" for line in lines))
        return [path]
    predictions = [one_line(entry["prediction"]) or PLACEHOLDER for entry in report.examples]
    golds = [f"{one_line(entry['gold'])}\t{entry['db_id']}" for entry in report.examples]
    gold_path = path.with_name(f"{path.stem}.gold{path.suffix}")
    write_text(path, "".join(f"{line}\n" for line in predictions))
    write_text(gold_path, "".join(f"{line}\n" for line in golds))
    return [path, gold_path]
