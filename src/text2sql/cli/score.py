"""`text2sql score`: score a file of predictions without a model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from text2sql.cli.output import format_report
from text2sql.cli.scoring_options import add_scoring_arguments, json_path, scoring_options
from text2sql.data.wikisql import WikiSQLTables, read_wikisql_questions
from text2sql.errors import UserError
from text2sql.evaluation.prediction_files import (
    read_spider_gold,
    read_spider_predictions,
    read_wikisql_predictions,
)
from text2sql.evaluation.provenance import provenance
from text2sql.evaluation.report import Report
from text2sql.evaluation.scoring import score
from text2sql.files import file_sha256

EPILOG = """examples:
  text2sql score --dataset spider --gold dev_gold.sql --predictions predicted.sql --tables tables.json \\
      --databases database --output report.json
  text2sql score --dataset wikisql --gold dev.jsonl --tables dev.tables.jsonl --predictions predicted.jsonl"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `text2sql score`."""
    parser.add_argument("--dataset", required=True, choices=("spider", "wikisql"), help="whose files and metrics")
    parser.add_argument(
        "--gold", required=True, metavar="FILE", help="spider: lines of SQL, tab, database; wikisql: questions, JSONL"
    )
    parser.add_argument(
        "--predictions", required=True, metavar="FILE", help="spider: one SQL per line; wikisql: JSONL; or our JSONL"
    )
    parser.add_argument("--tables", required=True, metavar="FILE", help="spider: tables.json; wikisql: tables, JSONL")
    parser.add_argument("--databases", metavar="DIR", help="spider: folder of <name>/<name>.sqlite (else no execution)")
    parser.add_argument("--seed", type=int, default=0, help="seeds the variants of --fuzz")
    add_scoring_arguments(parser)
    parser.epilog = EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Score, print the metrics, write the report."""
    output = json_path(arguments.output)
    options = scoring_options(arguments)
    files = {name: Path(getattr(arguments, name)) for name in ("gold", "predictions", "tables")}
    if arguments.dataset == "spider":
        databases = Path(arguments.databases) if arguments.databases else None
        if databases and not databases.is_dir():
            raise UserError(f"--databases {databases} is no folder")
        examples = read_spider_gold(files["gold"], files["tables"], databases)
        found = read_spider_predictions(files["predictions"], examples)
        report = score(examples, found.texts, options, log_probabilities=found.log_probabilities)
        failed = [entry for entry in report.examples if entry.get("gold_failed")]
        if failed:
            print(
                f"text2sql: {len(failed)} gold queries failed and count as wrong; {failed[0]['id']}: "
                f"{failed[0]['reason']}",
                file=sys.stderr,
            )
        missing = sorted({e.schema.name for e in examples if databases and e.database is None})
        if missing:
            print(f"text2sql: not executed, no database file: {', '.join(missing)}", file=sys.stderr)
            report.settings["databases_missing"] = missing
    else:
        tables = WikiSQLTables.from_file(files["tables"])
        examples = read_wikisql_questions(files["gold"], tables, files["gold"].name.split(".")[0])
        found = read_wikisql_predictions(files["predictions"], examples)
        report = score(
            examples, found.texts, options, lambda e: tables.rows(e.schema.name), found.forms, found.log_probabilities
        )
    _note_settings(report, arguments, files, provenance(examples))
    print(format_report(report))
    if output:
        report.save(output)
    return 0


def _note_settings(
    report: Report, arguments: argparse.Namespace, files: dict[str, Path], known: dict[str, object]
) -> None:
    report.settings |= known
    for name, path in files.items():
        report.settings |= {name: str(path), f"{name}_sha256": file_sha256(path)}
    options = ("databases", "keep_distinct", "fuzz", "seed", "time_limit")
    report.settings |= {name: getattr(arguments, name) for name in options}
